"""A first recipe for a table, written from its profile, for the owner to edit before anything is published."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

from ingestion.completeness import PLACEHOLDERS
from ingestion.profile import ColumnProfile, TableProfile, profile_table
from ingestion.read import Reading

_HEAD = """\
# What Darkroom publishes of {file}, and how. Nothing is published until you run: darkroom dataset publish
title = {title}
description = {description}
license = {license}
creator = {creator}
keywords = []

[table]
{reading}drop = [{drop}]
rest = "refuse"
# Budgets belong to persons. If a column names the person of a row, say so; it stays at home:
# person = "patient"
# rows_per_person = 1

[defaults]
bins = 16  # comparison bits, which trees need: 8 bytes a row for each edge. Delete the line for linear models alone

# The ranges below were measured on your data and rounded outward. Publishing reveals them. Where a range is public
# knowledge (an age is 0 to 120), write that one and delete the line "measured".
"""
_TAIL = """
[policy]
release = "label"

# In millionths of a dollar; 0 gives it away. Nothing is offered before a price is said.
[offer]
# price_license = 5_000_000
# price_job = 1_000_000
# price_row = 0
"""


def default_recipe(path: Path | str, reading: Reading | None = None) -> str:
    """TOML text that `parse_recipe` accepts, with every numeric column's measured range. Errors: BadTable, TooLarge."""
    return draft(profile_table(path, reading), reading)


def draft(profile: TableProfile, reading: Reading | None = None) -> str:
    """The same from a profile that was taken already."""
    drop = ", ".join(_quoted(column.name) for column in profile.columns if not column.usable and not column.fault)
    words = {key: _quoted(text) for key, text in PLACEHOLDERS.items()}
    title = _quoted(profile.path.stem)
    head = _HEAD.format(file=profile.path.name, title=title, drop=drop, reading=_reading(reading), **words)
    head += "".join(f"\n# {' '.join(column.fault)}\n" for column in profile.columns if column.fault)
    return head + "".join(_column(column) for column in profile.columns if column.usable) + _TAIL


def _column(column: ColumnProfile) -> str:
    low, high = column.range_outward()
    lines = [
        f"\n[columns.{_quoted(column.name)}]  # {column.kind}, about {column.distinct} distinct values",
        f"low = {low!r}",
        f"high = {high!r}",
        "measured = true",
    ]
    if column.missing:
        lines += [f'missing = "impute"  # {column.missing} missing', f"impute = {_middle(low, high)!r}"]
    if column.infinite:
        lines.append(f'outside = "clip"  # {column.infinite} infinite')
    return "\n".join(lines) + "\n"


def _middle(low: float, high: float) -> float:
    return float(f"{(low + high) / 2:.12g}")


def _reading(reading: Reading | None) -> str:
    """What was said of how the file is read, as lines of [table]."""
    said = (
        [] if reading is None else [(each.name, getattr(reading, each.name), each.default) for each in fields(Reading)]
    )
    return "".join(f"{name} = {_toml(value)}\n" for name, value, usual in said if value != usual)


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value).lower() if isinstance(value, bool | int) else _quoted(str(value))


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's escapes are among TOML's."""
    return json.dumps(text, ensure_ascii=False)
