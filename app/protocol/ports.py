"""The one-method-thin seams through which IO enters the pure parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Store(Protocol):
    """A content-addressed store: what comes out hashes to the CID that was asked for, whatever its source."""

    def put(self, data: bytes) -> str:
        """Keep `data`; its CID."""

    def put_file(self, path: Path) -> str:
        """Keep a file's bytes, read in bounded memory; their CID."""

    def put_pieces(self, pieces: Iterable[bytes | memoryview]) -> str:
        """Keep a file that comes in pieces of any length, one block in memory at a time; its CID."""

    def size(self, cid: str) -> int:
        """Length in bytes. Errors: NotFound, BadBlock."""

    def read(self, cid: str, offset: int = 0, length: int | None = None, *, limit: int) -> bytes:
        """Verified bytes [offset, offset + length), at most `limit`. Errors: NotFound, BadBlock, TooLarge."""


Clock = Callable[[], int]  # seconds since the epoch

Progress = Callable[[int, int], None]  # done, total, in the caller's units; may raise Stopped to end the work


@dataclass(frozen=True)
class EncryptedSoFar:
    """How far the encryption of a table is; bytes are of ciphertext, what was there already among them."""

    rows: int
    all_rows: int
    bytes: int
    all_bytes: int


EncryptionProgress = Callable[[EncryptedSoFar], None]


class Stopped(Exception):
    """Whoever works was told to stop. Nothing is lost: the work begins again, or goes on, at the next start."""
