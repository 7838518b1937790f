"""The codebook of a table: what its recipe declares, and what has to be measured where the recipe is silent."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.data.table import check_codebook, code_fault
from app.protocol.errors import BadDocument, BadRecipe, BadTable, OutOfRange
from ingestion.codes import encode, encode_bins
from ingestion.profile import DEFAULT_LEVELS, ColumnProfile, TableProfile
from ingestion.read import open_table
from ingestion.recipe import ColumnRecipe, Quantiles, Recipe

__all__ = ["Built", "build_codebook", "check_fit", "encode", "encode_bins"]


@dataclass(frozen=True)
class Built:
    """A codebook, and what the owner should know before publishing it, one sentence each."""

    codebook: Codebook
    warnings: tuple[str, ...]


def build_codebook(profile: TableProfile, recipe: Recipe | None = None) -> Built:
    """The codebook that a recipe makes of a table; without a recipe, measured codes of all numeric columns.

    Errors: BadRecipe where the recipe contradicts the table; BadTable when the file cannot be read for quantiles.
    """
    warnings: list[str] = []
    chosen = _choose(profile, recipe, warnings)
    if not chosen:
        raise BadRecipe("No column is left to publish.", "Name at least one numeric column in the recipe.")
    columns = tuple(_column(profile, recipe, column, rule, warnings) for column, rule in chosen)
    codebook = Codebook(columns=columns)
    try:
        check_codebook(codebook)
    except BadDocument as error:
        raise BadRecipe(error.message, "Correct the recipe.") from None
    return Built(codebook, tuple(warnings))


def check_fit(profile: TableProfile, codebook: Codebook) -> None:
    """Errors: OutOfRange if the measured table breaks a policy of the codebook, before anything is encrypted."""
    for code in codebook.columns:
        measured = profile.column(code.name)
        if code.missing == "reject" and measured.missing:
            raise OutOfRange(
                f"Column {code.name!r} has {measured.missing} missing values, which the recipe rejects.",
                f'Set missing = "impute" and a value under [columns."{code.name}"], or drop the column.',
            )
        affine = code.affine
        if affine is None or code.outside == "clip":
            continue
        ends = np.array([edge for edge in (measured.low, measured.high) if edge is not None])
        levels = np.rint((ends - affine.low) / affine.step)
        if measured.infinite or (levels < 0).any() or (levels >= affine.levels).any():
            raise OutOfRange(
                f"Column {code.name!r} has values outside the range of its code, which the recipe rejects.",
                f'Widen its range under [columns."{code.name}"], or set outside = "clip" there.',
            )


def _choose(
    profile: TableProfile, recipe: Recipe | None, warnings: list[str]
) -> list[tuple[ColumnProfile, ColumnRecipe]]:
    rules = recipe.columns if recipe else {}
    drop = set(recipe.table.drop) if recipe else set()
    rest = recipe.table.rest if recipe else "measure"
    names = {column.name for column in profile.columns}
    person = recipe.table.person if recipe else ""
    for name in (*rules, *drop, *([person] if person else [])):
        if name not in names:
            raise BadRecipe(
                f"The recipe names a column {name!r} that {profile.path.name} does not have.", "Correct it."
            )
    both = next((name for name in rules if name in drop), None)
    if both is not None:
        raise BadRecipe(f"The recipe both describes and drops column {both!r}.", "Do one of the two.")
    chosen = []
    for column in profile.columns:
        if column.name in drop or (column.name not in rules and (rest == "drop" or column.name == person)):
            continue
        if column.name not in rules and rest == "refuse":
            raise BadRecipe(
                f"The recipe does not say what to do with column {column.name!r}.",
                'Describe it, list it under drop, or set rest = "measure" or "drop" under [table].',
            )
        if not column.usable:
            if column.fault is not None and recipe is not None:
                raise BadTable(*column.fault)
            what = f"holds no numbers but {column.held}" if column.held else "holds no numbers"
            if column.name in rules:
                raise BadRecipe(
                    f"Column {column.name!r} {what}, so it has no code yet.",
                    f"Drop it: list {column.name!r} under drop in [table], and take its section out.",
                )
            left_out = f"Column {column.name!r} {what}, and is left out."
            warnings.append(" ".join(column.fault) if column.fault else left_out)
            continue
        chosen.append((column, rules.get(column.name, ColumnRecipe())))
    return chosen


def _column(
    profile: TableProfile, recipe: Recipe | None, column: ColumnProfile, rule: ColumnRecipe, warnings: list[str]
) -> ColumnCode:
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
    edges = _edges(profile, recipe, column, affine, bins) if "bins" in encodings else None
    code = ColumnCode(
        name=column.name,
        dtype=column.kind,
        affine=affine if "affine" in encodings else None,
        bins=edges,
        missing=rule.missing or "reject",
        impute=rule.impute,
        outside=rule.outside or (recipe.defaults.outside if recipe else "reject"),
        declared=not (measured_range or rule.measured or isinstance(bins, Quantiles)),
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
    recipe: Recipe | None,
    column: ColumnProfile,
    affine: Affine,
    bins: int | tuple[float, ...] | Quantiles | None,
) -> tuple[float, ...] | None:
    if bins is None or isinstance(bins, tuple):
        return bins
    low, high = _ends(affine)
    if isinstance(bins, Quantiles):
        return _quantile_edges(profile, recipe, column, bins.quantiles)
    if column.kind != "real" and affine.step == 1.0 and affine.levels <= bins:  # an edge between any two whole numbers
        return tuple(low + level - 0.5 for level in range(1, affine.levels))
    return tuple(float(f"{low + (high - low) * edge / bins:.12g}") for edge in range(1, bins))


def _quantile_edges(
    profile: TableProfile, recipe: Recipe | None, column: ColumnProfile, bins: int
) -> tuple[float, ...]:
    """Edges at the quantiles of the finite values, rounded to three digits of the range: seldom a row's own value."""
    table = open_table(profile.path, recipe.reading if recipe else None)
    finite = pl.col(column.name).filter(pl.col(column.name).is_finite())
    wanted = [finite.quantile(edge / bins, "linear").alias(str(edge)) for edge in range(1, bins)]
    with table.errors():
        measured = table.scan([column.name]).select(wanted).collect(engine="streaming").row(0)
    low, high = column.range_outward()
    unit = 10.0 ** (math.floor(math.log10(high - low)) - 2)
    return tuple(sorted({float(f"{round(value / unit) * unit:.12g}") for value in measured}))
