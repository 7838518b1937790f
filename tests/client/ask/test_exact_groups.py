"""Where products are published, sums and averages under one condition or group are of the codes themselves."""

from __future__ import annotations

import polars as pl
import pytest

from app.client.ask.plan import Plan, exact, plan
from app.client.ask.query import parse
from app.protocol.data.product import Factor, Product
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.leakage import leakage_of
from fhe.profiles import REFERENCE
from tests.support.questions import AGE, BOOK, codes, people

BMI = Factor(column="bmi")
BITS = [*(Factor(column="age", edge=edge) for edge in range(len(AGE))), Factor(column="smoker")]
PRODUCTS = BOOK.model_copy(update={"products": tuple(Product(first=BMI, second=bit) for bit in BITS)})
FRAME = people(500, 3)


def planned(sql: str) -> Plan:
    return plan(parse(sql), PRODUCTS, REFERENCE)


def answered(sql: str) -> list[dict[str, object]]:
    asked, found = planned(sql), codes(FRAME, PRODUCTS.products)
    assert asked.circuit is not None
    return exact(asked, evaluate_clear(asked.circuit, gather_inputs(asked.circuit, found))).to_dicts()


@pytest.mark.parametrize("where", ["age >= 40", "age < 18", "age BETWEEN 30 AND 64", "smoker = 1", "NOT smoker = 1"])
def test_one_condition_is_exact(where: str) -> None:
    """Average, sum and count equal the database's of the values, not of their bins' middles; without a lookup."""
    sql = f"SELECT avg(bmi), sum(bmi), count(*) FROM data WHERE {where}"
    (row,) = answered(sql)
    truth = pl.SQLContext(data=FRAME).execute(sql, eager=True).rows()[0]
    assert (row["avg_bmi"], row["sum_bmi"], row["count"]) == pytest.approx(truth, rel=1e-9)
    asked = planned(sql)
    assert (asked.lookups, asked.remarks) == (0, ())
    assert asked.circuit is not None
    assert leakage_of(asked.circuit, PRODUCTS).sensitivity == 400  # one row at either end of the column


def test_one_group_is_exact() -> None:
    """By group too: a person leaves one and enters another."""
    sql = "SELECT smoker, avg(bmi) FROM data GROUP BY smoker"
    truth = FRAME.group_by("smoker").agg(pl.col("bmi").mean()).sort("smoker")["bmi"].to_list()
    assert [row["avg_bmi"] for row in answered(sql)] == pytest.approx(truth, rel=1e-9)
    asked = planned("SELECT age, sum(bmi) FROM data GROUP BY age")
    assert asked.circuit is not None
    assert len(asked.circuit.outputs) == 2 * (len(AGE) + 1)
    assert leakage_of(asked.circuit, PRODUCTS).sensitivity == 400


def test_other_questions_are_counts_of_cells_as_before() -> None:
    """Two conditions, quantiles, other columns: what has no product is answered from bins, and says so."""
    for sql in (
        "SELECT avg(bmi) FROM data WHERE age >= 40 AND smoker = 1",
        "SELECT avg(bmi), avg(age) FROM data WHERE smoker = 1",
        "SELECT median(bmi) FROM data WHERE smoker = 1",
        "SELECT avg(age) FROM data WHERE smoker = 1",
    ):
        assert planned(sql).remarks
        assert planned(sql).circuit is not None
    plain = "SELECT avg(bmi) FROM data WHERE smoker = 1"
    assert plan(parse(plain), BOOK, REFERENCE).remarks
