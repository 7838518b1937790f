"""Clipping and functions of wide values by 3-bit tables: every value is run through, and some are encrypted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.errors import BadModel, NoiseOverflow
from fhe.arrays import I64
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.circuit.circuit import Circuit, Input, Lookup, Readout
from fhe.circuit.clear import evaluate_clear
from fhe.circuit.cost import cost
from fhe.compile import check
from fhe.compile.digits.clipped import clip_width, clipped
from fhe.compile.digits.functions import looked_up, walsh
from fhe.compile.digits.selected import LEAST_BITS, MOST_BITS, selected
from fhe.compile.digits.stages import Stages, WireSum, linear
from fhe.compile.digits.windows import (
    PART,
    Clipping,
    clipped_in_windows,
    gathered_in_windows,
    plan,
    sign_plan,
    signs_over_low_bits,
    window_width,
)
from fhe.engine.evaluate import evaluate
from fhe.noise.lookup import bootstrap_variance, layer_variances
from fhe.profiles import REFERENCE
from tests.support.encrypted_tables import EDGES, TableWithKeys
from tests.support.wide_circuits import wide_circuit


def book(levels: int) -> Codebook:
    """One affine column."""
    code = Affine(low=0.0, step=1.0, levels=levels)
    return Codebook(columns=(ColumnCode(name="x", dtype="int", affine=code, declared=True),))


def on_all(
    stages: Stages, values: list[WireSum], width: int, levels: int, *, shared: bool = False
) -> tuple[Circuit, I64]:
    """The circuit of one column, checked by the static rules, and what it gives for each of the column's codes."""
    names = tuple(f"value {number}" for number in range(len(values)))
    layers = (*stages.layers, linear(values, width))
    read, digests = (Input("x", "affine"),), (REFERENCE.digest, book(levels).digest)
    circuit = Circuit(*digests, read, layers, names, Readout("value"), centred=True, shared=shared)
    assert check(circuit, book(levels), REFERENCE).log2_failure < -128
    return circuit, evaluate_clear(circuit, np.arange(levels)[:, None]).T


def lookups(circuit: Circuit) -> int:
    """Bootstraps of a row."""
    return sum(len(layer.source) for layer in circuit.layers if isinstance(layer, Lookup))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_clipping_in_windows_is_exact_on_every_value(data: st.DataObject) -> None:
    """Any range, any dropped and kept bits, low bits that stay: twice the arithmetic, in the rotations planned.

    So with encrypted tables, which take as many rotations as planned and never more than without.
    """
    drop, bits = data.draw(st.integers(0, 6)), data.draw(st.integers(1, 4))
    low = data.draw(st.integers(-700, 100))
    levels = data.draw(st.integers(2, 1500))
    asked = Clipping(window_width(low, low + levels - 1, drop, bits) + 1, drop, bits, 10)
    ways = [replace(asked, selects=selects) for selects in (False, True)]
    plans = [plan(way, 0.0, REFERENCE) for way in ways]
    if plans[0] is None:
        return
    for way, by in zip(ways, plans, strict=True):
        assert by is not None
        stages = Stages(1)
        values = clipped_in_windows(stages, [WireSum(((0, 2),), 2 * low)], way, by)
        width = way.selecting if way.selects else 10
        circuit, found = on_all(stages, values, width, levels, shared=True)
        assert np.array_equal(found[0], 2 * np.clip((np.arange(levels) + low) >> drop, 0, (1 << bits) - 1))
        bootstraps = cost(circuit, REFERENCE, 1).bootstraps
        assert by.rotations <= bootstraps <= by.rotations + (0 if way.selects else 1)
        assert bootstraps <= plans[0].rotations + 1


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_what_is_gathered_is_exact_on_every_value(data: st.DataObject) -> None:
    """Up to three bits by one lookup, up to six by two, whose noises may be alike: itself, at any range."""
    drop, bits = data.draw(st.integers(0, 6)), data.draw(st.integers(1, 6))
    low = data.draw(st.integers(-700, 100))
    levels = data.draw(st.integers(2, 1500))
    cut = PART if bits > PART else 0
    selects = bool(cut) or data.draw(st.booleans())
    asked = Clipping(window_width(low, low + levels - 1, drop, bits) + 1, drop, bits, bits + 2, selects, cut)
    by = plan(asked, 0.0, REFERENCE)
    if by is None:
        return
    stages = Stages(1)
    values = gathered_in_windows(stages, [WireSum(((0, 2),), 2 * low)], asked, by, 9)
    circuit, found = on_all(stages, values, 9, levels, shared=True)
    assert np.array_equal(found[0], np.clip((np.arange(levels) + low) >> drop, 0, (1 << bits) - 1))
    assert layer_variances(circuit, REFERENCE)[-1][0] <= (4 if cut else 1) * 1.001 * bootstrap_variance(REFERENCE)


