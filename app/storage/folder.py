"""The embedded block store: one file a block, in folders by the last two letters of the CID.

A block appears under its name whole or not at all (written aside, then renamed), so any number of processes may share
the folder. There is no fsync: a block that a power cut spoils is caught by its hash, and put again by the next `put`.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from app.protocol.errors import BadDocument, NotFound, Unavailable
from app.storage.cid import Cid, parse
from app.storage.content import ContentStore
from app.storage.unixfs import MAX_BLOCK_BYTES

_STALE_S = 24 * 3600  # a temporary file this old was left by a process that died


class FolderBlocks:
    """Blocks in a folder. Nothing here is trusted on reading: see `ContentStore`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path / "tmp"
        try:
            self._temporary.mkdir(parents=True, exist_ok=True)
            for left in self._temporary.iterdir():
                if left.stat().st_mtime < time.time() - _STALE_S:
                    left.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"The block store {path} cannot be opened: {error.strerror}.") from None

    def has(self, cid: Cid) -> bool:
        """Whether the block's file exists."""
        return self._file(cid).is_file()

    def get(self, cid: Cid) -> bytes:
        """The file's bytes, cut one byte above the largest block. Errors: NotFound, Unavailable."""
        try:
            descriptor = os.open(self._file(cid), os.O_RDONLY)
        except FileNotFoundError:
            raise NotFound(
                f"The block {cid.text} is not in this store.", "Fetch it from a node that has it, then try again."
            ) from None
        except OSError as error:
            raise Unavailable(f"The block {cid.text} cannot be read: {error.strerror}.") from None
        try:
            return os.read(descriptor, MAX_BLOCK_BYTES + 1)
        except OSError as error:
            raise Unavailable(f"The block {cid.text} cannot be read: {error.strerror}.") from None
        finally:
            os.close(descriptor)

    def put(self, cid: Cid, block: bytes | bytearray | memoryview) -> None:
        """Write the block, unless the same bytes are there already. Errors: Unavailable."""
        target = self._file(cid)
        aside = self._temporary / secrets.token_hex(12)
        try:
            if target.is_file() and self.get(cid) == block:
                return
            target.parent.mkdir(exist_ok=True)
            with aside.open("xb", buffering=0) as file:
                file.write(block)
            aside.replace(target)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise Unavailable(
                f"The block store {self._path} cannot keep a block: {error.strerror}.", "Free some space and try again."
            ) from None

    def pin(self, cid: Cid) -> None:
        """Blocks stay in the folder until they are removed one by one."""

    def pinned(self, cid: Cid) -> bool:  # noqa: ARG002
        """Nothing is kept but by its blocks."""
        return False

    def unpin(self, cid: Cid) -> None:
        """There is nothing to undo."""

    @property
    def removes(self) -> bool:
        """Each block is a file."""
        return True

    def remove(self, cid: Cid) -> None:
        """Delete the block's file. Errors: Unavailable."""
        try:
            self._file(cid).unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"The block {cid.text} cannot be removed: {error.strerror}.") from None

    def __iter__(self) -> Iterator[Cid]:
        for folder in sorted(self._path.iterdir()):
            if folder != self._temporary and folder.is_dir():
                for file in sorted(folder.iterdir()):
                    try:
                        yield parse(file.name)
                    except BadDocument:
                        continue  # not ours

    def _file(self, cid: Cid) -> Path:
        text = cid.text
        return self._path / text[-2:] / text


class BlockStore(ContentStore):
    """A content-addressed store in the folder `path`, made if it is not there."""

    def __init__(self, path: Path | str) -> None:
        self._folder = FolderBlocks(Path(path))
        super().__init__(self._folder)

    def blocks(self) -> Iterator[str]:
        """The CIDs of all blocks here, leaves and nodes alike, in a fixed order."""
        return (cid.text for cid in self._folder)
