"""A TOML text as a strict model, and at which line each mistake in it stands: tomllib and pydantic do not tell."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.protocol.errors import BadInput

_LONGEST_STATEMENT = 2000  # lines
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")  # pydantic's names, of models and of dataclasses

Form = TypeVar("Form", bound=BaseModel)
Explain = Callable[[tuple[str, ...]], str]  # better words for a fault at this place, or ""


def read_toml(
    text: str, form: type[Form], *, name: str, guide: str, refusal: type[BadInput], explain: Explain | None = None
) -> Form:
    """The value that TOML text says. Errors: `refusal`, which names the file, the line and the key, never the value.

    `name` is the file's, `guide` the document that lists all keys.
    """
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise refusal(f"{name} is not TOML: {error}.", "Correct that line.") from None
    except RecursionError:
        raise refusal(f"{name} is nested too deeply.", f"{guide} lists all keys.") from None
    try:
        return form.model_validate_json(json.dumps(value, default=str))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        said = _located(text, name, fault, explain)
        raise refusal(said, f"Correct that line; {guide} lists all keys.") from None


def _located(text: str, name: str, fault: Any, explain: Explain | None) -> str:
    """A fault as `FILE line N: KEY: what is wrong.`; a line that is not there gives its table's."""
    lines, place = key_lines(text), tuple(str(part) for part in fault["loc"])
    known = next((place[:n] for n in range(len(place), 0, -1) if place[:n] in lines), ())
    where = f"{name} line {lines[known]}" if known else name
    # Below what the text says stand the model's own words, such as the branch of a union: they help nobody.
    key = ".".join(place if fault["type"] in ("missing", *_UNKNOWN) else known)
    what = "there is no such key" if fault["type"] in _UNKNOWN else fault["msg"].removeprefix("Value error, ")
    what = (explain and explain(place)) or what
    return f"{where}: {key or 'the file'}: {what[0].lower()}{what[1:]}."


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
