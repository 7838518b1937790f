"""What compiling a model gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fhe.circuit.circuit import Circuit
from fhe.compile.check import Report
from fhe.compile.decoder import Decoder, Labels, Link
from fhe.compile.faithful import Faithfulness

__all__ = ["Compiled", "Decoder", "Faithfulness", "Labels", "Link", "Report"]


@dataclass(frozen=True, eq=False)
class Compiled:
    """A circuit for the provider, a decoder for the buyer, and what the static checks found.

    `model` is the Concrete ML model whose clear quantized inference the circuit equals on every row: the buyer's own,
    or its import with the codebook's identity quantization when the buyer's was quantized otherwise (with
    classes numbered from 0 where labels are not integers). It stays with the buyer and is never serialized.
    """

    circuit: Circuit
    decoder: Decoder
    report: Report
    model: Any
    faithfulness: Faithfulness | None = None