@settings(max_examples=20, deadline=None)
@given(st.integers(-3000, 100), st.integers(2, 6000))
def test_signs_over_low_bits_are_exact_on_every_value(low: int, levels: int) -> None:
    """Any range: one lookup for the first four bits and one for each three more, where each bit was taken before."""
    width = max(1, max(-low - 1, low + levels - 1).bit_length())
    by = sign_plan(width, 0.0, REFERENCE)
    assert by is not None
    stages = Stages(1)
    values = signs_over_low_bits(stages, [WireSum(((0, 1),), low)], width, by, 3)
    circuit, found = on_all(stages, values, 3, levels, shared=True)
    assert np.array_equal(found[0], np.where(np.arange(levels) + low < 0, 1, -1))
    assert cost(circuit, REFERENCE, 1).bootstraps == by.rotations <= 1 + -(-width // 3)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_rounding_and_clipping_are_exact_on_every_value(data: st.DataObject) -> None:
    """Any range, any number of dropped bits and of kept ones, against the arithmetic; the proof accepts them all."""
    drop, bits = data.draw(st.integers(0, 6)), data.draw(st.integers(1, 7))
    low = data.draw(st.integers(-1500, 100))
    levels = data.draw(st.integers(2, 3000))
    width = clip_width(low, low + levels - 1, drop, bits)
    stages = Stages(1)
    values = clipped(stages, [WireSum(((0, 1),), low)], width, drop, bits, 9, 0.0, REFERENCE)
    _, found = on_all(stages, values, 9, levels)
    wanted = np.clip((np.arange(levels) + low) >> drop, 0, (1 << bits) - 1)
    assert np.array_equal(found[0], wanted)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_any_function_of_up_to_eight_bits(data: st.DataObject) -> None:
    """Random tables, tables of few values, and steps: all entries come out, times 2^n."""
    width = data.draw(st.integers(1, 8))
    most = data.draw(st.sampled_from([1, 7, 63]))
    random = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    table = random.integers(-most, most + 1, 1 << width)
    if data.draw(st.booleans()):
        table = np.sort(table)
    stages, out = Stages(1), 6 + width
    values, more = looked_up(stages, [WireSum(((0, 1),))], width, table.tolist(), out)
    _, found = on_all(stages, values, out, 1 << width)
    assert np.array_equal(found[0], table << more)


@pytest.mark.parametrize(("width", "any_", "relu"), [(4, 4, 4), (5, 6, 5), (6, 11, 6), (7, 20, 12), (8, 37, 15)])
def test_functions_cost_as_many_lookups_as_they_have_coefficients(width: int, any_: int, relu: int) -> None:
    """A random table of six bits takes eleven lookups of three, a ReLU six; nothing is counted by hand elsewhere."""
    random = np.random.default_rng(1).integers(0, 64, 1 << width)
    for table, most in ((random, any_), (np.maximum(np.arange(1 << width) - (1 << (width - 1)), 0), relu)):
        stages = Stages(1)
        values, _ = looked_up(stages, [WireSum(((0, 1),))], width, table.tolist(), 6 + width)
        circuit, _ = on_all(stages, values, 6 + width, 1 << width)
        assert lookups(circuit) == most


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_any_function_by_selection(data: st.DataObject) -> None:
    """The same where tables are selected among; of two values at once, one of them with a constant."""
    width = data.draw(st.integers(LEAST_BITS, MOST_BITS))
    most = data.draw(st.sampled_from([1, 7, 63]))
    random = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    table = random.integers(-most, most + 1, 1 << width)
    if data.draw(st.booleans()):
        table = np.sort(table)
    stages, value = Stages(1), WireSum(((0, 1),))
    found, more = selected(stages, [value, value * -1 + ((1 << width) - 1)], width, table, 7)
    _, rows = on_all(stages, found, 7, 1 << width, shared=True)
    assert np.array_equal(rows, np.stack([table, table[::-1]]) << more)


@pytest.mark.parametrize(("width", "any_"), [(4, 2), (5, 3), (6, 3), (7, 6), (8, 9)])
def test_a_selection_takes_a_third_of_the_rotations(width: int, any_: int) -> None:
    """A random table of six bits takes three rotations and a packing, at the noise that the profile allows."""
    table = np.random.default_rng(1).integers(0, 64, 1 << width)
    stages = Stages(1)
    values, _ = selected(stages, [WireSum(((0, 1),))], width, table, 7)
    circuit, _ = on_all(stages, values, 7, 1 << width, shared=True)
    assert cost(circuit, REFERENCE, 1).bootstraps == any_


def test_walsh_coefficients_are_their_own_inverse() -> None:
    """Twice is 2^n times."""
    values = np.random.default_rng(2).integers(-99, 99, (16, 8))
    assert np.array_equal(walsh(walsh(values)), values * 16)


def test_encrypted_rows_have_the_clear_values(world: TableWithKeys) -> None:
    """64 rows of a clipped sum and of a square, under keys of no security."""
    weights, low = (11, -7, 30), -100
    sums = WireSum(tuple(enumerate(weights)), low)
    stages = Stages(3)
    width = clip_width(low - 7 * EDGES, low + 41 * EDGES, 3, 3)
    values = clipped(stages, [sums], width, 3, 3, 12, 0.0, world.profile)
    total = WireSum(((0, 1), (1, 1), (2, 1)))
    squares, more = looked_up(stages, [total], 5, [(n - 9) ** 2 // 4 for n in range(32)], 12)
    circuit = wide_circuit(
        world, Readout("value"), ["clipped", "square"], (*stages.layers, linear([*values, *squares], 12)), centred=True
    )
    check(circuit, world.table.codebook, world.profile)
    table = world.table.model_copy(update={"evaluator": "darkroom-canonical-2"})
    output = evaluate(circuit, world.profile, table, world.source, 270, 64, world.key, 2)
    rows = world.codes[270:334]
    found = decrypt_lookups(world.secret, world.profile, circuit, 64, output)
    assert np.array_equal(found[0], np.clip((rows @ np.array(weights) + low) >> 3, 0, 7))
    assert np.array_equal(found[1], ((rows.sum(axis=1) - 9) ** 2 // 4) << more)


def test_what_cannot_be_read_is_refused() -> None:
    """Too many bits for the noise, or for a table: typed, with a next step."""
    with pytest.raises(NoiseOverflow):
        clipped(Stages(1), [WireSum(((0, 1),))], 20, 4, 3, 9, 0.0, REFERENCE)
    with pytest.raises(BadModel):
        looked_up(Stages(1), [WireSum(((0, 1),))], 9, [0] * 512, 12)
