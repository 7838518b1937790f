"""Whatever Python's csv module writes is read back as it was, or refused; it is never read as something else."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.protocol.errors import BadTable
from ingestion.profile import profile_table
from ingestion.read import Reading, open_table

CELL = st.one_of(
    st.text(st.sampled_from("ab,;|\t\"' \n\r.-é\u2212\u00a00123"), max_size=6),
    st.sampled_from(
        ["", "NA", "1", "-2.5", "1e3", "true", '"', '""', "\r\n", "1,5", "2020-01-31", "NaN", "inf", "007"]
    ),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=8)
)
QUOTING = st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _written(rows: list[list[str]], separator: str, line_end: str, quoting: int) -> str:
    if any("\r" in cell for row in rows for cell in row):
        quoting = csv.QUOTE_ALL  # Python leaves a lone CR bare, which then ends a line for every reader
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=separator, lineterminator=line_end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow([f"c{number}" for number in range(len(rows[0]))])
    writer.writerows(rows)
    return file.getvalue()


@FUZZ
@given(rows=TABLES, separator=st.sampled_from(",;\t|"), line_end=st.sampled_from(["\n", "\r\n"]), quoting=QUOTING)
@example(rows=[["a\r\nb", "1"], ["", "2"]], separator=",", line_end="\r\n", quoting=csv.QUOTE_MINIMAL)
@example(rows=[['"', "1"], ['""', "2"]], separator=",", line_end="\n", quoting=csv.QUOTE_ALL)
def test_text_comes_back(tmp_path: Path, rows: list[list[str]], separator: str, line_end: str, quoting: int) -> None:
    """Every cell is what was written, an empty one null, in the order of the rows; or the table is refused."""
    path = tmp_path / "t.csv"
    path.write_bytes(_written(rows, separator, line_end, quoting).encode())
    try:
        table = open_table(path, Reading(separator=separator, header=True))
        table.check_rows()
        with table.errors():
            found = table.raw().collect().rows()
    except BadTable:
        assert len(rows[0]) == 1
        return
    assert [[cell or "" for cell in row] for row in found] == rows
    assert table.rows() == len(rows)


@FUZZ
@given(
    numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.none(), min_size=1, max_size=12),
    dress=st.sampled_from(["plain", "comma", "thousands", "minus", "blanks", "unit", "euro"]),
    quoting=QUOTING,
)
def test_numbers_come_back(tmp_path: Path, numbers: list[float | None], dress: str, quoting: int) -> None:
    """A number in any declared spelling is the number that was written, to the last bit."""
    spell, reading = DRESSES[dress]
    rows = [["" if each is None else spell(each), "x"] for each in numbers]
    (path := tmp_path / "t.csv").write_bytes(_written(rows, ";", "\n", quoting).encode())
    if all(each is None for each in numbers):
        assert open_table(path, reading).kinds["c0"] == "other"
        return
    found = [each for batch in open_table(path, reading).batches(["c0"], 5) for each in batch["c0"].to_list()]
    assert found == numbers
    profile = profile_table(path, reading).column("c0")
    assert (profile.low, profile.missing) == (min(filter(_there, numbers)), numbers.count(None))  # type: ignore[type-var]


def _there(number: float | None) -> bool:
    return number is not None


def _grouped(number: float, group: str, point: str) -> str:
    text = f"{number:,.25f}" if abs(number) < 1e15 and float(f"{number:.25f}") == number else repr(number)
    return text.replace(",", "\0").replace(".", point).replace("\0", group)


DRESSES = {
    "plain": (repr, Reading(";")),
    "comma": (lambda number: repr(number).replace(".", ","), Reading(";", decimal=",")),
    "thousands": (lambda number: _grouped(number, ",", "."), Reading(";", thousands=",")),
    "minus": (lambda number: repr(number).replace("-", "\u2212", 1) if number < 0 else repr(number), Reading(";")),
    "blanks": (lambda number: f" \u00a0{number!r}\t ", Reading(";")),
    "unit": (lambda number: f"{number!r} kg", Reading(";", units=("kg",))),
    "euro": (lambda number: f"{_grouped(number, '.', ',')} €", Reading(";", decimal=",", thousands=".", units=("€",))),
}


@pytest.mark.parametrize("separator", [",", ";"])
def test_long_quoted_texts_are_cut_nowhere(tmp_path: Path, separator: str) -> None:
    """Line ends, quotes and separators inside fields do not move rows, however a reader cuts a file into parts."""
    rows = [[f'{n}{separator} "{n % 7}"\nline {"x" * (n % 50)}', str(n)] for n in range(30_000)]
    (path := tmp_path / "t.csv").write_bytes(_written(rows, separator, "\n", csv.QUOTE_MINIMAL).encode())
    table = open_table(path, Reading(separator=separator))
    assert table.raw().collect(engine="streaming").rows() == [tuple(row) for row in rows]
    assert [batch["c1"][0] for batch in table.batches(["c1"], 10_000)] == [0, 10_000, 20_000]


@settings(FUZZ, max_examples=300)
@given(body=st.text(st.sampled_from('ab1,"\n '), max_size=24), names=st.integers(2, 3))
@example(body='a"b"c,1\n', names=2)
@example(body='"a" ,1\n', names=2)
@example(body=' "a",1\n', names=2)
@example(body='"a"b,1\n1,2\n', names=2)
@example(body='"a,1\n1,2\n', names=2)
@example(body=",1\n,1,", names=2)
@example(body=',"""', names=2)
@example(body=',"\n,""', names=2)
@example(body=',"\n,"""', names=2)
@example(body=',,1"', names=3)
@example(body='1,2\n1,"a\nb"', names=2)
@example(body='1,"x""', names=2)
@example(body='1,"a,"""', names=2)
def test_what_is_no_csv_is_not_guessed(tmp_path: Path, body: str, names: int) -> None:
    """Of any text at all, what is read is what Python's reader reads, or it is refused."""
    path = tmp_path / "t.csv"
    path.write_bytes((",".join(f"c{number}" for number in range(names)) + "\n" + body).encode())
    try:
        table = open_table(path, Reading(separator=",", header=True))
        table.check_rows()
        with table.errors():
            found = table.raw().collect().rows()
    except BadTable:
        return
    with path.open(newline="") as file:
        expected = list(csv.reader(file))[1:]
    if expected and len(expected[-1]) == names + 1 and not expected[-1][-1] and body.endswith(","):
        expected[-1].pop()  # a separator too many at the very end of a file has nothing behind it
    assert [[cell or "" for cell in row] for row in found] == expected
