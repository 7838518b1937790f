"""A dataset as one CAR file: whole, checked block by block, and refused where anything is wrong with it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from app.cli.main import run
from app.client.archive import read_archive, write_archive
from app.client.versions import history
from app.execution.inputs import load_manifest
from app.home.config import NodeConfig, write_config
from app.protocol.data import manifest as manifests
from app.protocol.data.manifest import read_manifest
from app.protocol.errors import BadBlock, BadDocument, BadInput, DarkroomError, NotFound
from app.storage.car import read_blocks, read_header, write_block, write_header
from app.storage.cid import RAW, of_block, parse
from app.storage.folder import BlockStore
from tests.support.custody import NAMES
from tests.support.persons import PASSPHRASE, OwnersHome, chain_template, people
from tests.support.persons import recipe as recipe_of


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> OwnersHome:
    """An owner's home with a dataset of two versions."""
    template = chain_template(tmp_path_factory.mktemp("template"))
    made = OwnersHome(template, tmp_path_factory.mktemp("town"))
    number = made.publish(people(50), recipe_of(columns=NAMES[:7]))
    made.owner.update(number, made.file(people(10, seed=2), "more.parquet"), recipe_of(columns=NAMES[:7]), append=True)
    return made


@pytest.fixture(scope="module")
def archive(town: OwnersHome) -> Path:
    """Its CAR file."""
    write_archive(town.owner.network, 2, path := town.folder / "dataset.car")
    return path


def test_what_is_written_is_read_again(town: OwnersHome, archive: Path, tmp_path: Path) -> None:
    """Another store has the manifest and every file afterwards, and nothing else; a file is never written over."""
    store = BlockStore(tmp_path / "store")
    found = read_archive(store, archive)
    record = town.market.dataset(2)
    assert (found.manifest, found.rows, found.bytes) == (_root(archive), 60, archive.stat().st_size)
    manifest = load_manifest(store, record)
    assert set(store.blocks()) == {each.text for cid in (found.manifest, *manifest.objects) for each in store.tree(cid)}
    assert len(list(store.blocks())) == found.blocks
    with pytest.raises(BadInput, match="already a file"):
        write_archive(town.owner.network, 2, archive)


def test_a_linked_table_is_whole_too(town: OwnersHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of files and the codebook travel with what they name."""
    monkeypatch.setattr(manifests, "INLINE_FILES", 1)
    number = town.publish(people(20, seed=8))
    write_archive(town.owner.network, number, path := tmp_path / "linked.car")
    store = BlockStore(tmp_path / "store")
    found = read_archive(store, path)
    manifest = read_manifest(store.read(found.manifest, limit=1 << 20), store=store)
    assert manifest.table.listed is not None
    assert manifest.table.data_root == town.market.dataset(number).data_root


def test_damage_is_refused_and_nothing_stays(archive: Path, tmp_path: Path) -> None:
    """A flipped bit anywhere, a cut anywhere, a block left out: an error, and an empty store."""
    data = archive.read_bytes()
    store, path = BlockStore(tmp_path / "store"), tmp_path / "damaged.car"
    wrong = [data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :] for place in range(0, len(data), 7919)]
    wrong += [data[:length] for length in range(0, len(data), 16_001)]
    wrong += [b"", b"\x00", b"\xff" * 40, data + b"\x01", data + b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"]
    for each in wrong:
        path.write_bytes(each)
        with pytest.raises((BadBlock, BadDocument, NotFound)):
            read_archive(store, path)
        assert not list(store.blocks())
    with pytest.raises(BadInput):
        read_archive(store, tmp_path / "nowhere.car")


def test_a_missing_block_is_found(archive: Path, tmp_path: Path) -> None:
    """Each block that is left out is missed, whichever it is."""
    with archive.open("rb") as file:
        root = read_header(file)
        blocks = list(read_blocks(file))
    store, path = BlockStore(tmp_path / "store"), tmp_path / "short.car"
    for left_out in range(len(blocks)):
        with path.open("wb") as file:
            write_header(file, root)
            for number, (cid, block) in enumerate(blocks):
                if number != left_out:
                    write_block(file, cid, block)
        with pytest.raises(DarkroomError):
            read_archive(store, path)
        assert not list(store.blocks())


def test_the_form_is_that_of_the_specification() -> None:
    """Header and section as the specification has them: DAG-CBOR of roots and version, tag 42 with a leading zero."""
    cid = of_block(RAW, b"block")
    file = io.BytesIO()
    write_header(file, cid)
    write_block(file, cid, b"block")
    head = bytes.fromhex("3aa265726f6f747381d82a582500") + cid.binary + bytes.fromhex("6776657273696f6e01")
    assert file.getvalue() == head + bytes([36 + 5]) + cid.binary + b"block"
    file.seek(0)
    assert read_header(file) == cid
    assert list(read_blocks(file)) == [(cid, b"block")]


def test_versions_say_what_changed(town: OwnersHome) -> None:
    """Rows appended, a column added, one value corrected: each version says it, and how many files it shares."""
    frame = people(50)
    number = town.publish(frame, recipe_of(columns=NAMES[:7]))
    corrected = frame.with_columns((255 - frame[NAMES[3]]).alias(NAMES[3]))
    town.update(number, corrected, recipe_of(columns=NAMES[:7]))
    town.update(number, corrected, recipe_of())
    first, second, third = history(town.owner.network, number)
    assert (first.columns_added, first.files_kept) == (tuple(NAMES[:7]), 0)
    assert (second.columns_changed, second.files, second.files_kept) == ((NAMES[3],), 7, 6)
    assert (third.columns_added, third.files, third.files_kept) == ((NAMES[7],), 8, 7)
    assert (third.columns_removed, third.columns_recoded, third.columns_changed) == ((), (), ())


def test_the_commands(
    town: OwnersHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Export, import, versions and unfinished, as scripts run them."""
    chain = town.folder / "chain"
    deployment = f"{chain}/deployment.json"
    write_config(
        town.home,
        NodeConfig(
            chain=f"embedded:{chain}/chain.sqlite", deployment=deployment, store=f"folder:{town.folder / 'store'}"
        ),
    )
    town.account.save(town.owner.actor.path("account.json"), PASSPHRASE, light=True)
    monkeypatch.setenv("DARKROOM_HOME", str(town.home.root))
    monkeypatch.setenv("DARKROOM_PASSPHRASE", PASSPHRASE)

    def said(*words: str) -> object:
        assert run(["dataset", *words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    out = tmp_path / "out.car"
    assert said("export", "2", "--out", str(out))["rows"] == 60  # type: ignore[index]
    assert said("import", str(out))["manifest"] == _root(out)  # type: ignore[index]
    assert [each["rows"] for each in said("versions", "2")] == [50, 60]  # type: ignore[attr-defined]
    assert said("unfinished") == []


def _root(path: Path) -> str:
    with path.open("rb") as file:
        root = read_header(file)
    assert parse(root.text) == root
    return root.text
