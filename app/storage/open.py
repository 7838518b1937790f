"""Opens the store that a setting names: `folder:PATH`, `kubo:URL`, `s3:URL`, or `env:NAME` for one of these."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from app.files.environment import from_environment
from app.protocol.errors import UsageError
from app.protocol.ports import Store
from app.storage.content import ContentStore


def open_place(where: str, beside: Path) -> ContentStore:
    """The store that `where` names; a relative path is relative to `beside`. Errors: UsageError, Unavailable."""
    scheme, _, rest = from_environment(where).partition(":")
    if scheme == "folder" and rest:
        from app.storage.folder import BlockStore

        return BlockStore(beside / rest)
    if scheme == "kubo" and rest:
        from app.storage.kubo import KuboStore

        user, _, password = os.environ.get("DARKROOM_KUBO_AUTH", "").partition(":")
        return KuboStore(rest, auth=(user, password) if user else None)
    if scheme == "s3" and rest:
        from app.storage.bucket import BucketStore

        return BucketStore(rest)
    raise UsageError(
        f"A store is named by folder:PATH, kubo:URL or s3:URL, not by something that begins with {scheme!r}.",
        "Correct the store in the node settings.",
    )


def open_places(places: Sequence[str], beside: Path) -> Store:
    """The store in one place, or in several as one. Errors: UsageError; Unavailable for a single one out of reach."""
    if len(places) == 1:
        return open_place(places[0], beside)
    from app.storage.several import SeveralStores

    return SeveralStores([open_place(where, beside) for where in places])


def absolute(where: str, beside: Path) -> str:
    """The same place for a process of another working folder; a variable's name stays a name."""
    scheme, _, rest = where.partition(":")
    return f"folder:{(beside / rest).resolve()}" if scheme == "folder" and rest else where
