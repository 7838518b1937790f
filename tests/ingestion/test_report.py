"""A profile tells what publishing costs, loses and reveals, and which columns tell who a person is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ingestion.codebook import build_codebook, check_fit
from ingestion.codes import affine_codes, decode, find
from ingestion.draft import draft
from ingestion.personal import identifies
from ingestion.profile import profile_table
from ingestion.quantization import measure_loss
from ingestion.recipe import parse_recipe
from ingestion.report import TableReport, report
from ingestion.report_page import page

ROWS = 2000
HEAD = 'title = "T"\ndescription = "D"\nlicense = "L"\ncreator = "C"\n'


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with everything that an export has."""
    rng = np.random.default_rng(1)
    rare = ["x"] * 3 + rng.choice(["f", "m"], ROWS - 3).tolist()
    frame = pl.DataFrame(
        {
            "row": range(ROWS),
            "E-Mail": [f"a{n}@example.org" for n in range(ROWS)],
            "sex": rare,
            "age": rng.integers(18, 90, ROWS),
            "income": rng.lognormal(10, 1, ROWS),
            "copy": 0,
            "same": 7,
            "nothing": pl.Series([None] * ROWS, dtype=pl.String),
            "smoker": rng.choice(["yes", "no"], ROWS),
            "zip": [f"0{n}" for n in rng.integers(100, 120, ROWS)],
            "seen": [
                f"{d:02d}.{m:02d}.2023"
                for d, m in zip(rng.integers(1, 28, ROWS), rng.integers(1, 12, ROWS), strict=True)
            ],
            "either": [
                f"{d}/{m}/2023" for d, m in zip(rng.integers(1, 12, ROWS), rng.integers(1, 12, ROWS), strict=True)
            ],
            "note": [f"free text {n}" for n in rng.integers(0, 900, ROWS)],
            "gap": pl.Series([None if n % 10 == 0 else n % 7 for n in range(ROWS)]),
        }
    ).with_columns(copy=pl.col("age"))
    path = tmp_path_factory.mktemp("people") / "people.csv"
    frame.write_csv(path)
    return path


@pytest.fixture(scope="module")
def told(people: Path) -> TableReport:
    """Its profile."""
    return report(people)


def test_who_a_person_is_stays_at_home(people: Path, told: TableReport) -> None:
    """Addresses and running numbers are told, left out of drafts and of measured columns, and published if named."""
    columns = {column.profile.name: column for column in told.columns}
    assert columns["E-Mail"].profile.identifies == "e-mail addresses"
    assert columns["row"].profile.identifies == "a number of its own in nearly every row"
    assert not columns["E-Mail"].published
    assert 'drop = ["row", "E-Mail", "copy", "same", "nothing"]' in told.recipe
    assert '# Left out, since it seems to hold e-mail addresses: "E-Mail"' in told.recipe
    measured = build_codebook(profile_table(people))
    assert "row" not in [column.name for column in measured.codebook.columns]
    assert any("'row' seems to hold" in warning for warning in measured.warnings)
    recipe = parse_recipe(HEAD + '[table]\nrest = "drop"\n[columns.row]\n')
    named = build_codebook(profile_table(people), recipe)
    assert [column.name for column in named.codebook.columns] == ["row"]
    assert any("'row' seems to hold" in warning and "is published" in warning for warning in named.warnings)


def test_what_is_said_of_each_column(told: TableReport) -> None:
    """Copies, constants, codes with zeros in front and dates that fit two forms are noted, with what is held."""
    notes = {column.profile.name: " ".join(column.notes) for column in told.columns}
    assert "values of 'age'" in notes["copy"]
    assert "same value" in notes["same"]
    assert "has no code" in notes["nothing"]
    assert "zeros in front" in notes["zip"]
    assert "%d/%m/%Y and %m/%d/%Y" in notes["either"]
    kinds = {column.profile.name: column.profile.kind for column in told.columns}
    names = ("sex", "smoker", "seen", "note", "gap")
    assert [kinds[name] for name in names] == [
        "text",
        "boolean",
        "date",
        "text",
        "integer",
    ]


def test_the_draft_leaves_open_what_nobody_can_know(people: Path, told: TableReport) -> None:
    """A drafted recipe is one, keeps each kind of column, and what is left of it settled fits the table."""
    assert '# format = "%d/%m/%Y" or "%m/%d/%Y"' in told.recipe
    rules = parse_recipe(told.recipe).columns
    assert {name: rule.kind for name, rule in rules.items()} == {
        "sex": "category", "age": "number", "income": "number", "smoker": "boolean", "zip": "category", "seen": "date",
        "either": "date", "note": "text", "gap": "number",
    }  # fmt: skip
    profile = profile_table(people)
    settled = parse_recipe(draft(profile, settled=True))
    assert "either" in settled.table.drop
    check_fit(profile, build_codebook(profile, settled))


def test_what_codes_reveal_and_cost(told: TableReport) -> None:
    """Rare words are never named; each encoding says its bytes and what it allows."""
    columns = {column.profile.name: column for column in told.columns}
    assert [each.code.name for each in columns["sex"].published] == ["sex=f", "sex=m", "sex:other"]
    assert "at least 20 persons" in columns["sex"].published[0].reveals[0]
    (income,) = columns["income"].published
    assert dict(income.bytes) == {"affine": 2048 * 8, "bins": 2048 * 8 * 15}
    assert "its smallest and largest value, rounded outward" in income.reveals
    row = columns["income"].as_row()
    assert row["published"][0]["encodings"]["bins"]["allows"] == "trees and additive models"


