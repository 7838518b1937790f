"""The codebook of a table: what its recipe declares, and what has to be measured where the recipe is silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.data.derivation import CategorySource, Elapsed, IsMissing, Source
from app.protocol.data.table import check_codebook
from app.protocol.errors import BadDocument, BadRecipe, BadTable, OutOfRange
from ingestion.codes import encode, encode_bins
from ingestion.column_codes import codes_of_numbers, derived_codes, listed
from ingestion.kinds import source_of
from ingestion.measure import MeasuredSource, measure_sources
from ingestion.products import products_in
from ingestion.profile import ColumnProfile, TableProfile
from ingestion.quantiles import equal_shares, measure_quantiles
from ingestion.recipe import ColumnRecipe, Quantiles, Recipe

__all__ = ["Built", "build_codebook", "check_fit", "encode", "encode_bins"]


@dataclass(frozen=True)
class Built:
    """A codebook, and what the owner should know before publishing it, one sentence each."""

    codebook: Codebook
    warnings: tuple[str, ...]
    measured: Mapping[str, MeasuredSource] = field(default_factory=dict)  # of columns that are no numbers


def build_codebook(profile: TableProfile, recipe: Recipe | None = None) -> Built:
    """The codebook that a recipe makes of a table; without a recipe, measured codes of all numeric columns.

    Errors: BadRecipe where the recipe contradicts the table; BadTable when the file cannot be read for quantiles.
    """
    warnings: list[str] = []
    chosen = _choose(profile, recipe, warnings)
    if not chosen:
        raise BadRecipe("No column is left to publish.", "Name at least one numeric column in the recipe.")
    stated = {column.name: source_of(column.name, rule) for column, rule in chosen if rule.kind != "number"}
    profile = _with_quantiles(profile, recipe, chosen)
    measured = measure_sources(profile.path, stated, recipe.reading, recipe.table.person) if recipe and stated else {}
    columns: list[ColumnCode] = []
    sources: list[Source] = []
    for column, rule in chosen:
        if rule.kind == "number":
            columns += codes_of_numbers(profile, recipe, column, rule, warnings)
        else:
            assert recipe is not None
            source = listed(stated[column.name], measured[column.name], recipe, rule, warnings)
            sources.append(source)
            columns += derived_codes(profile, recipe, source, rule, measured[column.name], warnings)
    codebook = Codebook(columns=tuple(columns), sources=tuple(sources))
    try:
        check_codebook(codebook)
        if recipe is not None:
            codebook = codebook.model_copy(update={"products": products_in(codebook, recipe.products)})
            check_codebook(codebook)
    except BadDocument as error:
        raise BadRecipe(error.message, "Correct the recipe.") from None
    return Built(codebook, tuple(warnings), measured)


def check_fit(profile: TableProfile, built: Built) -> None:
    """Errors: OutOfRange if the measured table breaks a policy of the codebook, before anything is encrypted."""
    for code in built.codebook.columns:
        stated = built.measured.get(code.reads)
        number = None if stated else profile.column(code.reads)
        missing = stated.missing if stated else number.missing if number else 0
        if code.missing == "reject" and missing and not isinstance(code.derivation, IsMissing):
            raise OutOfRange(
                f"Column {code.reads!r} has {missing} missing values, which the recipe rejects.",
                f'Set missing = "bit", or "impute" and a value, under [columns."{code.reads}"], or drop the column.',
            )
        if number is not None and code.derivation is None:
            _check_range(code, number.low, number.high, bool(number.infinite))
        elif stated is not None and isinstance(code.derivation, Elapsed):
            _check_range(code, stated.low, stated.high)
    for source in built.codebook.sources:
        if isinstance(source, CategorySource) and not source.other:
            unlisted = set(built.measured[source.name].words) - set(source.words)
            if unlisted:
                raise OutOfRange(
                    f"Column {source.name!r} has {len(unlisted)} words that are not in its list.",
                    f'Add them to categories under [columns."{source.name}"], or set other = "bin" there.',
                )


def _check_range(code: ColumnCode, low: float | None, high: float | None, infinite: bool = False) -> None:
    affine = code.affine
    if affine is None or code.outside == "clip":
        return
    ends = np.array([edge for edge in (low, high) if edge is not None])
    levels = np.rint((ends - affine.low) / affine.step)
    if infinite or (levels < 0).any() or (levels >= affine.levels).any():
        raise OutOfRange(
            f"Column {code.name!r} has values outside the range of its code, which the recipe rejects.",
            f'Widen its range under [columns."{code.name}"], or set outside = "clip" there.',
        )


def _with_quantiles(
    profile: TableProfile, recipe: Recipe | None, chosen: list[tuple[ColumnProfile, ColumnRecipe]]
) -> TableProfile:
    """The profile with the quantiles at which the recipe puts edges. Errors: BadTable."""
    shares = {}
    for column, rule in chosen:
        bins = rule.bins if rule.bins is not None or recipe is None else recipe.defaults.bins
        if rule.kind == "number" and isinstance(bins, Quantiles):
            shares[column.name] = equal_shares(bins.quantiles)
    if not shares:
        return profile
    reading = recipe.reading if recipe else None
    return replace(profile, quantiles=measure_quantiles(profile.path, profile.rows, shares, reading))


def _check_names(profile: TableProfile, recipe: Recipe) -> None:
    """Errors: BadRecipe where the recipe names what is not there, or says two things of a column."""
    rules, drop, table = recipe.columns, set(recipe.table.drop), recipe.table
    names = {column.name for column in profile.columns}
    for name in (*rules, *drop, *filter(None, (table.person, table.row_key))):
        if name not in names:
            raise BadRecipe(
                f"The recipe names a column {name!r} that {profile.path.name} does not have.", "Correct it."
            )
    both = next((name for name in rules if name in drop), None)
    if both is not None:
        raise BadRecipe(f"The recipe both describes and drops column {both!r}.", "Do one of the two.")
    if table.row_key in rules:
        raise BadRecipe(
            f"Column {table.row_key!r} is the row_key, which buyers may be sold as it is, and is published too.",
            "Take it out of [columns], or name another column as row_key under [table].",
        )


def _choose(
    profile: TableProfile, recipe: Recipe | None, warnings: list[str]
) -> list[tuple[ColumnProfile, ColumnRecipe]]:
    rules = recipe.columns if recipe else {}
    drop = set(recipe.table.drop) if recipe else set()
    rest = recipe.table.rest if recipe else "measure"
    at_home = {recipe.table.person, recipe.table.row_key} - {""} if recipe else set()
    if recipe:
        _check_names(profile, recipe)
    chosen = []
    for column in profile.columns:
        if column.name in drop or (column.name not in rules and (rest == "drop" or column.name in at_home)):
            continue
        if column.name not in rules and rest == "refuse":
            raise BadRecipe(
                f"The recipe does not say what to do with column {column.name!r}.",
                'Describe it, list it under drop, or set rest = "measure" or "drop" under [table].',
            )
        if column.identifies and column.name not in rules:
            warnings.append(
                f"Column {column.name!r} seems to hold {column.identifies}, and is left out; name it under [columns] to"
                " publish it."
            )
            continue
        if column.identifies:
            warnings.append(f"Column {column.name!r} seems to hold {column.identifies}, and is published.")
        rule = rules.get(column.name, ColumnRecipe())
        if not column.usable and rule.kind == "number":
            if column.fault is not None and recipe is not None:
                raise BadTable(*column.fault)
            what = f"holds no numbers but {column.held}" if column.held else "holds no numbers"
            if column.name in rules:
                raise BadRecipe(
                    f"Column {column.name!r} {what}, so it is not published as a number.",
                    'Say what it is: kind = "category", "boolean", "date", "datetime", "time" or "text"; or drop it.',
                )
            left_out = f"Column {column.name!r} {what}, and is left out."
            warnings.append(" ".join(column.fault) if column.fault else left_out)
            continue
        chosen.append((column, rule))
    return chosen
