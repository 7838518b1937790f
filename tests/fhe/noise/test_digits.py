"""Noise of values that are read in digits: predicted against measured, at every stage, on small keys and real ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fhe.arrays import F64, I64
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.circuit.circuit import Circuit, Linear, Lookup
from fhe.circuit.clear import evaluate_clear
from fhe.engine.evaluate import evaluate
from fhe.engine.gadget import centre
from fhe.engine.layer_values import Wires
from fhe.engine.lookups import look_up, rotations_of
from fhe.engine.source import spans
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.noise.lookup import keyswitch_variance, layer_variances, modulus_switch_variance
from fhe.profiles import REFERENCE, insecure_test_profile
from tests.fhe.conftest import RealKeys
from tests.fhe.noise_bench import Bench
from tests.support.encrypted_tables import TableWithKeys, make_table
from tests.support.wide_circuits import sign_circuit

WEIGHTS, BIAS, WIDTH = (300, 517, -911), -77, 13


def errors(world: TableWithKeys, circuit: Circuit, rows: int) -> list[F64]:
    """The error of every Linear's value in each of the first rows, as a fraction of a turn."""
    bench, secret = Bench.of(world.profile, world.secret, world.key), world.secret
    (span,) = spans(world.table, world.profile.polynomial_size, 0, rows)
    wires = Wires(circuit, world.profile, world.source, span)
    tables = [
        rotations_of(circuit, layer, world.profile) if isinstance(layer, Lookup) else None for layer in circuit.layers
    ]
    looked_up = look_up(circuit, wires, bench.core, tables, range(rows))
    exact, found = clear_values(circuit, world.inputs(circuit)[:rows]), []
    for layer, value in zip(circuit.layers[::2], exact, strict=True):
        assert isinstance(layer, Linear)
        lwe = wires.values(layer, np.array([0]), range(rows), looked_up)[0]
        found.append(bench.errors(lwe, secret.glwe, value.view(np.uint64) << np.uint64(63 - layer.width)))
    return found


def clear_values(circuit: Circuit, inputs: I64) -> list[I64]:
    """The one value of every Linear in the clear, before it counts modulo anything: (rows,)."""
    found = []
    for number, layer in enumerate(circuit.layers[::2]):
        assert isinstance(layer, Linear)
        wide = replace(layer, width=40)
        shown = replace(circuit, layers=(*circuit.layers[: 2 * number], wide), centred=number > 0)
        found.append(evaluate_clear(shown, inputs)[:, 0])
    return found


def measured(world: TableWithKeys, rows: int) -> list[float]:
    """Measured square over predicted variance of each stage; no digit may be wrong."""
    circuit = sign_circuit(world, WEIGHTS, BIAS, WIDTH)
    predicted = [float(own[0]) for own in layer_variances(circuit, world.profile)]
    found = errors(world, circuit, rows)
    table = world.table.model_copy(update={"evaluator": "darkroom-canonical-2"})
    output = evaluate(circuit, world.profile, table, world.source, 0, rows, world.key, 2, "native")
    signs = decrypt_lookups(world.secret, world.profile, circuit, rows, output)[0]
    assert np.array_equal(signs, np.where(world.codes[:rows] @ np.array(WEIGHTS) + BIAS < 0, 1, -1))
    return [float(np.mean(np.square(own))) / variance for own, variance in zip(found, predicted, strict=True)]


def test_what_is_left_of_a_value_has_the_predicted_noise() -> None:
    """Seven lookups for a sign of 14 bits, over 12 small keys: each stage within a quarter of its prediction."""
    profile, ratios = insecure_test_profile(), []
    for seed in range(12):
        secret, key = insecure_test_keys(profile, seed=seed)
        ratios.append(measured(make_table(profile, secret, key, (96,)), 96))
    assert np.mean(ratios, axis=0) == pytest.approx(np.ones(8), abs=0.25)


@pytest.mark.deep
def test_the_same_on_real_keys(real_keys: RealKeys) -> None:
    """256 rows under Concrete's keys: noise of every stage, and of the switch of a keyswitched value, as predicted."""
    secret, key = real_keys.secret, real_keys.evaluation
    ratios = measured(make_table(REFERENCE, secret, key, (256,)), 256)
    weights = 4 * float(secret.glwe.mean()) * float(secret.lwe.mean())  # of the keys, which noise grows with
    assert ratios[0] == pytest.approx(1, abs=0.3)
    assert np.array(ratios[1:]) / weights == pytest.approx(np.ones(7), abs=0.3)
    bench, rng = Bench.of(REFERENCE, secret, key), np.random.default_rng(3)
    small = bench.core.keyswitch(bench.encrypt(secret.glwe, np.zeros(2048, np.uint64), rng))
    centred = bench.switch_errors(centre(small, REFERENCE.polynomial_size))
    expected = keyswitch_variance(REFERENCE) + modulus_switch_variance(REFERENCE, centred=True)
    assert centred.var() / expected == pytest.approx(1, abs=0.2)
    assert centred.var() < 0.9 * bench.switch_errors(small).var()
