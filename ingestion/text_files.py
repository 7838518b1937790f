"""Text on the owner's disk, unpacked and in UTF-8: what polars reads, and its lines for who looks a fault up.

gzip and zstd are unpacked while they are read, in constant memory. Other packings (bzip2, xz) and other encodings are
read from a copy in the folder for temporary files: it has no name there, so nothing is left of it, also after a kill,
and it goes with the table that was opened. What a file is packed with is told by its first bytes, not by its name.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import os
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

import polars as pl

from app.protocol.errors import BadTable, TooLarge, Unavailable
from ingestion.reading import TextEncoding

MAX_COPY_BYTES = 1 << 40
_PIECE = 1 << 20
Packing = Literal["", "gzip", "bzip2", "xz", "zstd"]
_PACKINGS: dict[bytes, Packing] = {
    b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd",
}  # fmt: skip
_MARKS: dict[bytes, TextEncoding] = {  # the longer ones first: UTF-32's begins with UTF-16's
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip


@dataclass(frozen=True)
class TextFile:
    """One file of text."""

    path: Path  # what messages name
    source: Path | IO[bytes]  # what polars reads
    packing: Packing = ""

    def head(self, limit: int) -> bytes:
        """The first bytes of the text, at most `limit`."""
        if self.packing == "zstd":
            taken, size = [], 0
            for line in self._unpacked_lines():
                taken.append(line)
                size += len(line)
                if size >= limit:
                    break
            return "".join(taken).encode()[:limit]
        with self._open() as file:
            return file.read(limit)

    def lines(self) -> Iterator[str]:
        """Its lines with their ends, without a byte order mark; bytes that are no UTF-8 are replaced."""
        if self.packing == "zstd":
            yield from self._unpacked_lines()
            return
        with io.TextIOWrapper(cast("Any", self._open()), "utf-8-sig", errors="replace", newline="") as file:
            yield from file

    def tail(self, size: int) -> bytes:
        """The last bytes of text that is not packed, at most `size`; nothing of packed text."""
        if self.packing:
            return b""
        with self._open() as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - size))
            return file.read(size)

    def count(self, mark: bytes) -> int:
        """How often a byte stands in it."""
        with self._open() as file:
            return sum(piece.count(mark) for piece in iter(lambda: file.read(_PIECE), b""))

    def odd_line(self) -> int:
        """The first line that is not UTF-8; 0 for none."""
        if self.packing == "zstd":
            return 0
        with self._open() as file:
            for number, line in enumerate(file, 1):
                try:
                    line.decode()
                except UnicodeDecodeError:
                    return number
        return 0

    def _open(self) -> IO[bytes]:
        if isinstance(self.source, Path):
            return _unpacked(self.source, self.packing)
        return cast("IO[bytes]", io.BufferedReader(_Copy(self.source.fileno())))

    def _unpacked_lines(self) -> Iterator[str]:
        for part in pl.scan_lines(self.path, glob=False).collect_batches(maintain_order=True, engine="streaming"):
            yield from (f"{line}\n" for line in part.to_series())


def open_text(path: Path, encoding: TextEncoding = "") -> TextFile:
    """A file as text in UTF-8. Errors: BadTable with the line of what cannot be decoded; TooLarge; OSError."""
    packing = packing_of(path)
    if packing == "zstd":
        if encoding not in ("", "utf-8"):
            raise BadTable(f"{path.name} is compressed with zstd and not in UTF-8.", "Unpack it: zstd -d.")
        return TextFile(path, path, packing)
    with _unpacked(path, packing) as file:
        head = file.read(_PIECE)
    encoding = encoding or _marked(head)
    if encoding in ("", "utf-8") and packing in ("", "gzip"):
        return TextFile(path, path, packing)
    copy = _copied(path, packing, encoding or "utf-8")
    made = TextFile(path, copy)
    weakref.finalize(made, copy.close)
    return made


def packing_of(path: Path) -> Packing:
    """What a file is packed with, by its first bytes."""
    with path.open("rb") as file:
        head = file.read(8)
    return next((name for magic, name in _PACKINGS.items() if head.startswith(magic)), "")


def _marked(head: bytes) -> TextEncoding:
    return next((name for mark, name in _MARKS.items() if head.startswith(mark)), "")


def _unpacked(path: Path, packing: Packing) -> IO[bytes]:
    openers: dict[str, Any] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
    return cast("IO[bytes]", openers[packing](path, "rb") if packing in openers else path.open("rb"))


def _copied(path: Path, packing: Packing, encoding: TextEncoding) -> IO[bytes]:
    """A nameless copy in UTF-8."""
    decoder, size, line = codecs.getincrementaldecoder(encoding)(), 0, 1
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the table keeps it open
    done = False
    try:
        with _unpacked(path, packing) as file:
            while piece := file.read(_PIECE):
                text = decoder.decode(piece)
                line += text.count("\n")
                size += copy.write(text.encode())
                if size > MAX_COPY_BYTES:
                    raise TooLarge(f"{path.name} is over {MAX_COPY_BYTES} bytes unpacked.", "Give it in several files.")
            copy.write(decoder.decode(b"", True).encode())
        copy.flush()
        copy.seek(0)
        done = True
    except (UnicodeDecodeError, UnicodeEncodeError):
        raise BadTable(
            f"{path.name} is not in {encoding}: see line {line} or after it.",
            "Set encoding under [table] of the recipe to what it is in, or save it as UTF-8.",
        ) from None
    except OSError as error:
        if error.errno is None:  # bzip2's complaint about its own data
            raise BadTable(f"{path.name} is damaged.", "Write the file again from its source.") from None
        raise Unavailable(
            f"{path.name} cannot be unpacked to a temporary copy: {error.strerror}.",
            "Free some disk space, or unpack it to UTF-8 yourself.",
        ) from None
    finally:
        if not done:
            copy.close()
    return cast("IO[bytes]", copy)


class _Copy(io.RawIOBase):
    """A copy read from its start, whoever else reads it."""

    def __init__(self, number: int) -> None:
        self._number, self._at = number, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: os.fstat(self._number).st_size}[whence]
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = os.pread(self._number, len(buffer), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
