"""What each filter of the catalogue would find, counted beside it before anybody chooses it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from sqlmodel import Session

from app.market.queries.catalogue import CLASSES, RELEASES, CatalogueFilter, fitting
from app.market.queries.listings import Mask, listings
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


def totals(session: Session, wanted: Iterable[CatalogueFilter]) -> list[int]:
    """How many datasets each of these finds."""
    facts = listings(session)
    return [int(np.count_nonzero(fitting(session, facts, each))) for each in wanted]


def choices(session: Session, wanted: CatalogueFilter, prices: Sequence[int]) -> Choices:
    """Count everything that a visitor could choose next; `prices` are the bounds to offer."""
    facts = listings(session)
    groups: Mapping[str, tuple[dict[str, Any], dict[Any, Mask]]] = {
        # group: (what choosing in it replaces, its options)
        "classes": ({}, {name: facts.flags[name] for name in CLASSES}),
        "flags": ({}, {name: facts.flags[name] for name in FLAGS}),
        "releases": ({"releases": ()}, {name: facts.flags[name] for name in RELEASES}),
        "rows": ({"rows_min": None}, {least: facts.numbers["rows"] >= least for least in ROWS}),
        "columns": ({"columns_min": None}, {least: facts.numbers["columns"] >= least for least in COLUMNS}),
        "prices": ({"price_max": None}, {most: facts.priced(most) for most in prices}),
    }
    found: dict[str, dict[Any, int]] = {}
    for name, (replaced, options) in groups.items():
        fits = fitting(session, facts, wanted.model_copy(update=replaced))
        found[name] = {key: int(np.count_nonzero(fits & holds)) for key, holds in options.items()}
    return Choices.model_validate(found)
