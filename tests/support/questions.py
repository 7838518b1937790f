"""A table of several sorts of columns, and random questions about it that can be asked."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import polars as pl

from app.client.ask.cells import AskedTable
from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.data.product import Factor, Product
from fhe.arrays import I64

AGE, BMI, COST = (18.0, 30.0, 40.0, 65.0), (18.5, 25.0, 30.0), (1.0, 2.5, 10.0, 40.0, 99.0)
BOOK = Codebook(
    columns=(
        ColumnCode(name="age", dtype="int64", affine=Affine(low=0.0, step=1.0, levels=101), bins=AGE, declared=True),
        ColumnCode(
            name="bmi", dtype="float64", affine=Affine(low=10.0, step=0.25, levels=201), bins=BMI, declared=True
        ),
        ColumnCode(name="cost", dtype="float64", bins=COST, declared=True),
        ColumnCode(name="smoker", dtype="int64", affine=Affine(low=0.0, step=1.0, levels=2), declared=True),
    )
)
TABLE = AskedTable(BOOK)
EDGES: dict[str, tuple[float, ...]] = {"age": AGE, "bmi": BMI, "cost": COST}
BITS = {name: [Factor(column=name, edge=edge) for edge in range(len(edges))] for name, edges in EDGES.items()}
BITS["smoker"] = [Factor(column="smoker")]
PAIRED = BOOK.model_copy(
    update={
        "products": tuple(
            Product(first=first, second=second)
            for one, other in itertools.combinations(BITS, 2)
            for first, second in itertools.product(BITS[one], BITS[other])
        )
    }
)  # with the products that a recipe's `groups` makes of all columns


def people(rows: int, seed: int) -> pl.DataFrame:
    """Rows on the codebook's grid."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "age": rng.integers(0, 101, rows).astype(float),
            "bmi": 10 + 0.25 * rng.integers(0, 201, rows),
            "cost": rng.choice([0.0, 1.0, 2.0, 2.5, 9.0, 10.0, 40.0, 98.5, 99.0, 200.0], rows),
            "smoker": rng.integers(0, 2, rows).astype(float),
        }
    )


def codes(frame: pl.DataFrame, products: tuple[Product, ...] = ()) -> dict[tuple[str, Any], I64]:
    """The published codes of these rows, and some products of them."""
    found: dict[tuple[str, Any], I64] = {}
    for column in BOOK.columns:
        values = frame[column.name].to_numpy()
        if column.affine:
            found[column.name, "affine"] = np.rint((values - column.affine.low) / column.affine.step).astype(np.int64)
        if column.bins:
            found[column.name, "bins"] = np.searchsorted(column.bins, values, side="right").astype(np.int64)
    for product in products:
        one, other = (
            found[f.column, "affine"] if f.edge is None else (found[f.column, "bins"] > f.edge).astype(np.int64)
            for f in product.factors
        )
        found[product.name, "affine"] = one * other
    return found


def with_cells(frame: pl.DataFrame) -> pl.DataFrame:
    """The same with each column's cell, by label and by middle."""
    bins = codes(frame)
    extra = []
    for name in frame.columns:
        cells = TABLE[name].cells
        place = bins[name, "bins"] if (name, "bins") in bins else bins[name, "affine"]
        extra += [
            pl.Series(f"{name}_cell", [cells[at].label for at in place]),
            pl.Series(f"{name}_middle", [cells[at].middle for at in place]),
        ]
    return frame.with_columns(extra)


def condition(rng: random.Random, depth: int = 0) -> str:
    """A random condition on published edges."""
    if depth < 2 and rng.random() < 0.5:
        inner = f" {rng.choice(['AND', 'OR'])} ".join(condition(rng, depth + 1) for _ in range(rng.randint(2, 3)))
        return f"NOT ({inner})" if rng.random() < 0.3 else f"({inner})"
    name = rng.choice(["age", "bmi", "cost", "smoker"])
    if name == "smoker":
        return rng.choice(["smoker = 1", "smoker <> 1", "smoker IN (0)", "smoker < 1", "smoker IN (0, 1)"])
    edges = EDGES[name]
    edge = rng.choice(edges)
    if name == "age":
        low = rng.choice(edges[:-1])
        return rng.choice(
            [
                f"age >= {edge:g}",
                f"age < {edge:g}",
                f"age > {edge - 1:g}",
                f"{edge - 1:g} >= age",
                f"age BETWEEN {low:g} AND {rng.choice([e for e in edges if e > low]) - 1:g}",
            ]
        )
    return rng.choice([f"{name} >= {edge:g}", f"{name} < {edge:g}", f"NOT {name} < {edge:g}"])


def question(rng: random.Random) -> str:
    """A random question, in words that databases read too."""
    groups = rng.sample(["age", "bmi", "smoker"], rng.choice([0, 0, 1, 1, 2]))
    wanted = rng.sample(
        ["count(*)", "avg(bmi)", "sum(cost)", "avg(age)", "sum(smoker)", "quantile(bmi, 0.5)", "quantile(age, 0.25)"],
        rng.randint(1, 2),
    )
    where = condition(rng) if rng.random() < 0.8 else ""
    sql = f"SELECT {', '.join([*groups, *wanted])} FROM data"
    sql += f" WHERE {where}" if where else ""
    return sql + (f" GROUP BY {', '.join(groups)}" if groups else "")
