"""A profile says what is in each column, and proposes a code that fits it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.errors import BadTable
from ingestion.codebook import build_codebook, check_fit
from ingestion.codes import affine_codes, find
from ingestion.draft import default_recipe, draft
from ingestion.profile import ColumnProfile, profile_table
from ingestion.recipe import parse_recipe
from tests.ingestion.conftest import Write

CSV = """n,x,flag,text,empty,odd
1,0.25,true,a,,1
2,-3.5,false,b,,NaN
2,,true,c,,inf
9,7.75,true,d,,2
"""


def test_what_a_profile_says(write: Write) -> None:
    """Kind, range, missing and infinite values of every column, and the number of rows."""
    profile = profile_table(write("t.csv", CSV))
    assert profile.rows == 4
    assert profile.columns == (
        ColumnProfile("n", "integer", 1.0, 9.0, 0, 0, 3),
        ColumnProfile("x", "real", -3.5, 7.75, 1, 0, 3),
        ColumnProfile("flag", "boolean", 0.0, 1.0, 0, 0, 2),
        ColumnProfile("text", "text", distinct=4),
        ColumnProfile("empty", "other"),
        ColumnProfile("odd", "integer", 1.0, 2.0, 1, 1, 3),
    )
    assert [column.usable for column in profile.columns] == [True, True, True, False, False, True]
    with pytest.raises(BadTable, match="no column 'y'"):
        profile.column("y")


@pytest.mark.parametrize(
    ("kind", "low", "high", "outward", "levels"),
    [
        ("integer", 18, 93, (18, 93), 76),
        ("integer", 0, 255, (0, 260), 256),
        ("integer", 5, 5, (5, 6), 2),
        ("boolean", 1, 1, (0, 1), 2),
        ("real", 6.981, 28.11, (6, 29), 256),
        ("real", -0.0371, 0.0412, (-0.038, 0.042), 256),
        ("real", 2.5, 2.5, (2.5, 2.6), 256),
        ("real", 0.0, 0.0, (0.0, 0.1), 256),
    ],
)
def test_proposals(kind: str, low: float, high: float, outward: tuple[float, float], levels: int) -> None:
    """Ranges are rounded outward to two digits; whole numbers get a level each where 256 are enough."""
    column = ColumnProfile("c", kind, float(low), float(high))  # type: ignore[arg-type]
    assert column.range_outward() == pytest.approx(outward)
    assert column.proposal().levels == levels


@given(st.floats(-1e12, 1e12), st.floats(0, 1e12), st.sampled_from(["real", "integer"]))
def test_a_proposal_covers_its_range(low: float, width: float, kind: str) -> None:
    """Both ends of the measured range have a code."""
    low, high = (np.floor(low), np.floor(low + width)) if kind == "integer" else (low, low + width)
    column = ColumnProfile("c", kind, float(low), float(high))  # type: ignore[arg-type]
    affine = column.proposal()
    ends = np.rint((np.array([low, high]) - affine.low) / affine.step)
    assert (ends >= 0).all()
    assert (ends < affine.levels).all()


def test_a_drafted_recipe_publishes_the_table(write: Write) -> None:
    """The recipe written for a table is accepted, fits the table, drops what is empty, and owns up to measuring."""
    path = write("t.csv", CSV)
    recipe = parse_recipe(default_recipe(path))
    profile = profile_table(path, recipe.reading)
    built = build_codebook(profile, recipe)
    check_fit(profile, built)
    assert [column.name for column in built.codebook.columns] == ["n", "x", "flag", "text", "odd"]
    measured = [column.name for column in built.codebook.columns if not column.declared]
    assert measured == ["n", "x", "odd"]
    assert len(built.warnings) == 3
    table = pl.read_csv(path)
    for name in measured:
        affine_codes(find(built.codebook, name), table[name].cast(pl.Float64).to_numpy())


@given(st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20))
def test_any_column_name_survives_the_draft(name: str) -> None:
    """Quotes, dots, brackets and other scripts in a column's name come back from the drafted TOML."""
    from pathlib import Path

    from ingestion.profile import TableProfile

    profile = TableProfile(Path("t.csv"), 3, (ColumnProfile(name, "real", 0.0, 1.0), ColumnProfile("x" * 30, "other")))
    assert list(parse_recipe(draft(profile)).columns) == [name]
