"""A first recipe for a table, written from its profile, for the owner to edit before anything is published.

Left out are columns that seem to tell who a person is, that say nothing (one value in every row, or another column's
values), and that have no code. What the profile cannot know is left open, and publishing refuses it until it is said.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

from ingestion.completeness import PLACEHOLDERS
from ingestion.profile import ColumnProfile, TableProfile, profile_table
from ingestion.reading import Reading

MOST_CATEGORIES = 50  # words of a column that is drafted as a category; more are put into buckets
_HEAD = """\
# What Darkroom publishes of {file}, and how. Nothing is published until you run: darkroom dataset publish
title = {title}
description = {description}
license = {license}
creator = {creator}
keywords = []
{left_out}
[table]
{reading}drop = [{drop}]
rest = "refuse"
# Budgets belong to persons. If a column names the person of a row, say so; it stays at home:
# person = {person}
# rows_per_person = 1
# Buyers may be told which row a result belongs to, if you sell it: docs/recipe.md, "Row keys".
# row_key = {person}

[defaults]
bins = 16  # comparison bits, which trees need: 8 bytes a row for each edge. Delete the line for linear models alone

# The ranges below were measured on your data and rounded outward. Publishing reveals them. Where a range is public
# knowledge (an age is 0 to 120), write that one and delete the line "measured". So are the words of a category: to list
# public ones instead, add categories = ["...", "..."].
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
    """TOML text that `parse_recipe` accepts, with each column's kind and measured range. Errors: BadTable, TooLarge."""
    return draft(profile_table(path, reading), reading)


def draft(profile: TableProfile, reading: Reading | None = None, *, settled: bool = False) -> str:
    """The same from a profile that was taken already.

    With `settled`, columns of which something is left open are left out: what remains can be coded at once.
    """
    reasons = {column.name: _left_out(column) for column in profile.columns}
    if settled:
        reasons |= {each.name: "open" for each in profile.columns if each.fault or len(each.forms) > 1}
    left_out = "".join(
        f"# Left out, {reason}: {_quoted(name)}\n" for name, reason in reasons.items() if reason and reason != "open"
    )
    keys = [column.name for column in profile.columns if column.identifies]
    head = _HEAD.format(
        file=profile.path.name,
        title=_quoted(profile.path.stem),
        left_out=f"\n{left_out}" if left_out else "",
        drop=", ".join(_quoted(name) for name, reason in reasons.items() if reason),
        reading=_reading(reading),
        person=_quoted(keys[0] if keys else "patient"),
        **{key: _quoted(text) for key, text in PLACEHOLDERS.items()},
    )
    kept = [column for column in profile.columns if not reasons[column.name]]
    head += "".join(f"\n# {' '.join(column.fault)}\n" for column in kept if column.fault)
    return head + "".join(_column(column) for column in kept if not column.fault) + _TAIL


def _left_out(column: ColumnProfile) -> str:
    """Why a column stays at home unless the owner says otherwise; "" where it does not."""
    if column.identifies:
        return f"since it seems to hold {column.identifies}"
    if column.fault:
        return ""
    if column.kind == "other" or (not column.usable and not column.distinct):
        return f"since it holds {column.held or 'nothing'}"
    if column.constant:
        return "since every row has the same value"
    return f"since it has the values of {_quoted(column.same_as)}" if column.same_as else ""


def _column(column: ColumnProfile) -> str:
    lines = [f"\n[columns.{_quoted(column.name)}]  # {_seen(column)}"]
    if column.kind in ("date", "datetime", "time"):
        lines += _moment(column)
    elif column.kind == "boolean":
        lines.append('kind = "boolean"')
    elif column.kind == "text" or column.padded:
        lines += _words(column)
    else:
        return "\n".join(lines + _number(column)) + "\n"
    if column.missing:
        lines.append(f'missing = "bit"  # {column.missing:,} missing: publishes as a column which rows these are')
    return "\n".join(lines) + "\n"


def _seen(column: ColumnProfile) -> str:
    told = f"{column.kind}, about {column.distinct:,} distinct values"
    return f"{told}; written with zeros in front, as codes are" if column.padded else told


def _number(column: ColumnProfile) -> list[str]:
    low, high = column.range_outward()
    lines = [f"low = {low!r}", f"high = {high!r}", "measured = true"]
    if column.missing:
        lines += [f'missing = "impute"  # {column.missing:,} missing; or "bit"', f"impute = {_middle(low, high)!r}"]
    if column.infinite:
        lines.append(f'outside = "clip"  # {column.infinite:,} infinite')
    return lines


def _moment(column: ColumnProfile) -> list[str]:
    lines = [f'kind = "{column.kind}"']
    if len(column.forms) > 1:
        either = " or ".join(_quoted(form) for form in column.forms)
        lines.append(f"# format = {either}: its values fit both, so say which it is")
    elif column.forms:
        lines.append(f"format = {_quoted(column.forms[0])}")
    return [*lines, '# parts = ["year", "month", "weekday"]']


def _words(column: ColumnProfile) -> list[str]:
    if column.common and column.distinct <= MOST_CATEGORIES:
        return [
            'kind = "category"  # values of min_group persons at least are named, all others are one: "other"',
            f'as = ["{"one-hot" if column.distinct <= 8 else "ordinal"}"]',
        ]
    return ['kind = "text"  # which of these buckets a text falls into', "buckets = 64", 'as = ["ordinal"]']


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
