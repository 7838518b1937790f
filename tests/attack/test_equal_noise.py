"""Sums of one noise that pass for sums of many: the static check refuses them, and their results would be wrong."""

from __future__ import annotations

import numpy as np
import pytest

from app.protocol.errors import NoiseOverflow
from fhe.arrays import F64
from fhe.ciphertexts.decrypt_lookup import phases
from fhe.circuit.circuit import Circuit, Linear
from fhe.circuit.clear import evaluate_clear
from fhe.compile.check import check
from fhe.engine.evaluate import evaluate
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.noise.linear import fresh_variance, linear_variance, log2_failure
from fhe.noise.lookup import bootstrap_variance, layer_variances, result_variance, word_variance
from fhe.profiles import insecure_test_profile
from tests.support.encrypted_tables import TableWithKeys, make_table
from tests.support.equal_noise import TRICKS, WIDTH, independent

PROFILE = insecure_test_profile(256, 32).model_copy(update={"glwe_variance": 2.0**-75.7})
LOOKUPS, ROWS = 100, 32
HALF_STEP = 2.0 ** -(WIDTH + 2)


@pytest.fixture(scope="module")
def worlds() -> list[TableWithKeys]:
    """Two keys: a bootstrap key's own errors decide how large its noise really is."""
    keys = [insecure_test_keys(PROFILE, seed=seed) for seed in range(2)]
    return [make_table(PROFILE, secret, key, (ROWS,)) for secret, key in keys]


def errors(circuit: Circuit, world: TableWithKeys) -> F64:
    """What the decrypted outputs are off by, as a fraction of a turn."""
    found = evaluate(circuit, PROFILE, world.table, world.source, 0, ROWS, world.key)
    clear = evaluate_clear(circuit, world.inputs(circuit))[:, 0] << (63 - WIDTH)
    return (phases(world.secret, PROFILE, found).view(np.int64) - clear) / 2.0**64


def as_independent(circuit: Circuit) -> float:
    """The variance of the output if every wire had a noise of its own."""
    variances, widths = np.full(len(circuit.inputs), fresh_variance(PROFILE)), np.full(len(circuit.inputs), 27)
    for layer in circuit.layers[:-1]:
        if not isinstance(layer, Linear):
            variances = np.append(variances, [bootstrap_variance(PROFILE)] * len(layer.source))
            widths = np.append(widths, [layer.width_out] * len(layer.source))
    last = circuit.layers[-1]
    assert isinstance(last, Linear)
    return float(linear_variance(last, variances, widths)[0])


@pytest.mark.parametrize("trick", sorted(TRICKS))
def test_one_noise_that_passes_for_many_is_refused(trick: str, worlds: list[TableWithKeys]) -> None:
    """Independent noises would make 2^-130; in truth a tenth of the results are wrong, as is now predicted."""
    found = []
    for world in worlds:
        circuit = TRICKS[trick](world, LOOKUPS)
        with pytest.raises(NoiseOverflow, match="value 0"):
            check(circuit, world.table.codebook, PROFILE)
        found.append(errors(circuit, world))
    circuit = TRICKS[trick](worlds[-1], LOOKUPS)
    promised, predicted = as_independent(circuit), layer_variances(circuit, PROFILE)[-1][0]
    measured = float(np.mean(np.square(found))) - word_variance(PROFILE, 28)
    assert log2_failure(promised + result_variance(PROFILE), WIDTH) < -130
    assert (np.abs(found) > HALF_STEP).any()
    assert measured > 40 * promised
    assert 0.5 < measured / predicted < 1.7


def test_as_many_lookups_of_different_values_are_taken(worlds: list[TableWithKeys]) -> None:
    """The honest circuit beside: as many lookups, the predicted noise, and every result right."""
    circuit = independent(worlds[0], LOOKUPS)
    assert check(circuit, worlds[0].table.codebook, PROFILE).log2_failure < -130
    found = [errors(circuit, world) for world in worlds]
    measured = float(np.mean(np.square(found))) - word_variance(PROFILE, 28)
    assert 0.5 < measured / layer_variances(circuit, PROFILE)[-1][0] < 1.7
    assert np.abs(found).max() < HALF_STEP
