"""The published ciphertext holds exactly the codes of the table, at the places that the layout says."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from app.protocol.data import merkle
from app.protocol.data.dataset import Codebook, EncodedFile, EncryptedTable
from app.protocol.data.table import check_table
from app.protocol.errors import BadInput, BadKey, BadTable, OutOfRange
from app.protocol.ports import EncryptedSoFar
from app.storage.folder import BlockStore
from fhe.ciphertexts.packing import Decryptor
from fhe.keys.secret_keys import SecretKeys
from fhe.mask import mask
from fhe.profile import EncryptionProfile
from ingestion import encrypt
from ingestion.codebook import build_codebook
from ingestion.codes import bin_bits, encode, encode_bins
from ingestion.encrypt import encrypt_table
from ingestion.layout import encoding_bytes
from ingestion.profile import profile_table
from ingestion.read import SourceTable
from ingestion.recipe import parse_recipe
from tests.ingestion.conftest import RECIPE


@pytest.fixture
def codebook(table_file: Path) -> Codebook:
    """The codebook of the test table by the test recipe."""
    return build_codebook(profile_table(table_file), parse_recipe(RECIPE)).codebook


def opened(file: EncodedFile, store: BlockStore, secret: SecretKeys, profile: EncryptionProfile) -> npt.NDArray[Any]:
    """The plaintext polynomials (polys, N) of a published file."""
    size = profile.polynomial_size
    data = store.read(file.cid, limit=1 << 30)
    assert len(data) == file.polys * size * 8
    assert merkle.root(data) == file.root
    bodies = np.frombuffer(data, "<u8").reshape(file.polys, size)
    return Decryptor(secret, profile).open(
        mask(bytes.fromhex(file.seed), 0, file.polys, size), bodies, profile.message_width
    )


def expected(frame: pl.DataFrame, codebook: Codebook, file: EncodedFile, size: int) -> npt.NDArray[Any]:
    """The codes of a frame as the layout says: (index * chunks + chunk, row in the chunk), zeros after the last row."""
    chunks = -(-frame.height // size)
    if file.encoding == "affine":
        rows = [encode(codebook, frame, [file.column])[:, 0]]
    else:
        codes = encode_bins(codebook, frame, [file.column])[:, 0]
        edges = next(column.bins for column in codebook.columns if column.name == file.column)
        rows = [bin_bits(codes, edge) for edge in range(len(edges or ()))]
    out = np.zeros((len(rows), chunks * size), np.int64)
    out[:, : frame.height] = rows
    return out.reshape(-1, size)


@pytest.mark.parametrize("rows", [1, 255, 256, 257, 1000])
@pytest.mark.parametrize("block", [1, 3 * 512, encrypt.BLOCK_VALUES])
def test_ciphertext_opens_to_the_codes(
    frame: pl.DataFrame,
    codebook: Codebook,
    secret: SecretKeys,
    profile: EncryptionProfile,
    store: BlockStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
    block: int,
) -> None:
    """Every file decrypts to its column's codes, whatever the rows and the size of the blocks read."""
    monkeypatch.setattr(encrypt, "BLOCK_VALUES", block)
    frame.head(rows).write_parquet(path := tmp_path / "t.parquet")
    seen: list[EncryptedSoFar] = []
    table = encrypt_table(path, codebook, secret, profile, store, epoch=1, progress=seen.append).table
    check_table(table, profile.polynomial_size)
    assert EncryptedTable.from_bytes(table.to_bytes()) == table
    (shard,) = table.shards
    assert [(file.column, file.encoding) for file in shard.files] == [
        ("size", "affine"),
        ("size", "bins"),
        ("count", "affine"),
        ("load", "bins"),
    ]
    assert len({file.seed for file in shard.files}) == 4
    for file in shard.files:
        want = expected(frame.head(rows), codebook, file, profile.polynomial_size)
        assert (opened(file, store, secret, profile) == want).all()
    stored = sum(store.size(file.cid) for file in shard.files)
    assert seen[-1] == EncryptedSoFar(rows, rows, stored, stored)
    assert [each.bytes for each in seen] == sorted({each.bytes for each in seen})
    assert {each.all_bytes for each in seen} == {stored}


