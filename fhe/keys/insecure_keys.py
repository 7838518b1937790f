"""INSECURE keys of tiny profiles, for fast tests: made here, without Concrete, and of no security whatever.

They have the same layouts and the same algebra as real keys (`fhe.evaluation_key`), so everything that runs on them
runs on real ones. A profile that claims any security is refused.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from app.protocol.errors import UsageError
from fhe.arrays import U64
from fhe.evaluation_key import EvaluationKey, shapes
from fhe.keys.secret_keys import SecretKeys
from fhe.negacyclic import KeyProduct
from fhe.profile import EncryptionProfile


def insecure_test_keys(profile: EncryptionProfile, epoch: int = 1, seed: int = 0) -> tuple[SecretKeys, EvaluationKey]:
    """Keys that follow from `seed`. Errors: UsageError for a profile that claims security."""
    if profile.security_bits:
        raise UsageError("Test keys are for profiles without security only.", "Use fhe.keys.secret_keys.generate.")
    rng = np.random.default_rng(seed)
    glwe = rng.integers(0, 2, profile.polynomial_size).astype(np.uint8)
    lwe = rng.integers(0, 2, profile.lwe_dimension).astype(np.uint8)
    return SecretKeys(profile.digest, epoch, glwe, lwe), EvaluationKey(
        profile.digest, epoch, _bootstrap_key(profile, glwe, lwe, rng), _keyswitch_key(profile, glwe, lwe, rng)
    )


def _bootstrap_key(
    profile: EncryptionProfile, glwe: npt.NDArray[np.uint8], lwe: npt.NDArray[np.uint8], rng: np.random.Generator
) -> U64:
    """For every LWE bit and level, two RLWE encryptions of zero with bit * gadget added on the diagonal."""
    key: U64 = np.empty(shapes(profile)[0], np.uint64)
    masks = _uniform(rng, (*key.shape[:3], profile.polynomial_size))
    products = KeyProduct(glwe)(masks.reshape(-1, profile.polynomial_size)).reshape(masks.shape)
    key[..., 0, :] = masks
    key[..., 1, :] = products + _normal(rng, masks.shape, profile.glwe_variance)
    for level in range(profile.bootstrap.levels):
        step = np.uint64(1 << (64 - profile.bootstrap.base_log * (profile.bootstrap.levels - level)))
        for row in range(2):
            key[:, level, row, row, 0] += lwe.astype(np.uint64) * step
    return key


def _keyswitch_key(
    profile: EncryptionProfile, glwe: npt.NDArray[np.uint8], lwe: npt.NDArray[np.uint8], rng: np.random.Generator
) -> U64:
    """For every GLWE bit and level, an LWE encryption of bit * gadget."""
    key: U64 = np.empty(shapes(profile)[1], np.uint64)
    key[..., :-1] = _uniform(rng, (*key.shape[:2], profile.lwe_dimension))
    key[..., -1] = key[..., :-1] @ lwe.astype(np.uint64) + _normal(rng, key.shape[:2], profile.lwe_variance)
    for level in range(profile.keyswitch.levels):
        step = np.uint64(1 << (64 - profile.keyswitch.base_log * (profile.keyswitch.levels - level)))
        key[:, level, -1] += glwe.astype(np.uint64) * step
    return key


def _uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> U64:
    words: U64 = rng.integers(0, 2**64, shape, dtype=np.uint64)
    return words


def _normal(rng: np.random.Generator, shape: tuple[int, ...], variance: float) -> U64:
    words: U64 = np.rint(rng.normal(0, math.sqrt(variance) * 2.0**64, shape)).astype(np.int64).view(np.uint64)
    return words
