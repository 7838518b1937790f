"""Every kind of file that owners have gives the same rows: packed, streamed, in many parts, with typed columns."""

from __future__ import annotations

import bz2
import datetime as dt
import gzip
import io
import lzma
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
import pytest

from app.protocol.errors import BadTable
from ingestion.arrow_stream import frames
from ingestion.profile import profile_table
from ingestion.read import Reading, open_table, texts

FRAME = pl.DataFrame({"age": [40, 50, None], "bmi": [1.5, 2.5, 3.5], "town": ["Rome", "Bern, or so", None]})
TYPED = pl.DataFrame(
    {
        "age": [40, 50],
        "sex": pl.Series(["f", "m"], dtype=pl.Categorical),
        "grade": pl.Series(["b", "a"], dtype=pl.Enum(["a", "b"])),
        "smoker": [True, None],
        "day": [dt.date(2024, 1, 31), None],
        "seen": [dt.datetime(2024, 1, 31, 10, 30, tzinfo=dt.UTC), None],
        "at": [dt.time(10, 30), None],
        "cost": pl.Series(["1.50", "2.25"]).cast(pl.Decimal(18, 2)),
        "note": ["x", ""],
    }
)
KINDS = dict(zip(TYPED.columns, ("integer", "text", "text", "boolean", "date", "datetime", "time", "real", "text")))


def _rows(path: Path | str, reading: Reading | None = None) -> list[tuple[object, ...]]:
    table = open_table(path, reading)
    table.check_rows()
    return [row for batch in table.batches(["age", "bmi", "town"], 2, ["town"]) for row in batch.rows()]


def test_packed_text(tmp_path: Path) -> None:
    """CSV and NDJSON packed with gzip, bzip2, xz or zstd, by their own or another name, are read as they are."""
    for name, text in (("t.csv", FRAME.write_csv()), ("t.ndjson", FRAME.write_ndjson())):
        (tmp_path / name).write_text(text)
        packed = {
            ".gz": gzip.compress(text.encode()),
            ".bz2": bz2.compress(text.encode()),
            ".xz": lzma.compress(text.encode()),
        }
        if name == "t.csv":
            FRAME.lazy().sink_csv(tmp_path / "t.zst", compression="zstd")
            packed[".zst"] = (tmp_path / "t.zst").read_bytes()
        for suffix, data in packed.items():
            (tmp_path / f"{name}{suffix}").write_bytes(data)
            (tmp_path / f"hidden{suffix[1:]}-{name}").write_bytes(data)
            for path in (tmp_path / f"{name}{suffix}", tmp_path / f"hidden{suffix[1:]}-{name}"):
                assert _rows(path) == FRAME.rows(), path.name


def test_a_fault_in_packed_text_has_its_line(tmp_path: Path) -> None:
    """Lines are counted in what is unpacked."""
    (tmp_path / "t.csv").write_text("age,bmi\n" + "1,2\n" * 500)
    pl.scan_csv(tmp_path / "t.csv").with_columns(
        pl.when(pl.int_range(pl.len()) == 400).then(pl.lit("odd")).otherwise(pl.col("bmi").cast(pl.String)).alias("bmi")
    ).sink_csv(tmp_path / "t.csv.zst", compression="zstd")
    fault = profile_table(tmp_path / "t.csv.zst").column("bmi").fault
    assert fault is not None
    assert "at line 402 text" in fault[0]


def test_copies_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text that has to be copied first is in no named file, also while it is read."""
    (path := tmp_path / "t.csv").write_bytes(FRAME.write_csv().encode("utf-16"))
    (folder := tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    table = open_table(path)
    assert list(folder.iterdir()) == []
    assert table.rows() == 3
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(BadTable, match="cannot be read"):
        open_table(path)


def test_ndjson(tmp_path: Path) -> None:
    """Keys that appear late are columns, late fractions make fractions, records are columns of their fields."""
    lines = ['{"age": 1, "home": {"zip": "01", "at": {"x": 1.5}}}'] * 12_000
    lines += ['{"age": 2.5, "late": "yes"}', "", '{"age": null, "home": null}']
    (path := tmp_path / "t.ndjson").write_text("\n".join(lines))
    table = open_table(path)
    assert list(table.kinds) == ["age", "home.zip", "home.at.x", "late"]
    assert (table.rows(), table.kinds["age"], table.kinds["late"]) == (12_002, "real", "text")
    profile = profile_table(path)
    assert (profile.column("age").high, profile.column("home.at.x").missing) == (2.5, 2)
    assert profile.column("home.zip").padded
    (late,) = table.batches(["age", "late"], 20_000, ["late"])
    assert late.rows()[-2:] == [(2.5, "yes"), (None, None)]


def test_numbers_and_words_in_one_key_of_ndjson(tmp_path: Path) -> None:
    """What is a number in one line and a word in another is a column of words, refused as numbers by its column."""
    (path := tmp_path / "t.ndjson").write_text('{"a": 1, "b": 1}\n{"a": "NA", "b": 2}\n{"a": 3.5, "b": 3}\n')
    assert open_table(path).kinds == {"a": "mixed", "b": "integer"}
    (batch,) = open_table(path, Reading(missing_values=("NA",))).batches(["a"], 5)
    assert batch["a"].to_list() == [1.0, None, 3.5]


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows"])
def test_typed_columns_come_through(tmp_path: Path, suffix: str) -> None:
    """Categories, truth values, dates, times and decimals keep their kind, and their type where it is asked for."""
    path = tmp_path / f"t.{suffix}"
    if suffix == "parquet":
        TYPED.write_parquet(path)
    else:
        (TYPED.write_ipc if suffix == "arrow" else TYPED.write_ipc_stream)(path)
    table = open_table(path)
    assert table.kinds == KINDS
    (batch,) = table.batches(TYPED.columns, 9, ["sex", "grade", "day", "seen", "at", "note"])
    assert batch.row(0) == (40.0, "f", "b", 1.0, *TYPED.row(0)[4:7], 1.5, "x")
    assert [batch.schema[name] for name in ("day", "at")] == [pl.Date(), pl.Time()]
    profile = profile_table(path)
    assert (profile.column("day").first, profile.column("note").missing) == ("2024-01-31", 1)


def test_dates_in_text(tmp_path: Path) -> None:
    """Dates, times and both are known as such in text; a form that could be two says which."""
    (path := tmp_path / "t.csv").write_text(
        "iso,at,seen,german,either,us\n"
        "2024-01-31,10:30,2024-01-31T10:30:00Z,31.1.2024,1/2/2024,1/31/2024\n"
        "2024-02-01,9:05,2024-02-01T09:05:00Z,1.2.2024,3/4/2024,2/1/2024\n"
    )
    columns = {column.name: column for column in profile_table(path).columns}
    assert [columns[name].kind for name in ("iso", "at", "seen", "german", "either")] == [
        "date",
        "time",
        "datetime",
        "date",
        "date",
    ]
    assert (columns["iso"].first, columns["iso"].last) == ("2024-01-31", "2024-02-01")
    assert columns["german"].forms == ("%d.%m.%Y",)
    assert columns["either"].forms == ("%d/%m/%Y", "%m/%d/%Y")
    assert columns["us"].forms == ("%m/%d/%Y",)


def _stream(parts: list[pl.DataFrame]) -> bytes:
    """One stream of several frames: the messages of each after the first's schema."""
    streams = []
    for part in parts:
        part.write_ipc_stream(file := io.BytesIO())
        streams.append(file.getvalue())
    schema = int.from_bytes(streams[0][4:8], "little") + 8  # a schema's message has no body
    end = b"\xff\xff\xff\xff" + bytes(4)
    return streams[0][:schema] + b"".join(each[schema:].removesuffix(end) for each in streams) + end


