"""The engine on keys that Concrete made: right answers, predicted noise, one digest."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
import pytest

from fhe.ciphertexts.decrypt_lookup import decrypt_lookups, phases
from fhe.ciphertexts.packing_key import with_packing
from fhe.circuit.clear import evaluate_clear
from fhe.engine.evaluate import evaluate
from fhe.keys.secret_keys import generate
from fhe.noise.lookup import bootstrap_variance, digit_square, keyswitch_variance, result_variance
from fhe.profile import EncryptionProfile
from fhe.profiles import REFERENCE
from tests.fhe.noise_bench import Bench
from tests.support.encrypted_tables import TableWithKeys, make_table, tree_like


@dataclass(frozen=True)
class Real:
    """A world under Concrete's keys, and its bench for noise."""

    world: TableWithKeys
    bench: Bench

    @property
    def weights(self) -> tuple[float, float]:
        """How much heavier than half-filled the two keys are, GLWE then LWE."""
        secret = self.world.secret
        return 2 * float(secret.glwe.mean()), 2 * float(secret.lwe.mean())


@pytest.fixture(scope="module")
def real() -> Real:
    """Keys of the reference profile by Concrete's client, with our packing key (seconds)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Concrete's imports
        secret, key = generate(REFERENCE, 1)
    key = with_packing(key, secret, REFERENCE, 2)
    return Real(make_table(REFERENCE, secret, key, (60,)), Bench.of(REFERENCE, secret, key))


def test_trees_on_concrete_keys_give_the_clear_scores(real: Real) -> None:
    """Two stages of lookups, two scores of 12 bits, both forms: every value equals the circuit in the clear."""
    world = real.world
    circuit = tree_like(world, stages=2, outputs=2)
    expected = evaluate_clear(circuit, world.inputs(circuit))[7:19]
    for key in (world.key, replace(world.key, packing=None)):
        output = evaluate(circuit, REFERENCE, world.table, world.source, 7, 12, key, 2, "native")
        assert np.array_equal(decrypt_lookups(world.secret, REFERENCE, circuit, 12, output), expected.T)
        words = expected.reshape(-1).view(np.uint64) << np.uint64(63 - output.width)
        errors = (phases(world.secret, REFERENCE, output) - words).view(np.int64) / 2.0**64
        limit = 29 * bootstrap_variance(REFERENCE) + result_variance(REFERENCE)  # at most four lookups of weight 3
        assert np.abs(errors).max() < 6 * np.sqrt(limit + 7 * bootstrap_variance(REFERENCE))


def test_noise_on_concrete_keys_is_the_predicted_noise(real: Real) -> None:
    """Keyswitch and bootstrap on one real key set, allowing for its weight: within 20 % (1,024 samples, 4 sigma).

    A digit's mean is -1/2, so that a keyswitch key's own errors shift all results of that key alike: a part of the
    predicted square that is the key's and not the samples', and is drawn once.
    """
    rng, (glwe, lwe) = np.random.default_rng(14), real.weights
    keyswitched = real.bench.keyswitch_errors(1024, rng)
    bootstrapped = np.square(real.bench.bootstrap_errors(1024, rng)).mean()
    shift = 0.25 / digit_square(REFERENCE.keyswitch)
    predicted = keyswitch_variance(REFERENCE)
    assert keyswitched.var() / (predicted * (1 - shift)) == pytest.approx(1, abs=0.2)
    assert abs(keyswitched.mean()) < 6 * np.sqrt(predicted * (shift + 1 / 1024))
    assert bootstrapped / bootstrap_variance(REFERENCE) / (glwe * lwe) == pytest.approx(1, abs=0.2)


def test_real_results_are_deterministic_and_independent_of_threads(real: Real) -> None:
    """The same bytes with 1 and 2 threads on real parameters."""
    world, circuit = real.world, tree_like(real.world)
    runs = [evaluate(circuit, REFERENCE, world.table, world.source, 0, 5, world.key, t, "native") for t in (1, 2, 1)]
    assert len({run.to_bytes() for run in runs}) == 1


def test_reference_and_native_agree_on_concrete_keys(real: Real) -> None:
    """One bootstrap on real keys and a real ciphertext, NumPy against C."""
    world, circuit = real.world, tree_like(real.world, trees=1)
    key = replace(world.key, packing=None)
    native, plain = (
        evaluate(circuit, REFERENCE, world.table, world.source, 3, 1, key, 1, name) for name in ("native", "reference")
    )
    assert native.to_bytes() == plain.to_bytes()


def test_the_real_profile_is_the_one_concrete_chose(real: Real) -> None:
    """Keys and profile agree, so that nothing above ran on other parameters."""
    profile: EncryptionProfile = real.world.profile
    real.world.key.check(profile, 1)
    assert (profile.lwe_dimension, profile.polynomial_size, profile.bootstrap.levels) == (763, 2048, 2)
