"""Several tables of one value by one blind rotation: what they give, and with how much noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol.errors import MessageOverflow
from fhe.arrays import F64, I64, U8, U64
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.circuit.circuit import Circuit, Readout
from fhe.circuit.clear import evaluate_clear, negacyclic
from fhe.circuit.codec import decode, encode
from fhe.circuit.cost import cost
from fhe.compile.check import check, input_ranges
from fhe.compile.digits.stages import Stages, WireSum, linear
from fhe.compile.ranges import strays
from fhe.engine.core import BackendName
from fhe.engine.evaluate import evaluate
from fhe.engine.factors import combine, factored, noise_gains
from fhe.engine.gadget import table_polynomials
from fhe.engine.trace.lookups import KeyTables
from fhe.engine.trace.program import program_of
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.noise.lookup import bootstrap_variance, check_lookups, layer_variances
from fhe.profiles import REFERENCE, insecure_test_profile
from tests.fhe.conftest import RealKeys
from tests.fhe.noise_bench import Bench
from tests.support.encrypted_tables import TableWithKeys, make_table
from tests.support.wide_circuits import wide_circuit

TABLES = np.array([range(8), [-4] * 8, [0, 0, 1, 1, 2, 2, 3, 3], [3, -7, 2, 0, 5, -1, 6, 4], [1, -1] * 4], np.int64)
WIDTH_OUT = 6


@pytest.fixture(scope="module")
def world() -> TableWithKeys:
    """A small table and keys of no security."""
    profile = insecure_test_profile()
    secret, key = insecure_test_keys(profile)
    return make_table(profile, secret, key, (48,))


def shared_circuit(world: TableWithKeys, *, shared: bool = True) -> Circuit:
    """Five tables of one value, and one of another, in a layer that is negacyclic."""
    stages = Stages(3)
    sums = [WireSum(((0, 1), (1, 1)), -1)] * len(TABLES) + [WireSum(((2, 1),), 0)]
    wires = stages.look_up(sums, 3, [*TABLES.tolist(), list(range(8))], WIDTH_OUT, negacyclic=True)
    names = [f"table {number}" for number in range(len(wires))]
    made = wide_circuit(world, Readout("value"), names, [*stages.layers, linear(wires, WIDTH_OUT)], centred=True)
    return replace(made, shared=shared)


def test_tables_of_one_value_take_one_rotation_and_give_what_they_say(world: TableWithKeys) -> None:
    """Encrypted, by two backends to the byte, in the clear, and in what it costs."""
    circuit = decode(encode(shared_circuit(world)))
    expected = evaluate_clear(circuit, world.inputs(circuit))
    expect_encrypted(world, circuit)
    alone = replace(circuit, shared=False)
    assert [cost(each, world.profile, 48).bootstraps for each in (circuit, alone)] == [2 * 48, 6 * 48]
    assert cost(circuit, world.profile, 48).units < cost(alone, world.profile, 48).units
    assert np.array_equal(evaluate_clear(alone, world.inputs(circuit)), expected)


def expect_encrypted(world: TableWithKeys, circuit: Circuit) -> None:
    """What comes out encrypted is what the circuit gives in the clear, by two backends to the byte."""
    table = world.table.model_copy(update={"evaluator": "darkroom-canonical-2"})
    backends: tuple[BackendName, ...] = ("native", "reference")
    found = [evaluate(circuit, world.profile, table, world.source, 0, 48, world.key, 1, each) for each in backends]
    assert found[0].to_bytes() == found[1].to_bytes()
    decrypted = decrypt_lookups(world.secret, world.profile, circuit, 48, found[0])
    assert np.array_equal(decrypted.T, evaluate_clear(circuit, world.inputs(circuit)))


def test_tables_of_one_entry_share_a_rotation_too(world: TableWithKeys) -> None:
    """The padding bit alone, in two scales: what is subtracted of a value, and what it is worth elsewhere."""
    stages = Stages(3)
    value = WireSum(((0, 2), (1, 2), (2, 2)), -11)  # odd, so that it is between no two boxes
    wires = stages.look_up([value] * 2, 4, [[-3], [8]], WIDTH_OUT, negacyclic=True)
    layers = [*stages.layers, linear(wires, WIDTH_OUT)]
    made = wide_circuit(world, Readout("value"), ["one", "other"], layers, centred=True)
    expect_encrypted(world, replace(made, shared=True))


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 4).flatmap(
        lambda bits: st.lists(
            st.lists(st.integers(-32, 31), min_size=1 << bits, max_size=1 << bits), min_size=1, max_size=4
        )
    )
)
def test_a_product_is_the_tables_own_polynomial(tables: list[list[int]]) -> None:
    """Of any tables: the factor times the common polynomial is section 4's, in words and without a rounding."""
    given_tables, size = np.array(tables, np.int64), 64
    found = factored(given_tables)
    common, entries = found.polynomial(WIDTH_OUT, size), given_tables.shape[1]
    rng = np.random.default_rng(1)
    mask = rng.integers(0, 1 << 64, size, dtype=np.uint64)
    for turn in range(0, 2 * size, 7):
        body = turned(common, turn)
        rotated = np.concatenate([mask, body[:: size // entries]])[None]
        own = table_polynomials(given_tables, WIDTH_OUT, size)
        products = combine(rotated, found.factors)
        assert np.array_equal(products[:, 0, -1], [turned(each, turn)[0] for each in own])
    products = combine(np.concatenate([mask, common[:: size // entries]])[None], found.factors)
    for factor, product in zip(found.factors, products, strict=True):
        expected = np.zeros(size, np.uint64)
        for power, weight in enumerate(factor.view(np.uint64)):
            expected += weight * unturned(mask, power * (size // entries))
        assert np.array_equal(product[0, :-1], expected)


def turned(polynomial: U64, by: int) -> U64:
    """X^-by times it, modulo X^N + 1."""
    size = len(polynomial)
    place = (np.arange(size) + by) % (2 * size)
    return np.where(place >= size, np.uint64(0) - polynomial[place % size], polynomial[place % size])


def unturned(mask: U64, by: int) -> U64:
    """The mask of coefficient 0 of X^by (A, B), from that of (A, B): section 4's extraction, written out."""
    size = len(mask)
    a = np.concatenate([mask[:1], np.uint64(0) - mask[:0:-1]])  # A
    moved = turned(a, 2 * size - by)
    return np.concatenate([moved[:1], np.uint64(0) - moved[:0:-1]])


def gains(bench: Bench, secret: U8, rows: int) -> tuple[F64, F64]:
    """Measured variances of products over a bootstrap's own, and those that are promised."""
    rng, profile = np.random.default_rng(5), bench.profile
    found, size = factored(TABLES), profile.polynomial_size
    values: I64 = rng.integers(0, 16, rows)
    big = bench.encrypt(secret, values.astype(np.uint64) << np.uint64(60), rng)
    polynomials = found.polynomial(WIDTH_OUT, size)[None]
    which = np.zeros(rows, np.int64)
    rotated = bench.core.bootstrap(bench.core.keyswitch(big), polynomials, which, centred=True, bodies=8)
    expected = np.stack([negacyclic(table[None], 3, values[None])[0] for table in TABLES])
    errors = [
        bench.errors(lwe, secret, exact.view(np.uint64) << np.uint64(63 - WIDTH_OUT))
        for lwe, exact in zip(combine(rotated, found.factors), expected, strict=True)
    ]
    return np.var(errors, axis=1) / bootstrap_variance(profile), noise_gains(found, TABLES)


def test_products_have_the_noise_that_is_promised() -> None:
    """Over eight small keys: no table above its bound, and none far below."""
    profile, ratios = insecure_test_profile(), []
    for seed in range(8):
        secret, key = insecure_test_keys(profile, seed=seed)
        measured, promised = gains(Bench.of(profile, secret, key), secret.glwe, 96)
        ratios.append(measured / promised)
    mean = np.mean(ratios, axis=0)
    assert mean.max() < 1.25
    assert mean.min() > 0.5


@pytest.mark.deep
def test_products_have_that_noise_on_real_keys(real_keys: RealKeys) -> None:
    """512 rows under Concrete's keys."""
    secret, key = real_keys.secret, real_keys.evaluation
    measured, promised = gains(Bench.of(REFERENCE, secret, key), secret.glwe, 512)
    weights = 4 * float(secret.glwe.mean()) * float(secret.lwe.mean())
    assert (measured / promised / weights).max() < 1.25
    assert (measured / promised / weights).min() > 0.5


def test_twins_of_one_rotation_count_as_dependent(world: TableWithKeys) -> None:
    """A sum of two tables of one value has at least the variance of the table that is their sum."""
    circuit = shared_circuit(world)
    last = circuit.layers[-1]
    doubled = replace(circuit, outputs=("sum",), layers=(*circuit.layers[:-1],
                      linear([WireSum(((3, 1), (3 + 3, 1)), 0)], WIDTH_OUT)))  # fmt: skip
    assert last.width == WIDTH_OUT  # type: ignore[union-attr]
    found = factored(TABLES)
    promised = noise_gains(found, TABLES)
    together = noise_gains(replace(found, factors=found.factors[[0]] + found.factors[[3]]), TABLES[[0]] + TABLES[[3]])
    counted = layer_variances(doubled, world.profile)[-1][0] / bootstrap_variance(world.profile)
    assert counted == pytest.approx((promised[0] ** 0.5 + promised[3] ** 0.5) ** 2)
    assert counted >= together[0]


def off_centre(world: TableWithKeys, by: int) -> Circuit:
    """A sum of codes less its bit 3, whose lowest three bits stay, read in two boxes of 16, `by` off their centres."""
    stages, value = Stages(3), WireSum(((0, 1), (1, 5), (2, 7)))
    (bit,) = stages.look_up([value], 3, [[-4] * 8], 8, negacyclic=True)
    top = stages.look_up([value - (bit + 4) + by], 5, [[0, 1]], WIDTH_OUT, negacyclic=True)
    layers = [*stages.layers, linear(top, WIDTH_OUT)]
    return replace(wide_circuit(world, Readout("value"), ["top"], layers, centred=True), shared=True)


def test_a_value_is_read_in_its_nearest_box_and_what_it_is_off_counts(world: TableWithKeys) -> None:
    """Low bits may stay: three of them under steps of 16 are read past exactly; further off there is less room."""
    book, profile, failures = world.table.codebook, world.profile, dict[int, float]()
    for by in (-3, -1):
        circuit = off_centre(world, by)
        rows = world.inputs(circuit)
        top = rows @ np.array([1, 5, 7]) // 16 % 4
        assert np.array_equal(evaluate_clear(circuit, rows)[:, 0], np.where(top < 2, top, 2 - top))
        check(circuit, book, profile)
        off = strays(circuit, input_ranges(circuit.inputs, book))
        assert off[1] == [max(-by, 7 + by)]
        failures[by] = max(f for at, _, f in check_lookups(circuit, profile, off) if at == 2)
        assert failures[by] > max(f for at, _, f in check_lookups(circuit, profile) if at == 2)
    assert failures[-1] > failures[-3]
    edge = off_centre(world, 1)
    for wrong in (edge, replace(off_centre(world, -3), shared=False)):
        with pytest.raises(MessageOverflow, match="lower ones"):
            check(wrong, book, profile)
    with pytest.raises(MessageOverflow, match="lower ones"):
        evaluate_clear(edge, np.array([[7, 0, 0]]))


def test_a_shared_circuit_has_packed_inputs_and_no_sums(world: TableWithKeys) -> None:
    """What it does not go with is refused by name."""
    circuit = shared_circuit(world)
    for change in ({"block": 4}, {"centred": False}, {"lwe_bins": True}):
        with pytest.raises(Exception, match=r"shares rotations|negacyclic|affine"):
            encode(replace(circuit, **change))


def test_no_contract_judges_what_has_no_names_yet(world: TableWithKeys) -> None:
    """A dispute would follow each table's own rotation, and convict an honest executor: there is no program."""
    table = world.table.model_copy(update={"evaluator": "darkroom-canonical-2"})
    keys = KeyTables.of(world.key)
    assert program_of(shared_circuit(world, shared=False), world.profile, table, keys) is not None
    assert program_of(shared_circuit(world), world.profile, table, keys) is None
