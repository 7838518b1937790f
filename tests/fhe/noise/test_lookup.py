"""Predicted noise against measured noise, over many keys, and the failure probability against counted failures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fhe.ciphertexts.packing_key import with_packing
from fhe.circuit.circuit import Lookup
from fhe.engine.gadget import centre, table_polynomials
from fhe.engine.output import round_words
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.noise.linear import log2_failure
from fhe.noise.lookup import (
    bootstrap_variance,
    check_lookups,
    keyswitch_variance,
    modulus_switch_variance,
    packing_variance,
    word_variance,
)
from fhe.profile import EncryptionProfile, Gadget
from fhe.profiles import ONE_LEVEL, REFERENCE, insecure_test_profile
from tests.fhe.noise_bench import Bench
from tests.support.encrypted_tables import TableWithKeys, sparse, tree_like

KEYS, BATCH = 48, 64


def noisy(size: int, levels: int, base: int, glwe: float, lwe: float = 2.0**-40) -> EncryptionProfile:
    changes = {
        "bootstrap": Gadget(base_log=base, levels=levels),
        "keyswitch": Gadget(base_log=4, levels=4),
        "glwe_variance": glwe,
        "lwe_variance": lwe,
    }
    return insecure_test_profile(size, 32).model_copy(update=changes)


# In each another term is the largest: the key's noise, the gadget's rounding, the transforms.
PROFILES = {
    "key": noisy(256, 1, 12, 2.0**-60),
    "rounding": noisy(128, 2, 6, 2.0**-100),
    "transforms": noisy(256, 2, 23, 2.0**-110),
    "keyswitch": noisy(128, 2, 8, 2.0**-70, 2.0**-24),
}


def benches(profile: EncryptionProfile) -> list[Bench]:
    keys = [insecure_test_keys(profile, seed=seed) for seed in range(KEYS)]
    return [Bench.of(profile, secret, with_packing(key, secret, profile, 1)) for secret, key in keys]


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_measured_noise_is_the_predicted_noise(name: str) -> None:
    """Keyswitch, bootstrap and packing over 48 keys: variance within 15 % of the formulas, whichever term rules."""
    profile, rng = PROFILES[name], np.random.default_rng(11)
    keyswitched, bootstrapped, packed = [], [], []
    for bench in benches(profile):
        keyswitched.append(bench.keyswitch_errors(BATCH, rng))
        bootstrapped.append(bench.bootstrap_errors(BATCH, rng))
        packed += [bench.packing_errors(rng) for _ in range(16)]  # half of a polynomial's error is one slow wave
    for errors, predicted in (
        (keyswitched, keyswitch_variance(profile)),
        (bootstrapped, bootstrap_variance(profile)),
        (packed, packing_variance(profile, profile.polynomial_size)),
    ):
        assert np.mean(np.square(errors)) / predicted == pytest.approx(1, abs=0.15)


def test_rounding_words_and_moduli_adds_the_predicted_noise() -> None:
    """Modulus switch and result words: variance within 15 % over 48 keys."""
    profile, rng = PROFILES["rounding"], np.random.default_rng(12)
    switched, centred, rounded = [], [], []
    for secret, _ in (insecure_test_keys(profile, seed=seed) for seed in range(KEYS)):
        bench = Bench(profile, secret, None)  # type: ignore[arg-type]
        zero = np.zeros(BATCH, np.uint64)
        small = bench.encrypt(secret.lwe, zero, rng)
        switched.append(bench.switch_errors(small))
        centred.append(bench.switch_errors(centre(small, profile.polynomial_size)))
        big = round_words(bench.encrypt(secret.glwe, zero, rng), 20) << np.uint64(44)
        rounded.append(bench.errors(big, secret.glwe, zero))
    assert np.mean(np.square(switched)) / modulus_switch_variance(profile) == pytest.approx(1, abs=0.15)
    assert np.mean(np.square(centred)) / modulus_switch_variance(profile, centred=True) == pytest.approx(1, abs=0.15)
    assert np.mean(np.square(rounded)) / word_variance(profile, 20) == pytest.approx(1, abs=0.15)


def test_lookups_fail_as_often_as_predicted() -> None:
    """With noise so large that a lookup's input is often misread, the counted rate is the predicted probability."""
    profile, rng, wrong = noisy(512, 2, 15, 2.0**-100, 2.0**-27.5), np.random.default_rng(13), 0
    for seed in range(8):
        bench = Bench.of(profile, *insecure_test_keys(profile, seed=seed))
        values = rng.integers(0, 8, 512)
        lwe = bench.encrypt(bench.secret.glwe, values.astype(np.uint64) << np.uint64(60), rng)
        polynomials = table_polynomials(np.arange(8)[None] * 16, 8, 512)
        out = bench.core.bootstrap(bench.core.keyswitch(lwe), polynomials, np.zeros(512, np.int64))
        expected = (values * 16).astype(np.uint64) << np.uint64(55)
        wrong += int((np.abs(bench.errors(out, bench.secret.glwe, expected)) > 2.0**-6).sum())
    predicted = 2 ** log2_failure(keyswitch_variance(profile) + modulus_switch_variance(profile), 3)
    assert 0.005 < predicted < 0.2
    assert wrong / (8 * 512) == pytest.approx(predicted, rel=0.25)


def test_every_reading_of_a_circuit_is_checked(world: TableWithKeys) -> None:
    """Lookups' inputs once for each source, outputs once each, with the layer whose value it is."""
    circuit = tree_like(world, stages=2, outputs=2)
    found = check_lookups(circuit, world.profile)
    places = [(layer, value) for layer, value, _ in found]
    assert places == [(0, 0), (0, 1), (0, 2), (2, 0), (2, 1), (2, 2), (4, 0), (4, 1)]


def test_the_reference_profiles_allow_what_they_are_for(world: TableWithKeys) -> None:
    """40 lookups of weight 1 read at 12 bits: below 2^-128 with two levels, refused with one; one at 8 bits is fine."""

    def worst(profile: EncryptionProfile, lookups: int, width: int) -> float:
        circuit = tree_like(world, trees=lookups)
        first, lookup, _ = circuit.layers
        assert isinstance(lookup, Lookup)
        wide = Lookup(width, lookup.source[:lookups], lookup.tables[:lookups])
        row = np.zeros((1, len(circuit.inputs) + lookups), np.int64)
        row[0, len(circuit.inputs) :] = 1
        summed = replace(circuit, layers=(first, wide, sparse(width, row, np.zeros(1, np.int64))))
        return max(failure for _, _, failure in check_lookups(summed, profile))

    assert worst(REFERENCE, 40, 12) < -128
    assert worst(ONE_LEVEL, 40, 12) > -128
    assert worst(ONE_LEVEL, 1, 8) < -128
    assert worst(REFERENCE, 40, 15) > -128
