"""A profile as an owner reads it: what each column holds, what publishing it costs, allows, loses and reveals.

Everything here is about private data and is for its owner's eyes; nothing of it is published.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.protocol.data.dataset import ColumnCode
from app.protocol.data.derivation import CategorySource
from app.protocol.errors import BadRecipe, BadTable, OutOfRange
from app.protocol.vocabulary import Encoding, FileEncoding
from ingestion.card import code_in_words
from ingestion.codebook import Built, build_codebook, check_fit
from ingestion.draft import draft
from ingestion.layout import BOTH, encoding_bytes
from ingestion.profile import ColumnProfile, TableProfile, profile_table
from ingestion.quantization import Loss, measure_loss
from ingestion.reading import Reading
from ingestion.recipe import Quantiles, Recipe, parse_recipe

ALLOWS: Mapping[FileEncoding, str] = {
    "affine": "linear models",
    "bins": "trees and additive models",
    "lwe-bins": "trees, in about half the time",
}
CODE_OF: Mapping[FileEncoding, Encoding] = {"affine": "affine", "bins": "bins", "lwe-bins": "bins"}
_EXACT = 1e-12  # of the spread


@dataclass(frozen=True)
class PublishedReport:
    """One published column: its code, what each of its encodings costs and allows, and what it reveals."""

    code: ColumnCode
    bytes: Mapping[FileEncoding, int]
    loss: Mapping[Encoding, Loss]
    reveals: tuple[str, ...]

    def as_row(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        affine, bins = code_in_words(self.code)
        return {
            "column": self.code.name,
            "code": affine,
            "bins": bins,
            "encodings": {
                each: {
                    "bytes": cost,
                    "allows": ALLOWS[each],
                    **_loss(self.loss.get(CODE_OF[each])),
                }
                for each, cost in self.bytes.items()
            },
            "reveals": list(self.reveals),
        }


@dataclass(frozen=True)
class ColumnReport:
    """One column of the table, and what is published of it."""

    profile: ColumnProfile
    published: tuple[PublishedReport, ...] = ()
    notes: tuple[str, ...] = ()

    def as_row(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        column, codes = self.profile, [each.code for each in self.published]
        return {
            "column": column.name,
            "kind": column.kind,
            "low": column.low if column.low is not None else column.first or None,
            "high": column.high if column.high is not None else column.last or None,
            "missing": column.missing,
            "infinite": column.infinite,
            "distinct": column.distinct,
            "code": (code_in_words(codes[0])[0] or "-")
            if len(codes) == 1
            else f"{len(codes)} columns"
            if codes
            else "-",
            "bins": max((len(code.bins) + 1 for code in codes if code.bins), default=0),
            "bytes": sum(sum(each.bytes.values()) for each in self.published),
            "lost": max((loss.lost for each in self.published for loss in each.loss.values()), default=0.0),
            "notes": list(self.notes),
            "published": [each.as_row() for each in self.published],
        }


@dataclass(frozen=True)
class TableReport:
    """A whole table: its columns, warnings, and the recipe that its codes follow."""

    profile: TableProfile
    columns: tuple[ColumnReport, ...]
    warnings: tuple[str, ...]
    products: Mapping[str, int]  # of two published values each: bytes of ciphertext by name
    recipe: str = field(repr=False)  # as it is drafted, for the owner to edit

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "file": str(self.profile.path),
            "rows": self.profile.rows,
            "columns": [column.as_row() for column in self.columns],
            "products": {"count": len(self.products), "bytes": sum(self.products.values())},
            "warnings": list(self.warnings),
        }


def report(path: Path | str, recipe: Recipe | None = None, reading: Reading | None = None) -> TableReport:
    """Profile a table, and code it by a recipe, or else by the one that would be drafted.

    What the recipe contradicts is a warning here, since nothing is published. Errors: BadTable, TooLarge.
    """
    reading = recipe.reading if recipe else reading
    profile = profile_table(path, reading, skip=recipe.table.drop if recipe else ())
    settled = recipe or parse_recipe(draft(profile, reading, settled=True))
    built, faults = _built(profile, settled)
    if built is None:
        columns = tuple(ColumnReport(column, (), _notes(column)) for column in profile.columns)
        return TableReport(profile, columns, faults, {}, draft(profile, reading))
    costs = encoding_bytes(built.codebook, profile.rows, encodings=settled.table.files(BOTH))
    losses = measure_loss(path, built.codebook, profile.rows, reading)
    found: dict[str, list[PublishedReport]] = {}
    for code in built.codebook.columns:
        reveals = _reveals(code, settled, built)
        each = PublishedReport(code, costs[code.name], losses[code.name], reveals)
        found.setdefault(code.reads, []).append(each)
    columns = tuple(
        ColumnReport(column, tuple(found.get(column.name, ())), _notes(column)) for column in profile.columns
    )
    products = {product.name: sum(costs[product.name].values()) for product in built.codebook.products}
    notes = () if not products else (products_in_words(products),)
    return TableReport(profile, columns, (*faults, *built.warnings, *notes), products, draft(profile, reading))


def products_in_words(products: Mapping[str, int]) -> str:
    """What products cost, as a sentence."""
    size = sum(products.values()) / (1 << 20)
    return f"Products of columns: {len(products):,} of them are published too, {size:,.1f} MiB of ciphertext."


def _built(profile: TableProfile, recipe: Recipe) -> tuple[Built | None, tuple[str, ...]]:
    """The codebook, and what speaks against it."""
    try:
        built = build_codebook(profile, recipe)
    except (BadRecipe, BadTable, OutOfRange) as error:
        return None, (str(error),)
    try:
        check_fit(profile, built)
    except OutOfRange as error:
        return built, (str(error),)
    return built, ()


def _notes(column: ColumnProfile) -> tuple[str, ...]:
    """What an owner should look at before publishing a column."""
    notes = []
    if column.identifies:
        notes.append(f"Seems to hold {column.identifies}: stays at home unless the recipe names it.")
    if column.fault:
        notes.append(" ".join(column.fault))
    if column.constant:
        notes.append("Every row has the same value.")
    if column.same_as:
        notes.append(f"Has the values of {column.same_as!r} in every row.")
    if len(column.forms) > 1:
        notes.append(f"Its dates fit {' and '.join(column.forms)}: say which, as format.")
    if column.padded:
        notes.append("Its numbers are written with zeros in front, as codes are: a category rather than a number.")
    if column.kind == "integer" and max(abs(column.low or 0), abs(column.high or 0)) > 2**53:
        notes.append("Has whole numbers above 2^53, whose last digits are lost.")
    if column.kind == "other":
        notes.append(f"Holds {column.held or 'nothing'}, which has no code.")
    return tuple(notes)


def _reveals(code: ColumnCode, recipe: Recipe, built: Built) -> tuple[str, ...]:
    """What everybody can read of a column from its code, beside its name."""
    rule, source = recipe.columns.get(code.reads), built.codebook.source(code.reads)
    bins = rule.bins if rule and rule.bins is not None else recipe.defaults.bins
    told = []
    if isinstance(source, CategorySource) and (rule is None or rule.categories is None):
        told.append(f"which of its values at least {recipe.policy.min_group} persons have")
    if not code.declared:
        spread = isinstance(bins, Quantiles)
        told.append("how its values are spread" if spread else "its smallest and largest value, rounded outward")
    if code.missing == "reject":
        told.append("that every row has a value")
    return tuple(told)


def _loss(loss: Loss | None) -> dict[str, float | None]:
    if loss is None:
        return {}
    return {
        "mean_error": loss.mean_error,
        "largest_error": None if math.isnan(loss.largest_error) else loss.largest_error,
        "lost": loss.lost if loss.lost > _EXACT else 0.0,
    }
