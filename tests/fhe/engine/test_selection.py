"""Encrypted tables: what a selection gives, by every backend, with how much noise, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.protocol.errors import BadDocument, BadKey, MessageOverflow
from fhe.arrays import I64, U64
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.ciphertexts.packing_key import with_packing
from fhe.circuit.circuit import Circuit, Readout
from fhe.circuit.clear import evaluate_clear
from fhe.circuit.codec import decode, encode
from fhe.circuit.cost import cost
from fhe.circuit.well_formed import check_form
from fhe.compile.check import check
from fhe.compile.digits.stages import Stages, WireSum, linear
from fhe.engine.core import BackendName, Core
from fhe.engine.cuda.core import CudaCore
from fhe.engine.evaluate import evaluate
from fhe.engine.gadget import boxed, table_polynomials
from fhe.engine.native.build import variants
from fhe.engine.native.core import NativeCore
from fhe.engine.native.library import widest
from fhe.engine.reference import ReferenceCore
from fhe.engine.trace.lookups import KeyTables
from fhe.engine.trace.program import program_of
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.leakage import label_only
from fhe.noise.lookup import bootstrap_variance, layer_variances, selection_variance
from fhe.profiles import insecure_test_profile
from tests.fhe.conftest import RealKeys
from tests.fhe.engine.cuda.emulated import ROUND, EmulatedDevice
from tests.fhe.engine.cuda.random_words import profile_of, random_key
from tests.fhe.noise_bench import Bench
from tests.support.encrypted_tables import TableWithKeys, make_table
from tests.support.wide_circuits import wide_circuit

WIDTH = 8
ROWS = ([3, -7, 2, 0, 5, -1, 6, 4], [0, 0, 1, 1, 2, 2, 3, 3], [-4, 1, -4, 1, -4, 1, -4, 1])


@pytest.fixture(scope="module")
def world() -> TableWithKeys:
    """A small table and keys of no security, with a packing key."""
    profile = insecure_test_profile()
    secret, key = insecure_test_keys(profile)
    return make_table(profile, secret, with_packing(key, secret, profile, 1), (48,))


def selecting(world: TableWithKeys, *, negacyclic: bool = False) -> Circuit:
    """Four tables of one value, a constant among them, of which another value selects."""
    stages = Stages(3)
    tables = stages.look_up([WireSum(((0, 1),))] * len(ROWS), 3, ROWS, WIDTH, negacyclic=True)
    told = WireSum(((1, 1 << WIDTH - 2),)) * (2 if negacyclic else 1)
    entries = [*tables, WireSum((), 9)]
    wires = stages.select([told, WireSum(((2, 1 << WIDTH - 1),))], WIDTH, [entries, entries[::-1]], negacyclic=True)
    layers = [*stages.layers, linear([wires[0] + tables[0], wires[1]], WIDTH)]
    made = wide_circuit(world, Readout("value"), ["one", "other"], layers, centred=True)
    return replace(made, shared=True)


@pytest.mark.parametrize("negacyclic", [False, True])
def test_a_selection_gives_one_of_its_entries(world: TableWithKeys, negacyclic: bool) -> None:
    """Encrypted, by two backends to the byte, in the clear, and with its sign where the padding bit is read."""
    circuit = decode(encode(selecting(world, negacyclic=negacyclic)))
    check(circuit, world.table.codebook, world.profile)
    table = world.table.model_copy(update={"evaluator": "darkroom-canonical-2"})
    backends: tuple[BackendName, ...] = ("native", "reference")
    found = [evaluate(circuit, world.profile, table, world.source, 0, 48, world.key, 1, each) for each in backends]
    assert found[0].to_bytes() == found[1].to_bytes()
    inputs = world.inputs(circuit)
    expected = evaluate_clear(circuit, inputs)
    assert np.array_equal(decrypt_lookups(world.secret, world.profile, circuit, 48, found[0]).T, expected)
    first: I64 = np.array(ROWS, np.int64)[:, inputs[:, 0] % 8] * np.where(inputs[:, 0] == 8, -1, 1)
    among = np.concatenate([first, np.full((1, 48), 9)])
    place = inputs[:, 1] * (2 if negacyclic else 1)
    signed = np.where(place % 8 > 3, -1, 1) * among[place % 4, np.arange(48)]
    assert np.array_equal(expected[:, 0], signed + first[0])
    assert cost(circuit, world.profile, 1).bootstraps == 3
    assert not label_only(replace(circuit, readout=Readout("threshold")))


def test_a_selection_takes_a_packing_key_and_has_no_program(world: TableWithKeys) -> None:
    """Without one it is refused before anything is computed; and a dispute has no names for it."""
    circuit = selecting(world)
    table = world.table.model_copy(update={"evaluator": "darkroom-canonical-2"})
    with pytest.raises(BadKey, match="packing key"):
        evaluate(circuit, world.profile, table, world.source, 0, 4, replace(world.key, packing=None), 1)
    assert program_of(circuit, world.profile, table, KeyTables.of(world.key)) is None


def test_what_cannot_be_selected_is_refused(world: TableWithKeys) -> None:
    """Published values as entries, other circuits, widths that do not hold the entries."""
    made = selecting(world)
    with pytest.raises(BadDocument, match="shares no rotations"):
        check_form(replace(made, shared=False))
    stages = Stages(3)
    low = stages.look_up([WireSum(((0, 1),))], 3, [ROWS[0]], WIDTH, negacyclic=True)
    stages.select([WireSum(((1, 1 << WIDTH - 2),))], WIDTH, [[low[0], WireSum(((2, 1),))]])
    layers = [*stages.layers, linear([WireSum(((4, 1),))], WIDTH)]
    with pytest.raises(BadDocument, match="selects a published value"):
        check_form(replace(made, layers=tuple(layers), outputs=("one",)))
    stages = Stages(3)
    low = stages.look_up([WireSum(((0, 1),))], 3, [ROWS[0]], WIDTH, negacyclic=True)
    told = WireSum(((1, 1 << WIDTH - 2), (2, 1 << WIDTH - 2)))
    wires = stages.select([told], WIDTH, [[low[0], low[0] * 99] * 2], negacyclic=True)
    wide = wide_circuit(world, Readout("value"), ["one"], [*stages.layers, linear(wires, WIDTH)], centred=True)
    with pytest.raises(MessageOverflow, match="is selected, can reach -693 to 594"):
        check(replace(wide, shared=True), world.table.codebook, world.profile)
    with pytest.raises(MessageOverflow):
        evaluate_clear(replace(wide, shared=True), world.inputs(wide))


@pytest.mark.parametrize(("size", "levels", "base"), [(64, 2, 15), (256, 3, 9), (1024, 1, 23)])
def test_every_backend_packs_the_same_words(size: int, levels: int, base: int) -> None:
    """One to sixteen entries, at vector widths with and without the short way, and what is made of them."""
    profile = profile_of(size, levels, base, 4)
    key, rng = random_key(profile, packing=True), np.random.default_rng(3)
    others = [NativeCore(profile, key, 2, lanes) for lanes in variants() if lanes <= widest() and size >= 32 * lanes]
    reference, gpu = ReferenceCore(profile, key), CudaCore(profile, key, EmulatedDevice(ROUND))
    for entries in (1, 4, 16) if size < 1024 else (2, 8):
        lwe = rng.integers(0, 2**64, (2, entries, size + 1), np.uint64)
        small, which = rng.integers(0, 2**64, (3, 5), np.uint64), np.array([1, 0, 1])
        packed = reference.pack_tables(lwe)
        rotated = reference.bootstrap(small, packed, which, centred=True)
        cores: list[Core] = [*others, gpu]
        for core in cores:
            assert np.array_equal(core.pack_tables(lwe), packed)
            assert np.array_equal(core.bootstrap(small, packed, which, centred=True), rotated)


@pytest.mark.parametrize("entries", [1, 2, 8, 32])
def test_a_box_around_each_coefficient_is_a_test_polynomial(entries: int) -> None:
    """Of coefficients N / E apart; and it is the product that the definition names."""
    size, rng = 64, np.random.default_rng(1)
    table, width = rng.integers(-99, 99, (1, entries)), size // entries
    apart = np.zeros((1, size), np.uint64)
    apart[:, ::width] = table.view(np.uint64)
    assert np.array_equal(boxed(apart, width), table_polynomials(table, 63, size))
    words = rng.integers(0, 2**64, size, np.uint64)
    place = (np.arange(size)[:, None] - np.arange(width) + width // 2) % (2 * size)
    turned = np.where(place < size, words[place % size], np.uint64(0) - words[place % size])
    assert np.array_equal(boxed(words, width), turned.sum(axis=1, dtype=np.uint64))


def selection_errors(bench: Bench, rows: int) -> tuple[float, float]:
    """Measured variance that packing and rotating add to entries without noise, over what is promised."""
    rng, profile = np.random.default_rng(8), bench.profile
    size, entries = profile.polynomial_size, 8
    values = rng.integers(-60, 60, (rows, entries))
    lwe = bench.encrypt(bench.secret.glwe, values.reshape(-1).view(np.uint64) << np.uint64(55), rng)
    packed = bench.core.pack_tables(lwe.reshape(rows, entries, -1))
    told = rng.integers(0, entries, rows)
    small = bench.encrypt(bench.secret.lwe, told.astype(np.uint64) << np.uint64(60), rng)
    expected = np.take_along_axis(values, told[:, None], axis=1)[:, 0].view(np.uint64) << np.uint64(55)
    rotated = bench.core.bootstrap(small, packed, np.arange(rows), centred=True)
    packing = selection_variance(profile, entries)
    bodies = table_polynomials(values, 8, size)
    errors = bench.errors(at_zero(packed), bench.secret.glwe, bodies[:, 0])
    both = bench.errors(rotated, bench.secret.glwe, expected)
    return float(np.var(errors)) / packing, float(np.var(both)) / (packing + bootstrap_variance(profile))


def at_zero(packed: U64) -> U64:
    """LWE ciphertexts (rows, N + 1) of coefficient 0."""
    masks, bodies = packed[:, 0], packed[:, 1]
    return np.concatenate([masks[:, :1], np.uint64(0) - masks[:, :0:-1], bodies[:, :1]], axis=1)


@pytest.mark.deep
def test_a_selection_has_the_noise_that_is_promised(real_keys: RealKeys) -> None:
    """On real keys, of packing alone and of both."""
    profile, secret = real_keys.profile, real_keys.secret
    packing, both = selection_errors(Bench.of(profile, secret, with_packing(real_keys.evaluation, secret, profile)), 96)
    assert 0.6 < packing < 1.5
    assert 0.5 < both < 1.5


def test_what_is_selected_depends_on_what_its_entries_read(world: TableWithKeys) -> None:
    """The entry's own noise comes out once more: added to it deviations add, and subtracted they do not cancel."""
    profile = world.profile
    one = bootstrap_variance(profile)

    def variance(signs: tuple[int, int]) -> float:
        stages = Stages(3)
        low = stages.look_up([WireSum(((0, 1),))], 3, [ROWS[0]], WIDTH, negacyclic=True)[0]
        wires = stages.select([WireSum(((1, 1 << WIDTH - 2),))], WIDTH, [[low] * 4])
        out = linear([wires[0] * signs[0] + low * signs[1]], WIDTH)
        made = wide_circuit(world, Readout("value"), ["one"], [*stages.layers, out], centred=True)
        return float(layer_variances(replace(made, shared=True), profile)[-1][0])

    packing = selection_variance(profile, 4)
    assert variance((1, 0)) == pytest.approx(2 * one + packing)
    assert variance((1, 1)) == variance((1, -1)) == pytest.approx(((2 * one + packing) ** 0.5 + one**0.5) ** 2)
