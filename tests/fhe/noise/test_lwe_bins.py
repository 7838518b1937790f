"""Noise of bins under the small key: predicted against measured, of sums, of mixed second stages, and of the switch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fhe.arrays import F64, I64
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Readout, keyswitched
from fhe.circuit.clear import evaluate_clear
from fhe.engine.evaluate import wires_of
from fhe.engine.gadget import centre
from fhe.engine.lookups import look_up, rotations_of
from fhe.engine.source import spans
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.noise.linear import log2_failure
from fhe.noise.lookup import check_lookups, keyswitch_variance, layer_variances, modulus_switch_variance
from fhe.profiles import REFERENCE, insecure_test_profile
from tests.fhe.conftest import RealKeys
from tests.fhe.noise_bench import Bench
from tests.support.encrypted_tables import TableWithKeys, make_table, small_key_trees, sparse


def loud(world: TableWithKeys) -> Circuit:
    """What is noisiest for its width: an interval times fifteen, and a column's bits counted twice."""
    inputs = tuple(Input(f"c{column}", "bins", edge) for column in (0, 1) for edge in range(7))
    first = np.zeros((2, len(inputs)), np.int64)
    first[0, [1, 5]], first[1, 7:] = (15, -15), 2
    read = np.flatnonzero(first.any(axis=0))
    last = sparse(8, np.eye(1, len(read) + 2, len(read), dtype=np.int64), np.zeros(1, np.int64))
    layers = (
        sparse(4, first[:, read], np.zeros(2, np.int64)),
        Lookup(8, np.arange(2), np.zeros((2, 16), np.int64)),
        last,
    )
    digests = world.profile.digest, world.table.codebook.digest
    return Circuit(
        *digests, tuple(inputs[wire] for wire in read), layers, ("y",), Readout("value"), centred=True, lwe_bins=True
    )


def switched_errors(world: TableWithKeys, circuit: Circuit, rows: int, number: int) -> tuple[F64, F64]:
    """Of every value of a layer before a lookup: the error under the LWE key, and after the centred switch."""
    bench, secret = Bench.of(world.profile, world.secret, world.key), world.secret
    (span,) = spans(world.table, world.profile.polynomial_size, 0, rows)
    wires = wires_of(circuit, world.profile, world.source, span)
    tables = [
        rotations_of(circuit, layer, world.profile) if isinstance(layer, Lookup) else None for layer in circuit.layers
    ]
    looked_up = look_up(circuit, wires, bench.core, tables, range(rows)) if number else []
    layer = circuit.layers[number]
    assert isinstance(layer, Linear)
    small = wires.small(layer, np.arange(len(layer.bias)), range(rows), looked_up, bench.core)
    shown = replace(
        circuit,
        layers=(*circuit.layers[:number], replace(layer, width=40)),
        outputs=tuple(map(str, range(len(layer.bias)))),
        centred=number > 0,
    )
    exact: I64 = evaluate_clear(shown, world.inputs(circuit)[:rows]).T.copy()
    flat = small.reshape(-1, small.shape[-1]).copy()
    flat[:, -1] -= (exact.reshape(-1).view(np.uint64) << np.uint64(63 - layer.width)).astype(np.uint64)
    shape = exact.shape
    errors = bench.errors(flat, secret.lwe, np.zeros(len(flat), np.uint64)).reshape(shape)
    return errors, bench.switch_errors(centre(flat, world.profile.polynomial_size)).reshape(shape)


def ratios(world: TableWithKeys, circuit: Circuit, rows: int, number: int) -> tuple[float, float]:
    """Measured square over predicted variance: before the switch, and after it."""
    profile, layer = world.profile, circuit.layers[number]
    assert isinstance(layer, Linear)
    predicted = layer_variances(circuit, profile)[number // 2]
    predicted = predicted + keyswitched(circuit, layer) * keyswitch_variance(profile)
    before, after = switched_errors(world, circuit, rows, number)
    whole = predicted + modulus_switch_variance(profile, centred=True)
    return float(np.mean(before**2 / predicted[:, None])), float(np.mean(after**2 / whole[:, None]))


def test_sums_of_bins_have_the_predicted_noise() -> None:
    """Sums of bits, the loudest ones, and a keyswitched part beside bits, over eight small keys: within a quarter."""
    profile, found = insecure_test_profile(512).model_copy(update={"lwe_variance": REFERENCE.lwe_variance}), []
    for seed in range(8):
        secret, key = insecure_test_keys(profile, seed=seed)
        world = make_table(profile, secret, key, (128,), lwe=True)
        trees = small_key_trees(world)
        found.append(
            [*ratios(world, trees, 128, 0), *ratios(world, loud(world), 128, 0), *ratios(world, trees, 128, 4)]
        )
    assert np.mean(found, axis=0) == pytest.approx(np.ones(6), abs=0.25)


@pytest.mark.deep
def test_the_same_on_real_keys(real_keys: RealKeys) -> None:
    """1,024 rows under Concrete's keys, where sixteen boxes fail with 2^-128 at most: the switch within 15 %."""
    world = make_table(REFERENCE, real_keys.secret, real_keys.evaluation, (1024,), lwe=True)
    trees = small_key_trees(world)
    worst = max(failure for layer, _, failure in check_lookups(trees, REFERENCE) if layer == 0)
    assert worst < -180
    for circuit in (trees, loud(world)):
        before, after = ratios(world, circuit, 1024, 0)
        assert (before, after) == pytest.approx((1, 1), abs=0.15)
        errors = switched_errors(world, circuit, 1024, 0)[1]
        assert log2_failure(float(errors.var()), 4) < -128
