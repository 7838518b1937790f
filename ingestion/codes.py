"""Values to integer codes and back, by a codebook: what the owner encrypts and what buyers train on.

affine  code = round half to even of (value - low) / step, in [0, levels)
bins    code = how many edges are <= value, in [0, edges]; its bits are "value >= edge", one for each edge

Null and NaN are missing: rejected, or replaced by the declared value. Everything else without an affine code (infinite
values too) is outside: rejected, or clipped to the nearest level. Bins have a place for every number. Errors name the
column and the row, never the value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.errors import BadInput, OutOfRange
from fhe.arrays import F64, I64
from ingestion.derive import derived


def encode(codebook: Codebook, data: Any, columns: Sequence[str] | None = None) -> I64:
    """Affine codes int64 (rows, columns) of a table: a polars or pandas frame, a mapping, or an array (rows, sources).

    `columns` defaults to all of the codebook's, in its order. The table holds their sources, which have the columns'
    names where nothing is derived; an array holds exactly those, in the order in which the columns name them. Errors:
    OutOfRange by the declared policy; BadTable for a column that is not there; BadInput for one without affine code.
    """
    return _table(codebook, data, columns, affine_codes)


def encode_bins(codebook: Codebook, data: Any, columns: Sequence[str] | None = None) -> I64:
    """Bin codes int64 (rows, columns), likewise: what trees are trained on. `bin_bits` gives their bits."""
    return _table(codebook, data, columns, bin_codes)


def affine_codes(column: ColumnCode, values: F64, first_row: int = 0) -> I64:
    """Affine codes (rows,) of one column's values (rows,). `first_row` only counts rows in messages."""
    if column.affine is None:
        raise BadInput(f"Column {column.name!r} has no affine code.", "Use its bins.")
    affine, values = column.affine, _without_missing(column, values, first_row)
    with np.errstate(over="ignore"):  # a huge value over a tiny step is outside, like an infinite one
        codes: F64 = np.rint((values - affine.low) / affine.step)
    outside = (codes < 0) | (codes >= affine.levels)
    if outside.any():
        if column.outside == "reject":
            row = first_row + int(outside.argmax())
            raise OutOfRange(
                f"Column {column.name!r} has a value outside its range in row {row} ({outside.sum()} in this part).",
                'Leave out such rows of yours; to publish them, widen the range or set outside = "clip" in the recipe.',
            )
        codes = codes.clip(0, affine.levels - 1)
    return codes.astype(np.int64)


def bin_codes(column: ColumnCode, values: F64, first_row: int = 0) -> I64:
    """Bin codes (rows,) of one column's values (rows,)."""
    if column.bins is None:
        raise BadInput(f"Column {column.name!r} has no bins.", "Use its affine code.")
    values = _without_missing(column, values, first_row)
    return np.searchsorted(np.asarray(column.bins), values, side="right").astype(np.int64)


def bin_bits(codes: I64, edge: int) -> I64:
    """The bit "value >= edge number `edge`" of each bin code."""
    return (codes > edge).astype(np.int64)


def products_of(codebook: Codebook, values: Mapping[str, F64], first_row: int = 0) -> dict[str, F64]:
    """The published products (rows,) by name, exact integers, of the columns' values (rows,) by name.

    Errors: OutOfRange by the columns' policies; `first_row` only counts rows in messages.
    """
    columns = {column.name: column for column in codebook.columns}
    codes: dict[tuple[str, int | None], I64] = {}
    for factor in (factor for product in codebook.products for factor in product.factors):
        if (factor.column, factor.edge) not in codes:
            column = columns[factor.column]
            code = affine_codes if factor.edge is None else bin_codes
            found = code(column, values[factor.column], first_row)
            codes[factor.column, factor.edge] = found if factor.edge is None else bin_bits(found, factor.edge)
    return {
        product.name: (
            codes[product.first.column, product.first.edge] * codes[product.second.column, product.second.edge]
        ).astype(np.float64)
        for product in codebook.products
    }


def decode(column: ColumnCode, codes: I64) -> F64:
    """The values that affine codes stand for: the middle of each level."""
    if column.affine is None:
        raise BadInput(f"Column {column.name!r} has no affine code.", "Use its bins.")
    return codes * column.affine.step + column.affine.low


def find(codebook: Codebook, name: str) -> ColumnCode:
    """The code of a column. Errors: BadInput."""
    for column in codebook.columns:
        if column.name == name:
            return column
    raise BadInput(f"The dataset has no column {name!r}.", "See its columns: darkroom dataset show.")


def _table(codebook: Codebook, data: Any, columns: Sequence[str] | None, code: Any) -> I64:
    wanted = list(codebook.columns) if columns is None else [find(codebook, name) for name in columns]
    values = derived(codebook, data, wanted)
    return np.stack([code(column, values[column.name]) for column in wanted], axis=1)


def _without_missing(column: ColumnCode, values: F64, first_row: int) -> F64:
    missing = np.isnan(values)
    if not missing.any():
        return values
    if column.missing == "reject" or column.impute is None:
        row = first_row + int(missing.argmax())
        raise OutOfRange(
            f"Column {column.name!r} has no value in row {row} ({missing.sum()} missing in this part).",
            'Set missing = "impute" and a value for it in the recipe, or drop the column.',
        )
    return np.where(missing, column.impute, values)
