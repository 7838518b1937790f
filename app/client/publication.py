"""The journal of a publication: what one that was killed made, so that the next run goes on with it or takes it back.

    publications/KEYRING/lock           held while the publication runs
    publications/KEYRING/state.json     what is published, and how far it came
    publications/KEYRING/finished.log   a line of each file that lies whole in the store
    publications/KEYRING/made.log       a line of each block and pin that is new in the store, written before it is

All of it is public but which table it is of. Logs grow by whole lines; a last line that was cut off is none. There is
one journal a keyring, so two publications never make, or take back, each other's files.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from app.files.locks import held
from app.files.private import write_private
from app.home.home import Actor, private_folder
from app.protocol.data.dataset import EncodedFile
from app.protocol.data.description import FileCheck
from app.protocol.documents import Document
from app.protocol.errors import TryAgain


class PublicationState(Document):
    """How far a publication came: `manifest` is "" until one was made; `sending` once its transaction may be out."""

    kind: Literal["darkroom/publication"] = "darkroom/publication"
    keys: str
    market: str  # chain id and address of the job market
    source: str  # the table's path
    dataset: int  # whose next version it is; 0 for a new one
    makes_keys: bool = False
    manifest: str = ""
    sending: bool = False


class FinishedLine(Document):
    """A file of a publication that lies in the store."""

    kind: Literal["darkroom/finished-file"] = "darkroom/finished-file"
    file: EncodedFile
    check: FileCheck


class PublicationJournal:
    """The journal of one keyring's publication that is under way, or was cut short."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def state(self) -> PublicationState | None:
        """How far it came; None where nothing is under way. Errors: BadDocument."""
        try:
            return PublicationState.from_bytes((self.folder / "state.json").read_bytes())
        except FileNotFoundError:
            return None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold it against other processes. Errors: TryAgain."""
        private_folder(self.folder)
        with held(self.folder / "lock") as mine:
            if not mine:
                raise TryAgain("Another process publishes under these keys.", "Wait for it, then run this again.")
            yield

    def begin(self, state: PublicationState) -> list[str]:
        """Note what is to be published; what an earlier run of the same keyring put into the store, a line each."""
        before = self.state
        if before is None:
            for name in ("finished.log", "made.log"):
                (self.folder / name).unlink(missing_ok=True)
        self.write(state.model_copy(update={"makes_keys": before is not None and before.makes_keys}))
        return self._lines("made.log")

    def write(self, state: PublicationState) -> None:
        """Note how far it came, on disk before anyone relies on it."""
        write_private(self.folder / "state.json", state.to_bytes())

    def update(self, **changes: object) -> None:
        """Note a change of the state that there is."""
        state = self.state
        if state is not None:
            self.write(state.model_copy(update=changes))

    def add_finished(self, file: EncodedFile, check: FileCheck) -> None:
        """Note a file that lies whole in the store."""
        self._append("finished.log", FinishedLine(file=file, check=check).to_bytes().decode())

    def finished(self) -> Mapping[str, FinishedLine]:
        """The files that lie in the store, by seed. Errors: BadDocument."""
        lines = (FinishedLine.from_bytes(line.encode()) for line in self._lines("finished.log"))
        return {line.file.seed: line for line in lines}

    def add_made(self, line: str) -> None:
        """Note what is about to be new in the store (`app.storage.content.Recording`)."""
        self._append("made.log", line)

    def age(self) -> float:
        """Seconds since the state was written."""
        return time.time() - (self.folder / "state.json").stat().st_mtime

    def end(self) -> None:
        """Nothing is under way any more."""
        (self.folder / "state.json").unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _append(self, name: str, line: str) -> None:
        file = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, line.encode() + b"\n")
        finally:
            os.close(file)

    def _lines(self, name: str) -> list[str]:
        try:
            text = (self.folder / name).read_text("utf-8")
        except FileNotFoundError:
            return []
        return [line for line in text.split("\n")[:-1] if line]


class Publications:
    """The journals of one owner."""

    def __init__(self, actor: Actor) -> None:
        self._folder = actor.path("publications")

    def of(self, keys: str) -> PublicationJournal:
        """The journal of a keyring."""
        return PublicationJournal(self._folder / keys)

    def all(self) -> list[PublicationJournal]:
        """Those of publications that are under way or were cut short."""
        if not self._folder.is_dir():
            return []
        found = (PublicationJournal(entry) for entry in sorted(self._folder.iterdir()) if entry.is_dir())
        return [journal for journal in found if journal.state is not None]

    def keys_for(self, market: str, source: Path) -> str | None:
        """The keyring of a publication of this table as a new dataset that was cut short, if there is one."""
        wanted = (market, str(source.absolute()), 0)
        states = (journal.state for journal in self.all())
        return next((s.keys for s in states if s and (s.market, s.source, s.dataset) == wanted), None)
