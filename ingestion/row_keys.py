"""Row keys: the column by which an owner names the row of a result to its buyer, read and checked.

Keys are texts as the file has them, without spaces around. Nothing here says one of them in an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.protocol.errors import BadRecipe, BadTable
from app.protocol.policy.rules import MAX_KEY_BYTES
from ingestion.read import texts
from ingestion.reading import Reading

Keys = npt.NDArray[np.bytes_]  # (rows,), of one width: UTF-8, with zeros behind
BATCH_ROWS = 1 << 14


@dataclass(frozen=True)
class KeyColumn:
    """The row keys of a table that is about to be published."""

    path: Path
    reading: Reading
    name: str
    rows: int
    width: int  # bytes of the longest

    def blocks(self) -> Iterator[Keys]:
        """The keys, `BATCH_ROWS` at a time, the last ones fewer. Errors: BadTable where the table changed."""
        for part in texts(self.path, self.name, BATCH_ROWS, self.reading, as_written=True):
            keys = [(text or "").encode() for text in part]
            if not all(keys) or max(map(len, keys)) > self.width:
                raise BadTable("The table changed while it was read.", "Try again when nobody writes to it.")
            yield np.array(keys, f"S{self.width}")


def read_key_column(path: Path, reading: Reading, name: str) -> KeyColumn:
    """Read and check a table's row keys. Errors: BadTable; BadRecipe with counts, never a key."""
    rows = missing = odd = width = 0
    for part in texts(path, name, BATCH_ROWS, reading, as_written=True):
        rows += len(part)
        for text in part:
            missing += text is None
            odd += text is not None and not text.isprintable()
            width = max(width, len((text or "").encode()))
    for count, what in ((missing, "is empty"), (odd, "has signs that cannot be shown")):
        if count:
            raise BadRecipe(
                f"The row_key column {name!r} {what} in {count:,} rows.", "Give every row a key, or leave them out."
            )
    if width > MAX_KEY_BYTES:
        raise BadRecipe(
            f"The longest value of the row_key column {name!r} takes {width} bytes; at most {MAX_KEY_BYTES} are sold.",
            "Name a column of shorter ones.",
        )
    return KeyColumn(path, reading, name, rows, width)
