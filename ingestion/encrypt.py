"""A table to packed ciphertext: the rows once from disk, the bodies to a spool of ciphertext, the files to a store.

A file holds one column in one encoding, polynomial index * chunks + chunk (`app.protocol.data.dataset`), so the bits of
one block of rows lie far apart in it: bodies go to their places in a spool file first. Files enter the store after the
last row was encrypted, so a bad row changes nothing. Memory is one block of rows, whatever the table's size. The
table's shape (rows, columns, edges) is public; its values are only ever in memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from app.protocol.data.dataset import Codebook, ColumnCode, EncryptedTable, Shard
from app.protocol.data.table import check_codebook, data_root
from app.protocol.errors import BadInput, BadKey, BadTable, Unavailable
from app.protocol.ports import Progress, Store
from app.protocol.vocabulary import Encoding
from fhe.arrays import F64
from fhe.ciphertexts.packing import Encryptor, FileEncryptor
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EVALUATOR, EncryptionProfile
from ingestion.derive import derived, words_of
from ingestion.read import Reading, SourceTable, open_table
from ingestion.spool import WORD_BYTES, SpooledFile, indices

SHARD_ROWS = 1 << 22  # a column's affine codes then take 32 MiB a shard, its bins up to 1 GiB
BLOCK_VALUES = 1 << 22  # rows times columns in memory at once


def encoding_bytes(codebook: Codebook, rows: int, polynomial_size: int = 2048) -> dict[str, dict[Encoding, int]]:
    """What each column costs, in bytes of ciphertext for each encoding of its code: {column: {encoding: bytes}}."""
    chunk_bytes = -(-rows // polynomial_size) * polynomial_size * WORD_BYTES
    return {
        column.name: {encoding: count * chunk_bytes for encoding, count in indices(column).items()}
        for column in codebook.columns
    }


@dataclass(frozen=True)
class Layout:
    """How a table of `rows` rows is cut: shards of `shard_rows`, all but the last; chunks of `size` rows in each."""

    rows: int
    size: int
    shard_rows: int = SHARD_ROWS
    encodings: tuple[Encoding, ...] = ("affine", "bins")

    def __post_init__(self) -> None:
        whole = max(self.size, self.shard_rows // self.size * self.size)
        object.__setattr__(self, "shard_rows", whole)

    def shards(self) -> list[tuple[int, int]]:
        """(first row, rows) of each shard."""
        return [(first, min(self.shard_rows, self.rows - first)) for first in range(0, self.rows, self.shard_rows)]

    def block(self, columns: int) -> int:
        """Rows to hold in memory at once: whole chunks."""
        return max(self.size, BLOCK_VALUES // columns // self.size * self.size)


def encrypt_table(
    path: Path | str,
    codebook: Codebook,
    secret: SecretKeys,
    profile: EncryptionProfile,
    store: Store,
    *,
    epoch: int,
    evaluation_key_cid: str | None = None,
    encodings: tuple[Encoding, ...] = ("affine", "bins"),
    reading: Reading | None = None,
    shard_rows: int = SHARD_ROWS,
    spool: Path | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> EncryptedTable:
    """Encrypt a table's columns by its codebook and keep the ciphertext in `store`.

    `encodings` may leave one out. `spool` is a folder with room for the ciphertext (default: the system's). `progress`
    counts rows. Errors: OutOfRange by the codebook's policies, BadTable, BadInput, BadKey, Unavailable; none of them
    leaves anything in the store unless the store itself fails.
    """
    check_codebook(codebook)
    if secret.epoch != epoch:
        raise BadKey(f"This secret key is of epoch {secret.epoch}, not {epoch}.", "Choose its key: darkroom keys list.")
    if not any(encoding in indices(column) for column in codebook.columns for encoding in encodings):
        raise BadInput("Nothing of this codebook is to be published.", "Choose an encoding that it has.")
    table = open_table(path, reading)
    layout = Layout(table.rows(), profile.polynomial_size, shard_rows, encodings)
    if layout.rows == 0:
        raise BadTable(f"{table.path.name} has no rows.", "Give a table with a header and rows.")
    try:
        with (
            tempfile.TemporaryDirectory(prefix="darkroom-", dir=spool) as folder,
            Encryptor(secret, profile, threads) as encryptor,
        ):
            spooled = _spool(codebook, layout, Path(folder), encryptor.file)
            _fill(table, codebook, layout, spooled, progress)
            shards = _keep(layout, spooled, store)
    except OSError as error:
        raise Unavailable(f"The ciphertext cannot be spooled: {error.strerror}.", "Free some disk space.") from None
    return EncryptedTable(
        profile=profile.digest,
        codebook=codebook,
        epoch=epoch,
        rows=layout.rows,
        shards=shards,
        evaluation_key=evaluation_key_cid,
        data_root=data_root(shards),
        evaluator=EVALUATOR,
    )


def _spool(
    codebook: Codebook, layout: Layout, folder: Path, new_file: Callable[[], FileEncryptor]
) -> list[list[SpooledFile]]:
    """The files of each shard, in manifest order, each with a seed of its own."""
    return [
        [
            _spooled_file(
                column, encoding, -(-rows // layout.size), new_file(), folder / f"{first}-{number}-{encoding}"
            )
            for number, column in enumerate(codebook.columns)
            for encoding in indices(column)
            if encoding in layout.encodings
        ]
        for first, rows in layout.shards()
    ]


def _spooled_file(
    column: ColumnCode, encoding: Encoding, chunks: int, encryptor: FileEncryptor, path: Path
) -> SpooledFile:
    return SpooledFile(column, encoding, chunks, encryptor, path, encryptor.seed.hex())


def _fill(
    table: SourceTable, codebook: Codebook, layout: Layout, spooled: list[list[SpooledFile]], progress: Progress | None
) -> None:
    """Encrypt all rows into their places. Errors: OutOfRange; BadTable if the file changes meanwhile."""
    done = 0
    for frame in table.batches(codebook.source_names, layout.block(len(codebook.columns)), words_of(codebook)):
        if done + frame.height > layout.rows:
            raise BadTable("The table grew while it was read.", "Try again when nobody writes to it.")
        _add(derived(codebook, frame, first_row=done), frame.height, done, layout, spooled)
        done += frame.height
        if progress:
            progress(done, layout.rows)
    if done != layout.rows:
        raise BadTable("The table shrank while it was read.", "Try again when nobody writes to it.")


def _add(values: dict[str, F64], rows: int, done: int, layout: Layout, spooled: list[list[SpooledFile]]) -> None:
    """Encrypt one block: row `done` of the table on, whole chunks unless it is the last block."""
    start = 0
    while start < rows:
        shard, inside = divmod(done + start, layout.shard_rows)
        stop = min(rows, start + layout.shard_rows - inside)
        for file in spooled[shard]:
            file.add(inside // layout.size, values[file.column.name][start:stop], layout.size, done + start)
            if inside + stop - start == layout.shard_rows:
                file.close()
        start = stop


def _keep(layout: Layout, spooled: list[list[SpooledFile]], store: Store) -> tuple[Shard, ...]:
    # Two threads: one file's blocks are hashed outside the interpreter's lock while another's leaves are inside it.
    with ThreadPoolExecutor(2) as pool:
        return tuple(
            Shard(first_row=first, rows=rows, files=tuple(pool.map(lambda file: file.keep(store), files)))
            for (first, rows), files in zip(layout.shards(), spooled, strict=True)
        )
