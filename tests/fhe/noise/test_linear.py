"""The noise is a rounded Gaussian of the profile's width, never narrower than Concrete's, and predictions hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fhe.arrays import F64
from fhe.ciphertexts.packing import Decryptor, Encryptor, mask
from fhe.engine.linear import evaluate_bodies, mask_batches, masks
from fhe.gaussian import noise
from fhe.keys.concrete_serialization import value_words
from fhe.noise.linear import NEVER, fresh_variance, linear_failures, linear_variance, log2_failure
from fhe.profiles import REFERENCE
from tests.fhe.conftest import RealKeys
from tests.support.tables import codebook, encrypt_codes, linear_circuit

STD = math.sqrt(REFERENCE.glwe_variance) * 2.0**64


def fresh_errors(real_keys: RealKeys, polys: int) -> tuple[F64, F64]:
    """(errors, mask words as signed shares of the torus) of fresh encryptions of zero, one for each coefficient."""
    with Encryptor(real_keys.secret, REFERENCE, threads=2) as encryptor:
        file = encryptor.file()
        bodies = file.encrypt(0, np.zeros((polys, 2048), np.int64))
    words = mask(file.seed, 0, polys, 2048)
    phase = Decryptor(real_keys.secret, REFERENCE).phase(words, bodies)
    return phase.view(np.int64).ravel().astype(np.float64), words.view(np.int64).ravel() / 2.0**63


def test_fresh_noise_is_gaussian_of_the_profiles_width(real_keys: RealKeys) -> None:
    """On a million fresh values: mean 0, the variance, skewness, kurtosis and tails of a normal distribution.

    Every bound is six standard errors wide, so that a right implementation fails once in a hundred million runs.
    """
    errors, _ = fresh_errors(real_keys, 512)
    count = len(errors)
    assert abs(errors.mean()) < 6 * STD / math.sqrt(count)
    assert abs(errors.var() / STD**2 - 1) < 6 * math.sqrt(2 / count)
    assert abs(stats.skew(errors)) < 6 * math.sqrt(6 / count)
    assert abs(stats.kurtosis(errors)) < 6 * math.sqrt(24 / count)
    assert stats.kstest(errors / STD, "norm").pvalue > 1e-8
    assert 4 < np.abs(errors).max() / STD < 7


def test_fresh_noise_has_nothing_to_do_with_the_mask(real_keys: RealKeys) -> None:
    """Errors are uncorrelated with mask words, with their neighbours, and with the other half's noise."""
    errors, words = fresh_errors(real_keys, 256)
    bound = 6 / math.sqrt(len(errors))
    pairs = errors.reshape(-1, 2, 1024)
    assert abs(np.corrcoef(errors, words)[0, 1]) < bound
    assert abs(np.corrcoef(errors**2, words**2)[0, 1]) < bound
    assert abs(np.corrcoef(errors[1:], errors[:-1])[0, 1]) < bound
    assert abs(np.corrcoef(pairs[:, 0].ravel(), pairs[:, 1].ravel())[0, 1]) < bound * math.sqrt(2)
    assert abs(np.corrcoef(pairs[:, 0].ravel() ** 2, pairs[:, 1].ravel() ** 2)[0, 1]) < bound * math.sqrt(2)


def test_noise_is_not_narrower_than_concretes(real_keys: RealKeys) -> None:
    """Concrete's own encryptions under the same key have noise of the same width (an F test at six deviations)."""
    secret = real_keys.secret.glwe.astype(np.uint64)
    found = []
    for _ in range(400):
        words = value_words(bytes(real_keys.concrete.encrypt(np.zeros(8, np.int64)).serialize()), 2048)
        phase = words[:, -1] - (words[:, :-1] * secret).sum(axis=1, dtype=np.uint64)
        found.append(phase.view(np.int64).astype(np.float64))
    concrete = np.concatenate(found)
    ours, _ = fresh_errors(real_keys, 64)
    error = math.sqrt(2 / len(concrete) + 2 / len(ours))
    assert abs(ours.var() / concrete.var() - 1) < 6 * error


