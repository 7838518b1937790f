"""`python -m benchmarks NAME [--part PART] [--json]`: run one benchmark, or a part of it, and print its figures.

A table goes to stdout for people; with `--json` the last line of stdout is one JSON object; progress is on stderr.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

import benchmarks
from benchmarks.machine import facts

Run = Callable[..., dict[str, Any]]  # of a progress, and of a part where the benchmark has some


def names() -> list[str]:
    """The benchmarks there are: the modules of this package that define `run`, found without importing them."""
    files = [file for folder in benchmarks.__path__ for file in Path(folder).glob("*.py")]
    return sorted(file.stem for file in files if "\ndef run(" in file.read_text(encoding="utf-8"))


def measure(run: Run, title: str, part: str = "") -> dict[str, Any]:
    """The figures of one benchmark, or of a part; on stderr a progress bar, or a line for each tenth of the work."""
    err = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bar:
        told = partial(_told, bar, bar.add_task(escape(title), total=None)) if err.is_terminal else _Tenths(title)
        return run(told, part) if part else run(told)


class _Tenths:
    """Progress for a file or a pipe."""

    def __init__(self, title: str) -> None:
        self._title, self._said, self._began = title, 0, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if (tenth := 10 * done // max(1, total)) > self._said:
            self._said = tenth
            print(f"{self._title}: {10 * tenth} % after {time.monotonic() - self._began:.0f} s", file=sys.stderr)


def _told(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def show(name: str, figures: dict[str, Any]) -> None:
    """Draw the figures for people."""
    table = Table(title=f"benchmark {name}", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for key, value in figures.items():
        text = f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1e5 else str(value)
        table.add_row(escape(key), escape(text))
    Console().print(table)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, formatter_class=_Verbatim)
    parser.add_argument("name", nargs="?", help="which benchmark")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line of stdout")
    parser.add_argument("--part", default="", help="one part alone, of a benchmark that has parts")
    parser.add_argument("--list", action="store_true", help="print the names")
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(names()))
        return 0
    if options.name not in names():
        wrong = f"There is no benchmark {options.name!r}. " if options.name else ""
        print(f"{wrong}Choose one of: {', '.join(names()) or 'none yet'}.", file=sys.stderr)
        return 2
    module = importlib.import_module(f"benchmarks.{options.name}")
    parts: tuple[str, ...] = tuple(getattr(module, "PARTS", ()))
    if options.part and options.part not in parts:
        print(f"{options.name} has {', '.join(parts) or 'no parts'}, not {options.part!r}.", file=sys.stderr)
        return 2
    figures = {**measure(module.run, options.name, options.part), "machine": facts()}
    if options.json:
        print(json.dumps(figures, allow_nan=False, default=_plain))
    else:
        show(options.name, {**figures, "machine": ", ".join(f"{key} {value}" for key, value in facts().items())})
    return 0


class _Verbatim(argparse.RawDescriptionHelpFormatter):
    """Keeps the description's lines."""


def _plain(value: Any) -> Any:
    """NumPy's scalars as Python's, which is all that figures may hold besides JSON's own kinds."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"A figure of type {type(value).__name__} is no JSON value.")


if __name__ == "__main__":
    sys.exit(main())
