"""The CUDA kernels, run as C++ on fibers, give the bytes of the CPU engine."""

from __future__ import annotations

import ctypes
import re

import numpy as np
import pytest

from app.protocol.errors import BadKey, Unavailable
from fhe.engine import vectors
from fhe.engine.cuda.core import CudaCore
from fhe.engine.cuda.source import FOLDER, source
from fhe.engine.native.core import NativeCore
from fhe.engine.transform import to_words
from fhe.profile import EncryptionProfile
from fhe.profiles import REFERENCE
from tests.fhe.engine.cuda.emulated import ASCENDING, DESCENDING, ROUND, EmulatedDevice, library
from tests.fhe.engine.cuda.random_words import inputs, profile_of, random_key

CASES = {case.name: case for case in vectors.vectors().cases}


@pytest.mark.parametrize("name", sorted(CASES))
def test_every_conformance_vector_is_met(name: str) -> None:
    """All stages of all cases, by the kernel that the size calls for."""
    device = EmulatedDevice()
    vectors.check(CASES[name], lambda profile, key: CudaCore(profile, key, device))
    fast = CASES[name].profile.polynomial_size == 2048
    assert ("bootstrap_2048" in device.launched, "bootstrap_any" in device.launched) == (fast, not fast)


@pytest.mark.parametrize("order", [ASCENDING, DESCENDING, ROUND])
@pytest.mark.parametrize(
    "profile",
    [
        profile_of(64, 1, 23, 7),
        profile_of(256, 2, 15, 9),
        profile_of(512, 3, 9, 5),
        profile_of(1024, 1, 31, 4),
        profile_of(2048, 1, 23, 6),
        profile_of(2048, 2, 15, 6),
        profile_of(2048, 3, 12, 4),
    ],
    ids=lambda p: f"{p.polynomial_size}x{p.bootstrap.levels}",
)
def test_random_lookups_equal_the_cpu_whatever_the_order_of_threads(profile: EncryptionProfile, order: int) -> None:
    """Keyswitch and bootstrap agree word for word with threads run forwards, backwards and from changing starts."""
    lwe, small, tables, which = inputs(profile, 18)  # more than one block of the keyswitch
    key = random_key(profile)
    expected, core = NativeCore(profile, key), CudaCore(profile, key, EmulatedDevice(order))
    assert np.array_equal(core.keyswitch(lwe), expected.keyswitch(lwe))
    assert np.array_equal(core.bootstrap(small, tables, which), expected.bootstrap(small, tables, which))


def test_the_kernel_for_real_sizes_equals_the_general_one() -> None:
    """With too little shared memory for the first, the second computes the same words."""
    profile = profile_of(2048, 2, 15, 5)
    _, small, tables, which = inputs(profile, 4)
    both = [EmulatedDevice(), EmulatedDevice(shared=100_000)]
    one, other = (CudaCore(profile, random_key(profile), device).bootstrap(small, tables, which) for device in both)
    assert [device.launched[-1] for device in both] == ["bootstrap_2048", "bootstrap_any"]
    assert np.array_equal(one, other)


@pytest.mark.parametrize("count", [1, 33, 64])
def test_packing_equals_the_cpu(count: int) -> None:
    """Of one, of some and of N ciphertexts."""
    profile = profile_of(64, 2, 15, 4)
    key, lwe = random_key(profile, packing=True), inputs(profile, count)[0]
    packed = CudaCore(profile, key, EmulatedDevice(ROUND)).pack(lwe)
    assert np.array_equal(packed, NativeCore(profile, key).pack(lwe))


def test_little_memory_means_smaller_tiles_and_the_same_words() -> None:
    """A device that holds two ciphertexts at a time gives what a large one gives."""
    profile = profile_of(64, 1, 23, 5)
    lwe, small, tables, which = inputs(profile, 7)
    words = []
    for free in (1 << 40, (64 << 20) + 4 * 8 * (64 + 5 + 3)):
        device = EmulatedDevice(free=free)
        core = CudaCore(profile, random_key(profile), device)
        words.append((core.keyswitch(lwe), core.bootstrap(small, tables, which)))
        assert device.launched.count("keyswitch") == (1 if free == 1 << 40 else 4)
    for first, second in zip(*words, strict=True):
        assert np.array_equal(first, second)


def test_what_does_not_fit_a_device_is_declined() -> None:
    """No memory, too little shared memory, or a foreign key: a typed error before anything is computed."""
    profile = profile_of(64, 1, 23, 5)
    lwe = inputs(profile, 2)[0]
    with pytest.raises(Unavailable, match="memory"):
        CudaCore(profile, random_key(profile), EmulatedDevice(free=1 << 20)).keyswitch(lwe)
    with pytest.raises(Unavailable, match="does not fit"):
        CudaCore(profile, random_key(profile), EmulatedDevice(shared=1024))
    with pytest.raises(BadKey):
        CudaCore(REFERENCE, random_key(profile), EmulatedDevice())


def test_words_are_rounded_as_the_definition_rounds_them() -> None:
    """Halves, the ends of the range, tiny and huge numbers: shifts and conversions give what the definition gives."""
    rng = np.random.default_rng(8)
    exponents = 2.0 ** rng.integers(-80, 45, 20000)
    special = [0.0, -0.0, 0.5, -0.5, 1.5, 2.0**-12, -(2.0**-12), 2.0**-65, 3 * 2.0**-65, -(2.0**-65), 5e-324, 2.0**51]
    near = np.nextafter(np.array([2.0**-12, 0.5, 1.0, 2.0**-64]), 0)
    turns = np.concatenate([rng.uniform(-1, 1, 20000) * exponents, special, near, -near])
    turns = np.concatenate([turns, rng.integers(-(2**53), 2**53, 20000) * 2.0**-65])
    loaded, out = library(source(profile_of(64, 1, 23, 5))), np.empty(len(turns), np.uint64)
    loaded.words_of(*(ctypes.c_void_p(array.ctypes.data) for array in (turns, out)), ctypes.c_int64(len(turns)))
    assert np.array_equal(out, to_words(turns, turns[:0]))


def barriers(name: str) -> int:
    """How many barriers one source file has."""
    return len(re.findall(r"__syncthreads\(\);", (FOLDER / f"{name}.cu").read_text("utf-8")))


@pytest.mark.parametrize("number", range(barriers("bootstrap")))
def test_each_barrier_of_the_bootstrap_is_needed_and_would_be_missed(number: int) -> None:
    """With any one barrier left out, some order of threads gives other words: so these tests see a race."""
    profile = profile_of(2048, 1, 23, 3)
    _, small, tables, which = inputs(profile, 2)
    expected = NativeCore(profile, random_key(profile)).bootstrap(small, tables, which)
    without, differs = barriers("transform") + number, False
    for order in (ASCENDING, DESCENDING, ROUND):
        core = CudaCore(profile, random_key(profile), EmulatedDevice(order, without=without))
        differs |= not np.array_equal(core.bootstrap(small, tables, which), expected)
    assert differs
