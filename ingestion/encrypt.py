"""A table to packed ciphertext: the rows once from disk, the bodies straight into a store, shard after shard.

A file holds one column in one encoding, polynomial index * chunks + chunk (`app.protocol.data.dataset`). The codes of
one shard are in memory (`ingestion.layout`), whatever the table's size; its files are then encrypted side by side, each
from first to last, so no ciphertext waits on a disk and memory is bounded. A file whose seed is known already, from an
interrupted run or an earlier version, is not encrypted again (`fhe.ciphertexts.seeds`). The table's shape (rows,
columns, edges) is public; its values are only ever in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.protocol.data.dataset import Codebook, EncryptedTable, KeyRoots, Shard, body_bytes
from app.protocol.data.description import FileCheck
from app.protocol.data.table import check_codebook, data_root
from app.protocol.errors import BadInput, BadKey, BadTable
from app.protocol.ports import EncryptedSoFar, EncryptionProgress, Store
from app.protocol.vocabulary import FileEncoding
from fhe.arrays import F64
from fhe.ciphertexts.packing import Encryptor, processors
from fhe.ciphertexts.seeds import SeedDerivation
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EVALUATOR, EncryptionProfile
from ingestion.coded import CodedFile, FinishedFile
from ingestion.codes import products_of
from ingestion.derive import derived, words_of
from ingestion.layout import BOTH, Cut, cuts, files, indices, shard_rows
from ingestion.read import Reading, SourceTable, open_table

BLOCK_VALUES = 1 << 21  # rows times columns that are read at once

Blocks = Iterator[tuple[int, dict[str, F64]]]  # (rows, each published column's values), in order


@dataclass(frozen=True)
class Encrypted:
    """A table whose files lie in the store."""

    table: EncryptedTable
    checks: tuple[FileCheck, ...]  # of its files, in manifest order
    kept: int  # files that were there already


def encrypt_table(
    path: Path | str,
    codebook: Codebook,
    secret: SecretKeys,
    profile: EncryptionProfile,
    store: Store,
    *,
    epoch: int,
    evaluation_key_cid: str | None = None,
    key_roots: KeyRoots | None = None,
    encodings: Sequence[FileEncoding] = BOTH,
    reading: Reading | None = None,
    most_rows: int | None = None,
    first_row: int = 0,
    earlier: Sequence[Shard] = (),
    known: Mapping[str, FinishedFile] | None = None,
    finished: Callable[[FinishedFile], None] = lambda _file: None,
    threads: int | None = None,
    progress: EncryptionProgress | None = None,
) -> Encrypted:
    """Encrypt a table's columns by its codebook and keep the ciphertext in `store`.

    `encodings` may leave one out. `most_rows` limits a shard's rows; rows are cut as in `earlier` shards where there
    are any. `first_row`: how many rows of a longer table come before these; its shards begin there. `known` files, by
    seed, are taken as they are; `finished` is told of each new one, once the store has it, by whichever thread made it.
    `progress` is told after each file. Errors: OutOfRange by the codebook's policies, BadTable, BadInput, BadKey,
    Unavailable. A file is in the store whole or not at all; what an error leaves there is the caller's to take back.
    """
    check_codebook(codebook)
    if secret.epoch != epoch:
        raise BadKey(f"This secret key is of epoch {secret.epoch}, not {epoch}.", "Choose its key: darkroom keys list.")
    if not any(indices(column, encodings) for column in codebook.published):
        raise BadInput("Nothing of this codebook is to be published.", "Choose an encoding that it has.")
    table = open_table(path, reading)
    rows = table.rows()
    if rows == 0:
        raise BadTable(f"{table.path.name} has no rows.", "Give a table with a header and rows.")
    length = shard_rows(len(codebook.published), rows, profile.polynomial_size, most_rows)
    places = [Cut(first_row + cut.first, cut.rows) for cut in cuts(rows, length, earlier)]
    derive, threads = SeedDerivation(secret, profile), threads or processors()
    size = profile.polynomial_size
    all_bytes = sum(count * body_bytes(encoding) for _, encoding, count in files(codebook, encodings)) * size
    all_bytes *= sum(cut.chunks(size) for cut in places)
    shards: list[Shard] = []
    checks: list[FileCheck] = []
    kept = done = 0
    with Encryptor(secret, profile, 1) as encryptor, ThreadPoolExecutor(threads) as pool:
        for cut, coded in _shards(_blocks(table, codebook), codebook, encodings, places, size, pool):
            found: list[FinishedFile] = []
            finish = partial(
                CodedFile.finish,
                store=store,
                encryptor=encryptor,
                derive=derive,
                known=known or {},
                finished=finished,
            )
            for file, new in pool.map(finish, coded):
                kept += not new
                found.append(file)
                done += file.check.bytes
                if progress:
                    ended = cut.first - first_row + cut.rows * len(found) // len(coded)
                    progress(EncryptedSoFar(ended, rows, done, all_bytes))
            shards.append(Shard(first_row=cut.first, rows=cut.rows, files=tuple(each.file for each in found)))
            checks += [each.check for each in found]
    whole = EncryptedTable(
        profile=profile.digest,
        codebook=codebook,
        epoch=epoch,
        rows=rows,
        shards=tuple(shards),
        evaluation_key=evaluation_key_cid,
        key_roots=key_roots,
        data_root=data_root(tuple(shards)),
        evaluator=EVALUATOR,
    )
    return Encrypted(whole, tuple(checks), kept)


def _blocks(table: SourceTable, codebook: Codebook) -> Blocks:
    """The table's rows in order, so many at a time that they fit into memory. Errors: BadTable, OutOfRange."""
    first, most = 0, max(1, BLOCK_VALUES // len(codebook.published))
    for frame in table.batches(codebook.source_names, most, words_of(codebook)):
        values = derived(codebook, frame, first_row=first)
        yield frame.height, values | products_of(codebook, values, first)
        first += frame.height


def _shards(
    blocks: Blocks,
    codebook: Codebook,
    encodings: Sequence[FileEncoding],
    places: Sequence[Cut],
    size: int,
    pool: ThreadPoolExecutor,
) -> Iterator[tuple[Cut, list[CodedFile]]]:
    """Each shard with the codes of its files, one shard at a time. Errors: OutOfRange; BadTable if rows come or go."""
    rows, values, used = 0, dict[str, F64](), 0
    for cut in places:
        coded = [
            CodedFile(column, encoding, count, cut, size) for column, encoding, count in files(codebook, encodings)
        ]
        done = 0
        while done < cut.rows:
            if used == rows:
                rows, values, used = *next(blocks, (0, {})), 0
                if not rows:
                    raise BadTable("The table shrank while it was read.", "Try again when nobody writes to it.")
            take = min(rows - used, cut.rows - done)
            part = slice(used, used + take)
            list(pool.map(lambda file: file.add(done, values[file.column.name][part]), coded))  # noqa: B023
            used, done = used + take, done + take
        yield cut, coded
    if used < rows or next(blocks, (0, {}))[0]:
        raise BadTable("The table grew while it was read.", "Try again when nobody writes to it.")
