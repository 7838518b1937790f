"""Quantiles are those of all values in order, whatever the size of the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.codebook import build_codebook
from ingestion.profile import profile_table
from ingestion.quantiles import equal_shares, large_quantiles, measure_quantiles
from ingestion.read import open_table
from ingestion.recipe import parse_recipe

NUMBERS = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, 1.0, 5e-324, -1e308, 1e308]), st.none())
HEAD = 'title = "T"\ndescription = "D"\nlicense = "L"\ncreator = "C"\n'


def _polars(values: list[float | None], shares: tuple[float, ...]) -> tuple[float, ...]:
    """As they were computed before: one quantile after another."""
    finite = pl.col("x").filter(pl.col("x").is_finite())
    wanted = [finite.quantile(share, "linear").alias(str(n)) for n, share in enumerate(shares)]
    row = pl.LazyFrame({"x": pl.Series(values, dtype=pl.Float64)}).select(wanted).collect().row(0)
    return () if row[0] is None else row


@settings(max_examples=60, deadline=None)
@given(values=st.lists(NUMBERS, min_size=1, max_size=80), parts=st.integers(2, 33), most=st.integers(1, 100))
def test_they_are_exact(
    tmp_path_factory: pytest.TempPathFactory, values: list[float | None], parts: int, most: int
) -> None:
    """Sorting once gives what one quantile at a time gives, to the last bit, and so does counting by digits."""
    path = tmp_path_factory.mktemp("q") / "t.parquet"
    pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)}).write_parquet(path)
    expected = _polars(values, shares := equal_shares(parts))
    assert measure_quantiles(path, len(values), {"x": shares})["x"] == expected
    assert large_quantiles(open_table(path), "x", shares, most) == expected


def test_columns_may_be_measured_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many columns fit into memory together, and for a column that does not, the numbers are the same."""
    rng = np.random.default_rng(3)
    frame = pl.DataFrame({name: rng.normal(size=5000) for name in "abcde"})
    frame.write_parquet(path := tmp_path / "t.parquet")
    wanted = dict.fromkeys("abcde", equal_shares(16))
    expected = {name: _polars(frame[name].to_list(), equal_shares(16)) for name in "abcde"}
    for most in (1 << 24, 12_000, 5000, 4999, 10):
        monkeypatch.setattr("ingestion.quantiles.MAX_SORTED", most)
        assert measure_quantiles(path, 5000, wanted) == expected, most


def test_edges_at_quantiles(tmp_path: Path) -> None:
    """A recipe's quantile bins are cut at the measured quantiles, rounded to three digits of the range."""
    values = np.random.default_rng(5).exponential(size=4000)
    pl.DataFrame({"x": values}).write_parquet(path := tmp_path / "t.parquet")
    recipe = parse_recipe(HEAD + "[columns.x]\nbins = { quantiles = 4 }\n")
    (code,) = build_codebook(profile_table(path), recipe).codebook.columns
    assert code.bins == pytest.approx(np.quantile(values, [0.25, 0.5, 0.75]), abs=0.06)
