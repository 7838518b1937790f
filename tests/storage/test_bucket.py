"""Blocks in a bucket of a real S3-compatible server on this machine."""

from __future__ import annotations

import importlib.util
import io
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

if importlib.util.find_spec("minio") is None or importlib.util.find_spec("moto") is None:
    pytest.skip("minio and moto are not installed: make setup", allow_module_level=True)

import minio

from app.protocol.errors import BadBlock, NotFound, Unavailable, UsageError
from app.storage.bucket import BucketStore
from app.storage.cid import parse
from app.storage.content import file_cid
from app.storage.folder import BlockStore
from app.storage.open import open_places
from app.storage.unixfs import LEAF_BYTES

DATA = bytes(range(251)) * (LEAF_BYTES // 100)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The server's host and port, with a bucket."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        client = minio.Minio(f"127.0.0.1:{port}", "key", "secret-key", secure=False, region="us-east-1")
        limit = time.monotonic() + 60
        while True:
            try:
                client.make_bucket("blocks")
                break
            except Exception:
                if time.monotonic() > limit:
                    raise
                time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def store(server: str, monkeypatch: pytest.MonkeyPatch) -> BucketStore:
    """A store in the bucket, under a prefix of its own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-key")
    return BucketStore(f"http://{server}/blocks/{time.monotonic_ns()}")


def client_of(server: str) -> minio.Minio:
    """Somebody else with access to the bucket."""
    return minio.Minio(server, "key", "secret-key", secure=False, region="us-east-1")


@pytest.mark.parametrize("size", [0, 1, LEAF_BYTES, LEAF_BYTES + 1, 2 * LEAF_BYTES])
def test_bytes_come_back(store: BucketStore, size: int) -> None:
    """Every file under the CID that it has in every store, in any range, and put twice it is there once."""
    cid = store.put(DATA[:size])
    assert cid == file_cid(DATA[:size]) == store.put(DATA[:size])
    assert store.read(cid, limit=len(DATA)) == DATA[:size]
    assert store.verify(cid) == size
    assert set(store.blocks()) == {each.text for each in store.tree(cid)}


def test_a_changed_object_is_found_out_and_a_missing_one_told(store: BucketStore, server: str) -> None:
    """Whoever can write to the bucket cannot pass other bytes off."""
    del store  # its keys are in the environment
    store = BucketStore(f"http://{server}/blocks/damaged")
    cid = store.put(DATA)
    leaf = next(each for each in store.tree(cid) if each.text != cid)
    name = f"damaged/{leaf.text}"
    wrong = b"x" * LEAF_BYTES
    client_of(server).put_object("blocks", name, io.BytesIO(wrong), len(wrong))
    with pytest.raises(BadBlock):
        store.verify(cid)
    store.put(DATA)
    assert store.verify(cid) == len(DATA)  # putting it again mends it
    client_of(server).remove_object("blocks", name)
    with pytest.raises(NotFound):
        store.verify(cid)


def test_what_was_put_can_be_taken_back(store: BucketStore) -> None:
    """A refused publication leaves nothing."""
    kept = store.put(DATA[:LEAF_BYTES])
    door, recording = store.recorded()
    door.put(DATA)
    recording.undo()
    assert list(store.blocks()) == [parse(kept).text]


def test_a_bucket_stands_in_for_a_folder(store: BucketStore, server: str, tmp_path: Path) -> None:
    """As a fallback in the settings it gets a copy, and gives it when the folder has lost its own."""
    both = open_places(("folder:here", f"s3:http://{server}/blocks/copies"), tmp_path)
    cid = both.put(DATA)
    for block in list(BlockStore(tmp_path / "here").blocks()):
        (tmp_path / "here" / block[-2:] / block).unlink()
    assert both.read(cid, limit=len(DATA)) == DATA


def test_trouble_is_told_without_a_secret(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No bucket, no server, no name of one: typed errors that hold no key."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-key")
    for url in (f"http://{server}/nowhere", "http://127.0.0.1:9/blocks"):
        with pytest.raises(Unavailable) as caught:
            BucketStore(url).put(b"data")
        assert "secret-key" not in str(caught.value)
    for wrong in ("http://127.0.0.1:9", "ftp://host/bucket", "http://user:key@host/bucket"):
        with pytest.raises(UsageError):
            BucketStore(wrong)
