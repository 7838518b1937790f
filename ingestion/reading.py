"""How a file is meant, and what its columns hold: the words that reading, recipe and profile share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["integer", "real", "boolean", "date", "datetime", "time", "text", "mixed", "other"]
NUMBERS: frozenset[Kind] = frozenset({"integer", "real", "boolean"})  # read as 64-bit floats

TextEncoding = Literal[
    "", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1", "iso-8859-15", "iso-8859-2",
    "cp1250", "cp1251", "koi8-r", "cp437", "cp850", "mac-roman", "shift_jis", "euc-jp", "gb18030", "big5", "euc-kr",
]  # fmt: skip
Thousands = Literal["", ",", ".", " ", "'"]  # a blank is also one that does not break a line; ' also a typographic one


@dataclass(frozen=True)
class Reading:
    """How a file is meant; all but `header`, `names` and `missing_values` are about text.

    `separator` "" means what the lines agree on: a comma (a tab in .tsv files), or a semicolon, tab or bar. `encoding`
    "" means UTF-8, or what the file's first bytes say.
    """

    separator: str = ""
    missing_values: tuple[str, ...] = ()  # words that mean "missing", besides an empty field
    header: bool | None = None  # whether the first line names the columns; None: yes, unless it looks like a record
    names: tuple[str, ...] = ()  # of all columns, instead of the first line's
    decimal: Literal[".", ","] = "."
    empty_rows: Literal["refuse", "drop"] = "refuse"  # blank lines, and rows without any value
    encoding: TextEncoding = ""
    thousands: Thousands = ""  # between groups of three digits
    units: tuple[str, ...] = ()  # signs beside numbers that are left out: $, %, kg
    skip_lines: int = 0  # above the header: a title, the date of an export
