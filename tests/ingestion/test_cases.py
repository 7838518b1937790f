"""Tables as they are exported: each is read right, or refused with the line, the column and what mends it."""

from __future__ import annotations

import bz2
import gzip
import lzma
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

EURO = GOOD.replace(",", ";").replace(".", ",")
NUMBERS = "".join(f"{n % 90},{n}.5\n" for n in range(20_000))
READ_RIGHT: dict[str, tuple[str | bytes, Reading]] = {
    "plain": (GOOD, Reading()),
    "byte order mark": ("\ufeff" + GOOD, Reading()),
    "CR line ends": (GOOD.replace("\n", "\r"), Reading()),
    "CRLF line ends": (GOOD.replace("\n", "\r\n"), Reading()),
    "no end of the last line": (GOOD.rstrip("\n"), Reading()),
    "semicolons": (GOOD.replace(",", ";"), Reading()),
    "tabs in .csv": (GOOD.replace(",", "\t"), Reading()),
    "bars": (GOOD.replace(",", "|"), Reading()),
    "decimal comma": (EURO, Reading(decimal=",")),
    "quoted decimal comma": ('age,bmi\n40,"1,5"\n50,"2,5"\n', Reading(decimal=",")),
    "blanks": ("age, bmi \n 40, 1.5 \n50 ,2.5\n", Reading()),
    "blanks that do not break": ("age,bmi\n40\u00a0,1.5\n50,\u00a02.5\n", Reading()),
    "quotes": ('"age","bmi"\n"40","1.5"\n"50","2.5"\n', Reading()),
    "no header": ("40,1.5\n50,2.5\n", Reading(header=False, names=("age", "bmi"))),
    "no header, with a mark": ("\ufeff40,1.5\n50,2.5\n", Reading(header=False, names=("age", "bmi"))),
    "header over two lines": ('age,"body\nmass"\n40,1.5\n50,2.5\n', Reading(names=("age", "bmi"))),
    "one name twice": ("age,age\n40,1.5\n50,2.5\n", Reading(names=("age", "bmi"))),
    "blank lines": ("age,bmi\n40,1.5\n\n50,2.5\n\n", Reading(empty_rows="drop")),
    "lines of separators": ("age,bmi\n40,1.5\n,\n50,2.5\n , \n", Reading(empty_rows="drop")),
    "a title": ("Report\n\nage,bmi\n40,1.5\n50,2.5\n", Reading(skip_lines=2)),
    "UTF-16": (GOOD.encode("utf-16"), Reading()),
    "UTF-16, big first": (b"\xfe\xff" + GOOD.encode("utf-16-be"), Reading()),
    "UTF-16 without its mark": (GOOD.encode("utf-16-le"), Reading(encoding="utf-16-le")),
    "UTF-32": (GOOD.encode("utf-32"), Reading()),
    "UTF-16, CR and a decimal comma": (EURO.replace("\n", "\r").encode("utf-16"), Reading(decimal=",")),
    "gzip under another name": (gzip.compress(GOOD.encode()), Reading()),
    "gzip in UTF-16": (gzip.compress(GOOD.encode("utf-16")), Reading()),
    "bzip2": (bz2.compress(GOOD.encode()), Reading()),
    "xz": (lzma.compress(GOOD.encode()), Reading()),
    "thousands": ('age,bmi\n40,"0,001.5"\n50,"2.5"\n'.replace("0,001.5", "1.5"), Reading(thousands=",")),
    "units": ("age,bmi\n40,$1.5\n50,$ 2.5\n", Reading(units=("$",))),
    "units behind": ("age,bmi\n40 kg,1.5%\n50kg,2.5 %\n", Reading(units=("%", "kg"))),
    "a word for missing that is a number": ("age,bmi\n40,1.5\n50,2.5\n", Reading(missing_values=("-999",))),
}


