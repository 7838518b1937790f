"""The codes of everything that is published of one column of a table."""

from __future__ import annotations

from app.protocol.data.dataset import ColumnCode
from app.protocol.data.derivation import CategorySource, Derivation, Elapsed, Member, Part, Place, Source
from ingestion.kinds import Published, measured_categories, missing_bit, published_columns
from ingestion.measure import MeasuredSource
from ingestion.number_code import number_code
from ingestion.profile import ColumnProfile, TableProfile
from ingestion.read import Kind
from ingestion.recipe import MAX_BINS, ColumnRecipe, Quantiles, Recipe


def listed(source: Source, measured: MeasuredSource, recipe: Recipe, rule: ColumnRecipe, warnings: list[str]) -> Source:
    """The source with its categories, measured where the recipe lists none."""
    if not isinstance(source, CategorySource) or rule.categories is not None:
        return source
    warnings.append(
        f"Column {source.name!r}: its categories were measured on the data; publishing names every value that at least"
        f" {recipe.policy.min_group} persons have."
    )
    return measured_categories(source, measured, recipe.policy.min_group, rule)


def codes_of_numbers(
    profile: TableProfile, recipe: Recipe | None, column: ColumnProfile, rule: ColumnRecipe, warnings: list[str]
) -> list[ColumnCode]:
    """The codes of a column of numbers: its own, and whether it is missing."""
    own = number_code(profile, recipe, column, rule, warnings)
    if rule.missing != "bit":
        return [own]
    return [own, _code(profile, recipe, column.name, missing_bit(column.name), rule, warnings)]


def derived_codes(
    profile: TableProfile,
    recipe: Recipe,
    source: Source,
    rule: ColumnRecipe,
    measured: MeasuredSource,
    warnings: list[str],
) -> list[ColumnCode]:
    """The codes of what is published of a column that is no number."""
    found = []
    for column in published_columns(source, rule, measured):
        if isinstance(column.derivation, Elapsed):
            kind: Kind = "real" if column.real else "integer"
            own = ColumnProfile(column.name, kind, measured.low, measured.high, measured.missing)
            plain = rule.model_copy(update={"kind": "number", "impute": column.impute})
            code = number_code(profile, recipe, own, plain, warnings)
            found.append(code.model_copy(update={"derivation": Elapsed()}))
        else:
            found.append(_code(profile, recipe, source.name, column, rule, warnings))
    return found


def _code(
    profile: TableProfile,
    recipe: Recipe | None,
    source: str,
    column: Published,
    rule: ColumnRecipe,
    warnings: list[str],
) -> ColumnCode:
    """The code of a bit, a place or a part: each of its whole numbers is a level, and lies between edges where as many
    fit.
    """
    assert column.low is not None
    assert column.high is not None
    bit = column.high - column.low == 1 and not isinstance(column.derivation, Part)
    bins = rule.bins if rule.bins is not None or recipe is None else recipe.defaults.bins
    if isinstance(bins, Quantiles) or (bins is not None and column.high - column.low < MAX_BINS):
        bins = MAX_BINS
    own = ColumnProfile(column.name, "boolean" if bit else "integer", column.low, column.high)
    plain = ColumnRecipe(
        low=column.low,
        high=column.high,
        bins=bins,
        encodings=rule.encodings,
        missing=None if column.impute is None else "impute",
        impute=column.impute,
        outside=rule.outside,
        label=rule.label,
    )
    code = number_code(profile, recipe, own, plain, warnings)
    measured = _measured(rule, column.derivation) or not code.declared
    other = "" if source == column.name else source
    return code.model_copy(update={"source": other, "derivation": column.derivation, "declared": not measured})


def _measured(rule: ColumnRecipe, derivation: Derivation) -> bool:
    """Whether what is stated of a place or a year came from the data: which words there are, or which years."""
    if isinstance(derivation, Place | Member):
        return rule.kind == "category" and rule.categories is None
    year = isinstance(derivation, Part) and derivation.part == "year"
    return year and (rule.low is None or rule.measured)
