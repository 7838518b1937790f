"""Tables that are too large for their manifest: the list of files is linked, read lazily, and checked as a whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from app.execution.source import StoreSource
from app.protocol.data import manifest as manifests
from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.data.listing import RECORD_BYTES, ListedFiles, link, total_bytes
from app.protocol.data.manifest import Manifest, read_manifest
from app.protocol.data.table import check_table
from app.protocol.documents import MAX_DOCUMENT_BYTES, canonical
from app.protocol.errors import BadBlock, BadDocument, DarkroomError, NotFound
from app.storage.folder import BlockStore
from fhe.ciphertexts.packing import Decryptor
from fhe.circuit.circuit import Input
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EncryptionProfile
from ingestion.publish import PreparedTable, prepare
from ingestion.recipe import parse_recipe
from tests.ingestion.conftest import RECIPE

COLUMNS = 300  # of 3 rows, each as affine code and as bins: 600 files a shard


@pytest.fixture(scope="module")
def wide(
    tmp_path_factory: pytest.TempPathFactory, secret: SecretKeys, profile: EncryptionProfile
) -> tuple[PreparedTable, BlockStore, pl.DataFrame]:
    """A table of 300 columns and 300 rows in two shards: 1,200 files."""
    folder = tmp_path_factory.mktemp("wide")
    rng = np.random.default_rng(3)
    frame = pl.DataFrame({f"column {n}": rng.integers(0, 10, 300) for n in range(COLUMNS)})
    frame.write_parquet(folder / "t.parquet")
    text = RECIPE.split("[columns", 1)[0] + "".join(
        f'[columns."column {n}"]\nlow = 0\nhigh = 9\nbins = [3.0, 6.0]\n' for n in range(COLUMNS)
    )
    store = BlockStore(folder / "blocks")
    prepared = prepare(
        folder / "t.parquet", parse_recipe(text), secret, profile, store, epoch=1, published="2026-01-31", most_rows=256
    )
    return prepared, store, frame


def test_a_wide_table_is_published(
    wide: tuple[PreparedTable, BlockStore, pl.DataFrame], profile: EncryptionProfile, secret: SecretKeys
) -> None:
    """The manifest stays small, says all of the table when it is opened, and every file opens to its column."""
    prepared, store, frame = wide
    data = store.read(prepared.cid, limit=MAX_DOCUMENT_BYTES)
    assert len(data) < 20_000
    found = read_manifest(data, prepared.digest, store)
    assert found.to_bytes() == data
    assert found.digest == prepared.digest
    table = found.table
    check_table(table, profile.polynomial_size)
    assert [len(shard.files) for shard in table.shards] == [2 * COLUMNS, 2 * COLUMNS]
    assert isinstance(table.shards[0].files, ListedFiles)
    assert len(found.checks) == 4 * COLUMNS
    assert total_bytes(found.checks) == sum(check.bytes for check in found.checks)
    for place in (0, 1, 599, 600, 1199):
        shard, file = divmod(place, 2 * COLUMNS)
        named = table.shards[shard].files[file]
        assert named == list(table.shards[shard].files)[file]
        assert store.size(named.cid) == found.checks[place].bytes
    source = StoreSource(table, profile, store)
    for number in (0, 17, 299):
        wire = Input(column=f"column {number}", encoding="affine", index=0)
        words = [source.bodies(wire, shard, range(1)) for shard in (0, 1)]
        masks = [source.mask(wire, shard, range(1)) for shard in (0, 1)]
        opener = Decryptor(secret, profile)
        codes = np.concatenate([opener.open(m, w, profile.message_width)[0] for m, w in zip(masks, words, strict=True)])
        assert codes[:300].tolist() == frame[f"column {number}"].to_list()


def test_only_what_is_asked_for_is_read(
    wide: tuple[PreparedTable, BlockStore, pl.DataFrame], profile: EncryptionProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a list was found under its root, a job on one shard reads that shard's records alone, and once."""
    prepared, store, _ = wide
    data = store.read(prepared.cid, limit=MAX_DOCUMENT_BYTES)
    read_manifest(data, prepared.digest, store)
    asked: list[int] = []
    read = BlockStore.read

    def counted(self: BlockStore, cid: str, offset: int = 0, length: int | None = None, *, limit: int) -> bytes:
        if found.table.listed is not None and cid == found.table.listed.cid:
            asked.append(length or 0)
        return read(self, cid, offset, length, limit=limit)

    found = read_manifest(data, prepared.digest, store)
    monkeypatch.setattr(BlockStore, "read", counted)
    found = read_manifest(data, prepared.digest, store)
    source = StoreSource(found.table, profile, store)
    for index in (0, 1):
        source.bodies(Input(column="column 5", encoding="bins", index=index), 1, range(1))
    assert sum(asked) <= 2 * COLUMNS * RECORD_BYTES


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("table.listed.files", 1199),
        ("table.listed.size", 128),
        ("table.listed.size", 0),
        ("table.listed.encodings", ["affine"]),
        ("table.listed.codebook_digest", "0" * 64),
        ("table.listed.codebook_bytes", 5),
        ("table.listed.cid", "bafkreicouv3sksjuzxb3rbb6rziy6duakk2aikegsmtqtz5rsuppjorxsa"),
        ("table.listed.codebook", "bafkreicouv3sksjuzxb3rbb6rziy6duakk2aikegsmtqtz5rsuppjorxsa"),
        ("table.data_root", "0" * 64),
        ("table.rows", 301),
        ("table.shards.0.rows", 255),
    ],
)
def test_a_list_that_does_not_fit_is_refused(
    wide: tuple[PreparedTable, BlockStore, pl.DataFrame], path: str, value: Any
) -> None:
    """Whatever is said of the list is checked against codebook, shards, store and data root."""
    prepared, store, _ = wide
    strict = json.loads(prepared.manifest.to_bytes())["darkroom"]
    *parents, last = path.split(".")
    place = strict
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place[key]
    place[last] = value
    data = Manifest.model_validate_json(canonical(strict)).to_bytes()

    def read() -> None:
        check_table(read_manifest(data, store=store).table, 256)

    with pytest.raises((BadDocument, NotFound, BadBlock)):
        read()


