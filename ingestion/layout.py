"""How a table is cut: shards of rows, files of one column in one encoding, chunks of one polynomial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.protocol.data.dataset import Codebook, ColumnCode, Shard, body_bytes, values_a_row
from app.protocol.data.table import MAX_SHARDS
from app.protocol.vocabulary import Encoding, FileEncoding

SHARD_CODES = 1 << 24  # codes of a shard that are in memory at once, three bytes each at most: 48 MiB
SHARD_ROWS = 1 << 20  # most rows of a shard, if that many shards are allowed: 8 MiB for a column's affine codes
LEAST_CHUNKS = 8  # of a shard of very many columns, so that a table does not fall into millions of files
BOTH: tuple[Encoding, ...] = ("affine", "bins")


def indices(column: ColumnCode, encodings: Sequence[FileEncoding] = BOTH) -> dict[FileEncoding, int]:
    """How many values each of these files of a column holds of a row: one affine code, one bit for each edge."""
    return {encoding: count for encoding, count in values_a_row(column).items() if encoding in encodings}


def encoding_bytes(
    codebook: Codebook, rows: int, polynomial_size: int = 2048, encodings: Sequence[FileEncoding] = BOTH
) -> dict[str, dict[FileEncoding, int]]:
    """What each column costs, in bytes of ciphertext for each encoding of its code: {column: {encoding: bytes}}."""
    filled = -(-rows // polynomial_size) * polynomial_size
    return {
        column.name: {e: count * filled * body_bytes(e) for e, count in indices(column, encodings).items()}
        for column in codebook.published
    }


@dataclass(frozen=True)
class Cut:
    """Rows [first, first + rows) of a table, which become one shard."""

    first: int
    rows: int

    def chunks(self, size: int) -> int:
        """Chunks of `size` rows that hold them."""
        return -(-self.rows // size)


def shard_rows(columns: int, rows: int, size: int, most: int | None = None) -> int:
    """Rows of each shard but the last: whole chunks of `size`, so that the codes of all columns fit into memory.

    `most` is a limit of the caller's. A table of more rows than MAX_SHARDS such shards hold gets longer ones.
    """
    wanted = max(LEAST_CHUNKS * size, min(SHARD_ROWS, SHARD_CODES // columns)) if most is None else most
    least = -(-rows // MAX_SHARDS)
    return max(-(-least // size), wanted // size, 1) * size


def cuts(rows: int, length: int, earlier: Sequence[Shard] = ()) -> list[Cut]:
    """Consecutive shards of `length` rows, the last one shorter.

    Rows that an earlier version has are cut as they were there, so that files of unchanged rows are the same files.
    """
    found = [Cut(shard.first_row, shard.rows) for shard in earlier if shard.first_row + shard.rows <= rows]
    first = found[-1].first + found[-1].rows if found else 0
    return [*found, *(Cut(start, min(length, rows - start)) for start in range(first, rows, length))]


def files(codebook: Codebook, encodings: Sequence[FileEncoding]) -> Iterator[tuple[ColumnCode, FileEncoding, int]]:
    """(column, encoding, values a row) of each file of a shard, in manifest order."""
    for column in codebook.published:
        for encoding, count in indices(column, encodings).items():
            yield column, encoding, count
