"""The code of one column of numbers: what its recipe declares, and what was measured where the recipe is silent."""

from __future__ import annotations

import math

from app.protocol.data.dataset import Affine, ColumnCode
from app.protocol.data.table import code_fault
from app.protocol.errors import BadRecipe
from ingestion.profile import DEFAULT_LEVELS, ColumnProfile, TableProfile
from ingestion.recipe import ColumnRecipe, Quantiles, Recipe


def number_code(
    profile: TableProfile, recipe: Recipe | None, column: ColumnProfile, rule: ColumnRecipe, warnings: list[str]
) -> ColumnCode:
    """The code of a column of numbers; what it reveals is added to the warnings. Errors: BadRecipe."""
    bins = rule.bins if rule.bins is not None or recipe is None else recipe.defaults.bins
    encodings = rule.encodings or (("affine", "bins") if bins is not None else ("affine",))
    measured_range = rule.low is None and ("affine" in encodings or isinstance(bins, int))
    affine = column.proposal() if rule.low is None else _declared(column, rule)
    if measured_range or rule.measured:
        low, high = _ends(affine)
        warnings.append(
            f"Column {column.name!r}: its range {low:g} to {high:g} was measured on the data; publishing reveals it."
        )
    if isinstance(bins, Quantiles):
        warnings.append(
            f"Column {column.name!r}: quantile bins reveal how its values are spread; declared edges reveal nothing."
        )
    edges = _edges(profile, column, affine, bins) if "bins" in encodings else None
    impute = affine.low if rule.missing == "bit" and rule.impute is None else rule.impute
    assert impute is None or not isinstance(impute, str)
    code = ColumnCode(
        name=column.name,
        dtype=column.kind,
        affine=affine if "affine" in encodings else None,
        bins=edges,
        missing="reject" if impute is None else "impute",
        impute=None if impute is None else float(impute),
        outside=rule.outside or (recipe.defaults.outside if recipe else "reject"),
        declared=not (measured_range or rule.measured or isinstance(bins, Quantiles)),
        label=rule.label,
    )
    fault = code_fault(code)
    if fault:
        raise BadRecipe(f"Column {column.name!r} {fault}.", "Correct the recipe.")
    return code


def _declared(column: ColumnProfile, rule: ColumnRecipe) -> Affine:
    low = rule.low if rule.low is not None else 0.0
    if rule.high is None:
        return Affine(low=low, step=rule.step or 1.0, levels=rule.levels or DEFAULT_LEVELS)
    if rule.step is not None:
        return Affine(low=low, step=rule.step, levels=math.ceil((rule.high - low) / rule.step - 1e-9) + 1)
    whole = column.kind != "real" and low.is_integer() and rule.high.is_integer()
    if rule.levels is None and whole and rule.high - low < DEFAULT_LEVELS:
        return Affine(low=low, step=1.0, levels=int(rule.high - low) + 1)
    levels = rule.levels or DEFAULT_LEVELS
    return Affine(low=low, step=(rule.high - low) / (levels - 1), levels=levels)


def _ends(affine: Affine) -> tuple[float, float]:
    return affine.low, affine.low + affine.step * (affine.levels - 1)


def _edges(
    profile: TableProfile,
    column: ColumnProfile,
    affine: Affine,
    bins: int | tuple[float, ...] | Quantiles | None,
) -> tuple[float, ...] | None:
    if bins is None or isinstance(bins, tuple):
        return bins
    low, high = _ends(affine)
    if isinstance(bins, Quantiles):
        return _quantile_edges(profile, column)
    if column.kind != "real" and affine.step == 1.0 and affine.levels <= bins:  # an edge between any two whole numbers
        return tuple(low + level - 0.5 for level in range(1, affine.levels))
    return tuple(float(f"{low + (high - low) * edge / bins:.12g}") for edge in range(1, bins))


def _quantile_edges(profile: TableProfile, column: ColumnProfile) -> tuple[float, ...]:
    """Edges at the quantiles of the finite values, rounded to three digits of the range: seldom a row's own value."""
    low, high = column.range_outward()
    unit = 10.0 ** (math.floor(math.log10(high - low)) - 2)
    return tuple(sorted({float(f"{round(value / unit) * unit:.12g}") for value in profile.quantiles[column.name]}))
