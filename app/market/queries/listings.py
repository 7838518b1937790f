"""The facts of all datasets in memory, read once for a state of the index: what filters, counts and orders look at.

A search looks at every dataset to count what else could be chosen. In the database that took a scan with fourteen
counts, most of a search's time; as arrays the same is a few operations on each fact. Prices and titles are ranks among
the distinct ones, since an amount may be above 2^63.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from threading import Lock
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import String, select, type_coerce
from sqlmodel import Session

from app.market.db.columns import amount_of, amount_text
from app.market.db.tables import ListingRow, TermRow, sql
from app.market.queries.counting import counted, must_make

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]

NUMBERS = ("rows", "columns", "offers", "jobs_settled")
FLAGS = ("linear", "trees", "additive", "lookup", "label", "score", "aggregate", "private", "automatic", "available")
RANKED = ("price_key", "title_key")
KEPT_WORDS, KEPT_ENTRIES = 200, 4_000
LAST_CHARACTER = "\U0010ffff"  # after everything that a word can go on with

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(Generic[K, V]):
    """The values that were asked for last, at most so many; for several threads."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, Lock()
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """A value that is here."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: K, value: V) -> V:
        """Keep a value, in place of the one that nobody asked for longest."""
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value


class Listings:
    """All datasets of one state of the index by rising number. Masks and arrays have an item for each of them."""

    def __init__(self, rows: Sequence[Any]) -> None:
        """`rows`: of `listings`, with `dataset`, `owner` and what NUMBERS, FLAGS and RANKED name."""
        names = ("dataset", "owner", *NUMBERS, *FLAGS, *RANKED)
        columns = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())
        self.ids: Ints = np.array(columns["dataset"], np.int64)
        self.owners = np.array(columns["owner"], np.str_)
        self.numbers: dict[str, Ints] = {name: np.array(columns[name], np.int64) for name in NUMBERS}
        self.flags: dict[str, Mask] = {name: np.array(columns[name], np.bool_) for name in FLAGS}
        self.flags["offered"] = self.numbers["offers"] > 0
        self.distinct = {name: sorted(set(columns[name])) for name in RANKED}
        for name in RANKED:
            rank = {value: place for place, value in enumerate(self.distinct[name])}
            self.numbers[name] = np.array([rank[value] for value in columns[name]], np.int64)
        self.numbers["dataset"] = self.ids
        self.entries: Kept[int, Any] = Kept(KEPT_ENTRIES)
        self._words: Kept[str, Mask] = Kept(KEPT_WORDS)
        self._orders: dict[tuple[str, bool], Ints] = {}

    def all(self) -> Mask:
        """Everything."""
        return np.ones(len(self.ids), np.bool_)

    def none(self) -> Mask:
        """Nothing."""
        return np.zeros(len(self.ids), np.bool_)

    def worded(self, session: Session, word: str) -> Mask:
        """Datasets that have a word which begins so."""
        found = self._words.get(word)
        if found is None:
            must_make()
            terms = sql(TermRow).c
            query = select(terms.dataset).where(terms.term >= word, terms.term < word + LAST_CHARACTER)
            having = np.fromiter(session.execute(query).scalars(), np.int64)
            found = self._words.put(word, np.isin(self.ids, having))
        return found

    def priced(self, most: int) -> Mask:
        """Datasets with an active offer whose license costs at most so many token units."""
        below = bisect_right(self.distinct["price_key"], amount_text(most))
        return self.flags["offered"] & (self.numbers["price_key"] < below)

    def prices(self, fits: Mask) -> tuple[int, int] | None:
        """The least and the greatest price of a license among these; None where none of them has an offer."""
        ranks = self.numbers["price_key"][fits & self.flags["offered"]]
        if not len(ranks):
            return None
        known = self.distinct["price_key"]
        return amount_of(known[int(ranks.min())]), amount_of(known[int(ranks.max())])

    def extent(self, name: str, fits: Mask) -> tuple[int, int] | None:
        """The least and the greatest number among these; None where there are none."""
        among = self.numbers[name][fits]
        return (int(among.min()), int(among.max())) if len(among) else None

    def order(self, name: str, *, descending: bool) -> Ints:
        """Places of all datasets, ordered by a number and then by the dataset's own, both in one direction."""
        key = (name, descending)
        if key not in self._orders:
            must_make()
            rising = np.lexsort((self.ids, self.numbers[name]))
            self._orders[key] = rising[::-1] if descending else rising
        return self._orders[key]

    def rank(self, name: str, value: int | str) -> tuple[int, bool]:
        """What a value of RANKED is compared by, and whether a dataset has it; else all of that rank are above it."""
        text = amount_text(value) if isinstance(value, int) else value
        known = self.distinct[name]
        place = bisect_left(known, text)
        return place, place < len(known) and known[place] == text


def listings(session: Session) -> Listings:
    """Those of the index's present state."""
    return counted(session, "listings", lambda: _read(session))


def _read(session: Session) -> Listings:
    columns = sql(ListingRow).c
    plain = [type_coerce(columns.price_key, String).label("price_key"), columns.title_key]  # an amount as its text
    wanted = [columns[name] for name in ("dataset", "owner", *NUMBERS, *FLAGS)]
    return Listings(session.execute(select(*wanted, *plain).order_by(columns.dataset)).all())
