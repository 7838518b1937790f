"""Orders of a list by one column and the id, and the place of a row in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, RowMapping, literal, tuple_

from app.market.db.columns import UINT256_DIGITS, AmountText
from app.market.queries.view import not_a_cursor, read_cursor, write_cursor
from app.protocol.errors import BadInput


@dataclass(frozen=True)
class SortOrder:
    """By a column, then by the id, both in one direction, so that an index has it as it is; None: by id alone."""

    name: str
    id: Column[int]
    column: Column[Any] | None = None
    descending: bool = False

    @property
    def columns(self) -> list[Column[Any]]:
        """What rows are compared by."""
        return [self.id] if self.column is None else [self.column, self.id]

    def by(self) -> list[ColumnElement[Any]]:
        """For ORDER BY."""
        return [column.desc() if self.descending else column.asc() for column in self.columns]

    def cursor(self, row: RowMapping) -> str:
        """The place after a row. An amount can be above what a cursor's numbers hold, so it travels as text."""
        place = [row[column.name] for column in self.columns]
        if self._by_amount:
            place[0] = str(place[0])
        return write_cursor(self.name, *place)

    def after(self, cursor: str) -> ColumnElement[bool]:
        """The rows after a place. Errors: BadInput for a cursor of another order, or none."""
        textual = self._by_amount or (self.column is not None and self.column.type.python_type is str)
        kinds = {1: (int,), 2: (str if textual else int, int)}[len(self.columns)]
        name, *place = read_cursor(cursor, str, *kinds)
        if name != self.name:
            raise BadInput("This cursor belongs to another order.", "Begin again with the first page.")
        if self._by_amount:
            if not (place[0].isascii() and place[0].isdecimal() and len(place[0]) <= UINT256_DIGITS):
                raise not_a_cursor()
            place[0] = int(place[0])
        here = tuple_(*(literal(value, column.type) for value, column in zip(place, self.columns, strict=True)))
        return tuple_(*self.columns) < here if self.descending else tuple_(*self.columns) > here

    @property
    def _by_amount(self) -> bool:
        return self.column is not None and isinstance(self.column.type, AmountText)
