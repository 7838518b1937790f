"""Small files that are no tables as they stand: by name what is in each, and what its refusal says.

Each is a name, its bytes, what the message says (a regular expression), and what the next step names.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import struct

import polars as pl

GOOD = b"age,bmi\n40,1.5\n50,2.5\n"
FRAME = pl.DataFrame({"age": [40, 50], "bmi": [1.5, 2.5]})


def parquet(frame: pl.DataFrame) -> bytes:
    """A frame as a Parquet file."""
    frame.write_parquet(file := io.BytesIO())
    return file.getvalue()


def arrow(frame: pl.DataFrame, *, stream: bool = False) -> bytes:
    """A frame as an Arrow file or stream."""
    file = io.BytesIO()
    (frame.write_ipc_stream if stream else frame.write_ipc)(file)
    return file.getvalue()


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


def _twice_named() -> bytes:
    """Parquet with two columns of one name, which other programs write."""
    return parquet(pl.DataFrame({"abc": [1], "abd": [2]})).replace(b"abd", b"abc")


_STREAM = arrow(FRAME, stream=True)
_HUGE_BATCH = _STREAM.replace(struct.pack("<q", 128), struct.pack("<q", 1 << 40))
_QUOTED = b'"' + b"x" * 200_000 + b'"'

BAD: dict[str, tuple[bytes, str, str]] = {
    # nothing, or nothing to publish
    "empty.csv": (b"", "no columns", "header and rows"),
    "only-a-line-end.csv": (b"\n", "no columns", "header and rows"),
    "only-a-mark.csv": (b"\xef\xbb\xbf", "no columns", "header and rows"),
    "only-a-header.csv": (b"age,bmi\n", "no rows", "header and rows"),
    "empty.parquet": (b"", "damaged|empty|of another kind", ""),
    "no-rows.parquet": (parquet(FRAME.head(0)), "no rows", "header and rows"),
    "no-columns.parquet": (parquet(pl.DataFrame()), "no columns", "header and rows"),
    "empty.ndjson": (b"", "no columns|no rows|empty", ""),
    "no-rows.arrow": (arrow(FRAME.head(0)), "no rows", "header and rows"),
    "no-rows-stream.arrow": (arrow(FRAME.head(0), stream=True), "no rows", "header and rows"),
    # headers
    "no-name.csv": (b"age,\n1,2\n", "Column 2 .* no name", "names ="),
    "blank-name.csv": (b"age,  \n1,2\n", "Column 2 .* no name", "names ="),
    "trailing-comma.csv": (b"age,bmi,\n40,1.5,\n", "Column 3 .* no name", "names ="),
    "long-name.csv": (b"age," + b"x" * 201 + b"\n1,2\n", "Column 2 .* over 200", "names ="),
    "bell-in-name.csv": (b"age,b\x07\n1,2\n", "Column 2 .* cannot be printed", "names ="),
    "two-line-name.csv": (b'age,"body\nmass"\n1,2\n', "Column 2 .* cannot be printed", "names ="),
    "name-twice.csv": (b"age,bmi,bmi\n1,2,3\n", "Columns 2 and 3", "names ="),
    "name-twice-by-blanks.csv": (b"age, age\n1,2\n", "Columns 1 and 2", "names ="),
    "name-twice.parquet": (_twice_named(), "same name", "Rename"),
    "no-header.csv": (b"40,1.5\n50,2.5\n", "seems to be a record", "header = false"),
    "no-header-dates.csv": (b"Ann,2020-01-31\nBob,2020-02-01\n", "column 2 has a value", "header = false"),
    "no-header-words.csv": (b"Ann,Rome\nBob,Rome\n", "column 2 has a value", "header = false"),
    "no-header-money.csv": (b"$5,a\n$6,b\n", "column 1 has a value", "header = false"),
    "values-for-names.parquet": (parquet(pl.DataFrame({"age": [1], "40.6": [2]})), "column 2 has a value", "header ="),
    "values-for-names.ndjson": (b'{"age": 1, "40.6": 2}\n', "column 2 has a value", "header ="),
    "a-title.csv": (b"Report of May\nage,bmi\n1,2\n3,4\n", "line 2 has 2, as if a title", "skip_lines = 1"),
    "two-titles.csv": (b"Report\nof May\nage,bmi\n1,2\n", "line 3 has 2, as if a title", "skip_lines = 2"),
    "huge-header.csv": (b"x" * ((1 << 20) + 1) + b"\n1\n", "over 1048576 bytes", "first line"),
    "too-wide.csv": (",".join(f"c{n}" for n in range(5000)).encode() + b"\n", "5000 columns", "several tables"),
    "too-wide.parquet": (parquet(pl.DataFrame({f"c{n}": [1] for n in range(4097)})), "4097 columns", "several tables"),
    "struct-twice.parquet": (
        parquet(pl.DataFrame({"a": [{"b": 1}], "a.b": [2]})), "Columns 1 and 2 .* same name", "names =",
    ),
    # rows
    "short-row.csv": (b"age,bmi\n1,2\n3\n4,5\n", "Line 3 .* 1 of 2 fields", "Complete that line"),
    "short-last-row.csv": (b"age,bmi\n1,2\n3", "Line 3 .* 1 of 2 fields", "Complete that line"),
    "footer.csv": (b"age,bmi\n1,2\nTotal: 1\n", "Line 3 .* 1 of 2 fields", "a total"),
    "long-row.csv": (b"age,bmi\n1,2\n3,4,5\n", "Line 3 .* 3 fields, more fields", "separator"),
    "long-first-row.csv": (b"age,bmi\n1,2,3\n", "Line 2 .* more fields", "separator"),
    "decimal-comma-unquoted.csv": (b"age,bmi\n40,1,5\n50,2,5\n", "Line 2 .* more fields", "separator"),
    "blank-line.csv": (b"age,bmi\n1,2\n\n3,4\n", "Line 3 .* blank", 'empty_rows = "drop"'),
    "blank-last-line.csv": (b"age,bmi\n1,2\n\n", "Line 3 .* blank", 'empty_rows = "drop"'),
    "short-row-after-quotes.csv": (b'age,note,bmi\n1,"a\nb",2\n3,"c, d"\n', "Line 4 .* 2 of 3 fields", "Complete"),
    "short-row.csv.gz": (gzip.compress(b"age,bmi\n1,2\n3\n4,5\n"), "Line 3 .* 1 of 2 fields", "Complete that line"),
    # quotes
    "open-quote-in-header.csv": (b'"age,bmi\n1,2\n', "first line .* not a CSV header", "quotes"),
    "open-quote.csv": (b'age,note\n1,"a\n2,b\n3,c\n', "quote|as CSV", "quote"),
    "open-quote-at-the-end.csv": (b'age,note\n1,"a"\n2,"b""', "Line 3 .* quote", '5"" pipe'),
    "quote-inside.csv": (b'age,note\n1,a\n2,5" pipe\n', "Line 3 .* quote", '5"" pipe'),
    "quote-then-more.csv": (b'age,note\n1,"a"b\n', "Line 2 .* quote", '5"" pipe'),
    "huge-field.csv": (b"age,note\n1," + _QUOTED + b"\n2\n", "Line 2 .* cannot be read as CSV", "131,072 characters"),
    # encodings
    "latin-1.csv": ("age,note\n1,\xe9\n".encode("latin-1"), "not in UTF-8: see line 2", 'encoding = "cp1252"'),
    "latin-1-header.csv": ("age,na\xefve\n1,2\n".encode("latin-1"), "not a CSV header in UTF-8", 'encoding = "cp1252"'),
    "late-latin-1.csv": (
        b"age,note\n" + b"1,a\n" * 300_000 + b"1,\xe9\n", "not in UTF-8: see line 300002", 'encoding = "cp1252"',
    ),
    "utf-16-no-mark.csv": (GOOD.decode().encode("utf-16-le"), "UTF-16 without its mark", 'encoding = "utf-16-le"'),
    "utf-16-cut.csv": (GOOD.decode().encode("utf-16")[:-1], "not in utf-16", "encoding"),
    "latin-1.ndjson": (b'{"age": 1}\n{"age": 2, "note": "\xe9"}\n', "not in UTF-8: see line 2", 'encoding = "cp1252"'),
    # other files
    "a-spreadsheet.csv": (b"PK\x03\x04" + bytes(40), "ZIP archive or a spreadsheet", "CSV"),
    "an-old-spreadsheet.csv": (b"\xd0\xcf\x11\xe0" + bytes(40), "spreadsheet of old", "CSV"),
    "a-document.csv": (b"%PDF-1.7\n1,2\n", "PDF", "CSV"),
    "a-database.csv": (b"SQLite format 3\0" + bytes(40), "database", "CSV"),
    "table.xlsx": (b"PK\x03\x04" + bytes(40), "not a kind of table", ".parquet"),
    "no-suffix": (GOOD, "not a kind of table", ".parquet"),
    "table.csv.exe": (GOOD, "not a kind of table", ".parquet"),
    "packed-parquet.csv": (gzip.compress(parquet(FRAME)), "a Parquet file, not text", "name it .parquet"),
    "table.parquet.gz": (gzip.compress(parquet(FRAME)), "compressed as a whole", "Unpack"),
    "zeros.csv": (bytes(1000), "no text", "UTF-8"),
    "noise.parquet": (bytes(range(256)) * 4, "damaged", "again"),
    # damage
    "cut.parquet": (parquet(FRAME)[:-40], "damaged", "again"),
    "cut-in-half.parquet": (parquet(FRAME)[: len(parquet(FRAME)) // 2], "damaged", "again"),
    "csv-named.parquet": (GOOD, "damaged, or not what its suffix says", "again"),
    "cut.arrow": (arrow(FRAME)[:-40], "damaged", "again"),
    "cut-stream.arrow": (_STREAM[:-60], "damaged Arrow stream", "again"),
    "flipped-stream.arrow": (_flipped(_STREAM, 12), "damaged", "again"),
    "huge-batch.arrow": (_HUGE_BATCH, "record batch of 1099511627776 bytes", "batches"),
    "cut.csv.gz": (gzip.compress(GOOD * 1000)[:-30], "damaged", "again"),
    "cut.csv.bz2": (bz2.compress(GOOD * 1000)[:-30], "damaged", "again"),
    "cut.csv.xz": (lzma.compress(GOOD * 1000)[:-30], "damaged", "again"),
    "flipped.csv.xz": (_flipped(lzma.compress(GOOD * 1000), 40), "damaged", "again"),
    # NDJSON
    "array.json": (json.dumps([{"age": 1}]).encode(), "one JSON array", "jq -c"),
    "broken.ndjson": (b'{"age": 1}\n{"age": \n', "Line 2 .* not one JSON object", "Mend that line"),
    "a-number.ndjson": (b'{"age": 1}\n7\n', "Line 2 .* not one JSON object", "Mend that line"),
    "late-broken.ndjson": (b'{"age": 1}\n' * 20_000 + b"{age: 2}\n", "Line 20001 .* not one", "Mend that line"),
    "csv-named.ndjson": (GOOD, "Line 1 .* not one JSON object", "Mend that line"),
}  # fmt: skip

# Columns of numbers with something else among them: the cell in line 3, what is said of it, the recipe's line.
ODD_WORDS: dict[str, tuple[str, str, str]] = {
    "NA": ("NA", 'the word "NA"', 'missing_values = ["NA"]'),
    "not available": ("#N/A", 'the word "#N/A"', 'missing_values = ["#N/A"]'),
    "a dash": ("-", 'the word "-"', 'missing_values = ["-"]'),
    "a word": ("confidential", "text", "missing_values"),
    "a decimal comma": ('"40,25"', "a number with a comma", 'decimal = ","'),
    "percent": ("40.2%", 'the sign "%"', 'units = ["%"]'),
    "dollars": ("$40", 'the sign "$"', 'units = ["$"]'),
    "a currency": ("40.50 CHF", 'the sign "CHF"', 'units = ["CHF"]'),
    "thousands": ('"1,200.50"', "groups of digits", 'thousands = ","'),
    "thousands by apostrophes": ("1'200", "groups of digits", 'thousands = "\'"'),
    "thousands by blanks": ("1 200", "groups of digits", 'thousands = " "'),
    "accounts in red": ("(40)", "other signs", "plainly"),
    "a minus behind": ("40-", "other signs", "plainly"),
}
