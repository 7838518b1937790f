"""Conformance vectors: known answers of the canonical evaluator, and how a core is held against them.

`vectors.json` holds, for each case, parameters and the SHA-256 of every stage's result. Keys and inputs are no secrets:
they are AES words (`fhe.mask`) under the first 16 bytes of SHA-256("darkroom conformance/CASE/PART"), so digests are
all that has to be kept. Uniform words exercise the arithmetic exactly as real keys do, which look uniform.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from app.protocol.documents import Document, sha256
from app.protocol.errors import VerificationFailed
from fhe.arrays import I64, U64
from fhe.engine.core import Core
from fhe.engine.factors import combine, factored
from fhe.engine.gadget import table_polynomials
from fhe.engine.output import OutputStage, lwe_bits, round_words
from fhe.engine.roots import roots
from fhe.engine.sums import sum_mask
from fhe.engine.transform import key_points
from fhe.evaluation_key import EvaluationKey, PackingKey, shapes
from fhe.mask import lwe_masks, mask
from fhe.profile import EncryptionProfile

Stage = Literal[
    "points",
    "keyswitch",
    "bootstrap",
    "centred",
    "sum",
    "sum-mask",
    "digits",
    "bins",
    "shared",
    "lwe",
    "pack",
    "selection",
]
Prepare = Callable[[EncryptionProfile, EvaluationKey], Core]

VECTORS = Path(__file__).with_name("vectors.json")
WIDTH_IN, WIDTH_OUT = 3, 8
SHORT = 16  # bits of an LWE key of which a few bootstraps more take no time


class Case(Document):
    """One set of parameters and what must come out. `packing`: whether the case has a packing key."""

    name: str
    profile: EncryptionProfile
    batch: int
    tables: int
    packing: bool
    digests: dict[str, str]


class Vectors(Document):
    """The file of known answers."""

    kind: Literal["darkroom/conformance"] = "darkroom/conformance"
    roots_4096: str  # SHA-256 over the little-endian doubles of all cosines, then all sines
    cases: tuple[Case, ...]


@cache
def vectors() -> Vectors:
    """The known answers that came with this version. Errors: BadDocument."""
    return Vectors.from_bytes(VECTORS.read_bytes().rstrip(b"\n"))


def words(case: str, part: str, shape: tuple[int, ...]) -> U64:
    """The words of one part of a case, u64 of `shape` (an even number of them)."""
    seed = hashlib.sha256(f"darkroom conformance/{case}/{part}".encode()).digest()[:16]
    return mask(seed, 0, 1, int(np.prod(shape))).reshape(shape)


def key_of(case: Case) -> EvaluationKey:
    """The evaluation key of a case."""
    bootstrap, keyswitch, packing = shapes(case.profile)
    packed = None
    if case.packing:
        packed = PackingKey(words(case.name, "packing seed", (2,)).tobytes(), words(case.name, "packing", packing))
    digest = case.profile.digest
    parts = words(case.name, "bootstrap", bootstrap), words(case.name, "keyswitch", keyswitch)
    return EvaluationKey(digest, 1, *parts, packed)


def results(case: Case, core: Core, key: EvaluationKey) -> Iterable[tuple[Stage, bytes]]:
    """Every stage's result as little-endian bytes, computed by `core`."""
    profile, size = case.profile, case.profile.polynomial_size
    real, imaginary = key_points(key.bootstrap[0])
    yield "points", np.stack([real, imaginary]).astype("<f8").tobytes()
    small = core.keyswitch(words(case.name, "inputs", (case.batch, size + 2))[:, : size + 1])
    yield "keyswitch", small.astype("<u8").tobytes()
    entries = words(case.name, "tables", (case.tables, 1 << WIDTH_IN)) >> np.uint64(63 - WIDTH_OUT)
    tables = entries.view(np.int64) - np.int64(1 << WIDTH_OUT)
    which = np.arange(case.batch) % case.tables
    big = core.bootstrap(small, table_polynomials(tables, WIDTH_OUT, size), which)
    yield "bootstrap", big.astype("<u8").tobytes()
    centred = core.bootstrap(small, table_polynomials(tables, WIDTH_OUT, size), which, centred=True)
    yield "centred", centred.astype("<u8").tobytes()
    if profile.lwe_dimension <= SHORT:
        yield "digits", np.stack(four_bits(core, big)).astype("<u8").tobytes()
    yield "bins", small_key_bins(case, core).astype("<u8").tobytes()
    yield "shared", shared_tables(core, small, tables, size).astype("<u8").tobytes()
    yield "sum", big.sum(axis=0, dtype=np.uint64).astype("<u8").tobytes()
    mask_words = words(case.name, "inputs", (case.batch, size + 2))[:, :size]
    yield (
        "sum-mask",
        np.stack([sum_mask(mask_words, 0, size), sum_mask(mask_words, 1, size - 2)]).astype("<u8").tobytes(),
    )
    bits = lwe_bits(profile)
    rounded = round_words(big, bits).astype(np.uint32)
    yield "lwe", OutputStage("lwe", case.batch, 1, WIDTH_OUT, size, bits, rounded).to_bytes()
    if case.packing:
        yield "pack", core.pack(big).astype("<u8").tobytes()
        packed = core.pack_tables(big[np.arange(8) % case.batch][None])
        chosen = core.bootstrap(small[:1], packed, np.zeros(1, np.int64), centred=True)
        yield "selection", packed.astype("<u8").tobytes() + chosen.astype("<u8").tobytes()


