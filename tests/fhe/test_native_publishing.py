"""What the native core adds to publishing equals the readable code: noise, Merkle roots, seeds."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from app.protocol.data import merkle
from app.protocol.errors import BadKey
from fhe import gaussian
from fhe.ciphertexts.packing import Decryptor, Encryptor
from fhe.ciphertexts.seeds import SeedDerivation
from fhe.engine.native import library
from fhe.gaussian import add_noise, generator, noise
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.mask import mask
from fhe.merkle import builder, native_fold, root_of
from fhe.profiles import REFERENCE, insecure_test_profile

VARIANCE = REFERENCE.glwe_variance
STD = VARIANCE**0.5 * 2.0**64


@settings(max_examples=25)
@given(seed=st.binary(min_size=16, max_size=16), first=st.integers(0, 2**30), polys=st.integers(1, 9))
def test_native_noise_is_the_readable_one(seed: bytes, first: int, polys: int) -> None:
    """The same words give the same noise, but for the last bit of a logarithm; it is added, wrapping."""
    start = np.full((polys, 256), 2**64 - 5, np.uint64)
    bodies = start.copy()
    add_noise(bodies, seed, first, VARIANCE)
    found, wanted = (bodies - start).view(np.int64), noise(seed, first, polys, 256, VARIANCE)
    assert np.abs(found - wanted).max() <= 1
    assert (found != wanted).mean() < 0.01


def test_native_noise_is_gaussian_to_the_tail() -> None:
    """Two million values: the normal distribution of the profile's width, at its middle and in its tails."""
    bodies = np.zeros((1000, 2048), np.uint64)
    add_noise(bodies, b"k" * 16, 0, VARIANCE)
    values = bodies.view(np.int64).ravel() / STD
    assert generator(2048, VARIANCE) == "box-muller/native/1"
    assert stats.kstest(values, "norm").pvalue > 1e-8
    for edge in (1, 2, 3, 4):
        share, expected = (np.abs(values) > edge).mean(), 2 * stats.norm.sf(edge)
        assert abs(share - expected) < 6 * np.sqrt(expected / len(values))


def test_every_width_makes_the_same_noise() -> None:
    """Values do not depend on how many are computed at once."""
    words = mask(b"w" * 16, 0, 8, 256)
    found = []
    for lanes in (width for width in (2, 4, 8) if width <= library.widest()):
        out = np.zeros((8, 256), np.uint64)
        library.load(lanes).darkroom_add_noise(words.ctypes.data, out.ctypes.data, 8, 256, STD)
        found.append(out)
    assert all(np.array_equal(found[0], each) for each in found)


def test_the_extremes_of_the_uniform_words() -> None:
    """All ones and all zeros give the largest and the smallest radius, finite, at the angles that they say."""
    words = np.zeros((2, 64), np.uint64)
    words[0, :32] = 2**64 - 1  # the smallest uniform number: the longest radius
    words[0, 32:] = np.arange(32, dtype=np.uint64) << np.uint64(59)
    out = np.zeros_like(words)
    library.load(2).darkroom_add_noise(words.ctypes.data, out.ctypes.data, 2, 64, STD)
    values = out.view(np.int64)
    radius, angles = STD * np.sqrt(2 * 52 * np.log(2)), 2 * np.pi * np.arange(32) / 32
    assert np.abs(values[0, :32] - radius * np.cos(angles)).max() <= 1
    assert np.abs(values[0, 32:] - radius * np.sin(angles)).max() <= 1
    assert not values[1].any()  # ln 1 = 0


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(0, 2_500_000), max_size=5), length=st.integers(0, 2_500_000), seed=st.integers(0, 99))
def test_roots_are_hashlibs(cuts: list[int], length: int, seed: int) -> None:
    """Bytes of any length in any pieces have the root that hashlib alone gives."""
    data = np.random.default_rng(seed).bytes(length)
    edges = [0, *sorted(min(cut, length) for cut in cuts), length]
    found = builder()
    for low, high in pairwise(edges):
        found.update(data[low:high])
    assert found.root() == merkle.root(data) == root_of(data)


def test_without_the_instructions_hashlib_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor without SHA-256 instructions, or no native core, changes nothing but the time."""
    data = np.random.default_rng(1).bytes(1 << 20)
    fast = root_of(data)
    native_fold.cache_clear()
    monkeypatch.setattr(library, "merkle", lambda: None)
    try:
        assert native_fold() is None
        assert root_of(data) == fast
    finally:
        native_fold.cache_clear()


def test_seeds_follow_from_everything_that_a_file_is() -> None:
    """One changed code, place, name, encoding, length, epoch or key is another seed; the same is the same."""
    profile = insecure_test_profile()
    secret, other = (insecure_test_keys(profile, seed=seed)[0] for seed in (0, 1))
    later = insecure_test_keys(profile, epoch=2)[0]
    codes = np.arange(300, dtype=np.uint16)
    changed = codes.copy()
    changed[299] ^= 1
    derive = SeedDerivation(secret, profile).seeds
    base = derive("a", "affine", 1, 0, [codes], 300)
    assert base == derive("a", "affine", 1, 0, [codes[:7], codes[7:]], 300)
    others = [
        derive("b", "affine", 1, 0, [codes], 300),
        derive("a", "bins", 1, 0, [codes], 300),
        derive("a", "affine", 2, 0, [codes], 300),
        derive("a", "affine", 1, 256, [codes], 300),
        derive("a", "affine", 1, 0, [codes[:299]], 299),
        derive("a", "affine", 1, 0, [codes], 301),
        derive("a", "affine", 1, 0, [changed], 300),
        derive("a", "affine", 1, 0, [codes.astype(np.uint8)], 300),
        SeedDerivation(other, profile).seeds("a", "affine", 1, 0, [codes], 300),
        SeedDerivation(later, profile).seeds("a", "affine", 1, 0, [codes], 300),
    ]
    seeds = {part for each in (base, *others) for part in (each.mask, each.noise)}
    assert len(seeds) == 2 * (1 + len(others))
    assert base.noise.hex() not in repr(base)
    with pytest.raises(BadKey):
        SeedDerivation(secret, REFERENCE)


def test_the_generator_is_part_of_a_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two generators never make two ciphertexts of one mask: without the native core the seeds are others."""
    profile = insecure_test_profile()
    secret, codes = insecure_test_keys(profile)[0], np.arange(9, dtype=np.uint16)
    native = SeedDerivation(secret, profile).seeds("a", "affine", 1, 0, [codes], 9)
    monkeypatch.setattr(gaussian, "native_lanes", lambda _size: 0)
    assert SeedDerivation(secret, profile).seeds("a", "affine", 1, 0, [codes], 9) != native


def test_files_of_given_seeds_open() -> None:
    """A derived file is a file like any other, and a polynomial of it is encrypted once."""
    profile = insecure_test_profile()
    secret = insecure_test_keys(profile)[0]
    values = np.arange(512, dtype=np.int64).reshape(2, 256)
    seeds = SeedDerivation(secret, profile).seeds("a", "affine", 1, 0, [values.astype(np.uint16)], 512)
    with Encryptor(secret, profile, 1) as encryptor:
        bodies = encryptor.file(seeds).encrypt(0, values)
        assert np.array_equal(encryptor.file(seeds).encrypt(0, values), bodies)
    opened = Decryptor(secret, profile).open(mask(seeds.mask, 0, 2, 256), bodies, profile.message_width)
    assert np.array_equal(opened, values)
    assert hashlib.sha256(bodies.tobytes()).digest() != hashlib.sha256(values.tobytes()).digest()
