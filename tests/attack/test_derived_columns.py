"""Attacks by what is derived: many columns of one source give a buyer nothing that the source alone would not.

A circuit over derived columns can be made to cancel (all members of a one-hot code add up to 1, elapsed days less their
calendar parts are nearly constant), to spread one source over many columns, or to count them as columns of their own.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from app.policy.judge import judge_of
from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.data.table import check_codebook
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.bits import default_person_limit, micro_bits, row_micro_bits
from app.protocol.policy.leakage import Leakage
from app.protocol.policy.linear_forms import AFFINE, Form, Space, dominated_column, form, shares_of
from app.protocol.policy.rules import check_shape, rank_limit
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Readout
from fhe.dominance import cleared
from fhe.leakage import Sample, leakage_of, space_of
from fhe.profiles import REFERENCE
from tests.support.derived_columns import BOOK, PLAIN

LIMIT = 0.9
MEMBERS = [f"sex={place}" for place in range(4)]
BUCKETS = [f"note={place}" for place in range(16)]


def affine(**weights: int) -> Form:
    """A form on affine codes; `__` stands for what names cannot hold."""
    return form({(name, AFFINE): weight for name, weight in weights.items()})


def on(names: list[str], weights: list[int], **others: int) -> Form:
    """A form on affine codes of these columns, and others."""
    return form({**{(n, AFFINE): w for n, w in zip(names, weights, strict=True)}, **dict(affine(**others))})


def dominated(*forms: Form) -> str | None:
    """What the exact rule says, and that no fast path clears what it refuses."""
    found = dominated_column(list(forms), space_of(BOOK), Fraction(str(LIMIT)))
    (clear,) = cleared([list(forms)], space_of(BOOK), LIMIT)
    assert found is None or not clear
    return found


def test_the_book_is_one() -> None:
    """The attacks are made on a codebook that readers accept."""
    check_codebook(PLAIN)
    check_codebook(BOOK)


@pytest.mark.parametrize("weight", [1, 1000, 1 << 26])
@pytest.mark.parametrize("names", [MEMBERS, BUCKETS])
def test_members_that_add_up_to_one_hide_nothing(names: list[str], weight: int) -> None:
    """Equal weights on all members of a one-hot code are a constant: what else is in the form is all that it tells."""
    hidden = on(names, [weight] * len(names), a=1)
    assert shares_of(hidden, space_of(BOOK))["a"] == 1
    if weight > 1:  # taken as columns of their own, they would hide it
        space = space_of(BOOK)
        assert dominated_column([hidden], Space(space.levels, space.edges), Fraction(str(LIMIT))) is None
    assert dominated(hidden) == "a"
    assert dominated(on(names, [weight] * (len(names) - 1) + [weight + 1], a=1)) in ("a", names[0].partition("=")[0])


def test_a_calendar_hides_nothing() -> None:
    """Elapsed days less their years, months and days hardly move: no column can be hidden behind them."""
    calendar = ["when", "when:year", "when:month", "when:day"]
    hidden = on(calendar, [1000, -365_250, -30_437, -1000], a=8000)
    assert float(shares_of(hidden, space_of(BOOK))["a"]) > 0.9
    assert dominated(hidden) == "a"


def test_a_source_is_one_column_however_many_are_derived_from_it() -> None:
    """A score of one category, one time or one text alone is as concentrated as a score of one column."""
    for names, weights, source in (
        (MEMBERS, [9, -4, 30, 7], "sex"),
        (["when:month", "when:weekday", "when:day"], [5, 3, -2], "when"),
        (BUCKETS, list(range(16)), "note"),
        (["n", "n:missing"], [3, 400], "n"),
    ):
        one = on(names, weights)
        assert shares_of(one, space_of(BOOK)) == {source: 1}
        assert dominated(one) == source
        assert dominated(on(names, [1000 * weight for weight in weights], a=1)) == source


def test_two_answers_whose_difference_never_moves_are_refused() -> None:
    """Two forms that differ by what never moves are one form twice: no column is learned from their history."""
    first = on(MEMBERS, [2, 3, 4, 5], a=7, b=9, n=8, when=1, note=40)
    second = on(MEMBERS, [1002, 1003, 1004, 1005], a=7, b=9, n=8, when=1, note=40)
    assert dominated(first) is None
    assert dominated(first, second) is not None
    third = on(MEMBERS, [1002, 1003, 1004, 1005], a=8, b=9, n=8, when=1, note=40)
    assert dominated(first, third) == "a"


def circuit(inputs: list[Input], layers: tuple[Linear | Lookup, ...], outputs: int = 1) -> Circuit:
    """A circuit on the attacked codebook."""
    names = tuple(f"y{number}" for number in range(outputs))
    return Circuit(REFERENCE.digest, BOOK.digest, tuple(inputs), layers, names, Readout("value"))


def linear(weights: dict[str, int]) -> Leakage:
    """The leak report of one form on affine codes."""
    layer = Linear(
        27,
        np.array([0, len(weights)]),
        np.arange(len(weights)),
        np.array(list(weights.values())),
        np.zeros(1, np.int64),
    )
    return leakage_of(circuit([Input(name, "affine") for name in weights], (layer,)), BOOK)


def looked_up(bits: list[tuple[str, int]], table: list[int]) -> Leakage:
    """The leak report of one table on three bits."""
    first = Linear(3, np.array([0, 3]), np.arange(3), np.array([4, 2, 1]), np.zeros(1, np.int64))
    lookup = Lookup(10, np.zeros(1, np.int64), np.array([table], np.int64))
    last = Linear(10, np.array([0, 1]), np.array([3]), np.array([1]), np.zeros(1, np.int64))
    return leakage_of(circuit([Input(name, "bins", edge) for name, edge in bits], (first, lookup, last)), BOOK)


def test_a_table_on_parts_of_one_time_rests_on_one_column() -> None:
    """No part alone explains "an even month on a late weekday", and all together do: the sample draws them as one."""
    odd = [entry.bit_count() % 2 for entry in range(8)]
    report = looked_up([("when:month", 5), ("when:weekday", 2), ("when:day", 14)], odd)
    ((source, share),) = report.shares
    assert source == "when"
    assert share == pytest.approx(1.0)
    policy = OutputPolicy(release="score", levels=16, min_group=2)
    assert check_shape(policy, report, 100, 10_000, 1) is not None
    mixed = looked_up([("when:month", 5), ("a", 3), ("b", 3)], odd)
    assert mixed.shares[0][1] < 0.3


def test_the_sample_holds_only_rows_that_can_be() -> None:
    """On the public sample exactly one member is 1, parts belong to their moment, and all bits follow their codes."""
    sample = Sample(BOOK)
    for names in (MEMBERS, BUCKETS):
        assert (np.sum([sample.wire(name, AFFINE) for name in names], axis=0) == 1).all()
    told = np.sum([n * sample.wire(name, AFFINE) for n, name in enumerate(MEMBERS)], axis=0)
    assert (sample.wire("sex", AFFINE) == told).all()
    days = np.datetime64("2020-01-01") + sample.wire("when", AFFINE).astype("timedelta64[D]")
    months = days.astype("datetime64[M]").astype(int) % 12
    assert np.mean(sample.wire("when:month", AFFINE) == months) > 0.9  # the elapsed day is rounded
    gone = sample.wire("n:missing", AFFINE) == 1
    assert 0 < gone.mean() < 0.2
    assert (sample.wire("n", AFFINE)[gone] == 0).all()


def test_limits_count_sources() -> None:
    """Rank, the bits that are sold of a person and their default stay what they are without anything derived."""
    policy = OutputPolicy()
    assert len(BOOK.columns) == len(PLAIN.columns) + 25
    assert space_of(BOOK).columns == space_of(PLAIN).columns == len(PLAIN.columns)
    assert rank_limit(policy, space_of(BOOK).columns) == 3
    assert row_micro_bits(BOOK) == row_micro_bits(PLAIN)
    assert default_person_limit(BOOK) == default_person_limit(PLAIN)
    hot = Codebook(columns=tuple(column for column in BOOK.columns if column.name in MEMBERS), sources=BOOK.sources[:1])
    assert row_micro_bits(hot) == micro_bits(4)


def test_one_row_moves_a_score_by_one_place() -> None:
    """The range, and with it levels and noise, is that of a row that can be: one member at a time."""
    report = linear(dict(zip(MEMBERS, [9, -4, 30, 7], strict=True)) | {"a": 1})
    assert (report.lows, report.highs) == ((-4,), (30 + 255,))
    both = linear({"sex": 10, "sex=3": -30})
    assert (both.lows, both.highs) == ((0,), (20,))


def test_the_history_is_judged_on_sources() -> None:
    """What the custodian decides over all answers so far uses the same states: the judge refuses the hidden column."""
    from app.protocol.policy.groups import groups
    from app.protocol.policy.leakage import Released

    def entry(job: int, *forms: Form) -> Released:
        return Released(job, 1, 1, 0, 100, "score", forms, (), 0, str(job))

    judge = judge_of(BOOK, {}, lambda _: None)
    first = on(MEMBERS, [2, 3, 4, 5], a=7, b=9, n=8, when=1, note=40)
    hides = on(MEMBERS, [5002, 5003, 5004, 5005], a=8, b=9, n=8, when=1, note=40)
    own, told = groups(entry(2, hides), [entry(1, first)], 100)
    assert judge([own | each for each in told], LIMIT) is not None
    own, told = groups(entry(2, first), [], 100)
    assert judge([own], LIMIT) is None


BOTH = Codebook(
    columns=(
        ColumnCode(
            name="c",
            dtype="int",
            affine=Affine(low=0.0, step=1.0),
            bins=tuple(float(edge) for edge in range(8, 256, 8)),
            declared=True,
        ),
        ColumnCode(name="x", dtype="int", affine=Affine(low=0.0, step=1.0), declared=True),
    )
)


def test_a_number_in_two_encodings_hides_nothing() -> None:
    """A code less its own bits hardly moves: what stands beside it is all that the form tells, in one job or in two."""
    code, bits = {("c", AFFINE): 1000}, {("c", edge): -8000 for edge in range(31)}
    hidden, limit = form(code | bits | {("x", AFFINE): 900}), Fraction(str(LIMIT))
    space = space_of(BOTH)
    assert shares_of(hidden, space)["x"] > 0.99
    apart = Space(space.levels, space.edges)  # taken as wires that are free of each other, they would hide it
    assert dominated_column([hidden], apart, limit) is None
    assert dominated_column([hidden], space, limit) == "x"
    assert not cleared([[hidden]], space, LIMIT)[0]
    two = [form(code | {("x", AFFINE): 900}), form(bits | {("x", AFFINE): 1})]
    assert dominated_column(two, space, limit) is not None
