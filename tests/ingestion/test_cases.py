"""Tables as they are exported: each is read right, or refused with the line, the column and what mends it."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from app.protocol.errors import BadRecipe, BadTable
from ingestion.draft import default_recipe
from ingestion.profile import profile_table
from ingestion.publish import survey
from ingestion.read import Reading, open_table
from ingestion.recipe import parse_recipe, read_recipe
from tests.ingestion.conftest import RECIPE, Write

GOOD = "age,bmi\n40,1.5\n50,2.5\n"
VALUES = {"age": [40.0, 50.0], "bmi": [1.5, 2.5]}
HEAD = 'title = "T"\ndescription = "D"\nlicense = "L"\ncreator = "C"\n'

READ_RIGHT = {
    "plain": (GOOD, Reading()),
    "byte order mark": ("\ufeff" + GOOD, Reading()),
    "CR line ends": (GOOD.replace("\n", "\r"), Reading()),
    "CRLF line ends": (GOOD.replace("\n", "\r\n"), Reading()),
    "semicolons": (GOOD.replace(",", ";"), Reading()),
    "tabs in .csv": (GOOD.replace(",", "\t"), Reading()),
    "bars": (GOOD.replace(",", "|"), Reading()),
    "decimal comma": (GOOD.replace(",", ";").replace(".", ","), Reading(decimal=",")),
    "quoted decimal comma": ('age,bmi\n40,"1,5"\n50,"2,5"\n', Reading(decimal=",")),
    "blanks": ("age, bmi \n 40, 1.5 \n50 ,2.5\n", Reading()),
    "no header": ("40,1.5\n50,2.5\n", Reading(header=False, names=("age", "bmi"))),
    "no header, with a mark": ("\ufeff40,1.5\n50,2.5\n", Reading(header=False, names=("age", "bmi"))),
    "header over two lines": ('age,"body\nmass"\n40,1.5\n50,2.5\n', Reading(names=("age", "bmi"))),
    "one name twice": ("age,age\n40,1.5\n50,2.5\n", Reading(names=("age", "bmi"))),
    "blank lines": ("age,bmi\n40,1.5\n\n50,2.5\n\n", Reading(empty_rows="drop")),
}


@pytest.mark.parametrize("case", READ_RIGHT)
def test_read_right(write: Write, case: str) -> None:
    """Exports of a same small table in other dress give its values."""
    text, reading = READ_RIGHT[case]
    path = write("t.csv", text)
    assert [column.usable for column in profile_table(path, reading).columns] == [True, True]
    (batch,) = open_table(path, reading).batches(["age", "bmi"], 10)
    assert batch.to_dict(as_series=False) == VALUES


def test_signs_of_numbers(write: Write) -> None:
    """A typographic minus is one; numbers too large, infinite or not numbers are told as such, not as text."""
    column = profile_table(write("t.csv", "a,d\n1,\u22124.5\n2,\u22121\n")).column("d")
    assert (column.low, column.high) == (-4.5, -1.0)
    column = profile_table(write("u.csv", "a,d\n1,4\n2,NaN\n3,-Infinity\n4,1e400\n")).column("d")
    assert (column.kind, column.missing, column.infinite) == ("integer", 1, 2)


def test_names_may_be_numbers_where_the_owner_says_so(write: Write) -> None:
    """Years are names when that is said, the positions that a data frame writes into Parquet always."""
    path = write("years.csv", "2019,2020\n1,2\n")
    with pytest.raises(BadTable, match="record"):
        open_table(path)
    assert list(open_table(path, Reading(header=True)).kinds) == ["2019", "2020"]
    pl.DataFrame({"0": [7], "1": [8]}).write_parquet(positions := write("positions.parquet", ""))
    assert list(open_table(positions).kinds) == ["0", "1"]
    assert list(open_table(write("words.csv", "name,town\nAnn,Rome\n")).kinds) == ["name", "town"]
    assert list(open_table(write("yes.csv", "yes,n\ntrue,1\n")).kinds) == ["yes", "n"]


NUMBERS = "".join(f"{n},{n}.5\n" for n in range(20_000))
REFUSED: dict[str, tuple[str | bytes, str, str]] = {
    "no header": ("40,1.5\n50,2.5\n", "first line .* record", "header = false"),
    "no header, one column": ("1\n2\n", "first line .* record", "header = false"),
    "no header, ids from 0": ("0,1\n1,1\n", "first line .* record", "header = false"),
    "no header, dates": ("Ann,2020-01-31\nBob,2020-02-01\n", "first line .* record", "header = false"),
    "no header, text alone": ("Ann,Rome\nBob,Rome\n", "column 2 has a value", "header = false"),
    "no header, missing word": ("Ann,NA\nBob,7\n", "column 2 has a value", "header = false"),
    "no header, a name twice": ("7,7\n7,7\n", "column 1 has a value", "header = false"),
    "one name twice": ("age,bmi,bmi\n1,2,3\n", "Columns 2 and 3", "names ="),
    "trailing separators": ("age,bmi,\n1,2,\n", "Column 3 .* no name", "names ="),
    "header over two lines": ('age,"body\nmass"\n1,2\n', "Column 2", "names ="),
    "short row": ("age,bmi\n1,2\n3\n4,5\n", "Line 3 .* 1 of 2 fields", "Complete that line"),
    "footer": ("age,bmi\n1,2\nTotal: 1\n", "Line 3 .* 1 of 2 fields", "total"),
    "long row": ("age,bmi\n1,2\n3,4,5\n", "Line 3 .* more fields", "separator"),
    "blank line": ("age,bmi\n1,2\n\n3,4\n", "Line 3 .* blank", 'empty_rows = "drop"'),
    "UTF-16": (GOOD.encode("utf-16"), "UTF-16", "UTF-8"),
    "gzip": (gzip.compress(GOOD.encode()), "compressed with gzip", "gunzip"),
    "a spreadsheet": (b"PK\x03\x04" + bytes(40), "spreadsheet", "CSV"),
    "late NA": ("age,bmi\n" + NUMBERS + "1,NA\n", "'bmi' .* line 20002 the word", 'missing_values = ["NA"]'),
    "late word": ("age,bmi\n" + NUMBERS + "1,secret\n", "'bmi' .* line 20002 text", "missing_values"),
    "late minus": ("age,bmi\n" + NUMBERS + "1,\u22122\n", "'bmi' .* line 20002 a number with other signs", "plainly"),
    "names too few": (GOOD, "1 names, .* 2 columns", "Correct names"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(write: Write, case: str) -> None:
    """What cannot be read as it was meant is refused by line and column, with what mends it, and without its values."""
    text, complaint, mend = REFUSED[case]
    path = write("t.csv", text)
    with pytest.raises(BadTable, match=complaint) as caught:
        profile_table(path, Reading(names=("age",)) if case == "names too few" else None)
    assert mend in caught.value.next_step
    for value in ("Ann", "Rome", "2020-01", "secret", "Total: 1"):
        assert value not in f"{caught.value.message} {caught.value.next_step}"


MIXED = {
    "a missing word": ("NA", 'the word "NA"', 'missing_values = ["NA"]'),
    "a word": ("secret", "text", "missing_values"),
    "percent": ("40.2%", "other signs", "plainly"),
    "money": ("$ 1,200.50", "other signs", "plainly"),
    "a decimal comma": ("40,25", "a number with a comma", 'decimal = ","'),
}


@pytest.mark.parametrize("case", MIXED)
def test_one_odd_word_does_not_unmake_a_column(write: Write, case: str) -> None:
    """Numbers with a word among them are refused with its line, whatever the rest is; it may be dropped."""
    word, what, mend = MIXED[case]
    path = write("t.csv", f'age,bmi\n1,1.5\n2,2.5\n3,"{word}"\n')
    for rules in ('rest = "measure"\n', 'rest = "drop"\n[columns.bmi]\n'):
        with pytest.raises(BadTable, match=r"'bmi' .* at line 4 ") as caught:
            survey(path, parse_recipe(HEAD + "[table]\n" + rules))
        assert what in caught.value.message
        assert mend in caught.value.next_step
        assert "secret" not in str(caught.value)
    made = survey(path, parse_recipe(HEAD + '[table]\nrest = "measure"\ndrop = ["bmi"]\n'))
    assert [column.name for column in made.built.codebook.columns] == ["age"]


def test_a_point_is_not_guessed_where_the_comma_is_decimal(write: Write) -> None:
    """1.234 is a thousand in one office and one in another: where the comma is decimal it is refused by its line."""
    path = write("t.csv", "age;bmi\n1;1,5\n2;1.234\n3;5.5\n")
    with pytest.raises(BadTable, match=r"'bmi' .* at line 3 a number with other signs"):
        survey(path, parse_recipe(HEAD + '[table]\ndecimal = ","\nrest = "measure"\n'))


def test_a_dropped_column_may_hold_anything(write: Write) -> None:
    """Words far below in a column that stays at home do not stop the others."""
    path = write("t.csv", "age,note\n" + NUMBERS + "1,seen\n")
    made = survey(path, parse_recipe(HEAD + '[table]\nrest = "measure"\ndrop = ["note"]\n'))
    assert [column.name for column in made.built.codebook.columns] == ["age"]


def test_columns_of_other_types(tmp_path: Path) -> None:
    """Decimals are numbers; categories, times and nested values are refused by what they hold."""
    path = tmp_path / "t.parquet"
    frame = pl.DataFrame({"age": [1, 2], "amount": ["1.50", "2.25"], "kind": ["a", "b"], "vec": [[1.0], [2.0]]})
    day = pl.Series("day", [0, 1]).cast(pl.Date)
    frame.with_columns(
        pl.col("amount").cast(pl.Decimal(18, 2)), pl.col("kind").cast(pl.Categorical), day
    ).write_parquet(path)
    (batch,) = open_table(path).batches(["amount"], 10)
    assert batch["amount"].to_list() == [1.5, 2.25]
    for name, what in (("kind", "categories"), ("day", "dates or times"), ("vec", "lists or records")):
        with pytest.raises(BadRecipe, match=f"'{name}' holds no numbers but {what}"):
            survey(path, parse_recipe(f'{HEAD}[table]\nrest = "drop"\n[columns.{name}]\n'))


def test_other_files_of_columns(tmp_path: Path) -> None:
    """An Arrow stream, and Parquet whose names are values, say what they are."""
    frame = pl.DataFrame({"age": [1], "40.6": [2]})
    frame.write_ipc_stream(stream := tmp_path / "t.arrow")
    with pytest.raises(BadTable, match="Arrow stream"):
        open_table(stream)
    frame.write_parquet(parquet := tmp_path / "t.parquet")
    with pytest.raises(BadTable, match="column 2 has a value"):
        open_table(parquet)
    assert list(open_table(parquet, Reading(names=("age", "bmi"))).kinds) == ["age", "bmi"]


def test_a_recipe_with_a_byte_order_mark(write: Write) -> None:
    """Editors that put a mark first do no harm."""
    assert read_recipe(write("r.toml", "\ufeff" + RECIPE)) == parse_recipe(RECIPE)
    with pytest.raises(BadRecipe, match="header = false needs names"):
        parse_recipe(HEAD + "[table]\nheader = false\n")


def test_a_draft_says_how_the_file_was_read(write: Write) -> None:
    """A draft keeps the reading it was made with, and names what has to be mended before it can be followed."""
    reading = Reading(";", ("NA",), False, ("age", "bmi"), ",", "drop")
    text = default_recipe(write("t.csv", "40;1,5\n50;NA\n"), reading)
    assert parse_recipe(text).reading == reading
    text = default_recipe(write("u.csv", "age,bmi\n1,1.5\n2,NA\n"))
    assert "# Column 'bmi' of u.csv holds numbers, and at line 3 the word \"NA\"" in text
    assert parse_recipe(text).table.drop == ()
