"""At which line each key of a TOML document stands, for error messages: tomllib does not tell."""

from __future__ import annotations

import tomllib
from typing import Any

_LONGEST_STATEMENT = 2000  # lines


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """Line numbers (from 1) by key path, tables included, of text that tomllib accepts.

    Statements are cut out by growing each until it parses on its own, so strings and lists over many lines are right.
    """
    lines = text.splitlines()
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    start = 0
    while start < len(lines):
        stop, value = _statement(lines, start)
        if lines[start].lstrip().startswith("["):
            table = _path(value)
            _note(found, (), table, start + 1)
        elif value:
            _note(found, table, _path(value), start + 1)
        start = stop
    return found


def _statement(lines: list[str], start: int) -> tuple[int, dict[str, Any]]:
    for stop in range(start + 1, min(start + _LONGEST_STATEMENT, len(lines)) + 1):
        try:
            return stop, tomllib.loads("\n".join(lines[start:stop]))
        except tomllib.TOMLDecodeError:
            continue
    return start + 1, {}


def _path(value: Any) -> tuple[str, ...]:
    """The keys down to the first value, or to the empty table of a header; an array of tables counts as its name."""
    path: list[str] = []
    while isinstance(value, dict) and len(value) == 1:
        key, value = next(iter(value.items()))
        path.append(key)
    return tuple(path)


def _note(found: dict[tuple[str, ...], int], table: tuple[str, ...], path: tuple[str, ...], line: int) -> None:
    for length in range(1, len(path) + 1):
        found.setdefault(table + path[:length], line)
