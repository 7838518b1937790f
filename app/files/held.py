"""Files that say who is at work: locks that go with their processes, however those end."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.protocol.errors import NotAllowed


@contextmanager
def held(path: Path, *, alone: bool, told: str, next_step: str) -> Iterator[None]:
    """Hold a lock file, `alone` or together with others that do not ask for that.

    Errors: NotAllowed, with these words, where others hold it in the other way.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotAllowed(told, next_step) from None
        yield
    finally:
        os.close(file)