@pytest.mark.parametrize("shard_rows", [1, 256, 600, 999])
def test_shards_cut_the_rows(
    frame: pl.DataFrame,
    table_file: Path,
    codebook: Codebook,
    secret: SecretKeys,
    profile: EncryptionProfile,
    store: BlockStore,
    shard_rows: int,
) -> None:
    """A limit on a shard's rows gives consecutive shards of whole chunks, each with its own files and seeds."""
    table = encrypt_table(table_file, codebook, secret, profile, store, epoch=1, most_rows=shard_rows).table
    check_table(table, profile.polynomial_size)
    whole = max(256, shard_rows // 256 * 256)
    assert [shard.rows for shard in table.shards] == [min(whole, 1000 - first) for first in range(0, 1000, whole)]
    for shard in table.shards:
        part = frame.slice(shard.first_row, shard.rows)
        for file in shard.files:
            assert (opened(file, store, secret, profile) == expected(part, codebook, file, 256)).all()


def test_encodings_can_be_left_out(
    table_file: Path, codebook: Codebook, secret: SecretKeys, profile: EncryptionProfile, store: BlockStore
) -> None:
    """An owner may publish affine codes alone; then trees cannot run, and the table says so by its files."""
    table = encrypt_table(table_file, codebook, secret, profile, store, epoch=1, encodings=("affine",)).table
    check_table(table, profile.polynomial_size)
    assert {file.encoding for file in table.shards[0].files} == {"affine"}
    only_bins = Codebook(columns=tuple(column for column in codebook.columns if column.affine is None))
    with pytest.raises(BadInput, match="Nothing of this codebook"):
        encrypt_table(table_file, only_bins, secret, profile, store, epoch=1, encodings=("affine",))


def test_the_same_table_is_the_same_files(
    table_file: Path, codebook: Codebook, secret: SecretKeys, profile: EncryptionProfile, store: BlockStore
) -> None:
    """Encrypting a table again gives the same bytes, on any number of threads, and nothing new in the store."""
    first = encrypt_table(table_file, codebook, secret, profile, store, epoch=1, threads=1)
    blocks = set(store.blocks())
    assert encrypt_table(table_file, codebook, secret, profile, store, epoch=1, threads=3) == first
    assert set(store.blocks()) == blocks


@pytest.mark.parametrize(
    ("row", "value", "complaint"),
    [
        (999, 52.0, "outside its range in row 999"),
        (0, float("nan"), "no value in row 0"),
        (500, None, "no value in row 500"),
    ],
)
def test_a_bad_row_changes_nothing(
    frame: pl.DataFrame,
    codebook: Codebook,
    secret: SecretKeys,
    profile: EncryptionProfile,
    store: BlockStore,
    tmp_path: Path,
    row: int,
    value: float | None,
    complaint: str,
) -> None:
    """A value that the policy rejects stops everything: nothing enters the store."""
    values = frame["size"].to_list()
    values[row] = value
    frame.with_columns(pl.Series("size", values)).write_csv(path := tmp_path / "t.csv")
    with pytest.raises(OutOfRange, match=complaint):
        encrypt_table(path, codebook, secret, profile, store, epoch=1)
    assert not list(store.blocks())


@pytest.mark.parametrize(("rows", "complaint"), [(999, "grew"), (1001, "shrank")])
def test_a_file_that_changes_is_refused(
    table_file: Path,
    codebook: Codebook,
    secret: SecretKeys,
    profile: EncryptionProfile,
    store: BlockStore,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
    complaint: str,
) -> None:
    """Rows that appear or vanish while the table is read stop the encryption."""
    monkeypatch.setattr(SourceTable, "rows", lambda _table: rows)
    with pytest.raises(BadTable, match=complaint):
        encrypt_table(table_file, codebook, secret, profile, store, epoch=1)


def test_the_wrong_epoch_is_refused(
    table_file: Path, codebook: Codebook, secret: SecretKeys, profile: EncryptionProfile, store: BlockStore
) -> None:
    """Keys of one epoch never encrypt for another."""
    with pytest.raises(BadKey, match="epoch 1, not 2"):
        encrypt_table(table_file, codebook, secret, profile, store, epoch=2)


def test_what_encodings_cost(codebook: Codebook) -> None:
    """Eight bytes a value, rounded up to whole chunks; bins cost one value for each edge."""
    assert encoding_bytes(codebook, 1_000_000) == {
        "size": {"affine": 8 * 1_001_472, "bins": 7 * 8 * 1_001_472},
        "count": {"affine": 8 * 1_001_472},
        "load": {"bins": 3 * 8 * 1_001_472},
    }


def anonymous_mb() -> float:
    """Memory that is this process's own, without mapped files."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))


@pytest.mark.deep
def test_two_million_rows_in_bounded_memory(
    secret: SecretKeys, profile: EncryptionProfile, store: BlockStore, tmp_path: Path
) -> None:
    """A table of 2,000,000 x 30 values (480 MB of numbers, 443 MB of CSV) takes less than 700 MB of memory."""
    path, rng = tmp_path / "big.csv", np.random.default_rng(0)
    names = [f"c{number}" for number in range(30)]
    with path.open("wb") as file:
        for part in range(40):
            rows = pl.DataFrame({name: rng.normal(size=50_000).round(4) for name in names})
            rows.write_csv(file, include_header=part == 0)
    before, peak, done = anonymous_mb(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, anonymous_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        codebook = build_codebook(profile_table(path)).codebook
        table = encrypt_table(path, codebook, secret, profile, store, epoch=1).table
    finally:
        done.set()
        watcher.join()
    print(f"\n2,000,000 x 30: peak {peak:.0f} MB, {peak - before:.0f} MB above the start")
    assert table.rows == 2_000_000
    assert peak - before < 700
