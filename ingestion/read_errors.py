"""What polars and the system say of a file that cannot be read, as typed errors that hold no value of it."""

from __future__ import annotations

import lzma
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from app.protocol.errors import BadTable


class OddWord(Exception):
    """A word that is not what its column holds; its text is the column's name. Raised inside polars."""


class WordFault(BadTable):
    """The same, outside of it: `column` names the column."""

    def __init__(self, message: str, next_step: str = "", column: str = "") -> None:
        super().__init__(message, next_step)
        self.column = column


class RowFault(BadTable):
    """A row with other fields than the header."""


class QuoteFault(BadTable):
    """Quotes that do not close, or stand inside a field."""


class EncodingFault(BadTable):
    """Bytes that are not UTF-8."""


@contextmanager
def typed_errors(path: Path) -> Iterator[None]:
    """Turns what polars and the system say of an unreadable file into BadTable, without any value from the file."""
    try:
        yield
    except OddWord as error:
        name = str(error).split("\n")[0]  # polars adds where in its plan it was
        raise WordFault(
            f"Column {name!r} of {path.name} holds a word that is none of its kind.", "Mend that word.", name
        ) from None
    except pl.exceptions.PolarsError as error:
        raise _in_words(path, str(error)) from None
    except pl.exceptions.PanicException:
        raise BadTable(f"{path.name} is damaged.", "Write the file again from its source.") from None
    except (EOFError, lzma.LZMAError, zlib.error):
        raise BadTable(
            f"{path.name} is damaged: its compressed data ends early or is another's.", "Get the file again."
        ) from None
    except OSError as error:
        raise BadTable(
            f"{path.name} cannot be read: {error.strerror or 'it is damaged or of another kind'}.",
            "Check its permissions, or write it again from its source.",
        ) from None


def _in_words(path: Path, message: str) -> BadTable:
    low = message.lower()
    if "more than one occurrence" in message or "duplicate" in low:
        found = re.search(r"['\"`]([^'\"`\n]{1,200})['\"`]", message)
        which = f" ({found[1]!r})" if found and found[1].isprintable() else ""
        return BadTable(
            f"Two columns of {path.name} have the same name{which}.", "Rename one where the file was written."
        )
    if path.suffix.lower() in (".parquet", ".pq", ".arrow", ".feather", ".ipc", ".arrows"):
        return BadTable(
            f"{path.name} is damaged, or not what its suffix says.", "Write the file again from its source."
        )
    if "malformed" in low or "as dtype `str`" in message or "quote" in low:
        return QuoteFault(f"{path.name} has quotes that do not fit.", "Check its quotes.")
    if "more fields" in message or "does not match number of columns" in message:
        return RowFault(f"A row of {path.name} has more fields than the header.", "Check the separator and the quotes.")
    if "empty" in low:
        return BadTable(f"{path.name} is empty.", "Give a table with a header and rows.")
    if "utf" in low:
        return EncodingFault(f"{path.name} is not in UTF-8.", "Save it as UTF-8.")
    if re.search(r"gzip|zstd|deflate|decompress|corrupt", low):
        return BadTable(f"{path.name} is damaged: it cannot be unpacked.", "Get the file again.")
    return BadTable(
        f"{path.name} cannot be read as it stands.", "Check its separator, its quotes and the words for missing values."
    )
