"""One machine that serves for an account, and how its work moves to another together with what it remembers.

A lease is a file among what an agent keeps of one market. While a process serves it holds the lease's lock; a second
one on the same machine waits for it. `export` writes the journal into a folder and ends the lease here: what was handed
over does not go on twice. `take` brings it to another machine, where the lease has the next number.

Two machines that serve all the same lose nothing: both have the account's key, from which the salts follow, and the
contract takes one commitment of an account (`app.provider.journal`). They pay for the same work twice.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from app.files.private import write_private, write_private_once
from app.protocol.documents import Document, Sha256
from app.protocol.errors import BadInput, NotAllowed, NotFound, TooLarge, VerificationFailed

FILE = "lease.json"
LOCK = "serve.lock"
JOBS = "jobs"
HANDOVER = "handover.json"  # in the folder that is carried
MOST_FILES = 9_000  # of three thousand open jobs: a document's size is bounded
CHUNK = 1 << 20


class ProviderLease(Document):
    """Whose turn it is: this machine's unless it was `given` away."""

    kind: Literal["darkroom/provider-lease"] = "darkroom/provider-lease"
    number: Annotated[int, Field(ge=1)]
    given: bool


class CarriedFile(Document):
    """One file of a journal."""

    name: Annotated[str, Field(pattern=r"^[0-9]{1,20}\.(json|output|receipt)$")]
    sha256: Sha256


class Handover(Document):
    """What is carried to another machine, written last."""

    kind: Literal["darkroom/provider-handover"] = "darkroom/provider-handover"
    market: str
    account: str
    number: Annotated[int, Field(ge=2)]  # of the lease there
    files: Annotated[tuple[CarriedFile, ...], Field(max_length=MOST_FILES)]


class WorkFolder:
    """What an account keeps of one market on this machine: its lease and its journal."""

    def __init__(self, folder: Path, market: str, account: str) -> None:
        self._folder, self._market, self._account = folder, market, account

    @property
    def lease(self) -> ProviderLease:
        """The lease as it stands; the first one where nothing was ever handed over. Errors: BadDocument."""
        path = self._folder / FILE
        return ProviderLease.from_bytes(path.read_bytes()) if path.is_file() else ProviderLease(number=1, given=False)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Hold the lease as long as the process lives.

        Errors: NotAllowed where it was handed over, or while another process of this machine holds it.
        """
        with self._locked():
            if self.lease.given:
                raise NotAllowed(
                    f"The work of {self._account} was handed over to another machine.",
                    "Serve there; or bring it back: darkroom provider import.",
                )
            yield

    def export(self, to: Path, jobs: Collection[int]) -> Handover:
        """Write what the journal has of these jobs into `to`, a new folder, and end the lease here.

        Done again, it goes on where it was killed. Errors: NotAllowed while a process serves; BadInput for a folder
        that holds something else; TooLarge for more than `MOST_FILES` files.
        """
        with self._locked():
            lease = self.lease
            if to.exists() and not (to / JOBS).is_dir() and any(to.iterdir()):
                raise BadInput(f"{to} holds something else.", "Name a new folder.")
            (to / JOBS).mkdir(parents=True, exist_ok=True, mode=0o700)
            files = tuple(
                CarriedFile(name=name, sha256=_copied(path, to / JOBS / name)) for name, path in self._kept(jobs)
            )
            write_private(self._folder / FILE, ProviderLease(number=lease.number, given=True).to_bytes())
            done = Handover(market=self._market, account=self._account, number=lease.number + 1, files=files)
            write_private(to / HANDOVER, done.to_bytes())
            return done

    def take(self, of: Path) -> Handover:
        """Go on here with what was carried; what is kept here already stays. Done again, it changes nothing.

        Errors: NotFound, BadDocument; VerificationFailed for a changed file; NotAllowed for another account's or
        market's work, or what is older than the lease here.
        """
        path = of / HANDOVER
        if not path.is_file():
            raise NotFound(f"{of} is no handover, or was not written to its end.", "darkroom provider export, again.")
        work = Handover.from_bytes(path.read_bytes())
        if (work.market, work.account) != (self._market, self._account):
            raise NotAllowed(f"{of} is the work of {work.account} on market {work.market}.", "Name its role and home.")
        with self._locked():
            lease = self.lease
            if work.number < lease.number or (work.number == lease.number and lease.given):
                told = f"{of} is lease {work.number}, and lease {lease.number} was here since."
                raise NotAllowed(told, "Bring the newest.")
            for each in work.files:
                if _digest(of / JOBS / each.name) != each.sha256:
                    raise VerificationFailed(f"{of / JOBS / each.name} was changed.", "Copy it again.")
            (self._folder / JOBS).mkdir(parents=True, exist_ok=True, mode=0o700)
            # An entry comes after what it speaks of, as in a journal.
            for each in sorted(work.files, key=lambda each: each.name.endswith(".json")):
                write_private_once(self._folder / JOBS / each.name, (of / JOBS / each.name).read_bytes())
            write_private(self._folder / FILE, ProviderLease(number=work.number, given=False).to_bytes())
            return work

    def _kept(self, jobs: Collection[int]) -> list[tuple[str, Path]]:
        """The files of whole entries."""
        entries = [path for job in sorted(jobs) if (path := self._folder / JOBS / f"{job}.json").is_file()]
        files = [entry.with_suffix(end) for entry in entries for end in (".output", ".receipt", ".json")]
        if len(files) > MOST_FILES:
            raise TooLarge(f"{len(files)} files are over {MOST_FILES}.", "Serve until fewer jobs are open.")
        return [(path.name, path) for path in files if path.is_file()]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise NotAllowed(
                    f"Another process serves {self._account} on this machine.", "Stop it first, or let it go on."
                ) from None
            yield
        finally:
            os.close(file)


def _copied(path: Path, to: Path) -> Sha256:
    """Copy a file durably, and read it back."""
    data = path.read_bytes()
    if not (to.is_file() and to.read_bytes() == data):
        write_private(to, data)
    return _digest(to)


def _digest(path: Path) -> Sha256:
    whole = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                whole.update(chunk)
    except FileNotFoundError:
        raise VerificationFailed(f"{path} is missing.", "Copy the whole folder again.") from None
    return Sha256(whole.hexdigest())
