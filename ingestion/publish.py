"""Everything of publishing that happens off the chain: measure, code, encrypt, describe, and read back what was kept.

The transaction that records the manifest's digest is the caller's. Nothing that is put into the store holds a value of
the table: ciphertext, a preview drawn from the codebook, the card and the manifest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.protocol.data.dataset import Carried, Codebook, KeyRoots, Shard
from app.protocol.data.description import DatasetCard, FileCheck, Preview
from app.protocol.data.listing import link
from app.protocol.data.manifest import Manifest, fits, read_manifest, write_manifest
from app.protocol.data.table import check_table, data_root
from app.protocol.documents import sha256
from app.protocol.ids import Digest
from app.protocol.ports import EncryptionProgress, Store
from app.protocol.vocabulary import Encoding, FileEncoding
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EncryptionProfile
from ingestion.card import card_markdown
from ingestion.codebook import Built, build_codebook, check_fit
from ingestion.coded import FinishedFile
from ingestion.encrypt import encrypt_table
from ingestion.layout import BOTH
from ingestion.preview import preview_csv
from ingestion.profile import TableProfile, profile_table
from ingestion.recipe import Recipe


@dataclass(frozen=True)
class PreparedTable:
    """A dataset that lies in the store and waits for its transaction."""

    manifest: Manifest
    digest: Digest  # what the chain records
    cid: str  # of the manifest
    card_cid: str  # of the card (Markdown)
    warnings: tuple[str, ...]  # what publishing reveals beyond what was declared
    kept: int = 0  # files that an interrupted run or an earlier version had made already

    @property
    def objects(self) -> Iterator[str]:
        """The CIDs of everything that the manifest names, of itself and of the card."""
        yield from (self.cid, self.card_cid)
        yield from self.manifest.objects


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


def survey_more(path: Path | str, recipe: Recipe, codebook: Codebook) -> Surveyed:
    """Measure rows that are to be appended to a table of this codebook. Errors: as `survey`."""
    measured = profile_table(path, recipe.reading, skip=recipe.table.drop)
    built = replace(build_codebook(measured, recipe), codebook=codebook, warnings=())
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
    key_roots: KeyRoots | None = None,
    encodings: Sequence[Encoding] = BOTH,
    preview_rows: int = 200,
    preview_seed: int = 0,
    most_rows: int | None = None,
    before: Manifest | None = None,
    append: bool = False,
    known: Mapping[str, FinishedFile] | None = None,
    finished: Callable[[FinishedFile], None] = lambda _file: None,
    threads: int | None = None,
    progress: EncryptionProgress | None = None,
) -> PreparedTable:
    """Encrypt and describe a table by its recipe. `published` is today as YYYY-MM-DD; `progress` is told of each file.

    `before` is the version that this one follows under the same keys: rows are cut as there, and files that stay the
    same are kept. With `append` the rows of `path` come after all of its rows, which stay as they are.
    `key_roots`: what contracts judge lookups by (`app.execution.key_roots`).
    `carried` and `carried_jobs` state what was released about the table's persons before (`ingestion.carry`).
    Errors: BadTable, BadRecipe, OutOfRange, TooLarge, BadKey before anything is kept; Unavailable; BadBlock if the
    store does not give back what it was given.
    """
    built = (surveyed or survey(path, recipe)).built
    persons = {"rows_per_person": recipe.table.rows_per_person, "carried": carried, "carried_jobs": carried_jobs}
    card = card_of(recipe, published)
    sample = preview_csv(built.codebook, preview_rows, preview_seed)
    built.codebook.to_bytes()  # is it too large?
    old = before.table.shards if before else ()
    forms: Sequence[FileEncoding] = recipe.table.files(encodings)
    if append and before:
        forms = sorted({file.encoding for file in old[0].files})
        old = tuple(Shard(first_row=each.first_row, rows=each.rows, files=tuple(each.files)) for each in old)

    encrypted = encrypt_table(
        path,
        built.codebook,
        secret,
        profile,
        store,
        epoch=epoch,
        evaluation_key_cid=evaluation_key_cid,
        key_roots=key_roots,
        encodings=forms,
        reading=recipe.reading,
        most_rows=most_rows,
        first_row=before.table.rows if append and before else 0,
        earlier=() if append else old,
        known={**(by_seed(before) if before and not append else {}), **(known or {})},
        finished=finished,
        threads=threads,
        progress=progress,
    )
    table, checks = encrypted.table.model_copy(update=persons), encrypted.checks
    if append and before:
        shards = (*old, *table.shards)
        rows = before.table.rows + table.rows
        table = table.model_copy(update={"shards": shards, "rows": rows, "data_root": data_root(shards)})
        checks = (*before.checks, *checks)
    check_table(table, profile.polynomial_size)
    check = FileCheck(bytes=len(sample), sha256=sha256(sample))
    preview = Preview(cid=store.put(sample), file=check, rows=preview_rows, seed=preview_seed)
    manifest = Manifest(card=card, table=table, policy=recipe.policy, preview=preview, checks=checks)
    if not fits(manifest):
        listed = link(store, table, checks, forms, profile.polynomial_size)
        manifest = manifest.model_copy(update={"table": table.model_copy(update={"listed": listed})})
    data = write_manifest(manifest)
    cid = store.put(data)
    digest = sha256(data)
    manifest = read_manifest(store.read(cid, limit=len(data)), digest, store)
    card_cid = store.put(card_markdown(manifest).encode())
    return PreparedTable(manifest, digest, cid, card_cid, built.warnings, encrypted.kept)


def by_seed(manifest: Manifest) -> dict[str, FinishedFile]:
    """The files of an earlier version, by seed: those that a new one leaves alone are not made again."""
    files = (file for shard in manifest.table.shards for file in shard.files)
    return {file.seed: FinishedFile(file, check) for file, check in zip(files, manifest.checks, strict=True)}


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
