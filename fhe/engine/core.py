"""The seam between a job and whatever computes bootstraps: NumPy, the native core, a GPU. All give the same bytes."""

from __future__ import annotations

from typing import Literal, Protocol

from app.protocol.errors import BadInput
from fhe.arrays import I64, U64
from fhe.engine.transform import MAX_SIZE, MIN_SIZE
from fhe.profile import EncryptionProfile, Gadget

BackendName = Literal["auto", "cpu", "reference", "native", "cuda"]

MAX_DIGIT_BITS = 31


class Core(Protocol):
    """Keyswitch, bootstrap and packing under one evaluation key; every batch split gives the same bytes.

    A core keeps the key's arrays but not the `EvaluationKey` itself, so that prepared keys end with their key.
    """

    @property
    def name(self) -> str:
        """Which implementation this is, for people."""

    @property
    def batch(self) -> int:
        """About how many lookups it likes to be given at once."""

    def keyswitch(self, lwe: U64) -> U64:
        """LWE ciphertexts (batch, N + 1) under the GLWE key -> (batch, n + 1) under the LWE key."""

    def bootstrap(self, small: U64, polynomials: U64, which: I64, *, centred: bool = False, bodies: int = 1) -> U64:
        """(batch, n + 1) -> (batch, N + bodies): ciphertext b through test polynomial `polynomials[which[b]]`.

        `polynomials` are (tables, N), or encrypted ones (tables, 2, N): mask, body.

        `centred`: with the centred modulus switch (`fhe.engine.gadget.centre`). After the mask of coefficient 0 come
        `bodies` coefficients of the body, N / bodies apart, from coefficient 0 on; `bodies` divides N.
        """

    def pack(self, lwe: U64) -> U64:
        """At most N ciphertexts (count, N + 1) -> one RLWE ciphertext (2, N). Needs a packing key."""

    def pack_tables(self, lwe: U64) -> U64:
        """Entries (batch, E, N + 1) -> encrypted test polynomials (batch, 2, N) of these tables (section 15).

        E is a power of two. Needs a packing key.
        """


def check_parameters(profile: EncryptionProfile) -> None:
    """`BadInput` for parameters that the canonical evaluator does not define."""
    size = profile.polynomial_size
    if not MIN_SIZE <= size <= MAX_SIZE or size & size - 1:
        raise BadInput(f"Polynomials of {size} coefficients have no canonical transform.", "Use a reference profile.")
    for name, gadget in (("bootstrap", profile.bootstrap), ("keyswitch", profile.keyswitch)):
        if not _fits(gadget):
            raise BadInput(f"The {name} gadget of this profile does not fit 63 bits.", "Use a reference profile.")


def _fits(gadget: Gadget) -> bool:
    return 0 < gadget.base_log <= MAX_DIGIT_BITS and gadget.levels > 0 and gadget.base_log * gadget.levels <= 63