@pytest.mark.parametrize("case", READ_RIGHT)
def test_read_right(write: Write, case: str) -> None:
    """Exports of a same small table in other dress give its values."""
    text, reading = READ_RIGHT[case]
    path = write("t.csv", text)
    assert [column.usable for column in profile_table(path, reading).columns] == [True, True]
    (batch,) = open_table(path, reading).batches(["age", "bmi"], 10)
    assert batch.to_dict(as_series=False) == VALUES


GROUPED = {
    "comma": ('"1,234,567.5"', Reading(thousands=",")),
    "point": ('"1.234.567,5"', Reading(thousands=".", decimal=",")),
    "blank": ("1 234 567.5", Reading(thousands=" ")),
    "narrow blank": ("1\u202f234\u00a0567.5", Reading(thousands=" ")),
    "apostrophe": ("1'234\u2019567.5", Reading(thousands="'")),
    "money": ('"\u2212$ 1,234,567.5"', Reading(thousands=",", units=("$",))),
}


@pytest.mark.parametrize("case", GROUPED)
def test_groups_of_three_digits(write: Write, case: str) -> None:
    """Where a sign groups digits and is declared, it does so by threes; anything else is refused by its line."""
    word, reading = GROUPED[case]
    path = write("t.csv", f"age,sum\n1,{word}\n2,7\n")
    column = profile_table(path, reading).column("sum")
    assert column.fault is None
    assert 1234567.5 in (column.high, -(column.low or 0))
    path = write("u.csv", f"age,sum\n1,{word.replace('234', '23')}\n2,7\n3,8\n")
    fault = profile_table(path, reading).column("sum").fault
    assert fault is not None
    assert "at line 2" in fault[0]


def test_a_missing_word_that_is_a_number(tmp_path: Path) -> None:
    """-999 means missing where that is said: in CSV, among blanks too, and in files of numbers."""
    frame = pl.DataFrame({"age": [40, -999, 50], "bmi": [-999.0, 1.5, 2.5]})
    frame.write_csv(tmp_path / "t.csv")
    frame.write_parquet(tmp_path / "t.parquet")
    (tmp_path / "u.csv").write_text("age,bmi\n40, -999\n-999 ,1.5\n50,2.5\n")
    for name in ("t.csv", "t.parquet", "u.csv"):
        (batch,) = open_table(tmp_path / name, Reading(missing_values=("-999",))).batches(["age", "bmi"], 9)
        assert batch.to_dict(as_series=False) == {"age": [40.0, None, 50.0], "bmi": [None, 1.5, 2.5]}, name


def test_late_spellings_are_numbers(write: Write) -> None:
    """A minus of its own, blanks and an exponent far below plain numbers are read as numbers."""
    path = write("t.csv", "age,bmi\n" + NUMBERS + "1,\u22122\n2, 3 \n3,1e-3\n")
    for rows in (7, 5000, 10**6):
        batches = [batch["bmi"] for batch in open_table(path).batches(["bmi"], rows)]
        assert pl.concat(batches).to_list() == [*(n + 0.5 for n in range(20_000)), -2.0, 3.0, 0.001]
        assert {len(batch) for batch in batches[:-1]} <= {rows}
    assert profile_table(path).column("bmi").low == -2.0


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
    "UTF-16 without its mark": (GOOD.encode("utf-16-le"), "UTF-16 without its mark", 'encoding = "utf-16-le"'),
    "Latin-1": ("age,note\n1,\xe9\n".encode("latin-1"), "see line 2", 'encoding = "cp1252"'),
    "late Latin-1": (("age,note\n" + "1,a\n" * 400_000 + "1,\xe9\n").encode("latin-1"), "line 400002", 'encoding ='),
    "a title": ("Report of May\nage,bmi\n1,2\n", "line 2 has 2, as if a title", "skip_lines = 1"),
    "a quote inside": ("age,note\n1,a\n2,5\" pipe\n", "Line 3 .* quote", '5"" pipe'),
    "a spreadsheet": (b"PK\x03\x04" + bytes(40), "spreadsheet", "CSV"),
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
    "percent": ("40.2%", 'the sign "%"', 'units = ["%"]'),
    "money": ("$ 1,200.50", 'the sign "$"', 'units = ["$"]'),
    "money with its currency": ("1200.50 EUR", 'the sign "EUR"', 'units = ["EUR"]'),
    "groups of digits": ("1,200.50", "groups of digits", 'thousands = ","'),
    "groups by blanks": ("1\u202f200", "groups of digits", 'thousands = " "'),
    "accounts in red": ("(1.50)", "other signs", "plainly"),
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


