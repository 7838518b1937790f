"""How commands speak: data on stdout, progress and remarks on stderr; `--json` puts one JSON value on stdout.

It is a list where the command lists, and an object `error` when the command fails.

A command makes one value of JSON's types and hands it to `Terminal.show` with a function that draws it for people.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.prompt import Confirm
from rich.table import Table

from app.protocol.errors import DarkroomError, NotAllowed, UsageError
from app.protocol.ports import EncryptedSoFar, EncryptionProgress
from app.protocol.ports import Progress as ProgressSeam


class Terminal:
    """Where one command's words go."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.out = Console(soft_wrap=True, highlight=False)
        self.err = Console(stderr=True, soft_wrap=True, highlight=False)

    def show(self, value: Any, draw: Callable[[Console], None]) -> None:
        """The command's result: as JSON, or drawn for people."""
        if self.as_json:
            print(json.dumps(value, indent=None, sort_keys=False, default=str))
        else:
            draw(self.out)

    def say(self, text: str) -> None:
        """A remark beside the result; never on stdout."""
        self.err.print(text)

    def ask(self, question: str, *, yes: bool) -> None:
        """Go on only if a person says so now, or said `--yes`.

        Errors: UsageError where nobody can be asked; NotAllowed for a no.
        """
        if yes:
            return
        if self.as_json or not sys.stdin.isatty():
            raise UsageError(
                "This asks before it goes on, and nobody can answer here.", "Say so in advance: add --yes."
            )
        if not Confirm.ask(question, console=self.err, default=False):
            raise NotAllowed("Nothing was done: you said no.", "Run it again when it is as you want it.")

    def fail(self, error: DarkroomError) -> int:
        """Report an error; the exit code to leave with."""
        if self.as_json:
            body = {"code": error.code, "message": error.message, "next_step": error.next_step}
            print(json.dumps({"error": body}))
        self.err.print(f"[bold red]error[/] ({error.code}): ", end="")
        self.err.print(f"{error.message} {error.next_step}".rstrip(), markup=False)
        return error.exit_code

    @contextmanager
    def progress(self, what: str) -> Iterator[ProgressSeam]:
        """A progress bar on a terminal, silence elsewhere."""
        if self.as_json or not self.err.is_terminal:
            yield lambda done, total: None
            return
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TimeRemainingColumn(),
        )  # fmt: skip
        with Progress(*columns, console=self.err, transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    @contextmanager
    def encryption(self) -> Iterator[EncryptionProgress]:
        """The bar of a table that is encrypted: rows, bytes of ciphertext, time that it took and that is left."""
        if self.as_json or not self.err.is_terminal:
            yield lambda so_far: None
            return
        columns = (
            TextColumn("encrypt"), BarColumn(), TextColumn("{task.description}"), DownloadColumn(binary_units=True),
            TimeElapsedColumn(), TimeRemainingColumn(),
        )  # fmt: skip
        with Progress(*columns, console=self.err, transient=True) as bar:
            task = bar.add_task("", total=None)

            def report(so_far: EncryptedSoFar) -> None:
                words = f"{so_far.rows:,}/{so_far.all_rows:,} rows"
                bar.update(task, description=words, completed=so_far.bytes, total=so_far.all_bytes)

            yield report


def facts_table(details: Mapping[str, Any], title: str = "") -> Table:
    """Two columns: a fact's name and its value."""
    table = Table(title=title or None, show_header=False, box=None, pad_edge=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in details.items():
        table.add_row(name.replace("_", " "), _cell(value))
    return table


def rows_table(rows: Sequence[Mapping[str, Any]], title: str = "", empty: str = "Nothing here yet.") -> Table:
    """One line per mapping, one column per key of the first."""
    table = Table(title=title or None, title_justify="left", pad_edge=False)
    if not rows:
        table.add_column(empty)
        return table
    for key, value in rows[0].items():
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        table.add_column(key.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    return table


def _cell(value: Any) -> str:
    """A value as people write it: nothing of a program's notation."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_cell(each) for each in value) or "-"
    return str(value)
