"""Questions about words: a category is one column to a question, however it is published."""

from __future__ import annotations

import itertools
import random

import numpy as np
import polars as pl
import pytest

from app.client.ask.plan import exact, plan
from app.client.ask.query import parse
from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.data.derivation import CategorySource, Member, Place
from app.protocol.errors import BadQuery
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.leakage import leakage_of
from fhe.profiles import REFERENCE

SEX, REGION, SIZE = ("f", "m"), ("north", "south", "east", "west"), ("small", "medium", "large")
TWO = Affine(low=0.0, step=1.0, levels=2)


def member(source: str, word: str, place: int) -> ColumnCode:
    return ColumnCode(
        name=f"{source}={word}", dtype="category", affine=TWO, declared=True, source=source,
        derivation=Member(place=place),
    )  # fmt: skip


BOOK = Codebook(
    columns=(
        ColumnCode(name="sex", dtype="category", affine=TWO, declared=True, source="sex", derivation=Place()),
        *(member("region", word, place) for place, word in enumerate(REGION)),
        ColumnCode(name="size", dtype="category", bins=(1.0, 2.0), declared=True, source="size", derivation=Place()),
        ColumnCode(name="age", dtype="int64", bins=(30.0, 50.0), declared=True),
    ),
    sources=(
        CategorySource(name="sex", words=SEX),
        CategorySource(name="region", words=REGION, other=True),
        CategorySource(name="size", words=SIZE),
    ),
)
RNG = np.random.default_rng(5)
PEOPLE = pl.DataFrame(
    {
        "sex": RNG.choice(SEX, 300),
        "region": RNG.choice([*REGION, "abroad"], 300),
        "size": RNG.choice(SIZE, 300),
        "age": RNG.choice([20, 40, 60], 300),
    }
)


def answered(sql: str) -> list[dict[str, object]]:
    asked = plan(parse(sql), BOOK, REFERENCE)
    codes = {(f"region={word}", "affine"): (PEOPLE["region"] == word).to_numpy().astype(np.int64) for word in REGION}
    codes |= {("sex", "affine"): np.array([SEX.index(word) for word in PEOPLE["sex"]])}
    codes |= {("size", "bins"): np.array([SIZE.index(word) for word in PEOPLE["size"]])}
    codes |= {("age", "bins"): np.digitize(PEOPLE["age"], (30, 50))}
    if asked.circuit is None:  # nobody can meet the condition, or everybody does
        return asked.answer(np.zeros(0, np.int64), len(PEOPLE), 0.0).to_dicts()
    return exact(asked, evaluate_clear(asked.circuit, gather_inputs(asked.circuit, codes))).to_dicts()  # type: ignore[arg-type]


def condition(rng: random.Random) -> str:
    parts = [
        f"sex = '{rng.choice(SEX)}'",
        f"region = '{rng.choice(REGION)}'",
        f"region <> '{rng.choice(REGION)}'",
        f"region IN ({', '.join(repr(word) for word in rng.sample(REGION, rng.randint(2, 4)))})",
        f"size = '{rng.choice(SIZE)}'",
        f"size IN ('small', '{rng.choice(SIZE)}')",
        "age >= 30",
    ]
    return f" {rng.choice(['AND', 'OR'])} ".join(
        f"NOT {each}" if rng.random() < 0.2 else each for each in rng.sample(parts, rng.randint(1, 4))
    )


def test_words_are_counted_as_a_database_counts_them() -> None:
    """Random conditions on categories, however published; lookups take no set of words for more than a bit."""
    rng, data = random.Random(3), pl.SQLContext(data=PEOPLE)
    for _ in range(60):
        where = condition(rng)
        sql = f"SELECT count(*) AS n FROM data WHERE {where}"
        assert answered(sql)[0]["n"] == data.execute(sql, eager=True)["n"][0], where


@pytest.mark.parametrize("groups", [("sex",), ("region",), ("size",), ("region", "sex"), ("size", "region")])
def test_groups_are_words(groups: tuple[str, ...]) -> None:
    """Every word is a group, and what is none of them is one more; a person moves all of them by two."""
    sql = f"SELECT {', '.join(groups)}, count(*) AS n FROM data GROUP BY {', '.join(groups)}"
    found = {tuple(row[name] for name in groups): row["n"] for row in answered(sql)}
    expected = {key: frame.height for key, frame in PEOPLE.group_by(groups)}
    words = {"sex": SEX, "region": (*REGION, "(none of these)"), "size": SIZE}
    assert set(found) == set(itertools.product(*(words[name] for name in groups)))
    for key, count in found.items():
        assert count == expected.get(tuple("abroad" if word == "(none of these)" else word for word in key), 0)
    circuit = plan(parse(sql), BOOK, REFERENCE).circuit
    assert circuit is not None
    assert leakage_of(circuit, BOOK).sensitivity == 2


def test_words_are_no_numbers() -> None:
    """No averages of words, no order among them, and unknown words are refused with known ones."""
    for sql, said in (
        ("SELECT avg(region) FROM data", "GROUP BY region"),
        ("SELECT sum(sex) FROM data", "GROUP BY sex"),
        ("SELECT count(*) FROM data WHERE region = 'nowhere'", "'north'"),
        ("SELECT count(*) FROM data WHERE region >= 'north'", "by = or IN"),
        ("SELECT count(*) FROM data WHERE sex = 'x'", "'f'"),
    ):
        with pytest.raises(BadQuery, match=said):
            plan(parse(sql), BOOK, REFERENCE)
    assert [row["region"] for row in answered("SELECT histogram(region) FROM data")][:2] == ["north", "south"]
