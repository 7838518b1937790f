"""The catalogue's filters as people see them: what is chosen, what could be, and the address of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from app.market.queries.catalogue import CatalogueFilter
from app.market.web.pages.formatting import CLASSES, RELEASE_NAMES, count
from app.market.web.pages.forms import Form

FLAGS: Mapping[str, str] = {
    "offered": "On sale now",
    "automatic": "Released without approval by hand",
    "private": "With differential privacy",
}
DEFAULT_SORT = ("sort", "newest")
PRICES = (0, 1, 5, 10, 100)  # whole coins, bounds to offer


@dataclass(frozen=True)
class Chosen:
    """One filter that is set. `url` is the catalogue without it."""

    words: str
    url: str
    without: CatalogueFilter


@dataclass(frozen=True)
class FilterStep:
    """A bound to choose. `url` sets it, or where it is set takes it away."""

    words: str
    datasets: int
    url: str
    on: bool


def chosen(form: Form, wanted: CatalogueFilter, coin: str) -> list[Chosen]:
    """Every filter that is set, in the order of the form."""
    found: list[Chosen] = []

    def add(name: str, words: str, without: dict[str, Any], value: str | None = None) -> None:
        found.append(Chosen(words, address(form, {name: None}, value), wanted.model_copy(update=without)))

    if wanted.text:
        add("q", f"“{wanted.text}”", {"text": ""})
    for name in wanted.classes:
        add("class", CLASSES[name], {"classes": tuple(each for each in wanted.classes if each != name)}, name)
    for kind in wanted.releases:
        add("release", RELEASE_NAMES[kind], {"releases": tuple(each for each in wanted.releases if each != kind)}, kind)
    if wanted.rows_min is not None:
        add("rows_min", f"Rows: {count(wanted.rows_min)} or more", {"rows_min": None})
    if wanted.columns_min is not None:
        add("columns_min", f"Columns: {count(wanted.columns_min)} or more", {"columns_min": None})
    if wanted.price_max is not None:
        add("price_max", f"License: at most {form.text('price_max')} {coin}", {"price_max": None})
    for flag, words in FLAGS.items():
        if getattr(wanted, flag):
            add(flag, words, {flag: False})
    return found


def steps(form: Form, name: str, present: int | None, bounds: Iterable[tuple[int, int, str, str]]) -> list[FilterStep]:
    """Bounds of one field that find anything, or are set: (bound, datasets, as typed, in words) each."""
    return [
        FilterStep(words, datasets, address(form, {name: None if bound == present else typed}), bound == present)
        for bound, datasets, typed, words in bounds
        if datasets or bound == present
    ]


def address(form: Form, changes: Mapping[str, str | None], only: str | None = None) -> str:
    """The catalogue with these fields set anew, None: taken away; with `only`, just that value of the field.

    The place in the list is not kept: another search begins at its beginning.
    """
    kept = [
        (name, value)
        for name, value in form.sent.multi_items()
        if value
        and (name, value) != DEFAULT_SORT
        and name != "after"
        and (name not in changes or (only is not None and value != only))
    ]
    query = urlencode([*kept, *((name, value) for name, value in changes.items() if value is not None)])
    return f"/?{query}" if query else "/"
