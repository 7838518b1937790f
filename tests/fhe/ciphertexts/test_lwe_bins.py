"""Bins under the small key: exact sums over the key, bits that decrypt, seeds that are never used twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.errors import OutOfRange, UsageError
from fhe.ciphertexts.lwe_bins import KeySums, has_aes
from fhe.ciphertexts.packing import Encryptor
from fhe.ciphertexts.seeds import FileSeeds, SeedDerivation
from fhe.circuit.circuit import BIN_WIDTH
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.mask import lwe_masks, mask
from fhe.noise.linear import bin_variance
from fhe.profiles import REFERENCE, insecure_test_profile

BITS = np.random.default_rng(1).integers(0, 2, 763).astype(np.uint8)


@pytest.mark.skipif(not has_aes(), reason="needs AES instructions and the native core")
@given(
    seed=st.binary(min_size=16, max_size=16),
    first=st.integers(0, 2**30),
    count=st.integers(1, 40),
    n=st.integers(1, 763),
)
def test_native_sums_are_those_of_the_mask(seed: bytes, first: int, count: int, n: int) -> None:
    """AES in C and in the library give the same key stream, and the same sums of it, whatever the dimension."""
    native, plain = (KeySums(BITS[:n], native=native)(seed, first, count) for native in (True, False))
    assert np.array_equal(native, plain)


def test_masks_are_the_words_of_the_key_stream() -> None:
    """Ciphertext k of an odd dimension skips one word, so that each begins with a block of its own."""
    stream = mask(bytes(range(16)), 0, 1, 10 * 24).reshape(10, 24)
    assert np.array_equal(lwe_masks(bytes(range(16)), 3, 5, 23), stream[3:8, :23])
    assert np.array_equal(lwe_masks(bytes(range(16)), 0, 10, 24), stream)


def test_bits_come_back_with_the_noise_of_the_key() -> None:
    """Every bit of a file decrypts, and its error is the key's Gaussian and the rounding to 16 bits, within 10 %."""
    profile = insecure_test_profile().model_copy(update={"lwe_variance": REFERENCE.lwe_variance})
    secret, _ = insecure_test_keys(profile)
    values = np.random.default_rng(2).integers(0, 2, (24, profile.polynomial_size))
    with Encryptor(secret, profile, 2) as encryptor:
        file = encryptor.bins()
        bodies = file.encrypt(0, values)
    masks = lwe_masks(file.seed, 0, values.size, profile.lwe_dimension)
    phase = (bodies.reshape(-1).astype(np.uint64) << np.uint64(48)) - masks @ secret.lwe.astype(np.uint64)
    errors = (phase - (values.reshape(-1).view(np.uint64) << np.uint64(63 - BIN_WIDTH))).view(np.int64) / 2.0**64
    assert np.abs(errors).max() < 2.0 ** -(BIN_WIDTH + 2)
    assert errors.var() / bin_variance(profile) == pytest.approx(1, abs=0.1)
    assert abs(errors.mean()) < 5 * np.sqrt(bin_variance(profile) / values.size)


def test_a_chunk_is_encrypted_once_and_holds_bits() -> None:
    """A mask that served one bit serves no other, and nothing but bits is taken."""
    profile = insecure_test_profile()
    with Encryptor(insecure_test_keys(profile)[0], profile, 1) as encryptor:
        file = encryptor.bins()
        file.encrypt(3, np.zeros((2, profile.polynomial_size), np.int64))
        with pytest.raises(UsageError):
            file.encrypt(4, np.zeros((1, profile.polynomial_size), np.int64))
        with pytest.raises(OutOfRange):
            file.encrypt(9, np.full((1, profile.polynomial_size), 2, np.int64))
        assert "noise" not in repr(file)


def test_seeds_differ_from_those_of_packed_bins_and_decide_the_file() -> None:
    """The same codes in the other form have another mask, and the same seeds give the same bytes."""
    profile = insecure_test_profile()
    secret, _ = insecure_test_keys(profile)
    derive, codes = SeedDerivation(secret, profile), (np.arange(90) % 2).astype(np.uint8)
    packed, small = (derive.seeds("age", encoding, 1, 0, [codes], 90) for encoding in ("bins", "lwe-bins"))
    assert {packed.mask, packed.noise}.isdisjoint({small.mask, small.noise})
    values = np.zeros((1, profile.polynomial_size), np.int64)
    values[0, :90] = codes
    with Encryptor(secret, profile, 1) as encryptor:
        seeds = FileSeeds(small.mask, small.noise)
        one, other = (encryptor.bins(seeds).encrypt(0, values) for _ in range(2))
    assert np.array_equal(one, other)
