"""Questions: without noise the answer is what a database says of the same codes; with noise the interval holds."""

from __future__ import annotations

import math
import random
from functools import cache
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest

from app.client.ask.answer import average, quantile, total
from app.client.ask.formula import formula_of
from app.client.ask.plan import Plan, exact, plan
from app.client.ask.query import parse
from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadQuery
from fhe.arrays import I64
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.leakage import leakage_of
from fhe.profiles import REFERENCE
from tests.support.questions import BOOK, PAIRED, TABLE, codes, people, question, with_cells

PEOPLE = people(400, 1)


def outputs(asked: Plan, frame: pl.DataFrame = PEOPLE) -> I64:
    """The circuit's outputs on these rows in the clear."""
    if asked.circuit is None:
        return np.zeros((len(frame), 0), np.int64)
    return evaluate_clear(asked.circuit, gather_inputs(asked.circuit, codes(frame, PAIRED.products)))


def answered(sql: str, book: Codebook = BOOK) -> list[dict[str, Any]]:
    asked = plan(parse(sql), book, REFERENCE)
    return exact(asked, outputs(asked)).to_dicts()


def told_apart(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows as conditions and groups see them: each value at the middle of its cell."""
    known = with_cells(frame)
    return known.select(pl.col(f"{name}_middle").alias(name) for name in frame.columns)


@cache
def duck(table: str) -> duckdb.DuckDBPyConnection:
    """A database whose table `data` has these people, as they are ("codes") or at the middles of their cells."""
    frame = PEOPLE if table == "codes" else told_apart(PEOPLE)
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE data ({', '.join(f'{name} DOUBLE' for name in frame.columns)})")
    connection.executemany(f"INSERT INTO data VALUES ({', '.join('?' * frame.width)})", frame.rows())
    return connection


def database(sql: str) -> list[tuple[Any, ...]]:
    """What DuckDB says of the question's own words, on the published codes."""
    asked = parse(sql)
    plain = formula_of(asked.where, TABLE) is True and not asked.groups
    rows = duck("cells").execute(sql).fetchall()
    if not plain:
        return rows
    exact_rows = duck("codes").execute(sql).fetchall()  # without condition and groups, codes are summed themselves
    of_codes = [each.kind in ("sum", "avg") and TABLE[each.column].affine is not None for each in asked.aggregates]
    return [
        tuple(one if codes else other for one, other, codes in zip(exact_row, row, of_codes, strict=True))
        for exact_row, row in zip(exact_rows, rows, strict=True)
    ]


def compare(sql: str, book: Codebook = BOOK) -> None:
    """The answer without noise is the database's: the same groups, counts and sums to the last bit."""
    query = parse(sql)
    names = [each.name for each in query.aggregates]
    labels = {(name, cell.middle): cell.label for name in query.groups for cell in TABLE[name].cells}
    expected: dict[tuple[str, ...], tuple[Any, ...]] = {}
    for told in database(sql):
        groups = tuple(labels[name, value] for name, value in zip(query.groups, told, strict=False))
        expected[groups] = told[len(query.groups) :]
    found = {tuple(row[group] for group in query.groups): row for row in answered(sql, book)}
    assert set(expected) <= set(found)
    for key, row in found.items():
        truths = expected.get(key, (None,) * len(names))
        for name, aggregate, truth in zip(names, query.aggregates, truths, strict=True):
            said = [row[name], row[f"{name}_low"], row[f"{name}_high"]]
            if truth is None:  # of no rows: a database leaves the group out or says NULL, all declared cells are here
                assert row[name] in (0, None), (sql, key, name)
            elif aggregate.kind == "count":
                assert said == [truth] * 3, (sql, key, name)
            elif aggregate.kind == "quantile":
                assert row[name] == truth, (sql, key, name)
            elif aggregate.kind == "sum":
                assert said == [truth] * 3, (sql, key, name)
            else:
                assert said == pytest.approx([truth] * 3, rel=1e-14), (sql, key, name)


def run_questions(count: int, seed: int) -> int:
    rng, asked = random.Random(seed), 0
    while asked < count:
        compare(question(rng))
        asked += 1
    return asked


def test_answers_without_noise_are_a_databases_answers() -> None:
    """Generated questions: DuckDB says the same of the same words, on the same codes."""
    assert run_questions(80, 1) == 80


def test_answers_by_products_are_a_databases_answers() -> None:
    """Where two columns are asked together and their products are published: the same answers, and no lookup."""
    for sql in (
        "SELECT count(*) FROM data WHERE age >= 40 AND smoker = 1",
        "SELECT count(*) FROM data WHERE age >= 40 OR NOT bmi < 25",
        "SELECT smoker, count(*), avg(age) FROM data WHERE age BETWEEN 18 AND 64 GROUP BY smoker",
        "SELECT age, bmi, count(*) FROM data GROUP BY age, bmi",
        "SELECT bmi, sum(cost), count(*) FROM data GROUP BY bmi",
        "SELECT quantile(bmi, 0.5) FROM data WHERE NOT (cost >= 10 AND cost < 99)",
        "SELECT smoker, bmi, sum(bmi) FROM data GROUP BY smoker, bmi",
    ):
        asked = plan(parse(sql), PAIRED, REFERENCE)
        assert "without a lookup" in asked.remarks[-1]
        assert not asked.lookups
        compare(sql, PAIRED)


def test_two_conditions_move_two_counts() -> None:
    """Cells of two columns exclude one another, and are read in blocks of millions; three columns take lookups."""
    sql = "SELECT smoker, count(*), avg(age) FROM data WHERE age >= 30 GROUP BY smoker"
    asked = plan(parse(sql), PAIRED, REFERENCE)
    assert asked.circuit is not None
    assert asked.circuit.block > 1_000_000
    assert leakage_of(asked.circuit, PAIRED).sensitivity == 2
    both = plan(parse("SELECT age, bmi, count(*) FROM data GROUP BY age, bmi"), PAIRED, REFERENCE)
    assert both.circuit is not None
    assert (both.lookups, leakage_of(both.circuit, PAIRED).sensitivity) == (0, 2)
    three = plan(
        parse("SELECT smoker, count(*) FROM data WHERE age >= 30 AND bmi < 25 GROUP BY smoker"), PAIRED, REFERENCE
    )
    assert three.lookups
    assert not three.remarks


@pytest.mark.deep
def test_a_thousand_answers_without_noise_are_a_databases_answers() -> None:
    """The same for a thousand."""
    assert run_questions(1000, 2) == 1000


def test_what_is_known_costs_nothing() -> None:
    """The number of rows is public, and what no row can meet is empty: no circuit is needed for either."""
    every = plan(parse("SELECT count(*) FROM data"), BOOK, REFERENCE)
    assert every.circuit is None
    assert every.answer(np.zeros(0, np.int64), 400, 0).to_dicts()[0]["count"] == 400
    none = plan(parse("SELECT count(*) FROM data WHERE age >= 40 AND age < 30"), BOOK, REFERENCE)
    assert none.circuit is None
    assert none.answer(np.zeros(0, np.int64), 400, 0).to_dicts()[0]["count"] == 0


def test_one_column_needs_no_bootstrap() -> None:
    """Conditions and groups on one column are linear; three bits are one lookup; what is shared is looked up once."""
    for sql, lookups in (
        ("SELECT count(*) FROM data WHERE age >= 40 OR age < 18", 0),
        ("SELECT age, count(*) FROM data WHERE age >= 18 GROUP BY age", 0),
        ("SELECT avg(age) FROM data WHERE age < 65", 0),
        ("SELECT count(*) FROM data WHERE age >= 40 AND bmi < 25 AND smoker = 1", 1),
        ("SELECT smoker, count(*) FROM data WHERE age >= 40 GROUP BY smoker", 2),
        ("SELECT smoker, avg(bmi) FROM data WHERE age >= 40 AND cost < 10 GROUP BY smoker", 1 + 2 * 4),
    ):
        assert plan(parse(sql), BOOK, REFERENCE).lookups == lookups, sql


def test_cells_cost_one_persons_move() -> None:
    """However many cells a question has, a person leaves one and enters another."""
    for sql, moves in (
        ("SELECT count(*) FROM data WHERE age >= 40", 1),
        ("SELECT age, count(*) FROM data GROUP BY age", 2),
        ("SELECT age, smoker, count(*) FROM data GROUP BY age, smoker", 2),
        ("SELECT smoker, avg(bmi) FROM data WHERE age >= 40 GROUP BY smoker", 2),
        ("SELECT avg(bmi), avg(cost) FROM data WHERE age >= 40", 4),
        ("SELECT avg(bmi) FROM data", 200),
    ):
        circuit = plan(parse(sql), BOOK, REFERENCE).circuit
        assert circuit is not None
        assert leakage_of(circuit, BOOK).sensitivity == moves, sql


REFUSED = {
    "SELECT age FROM data": "avg\\(age\\)",
    "SELECT min(age) FROM data": "quantile",
    "SELECT count(age) FROM data": "count\\(\\*\\)",
    "SELECT avg(cost) FROM data WHERE cost > 10": "cost >= 2.5 or cost >= 10|cost >= 10",
    "SELECT count(*) FROM data WHERE age >= 41": "age >= 40",
    "SELECT count(*) FROM data WHERE name = 'x'": "has no column 'name'",
    "SELECT count(*) FROM data WHERE age = 'old'": "holds numbers",
    "SELECT count(*) FROM data WHERE age >= bmi": "Compare a column",
    "SELECT count(*) FROM data WHERE age + 1 >= 40": "Compare a column",
    "SELECT count(*) FROM data GROUP BY age, bmi, cost": "up to 2",
    "SELECT count(*) FROM data GROUP BY age + 1": "columns only",
    "SELECT count(*) FROM data HAVING count(*) > 5": "Leave it out",
    "SELECT count(*) FROM data LIMIT 5": "Leave it out",
    "SELECT DISTINCT age FROM data": "Leave it out",
    "SELECT count(*) FROM a JOIN b ON a.x = b.x": "Leave it out",
    "SELECT count(*) FROM (SELECT * FROM data)": "one table",
    "SELECT histogram(age), count(*) FROM data": "apart",
    "SELECT avg(age), avg(age) FROM data": "Name them",
    "SELECT 1": "one table",
    "DROP TABLE data": "one SELECT",
    "SELECT count(*) FROM data; SELECT count(*) FROM data": "one SELECT",
    "SELEC count(*)": "Ask:|one SELECT",
    "SELECT quantile(age, 2) FROM data": "between 0 and 1|quantile\\(age, 0.5\\)",
    "SELECT sum(age * 2) FROM data": "of a column",
}


@pytest.mark.parametrize("sql", REFUSED)
def test_what_cannot_be_asked_is_refused_with_the_nearest_that_can(sql: str) -> None:
    """A typed error, whose next step is something that can be asked."""
    with pytest.raises(BadQuery, match=REFUSED[sql]) as refusal:
        plan(parse(sql), BOOK, REFERENCE)
    assert refusal.value.next_step


def test_long_and_deep_questions_are_refused() -> None:
    """No question takes the process down: its length, depth and cells are bounded."""
    for sql in (
        "SELECT count(*) FROM data WHERE " + "(" * 3000 + "age >= 40" + ")" * 3000,
        "SELECT count(*) FROM data WHERE " + "NOT " * 2000 + "age >= 40",
        "SELECT count(*) FROM data WHERE " + " AND ".join(["age >= 40"] * 2000),
    ):
        with pytest.raises(BadQuery):
            plan(parse(sql), BOOK, REFERENCE)


def laplace(rng: np.random.Generator, scale: float, count: int) -> I64:
    """Discrete Laplace noise, as the difference of two geometric draws."""
    alpha = 1 - math.exp(-1 / scale)
    noise: I64 = (rng.geometric(alpha, count) - rng.geometric(alpha, count)).astype(np.int64)
    return noise


def covered(count: int, seed: int) -> tuple[int, int]:
    """(figures whose interval holds the truth, figures) over so many distinct random questions with noise."""
    rng, chance, hits, all_of = np.random.default_rng(seed), random.Random(seed), 0, 0
    seen: set[str] = set()
    while len(seen) < count:
        sql = question(chance)
        asked = plan(parse(sql), BOOK, REFERENCE)
        if asked.circuit is None or sql in seen:
            continue
        seen.add(sql)
        sums = outputs(asked).sum(axis=0)
        scale = max(1, leakage_of(asked.circuit, BOOK).sensitivity) / chance.choice([0.3, 1.0, 3.0])
        truth = asked.answer(sums, len(PEOPLE), 0.0)
        noisy = asked.answer(sums + laplace(rng, scale, len(sums)), len(PEOPLE), scale)
        at = chance.randrange(len(truth.rows))
        for said, known in zip(noisy.rows[at].figures, truth.rows[at].figures, strict=True):
            if known.value is None or said.low is None or said.high is None:
                continue
            all_of += 1
            hits += said.low - 1e-9 <= known.value <= said.high + 1e-9
    return hits, all_of


def test_the_interval_holds_the_truth() -> None:
    """95 % intervals: at least 94 % of distinct questions, within the chance of so few."""
    hits, count = covered(60, 3)
    assert hits >= 0.94 * count - 3 * math.sqrt(count * 0.06)


@pytest.mark.deep
def test_the_interval_holds_the_truth_in_two_thousand_questions() -> None:
    """At least 94 % of 2,000."""
    hits, count = covered(2000, 4)
    assert hits >= 0.94 * count


def test_figures_at_their_edges() -> None:
    """No rows, noise that leaves nothing to say, and exact counts."""
    assert total([3, 4], [1, 1], [0, 0], 9).high == 7
    assert average([0, 0], [1, 2], [1, 1], 1).value is None
    assert average([1, 1], [10, 20], [1, 1], 50).low == 10
    assert average([5, 5], [10, 20], [1, 1], 0.0) == average([5, 5], [10, 20], [0, 0], 0.0)
    middles = [cell.middle for cell in TABLE["bmi"].cells]
    assert quantile([0, 0, 0, 0], middles, [1] * 4, 1, 0.5).value is None
    assert quantile([0, 9, 0, 0], middles, [1] * 4, 0.0, 0.5).value == middles[1]
