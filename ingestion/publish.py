"""Everything of publishing that happens off the chain: measure, code, encrypt, describe, and read back what was kept.

The transaction that records the manifest's digest is the caller's. Nothing that is put into the store holds a value of
the table: ciphertext, a preview drawn from the codebook, the card and the manifest.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from app.protocol.data.dataset import Carried, Codebook, EncodedFile, EncryptedTable, Shard
from app.protocol.data.description import DatasetCard, FileCheck, Preview
from app.protocol.data.manifest import Manifest, read_manifest, write_manifest
from app.protocol.data.table import check_table, data_root
from app.protocol.documents import sha256
from app.protocol.ids import Digest
from app.protocol.ports import Progress, Store
from app.protocol.vocabulary import Encoding
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EncryptionProfile
from ingestion.card import card_markdown
from ingestion.codebook import Built, build_codebook, check_fit
from ingestion.encrypt import SHARD_ROWS, Layout, encrypt_table
from ingestion.preview import preview_csv
from ingestion.profile import TableProfile, profile_table
from ingestion.recipe import Recipe
from ingestion.spool import WORD_BYTES, indices

_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class PreparedTable:
    """A dataset that lies in the store and waits for its transaction."""

    manifest: Manifest
    digest: Digest  # what the chain records
    cid: str  # of the manifest
    card_cid: str  # of the card (Markdown)
    warnings: tuple[str, ...]  # what publishing reveals beyond what was declared


@dataclass(frozen=True)
class Surveyed:
    """What a table is by its recipe, before anything is made of it."""

    measured: TableProfile
    built: Built


def survey(path: Path | str, recipe: Recipe) -> Surveyed:
    """Measure a table and code it by its recipe. Errors: BadTable, BadRecipe, OutOfRange, TooLarge."""
    measured = profile_table(path, recipe.reading, skip=recipe.table.drop)
    built = build_codebook(measured, recipe)
    check_fit(measured, built)
    return Surveyed(measured, built)


def prepare(
    path: Path | str,
    recipe: Recipe,
    secret: SecretKeys,
    profile: EncryptionProfile,
    store: Store,
    *,
    epoch: int,
    published: str,
    surveyed: Surveyed | None = None,
    carried: tuple[Carried, ...] = (),
    carried_jobs: int = 0,
    evaluation_key_cid: str | None = None,
    encodings: tuple[Encoding, ...] = ("affine", "bins"),
    preview_rows: int = 200,
    preview_seed: int = 0,
    shard_rows: int = SHARD_ROWS,
    spool: Path | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> PreparedTable:
    """Encrypt and describe a table by its recipe. `published` is today as YYYY-MM-DD; `progress` counts rows.

    `carried` and `carried_jobs` state what was released about the table's persons before (`ingestion.carry`).
    Errors: BadTable, BadRecipe, OutOfRange, TooLarge, BadKey before anything is kept; Unavailable; BadBlock if the
    store does not give back what it was given.
    """
    surveyed = surveyed or survey(path, recipe)
    measured, built = surveyed.measured, surveyed.built
    persons = {"rows_per_person": recipe.table.rows_per_person, "carried": carried, "carried_jobs": carried_jobs}
    card = card_of(recipe, published)
    sample = preview_csv(built.codebook, preview_rows, preview_seed)
    layout = Layout(measured.rows, profile.polynomial_size, shard_rows, encodings)
    blank = _blank(built.codebook, layout, profile, epoch).model_copy(update=persons)
    write_manifest(_manifest(card, recipe, blank, None))  # is it too large?

    table = encrypt_table(
        path,
        built.codebook,
        secret,
        profile,
        store,
        epoch=epoch,
        evaluation_key_cid=evaluation_key_cid,
        encodings=encodings,
        reading=recipe.reading,
        shard_rows=shard_rows,
        spool=spool,
        threads=threads,
        progress=progress,
    )
    table = table.model_copy(update=persons)
    check_table(table, profile.polynomial_size)
    check = FileCheck(bytes=len(sample), sha256=sha256(sample))
    preview = Preview(cid=store.put(sample), file=check, rows=preview_rows, seed=preview_seed)
    manifest = _manifest(card, recipe, table, preview, file_checks(table, store))
    data = write_manifest(manifest)
    cid = store.put(data)
    digest = sha256(data)
    read_manifest(store.read(cid, limit=len(data)), digest)
    return PreparedTable(manifest, digest, cid, store.put(card_markdown(manifest).encode()), built.warnings)


def card_of(recipe: Recipe, published: str) -> DatasetCard:
    """What a recipe says of the dataset in words."""
    return DatasetCard(
        title=recipe.title,
        description=recipe.description,
        license=recipe.license,
        creator=recipe.creator,
        published=published,
        version=recipe.version,
        keywords=recipe.keywords,
        url=recipe.url,
    )


def file_checks(table: EncryptedTable, store: Store) -> tuple[FileCheck, ...]:
    """Length and SHA-256 of each file, read back from the store, in manifest order. Errors: NotFound, BadBlock."""
    files = [file for shard in table.shards for file in shard.files]
    with ThreadPoolExecutor(2) as pool:
        return tuple(pool.map(lambda file: _file_check(file, store), files))


def _file_check(file: EncodedFile, store: Store) -> FileCheck:
    digest, size = hashlib.sha256(), store.size(file.cid)
    for start in range(0, size, _READ_BYTES):
        digest.update(store.read(file.cid, start, min(_READ_BYTES, size - start), limit=_READ_BYTES))
    return FileCheck(bytes=size, sha256=Digest(digest.hexdigest()))


def _manifest(
    card: DatasetCard,
    recipe: Recipe,
    table: EncryptedTable,
    preview: Preview | None,
    checks: tuple[FileCheck, ...] | None = None,
) -> Manifest:
    if checks is None:
        files = [file for shard in table.shards for file in shard.files]
        checks = tuple(FileCheck(bytes=file.polys * WORD_BYTES, sha256=Digest("0" * 64)) for file in files)
    return Manifest(card=card, table=table, policy=recipe.policy, preview=preview, checks=checks)


def _blank(codebook: Codebook, layout: Layout, profile: EncryptionProfile, epoch: int) -> EncryptedTable:
    """A table of the right shape, with zeros for what is not known before encryption: its manifest has the size."""
    shards = tuple(
        Shard(
            first_row=first,
            rows=rows,
            files=tuple(
                EncodedFile(
                    column=column.name,
                    encoding=encoding,
                    cid="0" * 59,
                    polys=count * -(-rows // layout.size),
                    seed="0" * 32,
                    root=Digest("0" * 64),
                )
                for column in codebook.columns
                for encoding, count in indices(column).items()
                if encoding in layout.encodings
            ),
        )
        for first, rows in layout.shards()
    )
    return EncryptedTable(
        profile=profile.digest,
        codebook=codebook,
        epoch=epoch,
        rows=layout.rows,
        shards=shards,
        evaluation_key=None,
        data_root=data_root(shards),
    )
