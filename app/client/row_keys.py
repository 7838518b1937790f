"""The row keys of published versions, as the owner's home keeps them and the custodian reads them.

persons/MANIFEST.keys: blocks of `BLOCK_ROWS` rows, each sealed under a key that follows from the
epoch's secret key (`app.custodian.unlocked_keys`) and dies with it. Every key takes the width of the version's longest,
so a row's place in the file follows from its number. How many rows and how wide stands in the version's record.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.client.person_records import PersonRecords, PersonsRecord
from app.protocol.errors import BadKey, BadRecipe, NotAllowed, NotFound
from app.protocol.ids import Digest

if TYPE_CHECKING:
    from fhe.keys.secret_keys import SecretKeys
    from ingestion.recipe import Recipe
    from ingestion.row_keys import KeyColumn, Keys

BLOCK_ROWS = 4096
_SEAL = 28  # bytes that sealing adds to a block


class RowKeyFiles:
    """One owner's row keys, by the manifest of their version."""

    def __init__(self, records: PersonRecords) -> None:
        self._records = records

    def survey(self, path: Path, recipe: Recipe, manifest: Digest | None, *, append: bool) -> KeyColumn | None:
        """The row keys that a table would be published with; None without. `manifest`: of the version before it.

        Errors: BadTable; BadRecipe where the policy sells keys that the table has not, or is narrower than they are, or
        where the version before has keys and this one would have none, or longer ones than were offered.
        """
        from ingestion.row_keys import read_key_column

        name, sold = recipe.table.row_key, recipe.policy.row_keys
        before = self._records.all().get(manifest) if manifest else None
        had, offered = (before.row_key, before.keys_offered) if before else ("", 0)
        if sold and not name:
            raise BadRecipe("The policy sells row_keys, and no column has them.", "Add row_key under [table].")
        if had and not name:
            raise BadRecipe(
                f"The present version's rows have keys, from its column {had!r}; this recipe names none.",
                f'Add under [table]: row_key = "{had}".',
            )
        if append and name != had:
            raise BadRecipe(
                "The rows that are there have other row keys, or none.",
                "Append by the row_key that they have, or give the whole table: darkroom dataset update.",
            )
        if not name:
            return None
        found = read_key_column(path, recipe.reading, name)
        least = min((each for each in (sold, offered) if each), default=found.width)
        if found.width > least:
            raise BadRecipe(
                f"The longest value of the row_key column {name!r} takes {found.width} bytes; {least} are sold.",
                "Give shorter ones"
                + (f", or set row_keys = {found.width} under [policy]." if least == sold != offered else "."),
            )
        return found

    def keep(self, secret: SecretKeys, manifest: Digest, column: KeyColumn, after: Digest | None = None) -> int:
        """Seal a version's keys into its file; `after`: the version that its rows are appended to. The width they take.

        Errors: BadTable where the table changed; NotFound, BadKey where earlier keys cannot be read.
        """
        old = self._record(after) if after else None
        width = max(column.width, old.key_bytes if old else 0)
        there = self._blocks(secret, old, 0, old.rows) if old else ()
        file = self._records.key_file(manifest)
        opener = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(opener, "wb") as out:
            for number, keys in enumerate(_rechunked([there, column.blocks()], width)):
                out.write(_sealed(secret, manifest, number, keys))
            out.flush()
            os.fsync(out.fileno())
        return width

    def offer(self, manifest: Digest, width: int) -> None:
        """Note that the keys of a version will be sold in `width` bytes each, if they fit; nothing for a width of 0.

        Errors: NotAllowed.
        """
        if not width:
            return
        record = self._records.all().get(manifest)
        if record is None or not record.row_key:
            raise NotAllowed(
                "This policy sells row keys, and the dataset was published without.",
                "Publish a version with row_key under [table]: darkroom dataset update.",
            )
        if record.key_bytes > width:
            raise NotAllowed(
                f"The longest row key takes {record.key_bytes} bytes, and this policy sells {width}.",
                f"Set row_keys = {record.key_bytes} under [policy].",
            )
        offered = min(width, record.keys_offered or width)
        self._records.write(record.model_copy(update={"keys_offered": offered}))

    def check(self, manifest: Digest, width: int) -> None:
        """Whether a version's keys can be given in `width` bytes each. Errors: NotFound, NotAllowed."""
        record = self._record(manifest)
        if record.key_bytes > width:
            raise NotAllowed(
                f"A row key takes {record.key_bytes} bytes, and the license's policy has {width}.",
                "Publish a version with shorter row keys: darkroom dataset update.",
            )

    def read(self, secret: SecretKeys, manifest: Digest, first: int, rows: int) -> Keys:
        """The keys (rows,) of rows [first, first + rows). Errors: NotFound, BadKey."""
        record = self._record(manifest)
        if not 0 <= first < first + rows <= record.rows:
            raise NotFound("There are no row keys for these rows.", "Restore the folder persons from a backup.")
        return np.concatenate(list(self._blocks(secret, record, first, rows)))

    def _record(self, manifest: Digest) -> PersonsRecord:
        record = self._records.all().get(manifest)
        if record is None or not record.row_key or not self._records.key_file(manifest).is_file():
            raise NotFound(
                "The row keys that a license promises are not on this machine.",
                "Restore the folder persons from a backup.",
            )
        return record

    def _blocks(self, secret: SecretKeys, record: PersonsRecord, first: int, rows: int) -> Iterator[Keys]:
        """The keys of some rows, block after block."""
        from app.custodian.unlocked_keys import recall

        width, whole = record.key_bytes, record.key_bytes * BLOCK_ROWS + _SEAL
        with self._records.key_file(record.manifest).open("rb") as file:
            for number in range(first // BLOCK_ROWS, (first + rows - 1) // BLOCK_ROWS + 1):
                start = number * BLOCK_ROWS
                file.seek(number * whole)
                sealed = file.read(min(BLOCK_ROWS, record.rows - start) * width + _SEAL)
                if len(sealed) <= _SEAL:
                    raise BadKey("The file of row keys is cut short.", "Restore the folder persons from a backup.")
                keys = np.frombuffer(recall(secret, _name(record.manifest, number, width), sealed), f"S{width}")
                yield keys[max(0, first - start) : first + rows - start]


def _sealed(secret: SecretKeys, manifest: str, number: int, keys: Keys) -> bytes:
    from app.custodian.unlocked_keys import keep

    return keep(secret, _name(manifest, number, keys.dtype.itemsize), keys.tobytes())


def _name(manifest: str, number: int, width: int) -> str:
    """What a block is sealed as: no other block opens in its place."""
    return f"row keys {manifest} {number} {width}"


def _rechunked(parts: Iterable[Iterable[Keys]], width: int) -> Iterator[Keys]:
    """The same keys in blocks of `BLOCK_ROWS`, the last one shorter, in `width` bytes each."""
    held = np.zeros(0, f"S{width}")
    for part in parts:
        for keys in part:
            held = np.concatenate([held, keys.astype(f"S{width}")])
            while len(held) >= BLOCK_ROWS:
                yield held[:BLOCK_ROWS]
                held = held[BLOCK_ROWS:]
    if len(held):
        yield held
