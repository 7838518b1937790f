"""An encryption profile: everything that must be equal for a circuit to run on a dataset's ciphertexts.

It belongs to the dataset, not to a model. Names of parameters follow TFHE: an LWE key of `lwe_dimension` bits, a GLWE
key of `glwe_dimension` polynomials of `polynomial_size` coefficients, all ciphertext words modulo 2^64.
"""

from __future__ import annotations

from typing import Literal

from app.protocol.documents import Document
from app.protocol.vocabulary import EvaluatorName

EVALUATOR: EvaluatorName = "darkroom-canonical-2"  # of tables published now; a change of one output bit is a new name


class Gadget(Document):
    """A decomposition into `levels` signed digits of `base_log` bits, from the most significant bit down."""

    base_log: int
    levels: int


class EncryptionProfile(Document):
    """Frozen parameters, encodings and versions; its digest is what manifests, circuits and receipts name."""

    kind: Literal["darkroom/profile"] = "darkroom/profile"
    name: str
    lwe_dimension: int
    glwe_dimension: Literal[1] = 1
    polynomial_size: int
    bootstrap: Gadget
    keyswitch: Gadget
    lwe_variance: float  # of the LWE key's encryptions, relative to 2^128 (torus variance)
    glwe_variance: float  # of the GLWE key's encryptions, torus variance
    message_width: int = 27  # bits of a packed value under its padding bit
    lookup_width: int = 3  # bits of a lookup's input under its padding bit
    security_bits: int = 128
    p_error_log2: int = -128
    mask: Literal["aes128-le-counter"] = "aes128-le-counter"
    evaluator: Literal["darkroom-canonical-1"] = (
        "darkroom-canonical-1"  # the first that runs on it; tables may say a later
    )
    optimizer: str  # who chose the parameters, with its version

    @property
    def packed_shift(self) -> int:
        """log2 of the scale of a packed value: its lowest bit sits at this bit of a word."""
        return 63 - self.message_width
