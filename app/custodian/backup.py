"""Copies of a custodian's ledger: made while it works, looked through, put in place.

A copy is one file that needs no other. It holds what the ledger holds: no key, but answers sealed under one, so that it
is private. Whatever the chain released and it lacks is charged before anything is decided on it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from app.custodian.ledger_file import put_aside
from app.custodian.ledger_witness import Witness, check_version
from app.custodian.records import OPEN
from app.files.shared_sqlite import open_alone, open_to_look
from app.protocol.errors import BadDocument, BadInput, NotAllowed, NotFound, Unavailable

PAGES, REST = 256, 0.005  # copied at a time, and seconds between: the custodian goes on meanwhile


@dataclass(frozen=True)
class LedgerFacts:
    """What a ledger or a copy of one holds. Times are seconds by the chain's clock; 0 where there is none."""

    jobs: int
    open: int  # jobs that are not brought to an end
    charged: int  # releases that count against budgets
    answers: int  # kept, so that an equal query costs nothing again
    events: int
    newest: int  # time of the last event


def back_up(ledger: Path, target: Path) -> LedgerFacts:
    """Copy a ledger, in use or not, into a new file; what the copy holds.

    Errors: NotFound without a ledger; BadInput where the target exists; BadDocument for a damaged one; Unavailable.
    """
    if not ledger.is_file():
        raise NotFound(f"There is no ledger {ledger}.", "A custodian that has served makes one.")
    if target.exists():
        raise BadInput(f"There is already a file {target}.", "Name another one: a backup replaces nothing.")
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.close(os.open(aside, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
        with closing(open_to_look(ledger)) as source, closing(open_alone(aside)) as copy:
            source.backup(copy, pages=PAGES, sleep=REST)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log
            facts = _facts(copy)
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        target.hardlink_to(aside)
    except FileExistsError:
        raise BadInput(f"There is already a file {target}.", "Name another one: a backup replaces nothing.") from None
    except sqlite3.DatabaseError as error:
        raise BadDocument(f"The ledger cannot be copied: {error}.", "See: darkroom custodian rebuild.") from None
    except OSError as error:
        raise Unavailable(f"{target} cannot be written: {error.strerror}.", "Name another place.") from None
    finally:
        aside.unlink(missing_ok=True)
    return facts


def look_through(copy: Path) -> LedgerFacts:
    """Whether a file is a whole ledger of this version, and what it holds. Errors: NotFound, TooLarge, BadDocument."""
    if not copy.is_file():
        raise NotFound(f"There is no file {copy}.", "Make one: darkroom custodian backup FILE.")
    if copy.with_name(copy.name + "-wal").exists():
        raise BadDocument(f"{copy.name} has a log beside it and is no backup.", "Use darkroom custodian backup.")
    try:
        with closing(open_to_look(copy, still=True)) as db:
            return _facts(db)
    except sqlite3.DatabaseError as error:
        raise BadDocument(f"{copy.name} is not a whole ledger: {error}.", "Use another backup.") from None


def restore(copy: Path, ledger: Path, mark: str, *, older: bool = False) -> tuple[Path | None, LedgerFacts]:
    """Put a copy in the ledger's place, the present one aside; where that is now, and what the copy holds.

    The custodian must be stopped. Errors: those of `look_through`; NotAllowed where the present ledger is a whole one
    and newer, unless `older`.
    """
    facts = look_through(copy)
    present = _present(ledger)
    if present is not None and (present.events, present.newest) > (facts.events, facts.newest) and not older:
        raise NotAllowed(
            f"The present ledger has {present.events} events and this backup {facts.events}: it is older.",
            "Keep the present one; or say --older to put it aside.",
        )
    scratch = ledger.with_name(f".{ledger.name}.{os.getpid()}")
    try:
        with copy.open("rb") as source, os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            shutil.copyfileobj(source, file)
            file.flush()
            os.fsync(file.fileno())
        aside = put_aside(ledger, mark)
        Witness(ledger).write(facts.events)
        scratch.replace(ledger)
    except OSError as error:
        raise Unavailable(f"The ledger cannot be put in place: {error.strerror}.", "Free some space.") from None
    finally:
        scratch.unlink(missing_ok=True)
    return aside, facts


def _present(ledger: Path) -> LedgerFacts | None:
    """What the ledger in place holds; None where there is none that is whole."""
    if not ledger.is_file():
        return None
    try:
        with closing(open_to_look(ledger)) as db:
            return _facts(db)
    except (sqlite3.DatabaseError, BadDocument):
        return None


def _facts(db: sqlite3.Connection) -> LedgerFacts:
    """Errors: BadDocument, sqlite3.DatabaseError."""
    check_version(db)
    if (fault := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise BadDocument(f"The ledger is damaged: {fault}.", "Use another backup.")

    def one(query: str, *values: object) -> int:
        return int(db.execute(query, values).fetchone()[0])

    marks = ", ".join("?" * len(OPEN))
    return LedgerFacts(
        jobs=one("SELECT COUNT(*) FROM jobs"),
        open=one(f"SELECT COUNT(*) FROM jobs WHERE state IN ({marks})", *OPEN),  # noqa: S608 - question marks
        charged=one("SELECT COUNT(*) FROM entries WHERE charged = 1"),
        answers=one("SELECT COUNT(*) FROM answers"),
        events=one("SELECT COALESCE(MAX(id), 0) FROM events"),
        newest=one("SELECT COALESCE(MAX(at), 0) FROM events"),
    )