def test_a_forged_record_is_refused(wide: tuple[PreparedTable, BlockStore, pl.DataFrame]) -> None:
    """A list with one root changed does not lead to the data root, whoever reads it first."""
    prepared, store, _ = wide
    manifest = prepared.manifest
    assert manifest.table.listed is not None
    records = bytearray(store.read(manifest.table.listed.cid, limit=1 << 20))
    records[16] ^= 1
    forged = manifest.table.listed.model_copy(update={"cid": store.put(records)})
    changed = manifest.model_copy(update={"table": manifest.table.model_copy(update={"listed": forged})})
    with pytest.raises(BadDocument, match="data root"):
        read_manifest(changed.to_bytes(), store=store)


def test_a_linked_manifest_needs_a_store(wide: tuple[PreparedTable, BlockStore, pl.DataFrame]) -> None:
    """Nobody computes with a table whose codebook was never fetched; a lost list is told as such."""
    prepared, store, _ = wide
    data = prepared.manifest.to_bytes()
    with pytest.raises(BadDocument, match="links its files"):
        read_manifest(data, prepared.digest)
    assert prepared.manifest.table.listed is not None
    path = next(file for file in Path(store._folder._path).rglob(prepared.manifest.table.listed.codebook))
    kept = path.read_bytes()
    path.unlink()
    try:
        with pytest.raises(NotFound):
            read_manifest(data, prepared.digest, store)
    finally:
        path.write_bytes(kept)


def test_both_forms_say_the_same(
    tmp_path: Path, secret: SecretKeys, profile: EncryptionProfile, store: BlockStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table in its manifest and the same one linked have equal files, codebook and root."""
    pl.DataFrame({"size": [1.0] * 300, "count": [1] * 300, "load": [0.0] * 300}).write_csv(path := tmp_path / "t.csv")
    found = []
    for most in (512, 1):
        monkeypatch.setattr(manifests, "INLINE_FILES", most)
        recipe = parse_recipe(RECIPE)
        found.append(prepare(path, recipe, secret, profile, store, epoch=1, published="2026-01-31").manifest)
    inline, linked = found
    assert (inline.table.listed, b"listed" in inline.to_bytes()) == (None, False)
    assert linked.table.listed is not None
    assert list(linked.table.shards[0].files) == list(inline.table.shards[0].files)
    assert tuple(linked.checks) == inline.checks
    assert (linked.codebook, linked.table.data_root) == (inline.codebook, inline.table.data_root)
    again = link(store, linked.table, linked.checks, ("affine", "bins"), profile.polynomial_size)
    assert again == linked.table.listed


@pytest.mark.deep
def test_the_widest_codebook_fits() -> None:
    """4,096 columns with 32 edges each make a codebook that can be linked; eight times as many are refused."""
    columns = tuple(
        ColumnCode(
            name=f"{'column with a long name ' * 4}{n}",
            dtype="float64",
            affine=Affine(low=0.1, step=0.3),
            bins=tuple(k + 1 / 3 for k in range(32)),
            declared=True,
        )
        for n in range(4096)
    )
    data = Codebook(columns=columns).to_bytes()
    assert MAX_DOCUMENT_BYTES < len(data) < Codebook.max_bytes
    assert Codebook.from_bytes(data).columns == columns
    with pytest.raises(DarkroomError):
        Codebook(columns=columns * 8).to_bytes()


def test_a_manifest_of_many_shards_fits(wide: tuple[PreparedTable, BlockStore, pl.DataFrame]) -> None:
    """Four thousand shards of a linked table take a third of a manifest."""
    manifest = wide[0].manifest
    shards = tuple(
        manifest.table.shards[0].model_copy(update={"first_row": 10**6 * n, "rows": 10**6}) for n in range(4096)
    )
    table = manifest.table.model_copy(update={"shards": shards, "rows": 4096 * 10**6})
    assert len(manifest.model_copy(update={"table": table}).to_bytes()) < MAX_DOCUMENT_BYTES // 3
