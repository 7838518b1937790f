"""The frozen reference profiles: what Concrete's optimizer chose, written down once and checked against it by a test.

Both serve 3-bit lookups on 27-bit packed values at 128 bits of security and a failure probability of 2^-128. They
differ in the bootstrap's gadget, as the optimizer does when the outputs are read more finely:

- `REFERENCE` (two levels of 15 bits) leaves noise of about 2^40 after a bootstrap, so that sums over many lookups can
  be read at 12 to 14 bits. It is what a dataset gets unless its owner says otherwise.
- `ONE_LEVEL` (one level of 23 bits) leaves about 2^48: enough for one lookup read at 8 bits, at two thirds of the work.

`Program` is the smallest function for which the optimizer makes that choice; `fhe.keys.secret_keys` compiles it to make
keys and refuses to go on when a later Concrete chooses differently.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.protocol.errors import BadDocument
from fhe.profile import EncryptionProfile, Gadget


@dataclass(frozen=True)
class Program:
    """sum over `terms` elements of table[x]: the function that stands for a profile when Concrete is asked."""

    table: tuple[int, ...]  # indexed by a value of `lookup_width` bits
    terms: int  # 1 means the plain lookup


REFERENCE = EncryptionProfile(
    name="reference-2",
    lwe_dimension=763,
    polynomial_size=2048,
    bootstrap=Gadget(base_log=15, levels=2),
    keyswitch=Gadget(base_log=3, levels=5),
    lwe_variance=6.407615038933382e-11,
    glwe_variance=8.442253112932959e-31,
    optimizer="concrete-python 2.10.0",
)

ONE_LEVEL = REFERENCE.model_copy(update={"name": "reference-1", "bootstrap": Gadget(base_log=23, levels=1)})

PROFILES = (REFERENCE, ONE_LEVEL)

# Two levels: eight 10-bit lookups summed and read at 13 bits. One level: a 5-bit lookup read as it is.
PROGRAMS = {
    REFERENCE.name: Program((0, 0, 0, 0, 0, 0, 0, 1023), 8),
    ONE_LEVEL.name: Program((0, 5, 10, 15, 20, 25, 30, 31), 1),
}


def find(digest: str, extra: Iterable[EncryptionProfile] = ()) -> EncryptionProfile:
    """The profile of this digest among the reference ones and `extra` (for tests). Errors: BadDocument."""
    for profile in (*PROFILES, *extra):
        if profile.digest == digest:
            return profile
    raise BadDocument(
        f"No encryption profile of this version has the digest {digest[:16]}.",
        "Use the version of Darkroom that the dataset was published with.",
    )


def insecure_test_profile(
    polynomial_size: int = 256, lwe_dimension: int = 24, levels: int = 2, message_width: int = 27
) -> EncryptionProfile:
    """A tiny profile of NO security, for fast tests only: its keys are broken by a laptop.

    Its noise is far below what security would need, so that lookups are as reliable as in the real profile. It is in no
    list that a reader of manifests consults; a test has to hand it over (`find(..., extra=...)`).
    """
    return EncryptionProfile(
        name=f"insecure-test-{polynomial_size}-{lwe_dimension}-{levels}",
        lwe_dimension=lwe_dimension,
        polynomial_size=polynomial_size,
        bootstrap=Gadget(base_log=15 if levels == 2 else 23, levels=levels),
        keyswitch=Gadget(base_log=4, levels=6),
        lwe_variance=2.0**-60,
        glwe_variance=2.0**-100,
        message_width=message_width,
        security_bits=0,
        optimizer="none: insecure, for tests",
    )
