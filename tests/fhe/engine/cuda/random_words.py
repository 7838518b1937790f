"""Uniform words in place of keys and ciphertexts, which exercise the arithmetic exactly as real ones do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fhe.arrays import U64
from fhe.engine.gadget import table_polynomials
from fhe.evaluation_key import EvaluationKey, PackingKey, shapes
from fhe.profile import EncryptionProfile, Gadget
from fhe.profiles import insecure_test_profile

EDGES = np.array([0, 1, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, (1 << 64) - 1, 1 << 40, (1 << 48) - 1], np.uint64)


def random_key(profile: EncryptionProfile, *, packing: bool = False) -> EvaluationKey:
    """Uniform words in place of a key: they exercise the arithmetic exactly as a real one does."""
    rng = np.random.default_rng(4)
    parts = [rng.integers(0, 2**64, shape, np.uint64) for shape in shapes(profile)]
    return EvaluationKey(profile.digest, 1, parts[0], parts[1], PackingKey(bytes(16), parts[2]) if packing else None)


def profile_of(size: int, levels: int, base: int, n: int) -> EncryptionProfile:
    """Parameters without security."""
    return insecure_test_profile(size, n).model_copy(update={"bootstrap": Gadget(base_log=base, levels=levels)})


def inputs(profile: EncryptionProfile, count: int, seed: int = 5) -> tuple[U64, U64, U64, npt.NDArray[np.int64]]:
    """Random ciphertexts (large and small), test polynomials and a choice of them; words at edges among them."""
    rng, size, n = np.random.default_rng(seed), profile.polynomial_size, profile.lwe_dimension
    lwe, small = rng.integers(0, 2**64, (count, size + 1), np.uint64), rng.integers(0, 2**64, (count, n + 1), np.uint64)
    lwe[0, : len(EDGES)], small[-1, : min(n, len(EDGES))] = EDGES, EDGES[: min(n, len(EDGES))]
    tables = table_polynomials(rng.integers(-99, 99, (3, 8)), 8, size)
    return lwe, small, tables, rng.integers(0, 3, count)
