"""What polars and the system say of a file that cannot be read, as typed errors that hold no value of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from app.protocol.errors import BadTable


class NotANumber(BadTable):
    """A word among numbers; `column` is "" where polars does not say which."""

    column = ""


class TooManyFields(BadTable):
    """A row with more fields than the header."""


@contextmanager
def typed_errors(path: Path) -> Iterator[None]:
    """Turns what polars and the system say of an unreadable file into BadTable, without any value from the file."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        raise _in_words(path, str(error)) from None
    except pl.exceptions.PanicException:
        raise BadTable(f"{path.name} is damaged.", "Write the file again from its source.") from None
    except OSError as error:
        raise BadTable(
            f"{path.name} cannot be read: {error.strerror or 'it is damaged or of another kind'}.",
            "Check its permissions, or write it again from its source.",
        ) from None


def _in_words(path: Path, message: str) -> BadTable:
    column = re.search(r"at column '(.{1,200}?)' \(column number", message)
    if ("could not parse" in message and column) or "conversion from `str` to `f64`" in message:
        fault = NotANumber(
            f"A column of {path.name} holds text that is not a number.", "See its columns: darkroom dataset profile."
        )
        fault.column = column[1] if column else ""
        return fault
    if path.suffix.lower() not in (".csv", ".tsv"):
        if "more than one occurrence" in message:
            return BadTable(f"Two columns of {path.name} have the same name.", "Rename one where the file was written.")
        return BadTable(
            f"{path.name} is damaged, or not what its suffix says.", "Write the file again from its source."
        )
    if "more fields" in message or "does not match number of columns" in message:
        return TooManyFields(
            f"A row of {path.name} has more fields than the header.", "Check the separator and the quotes."
        )
    if "empty" in message.lower():
        return BadTable(f"{path.name} is empty.", "Give a table with a header and rows.")
    if "utf" in message.lower():
        return BadTable(f"{path.name} is not in UTF-8.", "Save it as UTF-8.")
    return BadTable(
        f"{path.name} cannot be read as CSV.", "Check its separator, its quotes and the words for missing values."
    )
