"""Tables are read as they are, in order, or refused with the one thing that is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from app.protocol.errors import BadTable, TooLarge
from ingestion.csv_text import MAX_HEADER_BYTES
from ingestion.profile import profile_table
from ingestion.read import Reading, open_table
from tests.ingestion.conftest import Write

FRAME = pl.DataFrame(
    {"whole": [3, None, -2], "part": [0.5, float("nan"), 1e300], "yes": [True, False, None], "text": ["a", "b", "c"]}
)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "arrow"])
def test_every_format_says_the_same(tmp_path: Path, suffix: str) -> None:
    """CSV, TSV, Parquet and Arrow give the same kinds and values."""
    path = tmp_path / f"table.{suffix}"
    {
        "csv": lambda: FRAME.write_csv(path),
        "tsv": lambda: FRAME.write_csv(path, separator="\t"),
        "parquet": lambda: FRAME.write_parquet(path),
        "arrow": lambda: FRAME.write_ipc(path),
    }[suffix]()
    table = open_table(path)
    assert table.kinds == {"whole": "integer", "part": "real", "yes": "boolean", "text": "text"}
    assert table.rows() == 3
    (batch,) = table.batches(["yes", "whole"], 100)
    assert batch.to_dict(as_series=False) == {"yes": [1.0, 0.0, None], "whole": [3.0, None, -2.0]}


@pytest.mark.parametrize("rows", [1, 7, 1000, 2500, 9999])
def test_batches_keep_order_and_size(write: Write, rows: int) -> None:
    """Batches have the size asked for, all but the last, and are the file's rows in order."""
    path = write("order.csv", "n\n" + "\n".join(str(n) for n in range(2500)) + "\n")
    batches = list(open_table(path).batches(["n"], rows))
    assert [batch.height for batch in batches[:-1]] == [rows] * (len(batches) - 1)
    assert np.concatenate([batch["n"].to_numpy() for batch in batches]).tolist() == list(range(2500))


def test_a_late_fraction_is_a_number(write: Write) -> None:
    """Whole numbers for thousands of rows do not stop a fraction after them; the profile then calls the column real."""
    path = write("late.csv", "n\n" + "1\n" * 20_000 + "1.5\n")
    assert profile_table(path).columns[0].kind == "real"
    assert next(iter(open_table(path).batches(["n"], 10**6)))["n"][-1] == 1.5


def test_words_for_missing_values(write: Write) -> None:
    """Words that the owner lists, and empty fields, are missing; without the list they are words among numbers."""
    path = write("missing.csv", "n;m\n1;NA\nNA;2\n;3\n")
    table = open_table(path, Reading(";", ("NA",)))
    (batch,) = table.batches(["n", "m"], 10)
    assert batch.to_dict(as_series=False) == {"n": [1.0, None, None], "m": [None, 2.0, 3.0]}
    assert open_table(path, Reading(";")).kinds["n"] == "mixed"


def test_a_byte_order_mark_and_windows_lines(write: Write) -> None:
    """A file from a spreadsheet reads like any other."""
    table = open_table(write("windows.csv", b"\xef\xbb\xbfa,b\r\n1,2\r\n"))
    assert table.kinds == {"a": "integer", "b": "integer"}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "no columns"),
        (b"\n1,2\n", "no columns"),
        (b"a,a\n1,2\n", "Columns 1 and 2 .* same name"),
        (b"a,\n1,2\n", "no name"),
        (b"a,b\x07\n1,2\n", "cannot be printed"),
        (b"a," + b"x" * 201 + b"\n1,2\n", "no name, or one"),
        (b"a,b\n1,2,3\n", "more fields than the header"),
        (b"a,b\n1,\xe9\n", "not in UTF-8"),
        (b"a,\xe9\n1,2\n", "not a CSV header in UTF-8"),
        (b'"a,b\n1,2\n', "not a CSV header"),
        (b"a,b\n", "has no rows"),
    ],
)
def test_unreadable_csv_is_refused(write: Write, content: bytes, complaint: str) -> None:
    """A CSV file that cannot be what it seems is refused with what is wrong, and never with its values."""
    path = write("bad.csv", content)
    with pytest.raises(BadTable, match=complaint) as caught:
        profile_table(path)
    assert "1,2" not in str(caught.value)


def test_a_huge_header_is_refused(write: Write) -> None:
    """A first line of more than a mebibyte, or of too many columns, is refused before polars sees the file."""
    with pytest.raises(TooLarge, match="no header"):
        open_table(write("line.csv", b"x" * (MAX_HEADER_BYTES + 1) + b"\n1\n"))
    with pytest.raises(TooLarge, match="5000 columns"):
        open_table(write("wide.csv", ",".join(f"c{n}" for n in range(5000)) + "\n"))
    frame = pl.DataFrame({f"c{n}": [1] for n in range(4097)})
    frame.write_parquet(path := write("wide.parquet", b""))
    with pytest.raises(TooLarge, match="4097 columns"):
        open_table(path)


@pytest.mark.parametrize("name", ["table.xlsx", "table", "table.csv.exe"])
def test_other_files_are_refused(write: Write, name: str) -> None:
    """A suffix that says nothing known is refused, with the ones that are."""
    with pytest.raises(BadTable, match=r"\.parquet"):
        open_table(write(name, b"a\n1\n"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path without a file says so, and so does a pattern or a folder without a table."""
    with pytest.raises(BadTable, match="There is no file"):
        open_table(tmp_path / "none.csv")
    for name in ("*.csv", ""):
        with pytest.raises(BadTable, match="There is no table in"):
            open_table(tmp_path / name)


@pytest.mark.parametrize("damage", ["cut", "flip", "zeros", "text"])
def test_damaged_parquet_is_refused(tmp_path: Path, damage: str) -> None:
    """A Parquet file that is cut or overwritten is a bad table, not a crash."""
    path = tmp_path / "table.parquet"
    FRAME.select("whole", "part").write_parquet(path)
    data = path.read_bytes()
    path.write_bytes(
        {
            "cut": data[: len(data) // 2],
            "flip": data[:-8] + b"\xff\xff\xff\x7f" + data[-4:],
            "zeros": bytes(len(data)),
            "text": b"a,b\n1,2\n",
        }[damage]
    )
    with pytest.raises(BadTable, match="damaged"):
        profile_table(path)


def test_only_numeric_columns_can_be_asked_for(write: Write) -> None:
    """A text column, or one that is not there, is refused by name."""
    table = open_table(write("kinds.csv", "a,b\n1,x\n"))
    for name in ("b", "c"):
        with pytest.raises(BadTable, match=f"no numeric column '{name}'"):
            table.scan([name])
