"""Orders of the catalogue by one fact and the dataset's number, and the place of a dataset in them."""

from __future__ import annotations

from dataclasses import dataclass

from app.market.db.columns import UINT256_DIGITS, amount_of
from app.market.queries.listings import Listings, Mask
from app.market.queries.view import not_a_cursor, read_cursor, write_cursor
from app.protocol.errors import BadInput


@dataclass(frozen=True)
class SortOrder:
    """By a fact, then by the number, both in one direction; None: by the number alone."""

    name: str
    fact: str | None = None
    descending: bool = False

    def page(self, facts: Listings, fits: Mask, limit: int, after: str | None = None) -> tuple[list[int], str | None]:
        """At most `limit` datasets that fit, and the cursor of those that follow. Errors: BadInput."""
        if after is not None:
            fits = fits & self._after(facts, after)
        order = facts.order(self.fact or "dataset", descending=self.descending)
        places = order[fits[order]][: limit + 1]
        follows = self._cursor(facts, int(places[limit - 1])) if len(places) > limit else None
        return facts.ids[places[:limit]].tolist(), follows

    def _cursor(self, facts: Listings, place: int) -> str:
        """The place after a dataset. An amount can be above what a cursor's numbers hold, so it travels as text."""
        number = int(facts.ids[place])
        if self.fact is None:
            return write_cursor(self.name, number)
        value: int | str = int(facts.numbers[self.fact][place])
        if self.fact in facts.distinct:
            value = facts.distinct[self.fact][int(value)]
        if self._by_amount:
            value = str(amount_of(str(value)))
        return write_cursor(self.name, value, number)

    def _after(self, facts: Listings, cursor: str) -> Mask:
        """What comes after a place. Errors: BadInput for a cursor of another order, or none."""
        kinds = (int,) if self.fact is None else (str if self.fact in facts.distinct else int, int)
        name, *place = read_cursor(cursor, str, *kinds)
        if name != self.name:
            raise BadInput("This cursor belongs to another order.", "Begin again with the first page.")
        beyond: Mask = facts.ids < place[-1] if self.descending else facts.ids > place[-1]
        if self.fact is None:
            return beyond
        value, there = place[0], True
        if self._by_amount:
            if not (value.isascii() and value.isdecimal() and len(value) <= UINT256_DIGITS):
                raise not_a_cursor()
            value = int(value)
        if self.fact in facts.distinct:
            value, there = facts.rank(self.fact, value)
        numbers = facts.numbers[self.fact]
        if there:
            further: Mask = numbers < value if self.descending else numbers > value
            return further | ((numbers == value) & beyond)
        absent: Mask = numbers < value if self.descending else numbers >= value
        return absent

    @property
    def _by_amount(self) -> bool:
        return self.fact == "price_key"
