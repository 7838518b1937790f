"""What each filter of the catalogue would find, counted beside it before anybody chooses it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlmodel import Session

from app.market.queries.catalogue import CLASSES, LISTING, RELEASES, CatalogueFilter, conditions
from app.market.queries.counting import counted
from app.market.queries.view import View
from app.protocol.vocabulary import CircuitClass, ReleaseKind

ROWS = (1_000, 10_000, 100_000, 1_000_000)
COLUMNS = (5, 10, 25, 100)
FLAGS = ("offered", "automatic", "private")


class Choices(View):
    """Datasets found with an option chosen besides all else; a bound or a kind of release, in its group's place."""

    classes: dict[CircuitClass, int]
    releases: dict[ReleaseKind, int]
    flags: dict[str, int]
    rows: dict[int, int]  # least rows: datasets
    columns: dict[int, int]
    prices: dict[int, int]  # most token units for a license: datasets


def choices(session: Session, wanted: CatalogueFilter, prices: Sequence[int]) -> Choices:
    """Count everything that a visitor could choose next; `prices` are the bounds to offer."""
    return counted(session, f"{wanted!r} {prices!r}", lambda: _count(session, wanted, prices))


def totals(session: Session, wanted: Iterable[CatalogueFilter]) -> list[int]:
    """How many datasets each of these finds."""
    queries = [select(func.count()).select_from(LISTING).where(*conditions(each)) for each in wanted]
    return [int(session.execute(query).scalar_one()) for query in queries]


def _count(session: Session, wanted: CatalogueFilter, prices: Sequence[int]) -> Choices:
    columns = LISTING.c
    on_offer = columns.offers > 0
    groups: Mapping[str, tuple[dict[str, Any], dict[Any, ColumnElement[bool]]]] = {
        # group: (what choosing in it replaces, its options)
        "classes": ({}, {name: columns[name].is_(True) for name in CLASSES}),
        "flags": ({}, {name: on_offer if name == "offered" else columns[name].is_(True) for name in FLAGS}),
        "releases": ({"releases": ()}, {name: columns[name].is_(True) for name in RELEASES}),
        "rows": ({"rows_min": None}, {least: columns.rows >= least for least in ROWS}),
        "columns": ({"columns_min": None}, {least: columns.columns >= least for least in COLUMNS}),
        "prices": ({"price_max": None}, {most: on_offer & (columns.price_key <= most) for most in prices}),
    }
    passes: dict[CatalogueFilter, list[str]] = {}
    found: dict[str, dict[Any, int]] = {name: {} for name in groups}
    for name, (replaced, options) in groups.items():
        if options:
            passes.setdefault(wanted.model_copy(update=replaced), []).append(name)
    for filtered, names in passes.items():  # one pass over the listings unless bounds are set
        asked = [(name, key, holds) for name in names for key, holds in groups[name][1].items()]
        query = select(*(func.count().filter(holds) for _, _, holds in asked)).select_from(LISTING)
        row = session.execute(query.where(*conditions(filtered))).one()
        for (name, key, _), count in zip(asked, row, strict=True):
            found[name][key] = count
    return Choices.model_validate(found)
