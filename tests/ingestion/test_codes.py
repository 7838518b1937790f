"""Codes are what the codebook's definition says, for every value, by the declared policies."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.errors import BadInput, BadTable, OutOfRange
from ingestion.codes import affine_codes, bin_bits, bin_codes, decode, encode, encode_bins

NAN = float("nan")


def column(**changes: object) -> ColumnCode:
    """A column with 10 levels of 0.5 from 1.0 and three edges, changed."""
    fields: dict[str, object] = {
        "name": "c",
        "dtype": "real",
        "affine": Affine(low=1.0, step=0.5, levels=10),
        "bins": (2.0, 3.0, 4.5),
        "declared": True,
    }
    return ColumnCode.model_validate(fields | changes)


@given(st.floats(1.0, 5.5), st.floats(0.001, 100), st.integers(2, 4096), st.floats(-1e6, 1e6))
def test_codes_are_the_definitions(place: float, step: float, levels: int, low: float) -> None:
    """A code is the quotient rounded half to even, by Python's own rounding, or the value is outside."""
    affine = Affine(low=low, step=step, levels=levels)
    value = low + place * step * levels / 5
    expected = round((value - low) / step)
    code = column(affine=affine)
    if 0 <= expected < levels:
        assert affine_codes(code, np.array([value])).tolist() == [expected]
    else:
        with pytest.raises(OutOfRange):
            affine_codes(code, np.array([value]))
        clipped = affine_codes(column(affine=affine, outside="clip"), np.array([value]))
        assert clipped.tolist() == [min(max(expected, 0), levels - 1)]


@given(st.integers(2, 1 << 16), st.floats(1e-6, 1e6), st.floats(-1e6, 1e6), st.data())
def test_codes_come_back_from_their_values(levels: int, step: float, low: float, data: st.DataObject) -> None:
    """The middle of every level has that level's code."""
    codes = np.array(data.draw(st.lists(st.integers(0, levels - 1), min_size=1, max_size=20)))
    code = column(affine=Affine(low=low, step=step, levels=levels))
    assert affine_codes(code, decode(code, codes)).tolist() == codes.tolist()


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=32, unique=True),
    st.lists(st.floats(allow_nan=False), min_size=1, max_size=30),
)
def test_bins_count_the_edges_below(edges: list[float], values: list[float]) -> None:
    """A bin code is how many edges are <= the value, for infinite values too, and its bits say which."""
    edges = sorted(edges)
    code = column(bins=tuple(edges))
    codes = bin_codes(code, np.array(values))
    assert codes.tolist() == [sum(edge <= value for edge in edges) for value in values]
    for number, edge in enumerate(edges):
        assert bin_bits(codes, number).tolist() == [int(value >= edge) for value in values]


@pytest.mark.parametrize("bad", [0.74, 5.76, math.inf, -math.inf, 1e308])
def test_values_outside_are_rejected_or_clipped(bad: float) -> None:
    """Out of range and infinite values are refused with column and row, or take the nearest level, as declared."""
    values = np.array([1.0, 2.0, bad])
    with pytest.raises(OutOfRange, match=r"'c' has a value outside its range in row 102 \(1 in this part\)") as caught:
        affine_codes(column(), values, first_row=100)
    assert f"{bad:g}" not in caught.value.message
    assert affine_codes(column(outside="clip"), values).tolist()[:2] == [0, 2]
    assert affine_codes(column(outside="clip"), values)[2] == (9 if bad > 1 else 0)


@pytest.mark.parametrize("code", [affine_codes, bin_codes])
def test_missing_values_are_rejected_or_imputed(code: object) -> None:
    """NaN is refused with column and row, or takes the declared value, in both encodings."""
    values = np.array([2.0, NAN, NAN])
    with pytest.raises(OutOfRange, match=r"'c' has no value in row 1 \(2 missing in this part\)"):
        code(column(), values)  # type: ignore[operator]
    imputing = column(missing="impute", impute=2.0)
    codes = code(imputing, values)  # type: ignore[operator]
    assert codes.tolist() == [codes[0]] * 3


BOOK = Codebook(columns=(column(name="a"), column(name="b", affine=Affine(low=0.0, step=1.0, levels=4))))
ROWS = [[1.0, 3.0], [5.5, 0.0]]
CODES = [[0, 3], [9, 0]]


@pytest.mark.parametrize(
    "data",
    [
        np.array(ROWS),
        ROWS,
        pl.DataFrame({"b": [3, 0], "x": ["?", "!"], "a": [1.0, 5.5]}),
        {"a": [1.0, 5.5], "b": [3.0, 0.0]},
    ],
    ids=["array", "list", "polars", "mapping"],
)
def test_tables_of_any_form(data: object) -> None:
    """Arrays by position, frames and mappings by name give the same codes, in the codebook's order."""
    assert encode(BOOK, data).tolist() == CODES
    assert encode(BOOK, data).dtype == np.int64


def test_a_pandas_frame_too() -> None:
    """pandas frames are tables like others; a nullable column's gaps are missing values."""
    pandas = pytest.importorskip("pandas")
    assert encode(BOOK, pandas.DataFrame({"b": [3.0, 0.0], "a": [1.0, 5.5]})).tolist() == CODES
    with pytest.raises(OutOfRange, match="no value in row 1"):
        encode(BOOK, pandas.DataFrame({"b": [3.0, None], "a": [1.0, 5.5]}))


def test_chosen_columns() -> None:
    """Columns can be chosen by name, in any order, for either encoding."""
    assert encode(BOOK, {"b": [2.0]}, ["b"]).tolist() == [[2]]
    assert encode_bins(BOOK, {"a": [4.5, 1.0], "b": [2.0, 9.0]}, ["b", "a"]).tolist() == [[1, 3], [3, 0]]


@pytest.mark.parametrize(
    ("data", "columns", "error"),
    [
        ({"a": [1.0]}, None, BadTable),
        (pl.DataFrame({"a": [1.0]}), None, BadTable),
        (pl.DataFrame({"a": ["x"], "b": [1.0]}), None, BadTable),
        ({"a": [1.0], "b": [1.0, 2.0]}, None, BadTable),
        ({"a": [[1.0]], "b": [1.0]}, None, BadTable),
        (np.zeros((2, 3)), None, BadTable),
        (np.zeros(2), None, BadTable),
        ({"a": [1.0]}, ["z"], BadInput),
    ],
)
def test_tables_that_do_not_fit_are_refused(data: object, columns: list[str] | None, error: type[Exception]) -> None:
    """A missing, textual, ragged or unknown column is named, not guessed around."""
    with pytest.raises(error):
        encode(BOOK, data, columns)


def test_an_encoding_that_a_column_lacks() -> None:
    """Asking for bins of a column that has none, or for affine codes, says what it does have."""
    with pytest.raises(BadInput, match="no bins"):
        bin_codes(column(bins=None), np.zeros(1))
    with pytest.raises(BadInput, match="no affine code"):
        affine_codes(column(affine=None), np.zeros(1))
    with pytest.raises(BadInput, match="no affine code"):
        decode(column(affine=None), np.zeros(1, np.int64))