def test_losses_are_measured(people: Path, told: TableReport) -> None:
    """Errors are those of coding and decoding; the share lost is of the variance, and whole numbers lose nothing."""
    columns = {column.profile.name: column for column in told.columns}
    (income,) = columns["income"].published
    values = pl.read_csv(people)["income"].to_numpy()
    errors = np.abs(values - decode(income.code, affine_codes(income.code, values)))
    loss = income.loss["affine"]
    assert loss.mean_error == pytest.approx(errors.mean())
    assert loss.largest_error == pytest.approx(errors.max())
    assert loss.lost == pytest.approx(np.square(errors).sum() / np.square(values - values.mean()).sum())
    edges = np.asarray(income.code.bins)
    bins = np.searchsorted(edges, values, side="right")
    within = sum(np.square(values[bins == each] - values[bins == each].mean()).sum() for each in set(bins))
    assert income.loss["bins"].lost == pytest.approx(within / np.square(values - values.mean()).sum())
    assert columns["age"].published[0].loss["affine"].lost == 0.0


def test_losses_far_from_zero(tmp_path: Path) -> None:
    """A column that spreads little around a large number keeps its digits."""
    values = 1e9 + np.random.default_rng(2).normal(size=5000)
    pl.DataFrame({"x": values}).write_parquet(path := tmp_path / "t.parquet")
    recipe = parse_recipe(HEAD + "[columns.x]\nlow = 999999990.0\nhigh = 1000000010.0\nbins = 8\n")
    codebook = build_codebook(profile_table(path), recipe).codebook
    loss = measure_loss(path, codebook, 5000)["x"]
    spread = np.square(values - values.mean()).sum()
    errors = values - decode(find(codebook, "x"), affine_codes(find(codebook, "x"), values))
    assert loss["affine"].lost == pytest.approx(np.square(errors).sum() / spread, rel=1e-6)
    assert 0 < loss["bins"].lost < 1


def test_a_page_says_it_all(told: TableReport) -> None:
    """The page has every column, code and note, and takes nothing from elsewhere."""
    text = page(told)
    for column in told.columns:
        assert f'<th scope="row">{column.profile.name}</th>' in text
    assert "sex:other" in text
    assert "e-mail addresses" in text
    assert "http" not in text.replace("https://example", "")
    assert "[columns.&quot;income&quot;]" in text


def test_a_table_that_no_recipe_fits_is_told_all_the_same(tmp_path: Path) -> None:
    """What the recipe contradicts is said beside the profile, which is shown."""
    (path := tmp_path / "t.csv").write_text("a,b\n1,2\n3,\n")
    found = report(path, parse_recipe(HEAD + "[columns.a]\nlow = 0\nhigh = 2\n[columns.b]\nlow = 0\nhigh = 9\n"))
    assert "outside the range" in found.warnings[0]
    assert [len(column.published) for column in found.columns] == [1, 1]
    found = report(path, parse_recipe(HEAD + "[columns.c]\nlow = 0\nhigh = 2\n"))
    assert "does not have" in found.warnings[0]
    assert found.profile.rows == 2


NAMED = {
    "e-mail addresses": ["email", "E-Mail", "emailAddress", "customer_email"],
    "names of persons": ["Name", "first_name", "LastName", "Nachname", "Prénom", "apellidos"],
    "telephone numbers": ["phone", "Telefon privat", "cell"],
    "dates of birth": ["date_of_birth", "Geburtsdatum", "birthDate"],
    "national numbers": ["SSN", "ssn_number", "NIR", "codice fiscale"],
    "": ["mean radius", "Uniformity of Cell Size", "company name", "age", "tin content", "score", "street lights"],
}


@pytest.mark.parametrize("told", NAMED)
def test_headers_that_tell(told: str) -> None:
    """Headers in several languages tell what is in a column; a word among others tells it only where it is sure."""
    for name in NAMED[told]:
        words = pl.Series(["x", "y"])
        assert identifies(name, "text", words, distinct=2, rows=1000) == told, name
        assert identifies(name, "integer", pl.Series([1, 2]), distinct=2, rows=1000, width=9.0) == "", name


WRITTEN = {
    "e-mail addresses": ["ann@example.org", "b.c@d.example.com"],
    "telephone numbers": ["+49 30 1234567", "(555) 123-4567", "030 1234567"],
    "bank accounts and cards": ["DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "4111 1111 1111 1111"],
    "national numbers": ["123-45-6789", "12345678Z", "QQ 12 34 56 C", "RSSMRA85T10A562S"],
    "identifiers": ["123e4567-e89b-12d3-a456-426614174000"],
    "addresses of machines": ["192.168.0.1", "00:1A:2B:3C:4D:5E"],
    "": ["red", "12.5", "2023-01-31", "A1", "free text"],
}


@pytest.mark.parametrize("told", WRITTEN)
def test_values_that_tell(told: str) -> None:
    """How values are written tells what they are, whatever the header says."""
    for word in WRITTEN[told]:
        assert identifies("x", "text", pl.Series([word, word, None]), distinct=1, rows=1000) == told, word
