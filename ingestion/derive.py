"""From a frame of source columns to the numbers of each published column: the one function for owner and buyer.

Nothing here needs polars until a source is read that is no number. Messages name columns and rows, never values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.errors import BadTable
from fhe.arrays import F64
from fhe.derivation import SourceArray, derive_column
from ingestion.gaps import is_gap


def derived(
    codebook: Codebook,
    frame: Any,
    columns: Sequence[ColumnCode] | None = None,
    first_row: int = 0,
    *,
    refuse: bool = True,
) -> dict[str, F64]:
    """The values (rows,) of each published column by name, NaN where missing, of a frame of source columns.

    `frame`: a polars or pandas frame, a mapping of columns, or an array (rows, sources) with the sources of `columns`
    in the codebook's order. `columns` defaults to all of the codebook's. `first_row` only counts rows in messages.
    Errors: BadTable for a column that is not there or holds something of another kind; OutOfRange for a word that is
    not in its list, which is missing without `refuse`.
    """
    wanted = codebook.columns if columns is None else columns
    names = list(dict.fromkeys(column.reads for column in wanted))
    if isinstance(frame, list | tuple):
        frame = np.asarray(frame, dtype=None if all(codebook.source(name) is None for name in names) else object)
    if isinstance(frame, np.ndarray) and (frame.ndim != 2 or frame.shape[1] != len(names)):
        raise BadTable(f"An array of shape {frame.shape} does not hold {len(names)} columns.")
    held = {
        name: _source(codebook, name, column_of(frame, name, place), first_row if refuse else None)
        for place, name in enumerate(names)
    }
    if len({len(part) for part in held.values()}) > 1:
        raise BadTable("The columns have different lengths.")
    return {c.name: derive_column(c.derivation, codebook.source(c.reads), held[c.reads]) for c in wanted}


def words_of(codebook: Codebook) -> tuple[str, ...]:
    """The columns of the table that are read as they stand in it, since they are no numbers."""
    return tuple(source.name for source in codebook.sources)


def _source(codebook: Codebook, name: str, column: Any, first_row: int | None) -> SourceArray:
    source = codebook.source(name)
    if source is None:
        return _numbers(name, column)
    from ingestion.sources import source_array

    return source_array(source, column, first_row)


def column_of(data: Any, name: str, position: int) -> Any:
    """One column of a frame, mapping or array as it is. Errors: BadTable."""
    try:
        return data[:, position] if isinstance(data, np.ndarray) else data[name]
    except (KeyError, IndexError):
        raise BadTable(f"The table has no column {name!r}.", "Give all columns of the codebook.") from None
    except Exception as error:  # a frame library's own "no such column"
        if type(error).__name__ != "ColumnNotFoundError":
            raise
        raise BadTable(f"The table has no column {name!r}.", "Give all columns of the codebook.") from None


def _numbers(name: str, column: Any) -> F64:
    """A column of numbers as float64 (rows,), nulls as NaN. Errors: BadTable."""
    try:
        raw = column.to_numpy() if hasattr(column, "to_numpy") else column
        if np.asarray(raw).dtype.kind == "O":
            raw = [None if is_gap(value) else value for value in raw]
        values = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError):
        raise BadTable(f"Column {name!r} holds something that is not a number.") from None
    if values.ndim != 1:
        raise BadTable(f"Column {name!r} is not one-dimensional.")
    return values