def test_rounding_only_widens() -> None:
    """At a tiny variance, where rounding shows, the variance is the stated one and a twelfth."""
    variance = 4.0
    errors = noise(bytes(16), 0, 256, 2048, variance * 2.0**-128)
    assert errors.dtype == np.int64
    assert abs(errors.var() / (variance + 1 / 12) - 1) < 6 * math.sqrt(2 / errors.size)


def test_noise_follows_its_seed_and_place() -> None:
    """The noise of a polynomial depends on its number alone, not on how many are made at once."""
    whole = noise(b"n" * 16, 3, 4, 64, 1e-30)
    assert np.array_equal(whole[2:], noise(b"n" * 16, 5, 2, 64, 1e-30))
    assert not np.array_equal(whole, noise(b"m" * 16, 3, 4, 64, 1e-30))


def test_noise_after_a_linear_layer_is_as_predicted(real_keys: RealKeys) -> None:
    """The measured variance of a weighted sum agrees with the prediction within 15 %."""
    rng = np.random.default_rng(3)
    weights, codes = rng.integers(-100, 100, (2, 6)), rng.integers(0, 256, (4 * 2048, 6))
    book = codebook(6)
    data = encrypt_codes(codes, book, real_keys.secret, REFERENCE)
    circuit = linear_circuit(weights, np.array([5, -9]), book, REFERENCE)
    bodies = evaluate_bodies(circuit, REFERENCE, data.table, data, 0, len(codes))
    (batch,) = mask_batches(circuit, REFERENCE, data.table, 0, len(codes))
    polys = masks(circuit, REFERENCE, data, batch)
    phase = Decryptor(real_keys.secret, REFERENCE).phase(polys.reshape(-1, 2048), bodies.reshape(-1, 2048))
    message = (codes @ weights.T + [5, -9]).T.reshape(-1, 2048).view(np.uint64) << np.uint64(36)
    errors = (phase - message).view(np.int64).astype(np.float64).reshape(2, -1)
    predicted = linear_variance(circuit.layers[0], np.full(6, fresh_variance(REFERENCE)), np.full(6, 27))  # type: ignore[arg-type]
    assert np.allclose(errors.var(axis=1) * 2.0**-128, predicted, rtol=0.15)


def test_reading_at_fewer_bits_scales_noise_and_step_alike(real_keys: RealKeys) -> None:
    """Shifting a wire left to a narrower layer multiplies its error by the shift, as the variance says."""
    circuit = linear_circuit(np.array([[3]]), np.array([0]), codebook(1), REFERENCE)
    layer = circuit.layers[0]
    narrow = type(layer)(3, layer.indptr, layer.columns, layer.values, layer.bias)  # type: ignore[arg-type, call-arg, union-attr]
    wide = linear_variance(layer, np.ones(1), np.array([27]))  # type: ignore[arg-type]
    assert linear_variance(narrow, np.ones(1), np.array([27]))[0] == wide[0] * 4.0**24  # type: ignore[arg-type]


@pytest.mark.parametrize("sigmas", [0.5, 2.0, 10.0, 34.0, 36.0, 60.0])
def test_failure_probability_is_the_normal_tail(sigmas: float) -> None:
    """log2 of the two-sided tail agrees with SciPy's logarithm of the normal tail, beyond where erfc underflows too."""
    variance = (2.0**-10 / sigmas) ** 2
    expected = (math.log(2) + stats.norm.logsf(sigmas)) / math.log(2)
    assert log2_failure(variance, 8) == pytest.approx(expected, rel=1e-3)
    assert log2_failure(variance, 8) >= expected - 1e-9 * abs(expected)


def test_failure_probability_ends_at_never() -> None:
    """No noise, or almost none, gives the named floor."""
    assert log2_failure(0.0, 27) == NEVER
    assert log2_failure(1e-60, 27) == NEVER
    circuit = linear_circuit(np.full((1, 4), 10_000), np.array([0]), codebook(4), REFERENCE)
    assert NEVER < linear_failures(circuit, REFERENCE)[0] < -128
