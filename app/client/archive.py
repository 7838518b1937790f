"""A dataset as one CAR file: its manifest, and every object that the manifest names, block by block."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from app.execution.inputs import MAX_MANIFEST_BYTES, load_manifest
from app.home.network import Network
from app.protocol.data.manifest import read_manifest
from app.protocol.errors import BadDocument, BadInput, Unavailable, UsageError
from app.protocol.ports import Progress, Store
from app.storage.car import read_blocks, read_header, write_block, write_header
from app.storage.cid import digest_to_cid, parse
from app.storage.content import ContentStore


@dataclass(frozen=True)
class Archive:
    """What a CAR file holds."""

    manifest: str  # CID; the file's root
    title: str
    rows: int
    blocks: int
    bytes: int  # of the file


def write_archive(network: Network, dataset: int, out: Path, progress: Progress | None = None) -> Archive:
    """Write a dataset's present version to a CAR file, which appears whole or not at all.

    Errors: NotFound, BadBlock, BadInput where the file is there; Unavailable.
    """
    store = _content(network.store)
    record = network.market.dataset(dataset)
    manifest, root = load_manifest(store, record), digest_to_cid(record.manifest)
    if out.exists():
        raise BadInput(f"There is already a file {out}.", "Name another with --out.")
    objects = [root, *dict.fromkeys(manifest.objects)]
    aside, blocks = out.with_name(f".{out.name}.{secrets.token_hex(6)}"), 0
    try:
        with aside.open("xb") as file:
            write_header(file, parse(root))
            for number, each in enumerate(objects):
                for cid, block in store.blocks_of(each):
                    write_block(file, cid, block)
                    blocks += 1
                if progress:
                    progress(number + 1, len(objects))
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        aside.replace(out)
    except OSError as error:
        raise Unavailable(f"{out} cannot be written: {error.strerror}.", "Free some space, or name another.") from None
    finally:
        aside.unlink(missing_ok=True)
    return Archive(root, manifest.card.title, manifest.table.rows, blocks, size)


def read_archive(store: Store, path: Path, progress: Progress | None = None) -> Archive:
    """Put a CAR file's blocks into a store, and read every object of its dataset; where it fails, nothing stays.

    Errors: BadDocument, BadBlock, NotFound where a block is missing; BadInput; Unavailable.
    """
    door, recording = _content(store).recorded()
    blocks = 0
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            root = read_header(file)
            for cid, block in read_blocks(file):
                door.put_block(cid, block)
                blocks += 1
                if progress:
                    progress(file.tell(), size)
        data = door.read(root.text, limit=MAX_MANIFEST_BYTES)
        manifest = read_manifest(data, store=door)
        for each in (root.text, *manifest.objects):
            door.verify(each)
            door.keep(each)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.", "Check the path.") from None
    except BaseException:
        recording.undo()
        raise
    if digest_to_cid(manifest.digest) != root.text:
        raise BadDocument("The root of the CAR file is not the manifest's.")
    return Archive(root.text, manifest.card.title, manifest.table.rows, blocks, size)


def _content(store: Store) -> ContentStore:
    if not isinstance(store, ContentStore):
        raise UsageError("This store does not give its blocks.")
    return store
