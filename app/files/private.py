"""Files with secrets or promises in them: written whole or not at all, on disk before anyone relies on them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_private(path: Path, data: bytes | memoryview) -> None:
    """Write a file that this user alone can read; a crash at any moment leaves the old file or the new one."""
    with _scratch(path, data) as scratch:
        scratch.replace(path)


def write_private_once(path: Path, data: bytes | memoryview) -> bool:
    """The same, unless the file is there: then it stays as it is, whoever else writes it at this moment; False."""
    with _scratch(path, data) as scratch:
        try:
            path.hardlink_to(scratch)
        except FileExistsError:
            return False
        return True


@contextmanager
def _scratch(path: Path, data: bytes | memoryview) -> Iterator[Path]:
    """A file beside `path` that holds the data durably."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield scratch
    finally:
        scratch.unlink(missing_ok=True)
