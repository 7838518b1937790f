"""The evaluation of one job as it stands on disk: finished pieces of the output, and blocks that wait for others.

Each has a folder, named by the digest of everything that its bytes follow from. It holds the output, which fills up in
any order, a line with the digest of each finished piece, and the words of blocks whose pieces are not finished, each in
a file that its digest names. What a killed process wrote is read again and compared before it is believed, and what
does not hold is computed again. So an evaluation goes on where it was, at most the blocks under way behind.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from app.protocol.documents import sha256
from app.protocol.errors import Unavailable
from app.protocol.ids import Digest
from fhe.arrays import U64
from fhe.engine.blocks import BlockPlan, OutputPiece, RowBlock
from fhe.engine.core import BackendName

OUTPUT, DONE, ROWS, LOCK = "output", "done", "rows", "lock"
STALE_DAYS = 2  # that nobody touched it, before it goes
DAY = 86_400  # seconds
SPARE_BYTES = 64 << 20  # of disk beside an output: blocks that wait
_LINE = re.compile(r"([0-9]{1,12}) ([0-9a-f]{64})\n")
_BLOCK = re.compile(r"block-([0-9]{1,12})\.([0-9a-f]{64})")


class KeptEvaluation:
    """What is done of one evaluation, open for one process."""

    def __init__(self, folder: Path, plan: BlockPlan, *, durable: bool) -> None:
        """`durable`: what is told as kept survives a power cut. Errors: Unavailable for a disk that is too full."""
        self._folder, self.plan, self._durable = folder, plan, durable
        self._output = os.open(folder / OUTPUT, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        room, there = shutil.disk_usage(folder).free, os.fstat(self._output).st_blocks * 512
        if room < (need := plan.size - there + SPARE_BYTES):
            os.close(self._output)
            raise Unavailable(f"The disk of {folder} has {room} bytes left, and {need} are needed.", "Make room.")
        os.ftruncate(self._output, plan.size)
        os.pwrite(self._output, plan.header, 0)
        self._touching: dict[int, list[OutputPiece]] = {}
        for piece in plan.pieces:
            for number in piece.blocks:
                self._touching.setdefault(number, []).append(piece)
        self._waiting = self._found_blocks()
        self._done = self._found_pieces()
        self._log = os.open(folder / DONE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def close(self) -> None:
        """Let go of the files."""
        os.close(self._output)
        os.close(self._log)

    @property
    def missing(self) -> list[RowBlock]:
        """Blocks that are still to be computed, in order."""
        return [block for block in self.plan.blocks if self._open(block.number) and block.number not in self._waiting]

    @property
    def done_rows(self) -> int:
        """Rows whose blocks are computed."""
        return self.plan.rows - sum(block.rows for block in self.missing)

    def add(self, block: RowBlock, words: U64, *, threads: int, backend: BackendName) -> None:
        """Keep what a block gave, and every piece that it finishes. Errors: BadKey, VerificationFailed, Unavailable."""
        for piece in self._open(block.number):
            others = [number for number in piece.blocks if number != block.number]
            if any(number not in self._waiting for number in others):
                continue
            found: Mapping[int, U64] = {block.number: words, **{number: self._read(number) for number in others}}
            self._finish(piece, self.plan.data(piece, found, threads=threads, backend=backend))
        if self._open(block.number):
            self._wait(block.number, words)
        for number in [number for number in self._waiting if not self._open(number)]:
            self._waiting.pop(number).unlink(missing_ok=True)
        (self._folder / ROWS).write_text(f"{self.done_rows} {self.plan.rows}", "ascii")  # for people and plans alone

    def output(self) -> memoryview:
        """The whole output, mapped from its file; it stays readable when the file goes."""
        return memoryview(mmap.mmap(self._output, self.plan.size, access=mmap.ACCESS_READ))

    def _open(self, number: int) -> list[OutputPiece]:
        """The pieces that a block is still needed for."""
        return [piece for piece in self._touching[number] if piece.number not in self._done]

    def _finish(self, piece: OutputPiece, data: bytes) -> None:
        view = memoryview(data)
        for offset, length in self.plan.stretches(piece):
            _write(self._output, view[:length], offset)
            view = view[length:]
        self._sync(self._output)
        os.write(self._log, f"{piece.number} {sha256(data)}\n".encode())
        self._sync(self._log)
        self._done.add(piece.number)

    def _wait(self, number: int, words: U64) -> None:
        data = np.ascontiguousarray(words, "<u8").reshape(-1).view(np.uint8).data
        path = self._folder / f"block-{number}.{sha256(data)}"
        aside = path.with_suffix(".new")
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            self._sync(file.fileno())
        aside.replace(path)
        self._waiting[number] = path

    def _read(self, number: int) -> U64:
        shape = self.plan.shape(self.plan.blocks[number])
        return np.fromfile(self._waiting[number], "<u8").reshape(shape).astype(np.uint64, copy=False)

    def _found_blocks(self) -> dict[int, Path]:
        """Blocks that are whole; the rest is removed."""
        found = {}
        for path in self._folder.glob("block-*"):
            named = _BLOCK.fullmatch(path.name)
            if named and int(named[1]) < len(self.plan.blocks) and sha256(path.read_bytes()) == named[2]:
                found[int(named[1])] = path
            else:
                path.unlink()
        return found

    def _found_pieces(self) -> set[int]:
        """Pieces that a line of the log tells and the output has."""
        log = self._folder / DONE
        if not log.is_file():
            return set()
        lines = log.read_text("ascii", errors="replace").splitlines(keepends=True)
        said = {int(line[1]): line[2] for text in lines if (line := _LINE.fullmatch(text))}
        pieces = [self.plan.pieces[number] for number in said if number < len(self.plan.pieces)]
        return {piece.number for piece in pieces if self._digest(piece) == said[piece.number]}

    def _digest(self, piece: OutputPiece) -> Digest:
        return sha256(b"".join(os.pread(self._output, length, offset) for offset, length in self.plan.stretches(piece)))

    def _sync(self, file: int) -> None:
        if self._durable:
            os.fsync(file)


class Checkpoints:
    """Where an agent keeps what is done of its evaluations."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self._folder, self._durable = folder, durable

    def __bool__(self) -> bool:
        """Whether anything is kept."""
        return self._folder.is_dir() and any(self._folder.iterdir())

    @contextmanager
    def open(self, evaluation: Digest, plan: BlockPlan) -> Iterator[KeptEvaluation]:
        """Go on with an evaluation, or begin it.

        Errors: Unavailable while another process has it, or where the disk has no room for it.
        """
        folder = self._folder / evaluation
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Unavailable("Another process of this machine computes these rows.", "Wait for it.") from None
            os.utime(folder)
            opened = KeptEvaluation(folder, plan, durable=self._durable)
            try:
                yield opened
            finally:
                opened.close()
        finally:
            os.close(file)

    def share(self, evaluation: Digest) -> float:
        """Which part of an evaluation was done when last something was kept of it, from 0 to 1."""
        try:
            done, rows = (self._folder / evaluation / ROWS).read_text("ascii").split()
            return min(1.0, int(done) / int(rows))
        except (OSError, ValueError, ZeroDivisionError):
            return 0.0

    def forget(self, evaluation: Digest) -> None:
        """Remove one whose output is kept elsewhere, or that nobody wants any more."""
        shutil.rmtree(self._folder / evaluation, ignore_errors=True)

    def sweep(self, now: float | None = None) -> int:
        """Forget those that nobody has touched for days; how many."""
        before, gone = (time.time() if now is None else now) - STALE_DAYS * DAY, 0
        for folder in self._folder.iterdir() if self._folder.is_dir() else ():
            times = [each.stat().st_mtime for each in (folder, folder / DONE) if each.exists()]
            if max(times, default=0.0) < before:
                self.forget(Digest(folder.name))
                gone += 1
        return gone


def _write(file: int, data: memoryview, offset: int) -> None:
    while len(data):
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written