def test_arrow_streams_are_read_a_batch_at_a_time(tmp_path: Path) -> None:
    """Record batches come in order, whatever the dictionaries between them, and only the columns that are asked for."""
    parts = [
        pl.DataFrame({"n": range(start, start + 100), "word": pl.Series([f"w{start}"] * 100, dtype=pl.Categorical)})
        for start in range(0, 500, 100)
    ]
    path = tmp_path / "t.arrows"
    path.write_bytes(_stream(parts))
    assert pl.read_ipc_stream(path)["n"].to_list() == list(range(500))  # it is one for others too
    assert [frame.height for frame in frames(path)] == [100] * 5
    table = open_table(path)
    assert [batch["n"][0] for batch in table.batches(["n"], 150)] == [0, 150, 300, 450]
    assert table.raw().select("word").unique().collect().height == 5
    assert table.rows() == 500
    assert table.raw().filter(pl.col("n") > 450).head(3).collect()["n"].to_list() == [451, 452, 453]


def test_many_files(tmp_path: Path) -> None:
    """A pattern's files are one table, in the order of their numbers; kinds are what they are together."""
    for number in (10, 2, 1):
        (tmp_path / f"part-{number}.csv").write_text(f"age,bmi\n{number},{number}{'.5' if number == 10 else ''}\n")
    table = open_table(tmp_path / "part-*.csv")
    assert (table.kinds, table.rows()) == ({"age": "integer", "bmi": "real"}, 3)
    (batch,) = table.batches(["age", "bmi"], 10)
    assert batch.rows() == [(1.0, 1.0), (2.0, 2.0), (10.0, 10.5)]
    (tmp_path / "part-3.csv").write_text("bmi,age\n7,\n")
    assert list(texts(tmp_path / "part-*.csv", "bmi", 10)) == [["1", "2", "7", "10.5"]]


def test_partitioned_folders(tmp_path: Path) -> None:
    """Folders named column=value give a column; what writers leave beside the files is passed over."""
    FRAME.with_columns(year=pl.Series([2024, 2023, 2023]), town=pl.lit("x")).write_parquet(
        tmp_path / "t", partition_by="year", mkdir=True
    )
    (tmp_path / "t" / "_SUCCESS").touch()
    table = open_table(tmp_path / "t")
    assert table.kinds["year"] == "integer"
    (batch,) = table.batches(["year", "bmi"], 10)
    assert batch.rows() == [(2023.0, 2.5), (2023.0, 3.5), (2024.0, 1.5)]
    folder = tmp_path / "u" / "city=New%20York" / "code=__HIVE_DEFAULT_PARTITION__"
    folder.mkdir(parents=True)
    (folder / "t.csv").write_text("a\n1\n")
    assert open_table(tmp_path / "u").raw().collect().rows() == [("1", "New York", None)]


@pytest.mark.deep
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is told by Linux")
def test_a_stream_is_read_in_bounded_memory(tmp_path: Path) -> None:
    """An Arrow stream of 240 MB in batches of 65,536 rows takes a fraction of that in memory."""
    code = f"""
from pathlib import Path
from ingestion.read import open_table
rows = sum(batch.height for batch in open_table({str(tmp_path / "t.arrows")!r}).batches(["a", "b"], 65_536))
print(rows, Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
    part = pl.DataFrame({name: range(65_536) for name in "abcde"}).cast(pl.Float64)
    (tmp_path / "t.arrows").write_bytes(_stream([part] * 92))
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "POLARS_MAX_THREADS": "2"},
    )
    rows, peak = map(int, done.stdout.split())  # peak in KiB
    assert rows == 92 * 65_536
    assert peak < 200 * 1024