LATE = {"NA": ('the word "NA"', 'missing_values = ["NA"]'), "secret": ("text", "missing_values")}


@pytest.mark.parametrize("word", LATE)
def test_a_late_word_is_found(write: Write, word: str) -> None:
    """A word far below numbers is profiled as a fault of its column alone, and refused by its line when published."""
    what, mend = LATE[word]
    path = write("t.csv", f"age,bmi\n{NUMBERS}1,{word}\n{NUMBERS}")
    profile = profile_table(path)
    assert (profile.column("age").high, profile.column("bmi").kind) == (89, "mixed")
    with pytest.raises(BadTable, match=rf"'bmi' .* at line 20002 {what}") as caught:
        survey(path, parse_recipe(HEAD + '[table]\nrest = "measure"\n'))
    assert mend in caught.value.next_step
    assert "secret" not in str(caught.value)


def test_a_point_is_not_guessed_where_the_comma_is_decimal(write: Write) -> None:
    """1.234 is a thousand in one office and one in another: where the comma is decimal it is refused by its line."""
    path = write("t.csv", "age;bmi\n1;1,5\n2;1.234\n3;5.5\n")
    with pytest.raises(BadTable, match=r"'bmi' .* at line 3 a number with groups of digits"):
        survey(path, parse_recipe(HEAD + '[table]\ndecimal = ","\nrest = "measure"\n'))


def test_a_dropped_column_may_hold_anything(write: Write) -> None:
    """Words far below in a column that stays at home do not stop the others."""
    path = write("t.csv", "age,note\n" + NUMBERS + "1,seen\n")
    made = survey(path, parse_recipe(HEAD + '[table]\nrest = "measure"\ndrop = ["note"]\n'))
    assert [column.name for column in made.built.codebook.columns] == ["age"]


def test_columns_of_other_types(tmp_path: Path) -> None:
    """Decimals are numbers; words, times and lists are refused as numbers by what they hold."""
    path = tmp_path / "t.parquet"
    frame = pl.DataFrame({"age": [1, 2], "amount": ["1.50", "2.25"], "kind": ["a", "b"], "vec": [[1.0], [2.0]]})
    day = pl.Series("day", [0, 1]).cast(pl.Date)
    frame.with_columns(
        pl.col("amount").cast(pl.Decimal(18, 2)), pl.col("kind").cast(pl.Categorical), day
    ).write_parquet(path)
    (batch,) = open_table(path).batches(["amount"], 10)
    assert batch["amount"].to_list() == [1.5, 2.25]
    for name, what in (("kind", "text"), ("day", "dates or times"), ("vec", "lists or records")):
        with pytest.raises(BadRecipe, match=f"'{name}' holds no numbers but {what}"):
            survey(path, parse_recipe(f'{HEAD}[table]\nrest = "drop"\n[columns.{name}]\n'))


def test_other_files_of_columns(tmp_path: Path) -> None:
    """Parquet whose names are values says what it is."""
    frame = pl.DataFrame({"age": [1], "40.6": [2]})
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
    reading = Reading(
        ";", ("NA",), False, ("age", "bmi"), ",", "drop", encoding="cp1252", thousands=".", units=("€",), skip_lines=1
    )
    text = default_recipe(write("t.csv", "May\n40;1,5 €\n50;NA\n".encode("cp1252")), reading)
    assert parse_recipe(text).reading == reading
    text = default_recipe(write("u.csv", "age,bmi\n1,1.5\n2,NA\n"))
    assert "# Column 'bmi' of u.csv holds numbers, and at line 3 the word \"NA\"" in text
    assert parse_recipe(text).table.drop == ()
