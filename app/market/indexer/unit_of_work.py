"""The rows that a batch of events touches, in memory, with what they were before each block.

A `UnitOfWork` loads a row when it is first asked for, hands it out to be changed, and remembers enough to write the
changes at once and to undo them block by block later. It does no IO but through `load`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from app.market.db import tables
from app.market.db.tables import EventRow, IndexTable, JournalRow, PaymentRow
from app.market.indexer.rules import Rules
from app.protocol.errors import VerificationFailed

R = TypeVar("R", bound=IndexTable)
Key = tuple[int | str, ...]
Place = tuple[type[IndexTable], Key]
Load = Callable[[type[IndexTable], Key], IndexTable | None]

# What events write, and a reorganisation takes back through the journal.
ENTITIES: tuple[type[IndexTable], ...] = (
    tables.DatasetRow,
    tables.VersionRow,
    tables.OfferRow,
    tables.LicenseRow,
    tables.JobRow,
    tables.ExecutionRow,
    tables.DisputeRow,
    tables.ProviderRow,
    tables.AccountRow,
    tables.MandateRow,
    tables.MandateUseRow,
    tables.MandateEndingRow,
    tables.RevenueRow,
    tables.TotalsRow,
)
BY_NAME: dict[str, type[IndexTable]] = {str(entity.__tablename__): entity for entity in ENTITIES}
KEYS: dict[type[IndexTable], tuple[str, ...]] = {
    entity: tuple(column.name for column in IndexTable.metadata.tables[str(entity.__tablename__)].primary_key)
    for entity in ENTITIES
}


def key_of(row: IndexTable) -> Key:
    """A row's primary key."""
    return tuple(getattr(row, name) for name in KEYS[type(row)])


@dataclass
class UnitOfWork:
    """Rows under change. `journal_from` is the first block whose changes must be kept undoable."""

    load: Load
    rules: Rules
    journal_from: int = 0
    events: list[EventRow] = field(default_factory=list)
    payments: list[PaymentRow] = field(default_factory=list)
    journal: list[JournalRow] = field(default_factory=list)
    datasets: set[int] = field(default_factory=set)  # that some event was about
    renewed: set[int] = field(default_factory=set)  # that have a new manifest
    _rows: dict[Place, IndexTable | None] = field(default_factory=dict)
    _stored: set[Place] = field(default_factory=set)  # those that `load` found
    _changed: dict[Place, None] = field(default_factory=dict)
    _block: int = -1
    _noted: set[Place] = field(default_factory=set)  # changed in this block

    def begin(self, block: int) -> None:
        """What is changed from here on is changed by this block."""
        if block != self._block:
            self._block = block
            self._noted.clear()

    def find(self, entity: type[R], *key: int | str) -> R | None:
        """A row to read, or None."""
        place = (entity, key)
        if place not in self._rows:
            row = self.load(entity, key)
            self._rows[place] = row
            if row is not None:
                self._stored.add(place)
        found = self._rows[place]
        assert found is None or isinstance(found, entity)
        return found

    def get(self, entity: type[R], *key: int | str) -> R:
        """A row to read. Errors: VerificationFailed when no earlier event made it."""
        row = self.find(entity, *key)
        if row is None:
            raise VerificationFailed(
                f"The node gave an event about {entity.__tablename__} {key[0]} and none that made it.",
                "Use a node with full history, and build the index again.",
            )
        return row

    def edit(self, entity: type[R], *key: int | str) -> R:
        """A row to change in place. Errors: VerificationFailed when no earlier event made it."""
        row = self.get(entity, *key)
        self._note((entity, key), row)
        return row

    def add(self, row: R) -> R:
        """A new row, which may be changed in place until the block ends."""
        place = (type(row), key_of(row))
        self._note(place, self.find(type(row), *key_of(row)))
        self._rows[place] = row
        return row

    def edit_or_add(self, row: R) -> R:
        """The row with this one's key to change in place; this one when there is none."""
        entity, key = type(row), key_of(row)
        return self.edit(entity, *key) if self.find(entity, *key) is not None else self.add(row)

    def changes(self) -> tuple[dict[type[IndexTable], list[IndexTable]], dict[type[IndexTable], list[IndexTable]]]:
        """Rows to insert and rows to update, by entity."""
        new: dict[type[IndexTable], list[IndexTable]] = {}
        old: dict[type[IndexTable], list[IndexTable]] = {}
        for place in self._changed:
            row = self._rows[place]
            assert row is not None  # events never remove a row
            (old if place in self._stored else new).setdefault(place[0], []).append(row)
        return new, old

    def rows(self, entity: type[R]) -> list[R]:
        """All rows of a kind that are in memory, by key: for comparisons."""
        found = [row for (kind, _), row in self._rows.items() if kind is entity and row is not None]
        return sorted((row for row in found if isinstance(row, entity)), key=key_of)

    def _note(self, place: Place, row: IndexTable | None) -> None:
        self._changed[place] = None
        if self._block < self.journal_from or place in self._noted:
            return
        self._noted.add(place)
        before = None if row is None else write_row(row)
        entity, key = place
        self.journal.append(
            JournalRow(block=self._block, entity=str(entity.__tablename__), key=json.dumps(key), before=before)
        )


def write_row(row: IndexTable) -> str:
    """A row as JSON: all values are numbers, texts, truths or None."""
    return json.dumps(row.model_dump(), separators=(",", ":"))


def read_row(entity: type[IndexTable], text: str) -> dict[str, Any]:
    """Inverse of `write_row`: the values by column."""
    values: dict[str, Any] = json.loads(text)
    assert values.keys() == entity.model_fields.keys()
    return values