def small_key_bins(case: Case, core: Core) -> U64:
    """Four bins under the small key an input, as section 13 reads them, through tables of 16 entries."""
    seed, batch = words(case.name, "bins seed", (2,)).tobytes(), case.batch
    lwe = np.empty((4, batch, case.profile.lwe_dimension + 1), np.uint64)
    lwe[..., :-1] = lwe_masks(seed, 0, 4 * batch, case.profile.lwe_dimension).reshape(4, batch, -1)
    lwe[..., -1] = words(case.name, "bins", (4, batch)) >> np.uint64(48) << np.uint64(48)
    small: U64 = (lwe << np.arange(4, dtype=np.uint64)[:, None, None]).sum(axis=0, dtype=np.uint64)
    entries = words(case.name, "bins tables", (case.tables, 16)) >> np.uint64(63 - WIDTH_OUT)
    tables = entries.view(np.int64) - np.int64(1 << WIDTH_OUT)
    polynomials = table_polynomials(tables, WIDTH_OUT, case.profile.polynomial_size)
    return core.bootstrap(small, polynomials, np.arange(batch) % case.tables, centred=True)


def shared_tables(core: Core, small: U64, tables: I64, size: int) -> U64:
    """All tables, and one of eight times -4, of each input by one rotation: (tables, batch, N + 1)."""
    found = factored(np.concatenate([tables, np.full((1, tables.shape[1]), -4, np.int64)]))
    polynomial, which = found.polynomial(WIDTH_OUT, size), np.zeros(len(small), np.int64)
    return combine(core.bootstrap(small, polynomial[None], which, centred=True, bodies=tables.shape[1]), found.factors)


def four_bits(core: Core, wide: U64) -> tuple[U64, U64]:
    """The lowest four bits of values of width `WIDTH_OUT`, as section 12 reads them: the highest, then the others."""
    which, up = np.zeros(len(wide), np.int64), np.uint64(1 << (WIDTH_OUT - WIDTH_IN))
    read = [[-4] * 8, list(range(8))]
    polynomials = [table_polynomials(np.array([table]), WIDTH_OUT, wide.shape[1] - 1) for table in read]
    high = core.bootstrap(core.keyswitch(wide * up), polynomials[0], which, centred=True)
    high[:, -1] += np.uint64(4 << (63 - WIDTH_OUT))
    return high, core.bootstrap(core.keyswitch((wide - high) * up), polynomials[1], which, centred=True)


def check(case: Case, make: Prepare) -> None:
    """Compare every stage of a case. Errors: VerificationFailed, which names the first stage that differs."""
    key = key_of(case)
    core = make(case.profile, key)
    for stage, data in results(case, core, key):
        if sha256(data) != case.digests[stage]:
            raise VerificationFailed(
                f"The {core.name} backend gives other bytes than the canonical evaluator: {case.name}, {stage}.",
                "Do not compute on this machine: rebuild the native core (make setup), or report this processor.",
            )


def check_roots() -> None:
    """Compare the table of roots of unity. Errors: VerificationFailed."""
    data = b"".join(part.astype("<f8").tobytes() for part in roots(4096))
    if sha256(data) != vectors().roots_4096:
        raise VerificationFailed("The roots of unity are not the canonical table.", "Do not compute on this machine.")
