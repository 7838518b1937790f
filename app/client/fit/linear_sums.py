"""A circuit of one linear layer that sums published values as they are, with a mix of what is released of the sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from app.protocol.data.dataset import Codebook
from fhe.circuit.circuit import Circuit, Input, Linear, Mix, Readout
from fhe.compile.check import check
from fhe.compile.sums import sum_circuit
from fhe.profile import EncryptionProfile

Weights = Mapping[Input, int]  # on the sums of published values


def sums_of(released: Mapping[str, Weights], codebook: Codebook, profile: EncryptionProfile) -> Circuit:
    """The circuit that releases these integer combinations of sums of published values, each by its name.

    Errors: BadModel for a value that is not published; TooLarge for a document over its limit.
    """
    wires = sorted({wire for weights in released.values() for wire in weights}, key=_order)
    places = {wire: place for place, wire in enumerate(wires)}
    each = np.arange(len(wires))
    layer = Linear(profile.message_width, np.arange(len(wires) + 1), each, np.ones_like(each), np.zeros_like(each))
    names = tuple(f"s{place}" for place in each)
    plain = Circuit(profile.digest, codebook.digest, tuple(wires), (layer,), names, Readout("value"))
    summed = sum_circuit(plain, codebook, profile)
    mix = Mix.of({name: {places[wire]: w for wire, w in weights.items()} for name, weights in released.items()})
    circuit = replace(summed, mix=mix)
    check(circuit, codebook, profile)
    return circuit


def _order(wire: Input) -> tuple[str, str, int]:
    return wire.column, wire.encoding, wire.index
