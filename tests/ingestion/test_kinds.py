"""Columns that are no numbers: read alike from every frame, coded by their recipe, named only as far as they may be."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.data.derivation import (
    BooleanSource,
    CategorySource,
    Derivation,
    Elapsed,
    IsMissing,
    Member,
    Part,
    Place,
    TextSource,
    TimeSource,
)
from app.protocol.data.table import check_codebook
from app.protocol.errors import BadDocument, BadRecipe, OutOfRange
from ingestion.codebook import Built, build_codebook, check_fit
from ingestion.codes import encode, encode_bins
from ingestion.derive import derived
from ingestion.preview import preview, preview_csv
from ingestion.profile import profile_table
from ingestion.recipe import Recipe, parse_recipe

HEAD = 'title = "t"\ndescription = "d"\nlicense = "l"\ncreator = "c"\n'
Write = Callable[[str, str], Path]
DOCS = Path(__file__).parents[2] / "docs" / "recipe.md"


def code(name: str, source: str, derivation: Derivation | None, levels: int = 4096) -> ColumnCode:
    """A published column."""
    affine = Affine(low=0.0, step=1.0, levels=levels)
    own = "" if source == name else source
    return ColumnCode(
        name=name, dtype="integer", affine=affine, declared=True, source=own, derivation=derivation,
    )  # fmt: skip


BOOK = Codebook(
    columns=(
        code("x", "x", None),
        code("x:missing", "x", IsMissing()),
        code("s=f", "s", Member(place=0)),
        code("s", "s", Place()),
        code("b", "b", Place()),
        code("d", "d", Elapsed()),
        code("d:month", "d", Part(part="month")),
        code("d:weekday", "d", Part(part="weekday")),
        code("t", "t", Place()),
        code("h:hour", "h", Part(part="hour")),
    ),
    sources=(
        CategorySource(name="s", words=("f", "m", "7"), other=True),
        BooleanSource(name="b"),
        TimeSource(name="d", origin="2020-01-01"),
        TextSource(name="t", buckets=8),
        TimeSource(name="h"),
    ),
)
ROWS: dict[str, list[Any]] = {
    "x": [1.5, None, 3],
    "s": ["f", None, " 07.0"],
    "b": ["Yes", "no", None],
    "d": ["2020-01-02", "2021-03-04 12:00:00", None],
    "t": ["hello", None, "wörld"],
    "h": ["08:30", None, "2020-01-01T23:00:00"],
}
VALUES: dict[str, list[float]] = {
    "x": [1.5, np.nan, 3],
    "x:missing": [0, 1, 0],
    "s=f": [1, np.nan, 0],
    "s": [0, np.nan, 2],
    "b": [1, 0, np.nan],
    "d": [1, 428.5, np.nan],
    "d:month": [1, 3, np.nan],
    "d:weekday": [3, 3, np.nan],
    "h:hour": [8, np.nan, 23],
}


def frames() -> dict[str, Any]:
    """The same rows as owners and buyers have them."""
    plain = pl.DataFrame(ROWS)
    moments = [dt.datetime(2020, 1, 2), dt.datetime(2021, 3, 4, 12), None]  # noqa: DTZ001 - naive is meant
    typed = plain.with_columns(
        pl.col("s").cast(pl.Categorical),
        pl.Series("b", [True, False, None]),
        pl.Series("d", moments),
        pl.Series("h", [dt.time(8, 30), None, dt.time(23)]),
    )
    pandas = pd.DataFrame(ROWS)
    pandas_typed = pandas.assign(
        s=pandas["s"].astype("category"),
        d=pd.to_datetime(pd.Series(moments)),
        b=pd.array([True, False, None], "boolean"),
    )
    array = np.array([list(row) for row in zip(*ROWS.values(), strict=True)], object)
    return {
        "polars": plain, "typed polars": typed, "pandas": pandas, "typed pandas": pandas_typed, "mapping": ROWS,
        "array": array,
    }  # fmt: skip


@pytest.mark.parametrize("kind", sorted(frames()))
def test_every_frame_gives_the_same_numbers(kind: str) -> None:
    """Polars, pandas, a mapping and an array of objects say the same, whatever types they keep the values in."""
    check_codebook(BOOK)
    found = derived(BOOK, frames()[kind])
    for name, expected in VALUES.items():
        np.testing.assert_array_equal(found[name], expected, name)
    assert np.array_equal(found["t"], derived(BOOK, ROWS)["t"], equal_nan=True)


def test_times_with_a_zone_are_converted() -> None:
    """An aware time means its moment in UTC, as a value and as text."""
    book = Codebook(
        columns=(code("d", "d", Elapsed()), code("d:hour", "d", Part(part="hour"))),
        sources=(TimeSource(name="d", origin="2020-01-01", unit="hour"),),
    )
    aware = pl.Series(["2020-01-01T00:30:00+02:00"]).str.to_datetime("%Y-%m-%dT%H:%M:%S%z")
    for given in (pl.Series(["2020-01-02T01:00:00+02:00"]), aware.dt.offset_by("1d").dt.offset_by("30m")):
        found = derived(book, {"d": given})
        assert (found["d"][0], found["d:hour"][0]) == (23.0, 23.0)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [("s", "x", OutOfRange), ("b", "maybe", OutOfRange), ("d", "soon", OutOfRange), ("d", 7, OutOfRange)],
)
def test_what_a_source_does_not_know_is_refused(name: str, value: Any, error: type[Exception]) -> None:
    """A word outside its list, or what is no truth value or time, is refused with its row and never its value."""
    book = BOOK.model_copy(update={"sources": (CategorySource(name="s", words=("f", "m", "7")), *BOOK.sources[1:])})
    rows = ROWS | {name: [None, None, value]}
    with pytest.raises(error) as refused:
        derived(book, rows, first_row=100)
    assert name in str(refused.value)
    assert str(value) not in refused.value.message.replace("row 102", "")  # type: ignore[attr-defined]
    if error is OutOfRange:
        assert "row 102" in str(refused.value)


def test_old_codebooks_keep_their_bytes() -> None:
    """A codebook without derived columns is written as it was before there were any, and its digest stays."""
    column = ColumnCode(name="a", dtype="real", affine=Affine(low=0.0, step=1.0), declared=True)
    book = Codebook(columns=(column,))
    assert book.to_bytes() == (
        b'{"columns":[{"affine":{"levels":256,"low":0,"step":1},"bins":null,"declared":true,"dtype":"real",'
        b'"impute":null,"missing":"reject","name":"a","outside":"reject"}],"kind":"darkroom/codebook"}'
    )
    spelled_out = book.to_bytes().replace(b'"outside":"reject"}', b'"outside":"reject","source":""}')
    with pytest.raises(BadDocument):
        Codebook.from_bytes(spelled_out)
    assert Codebook.from_bytes(BOOK.to_bytes()) == BOOK


@pytest.mark.parametrize(
    ("columns", "sources"),
    [
        ((code("a", "s", Place()),), ()),  # a place of a number
        ((code("a", "s", None),), ()),  # a number under another name
        ((code("s", "s", None),), (BooleanSource(name="s"),)),
        ((code("a", "s", Member(place=2)),), (BooleanSource(name="s"),)),
        ((code("a", "s", Elapsed()),), (BooleanSource(name="s"),)),
        ((code("a", "s", Place()),), (TimeSource(name="s"),)),
        ((code("a", "s", Place()), code("b", "s", Place())), (BooleanSource(name="s"),)),
        ((code("a", "s", Place()),), (BooleanSource(name="s"), BooleanSource(name="s"))),
        ((code("a", "s", Place()),), (BooleanSource(name="s"), BooleanSource(name="t"))),
        ((code("a", "s", Place()),), (CategorySource(name="s", words=("x", "x")),)),
    ],
)
def test_a_codebook_that_contradicts_itself_is_refused(columns: Any, sources: Any) -> None:
    """What is derived must be possible, of a source that is stated once, and be published once."""
    with pytest.raises(BadDocument):
        check_codebook(Codebook(columns=columns, sources=sources))


def recipe(columns: str, rest: str = "") -> Recipe:
    """A recipe with these column sections."""
    return parse_recipe(f"{HEAD}{rest}\n{columns}")


def built(write: Write, text: str, columns: str, rest: str = "") -> Built:
    """What a recipe makes of a CSV file."""
    path, read = write("t.csv", text), recipe(columns, rest)
    profile = profile_table(path, read.reading)
    found = build_codebook(profile, read)
    check_fit(profile, found)
    return found


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file and gives its path."""

    def write(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text, "utf-8")
        return tmp_path / name

    return write


def test_the_documented_kinds_are_a_recipe() -> None:
    """The example of docs/recipe.md with every kind is one."""
    example = DOCS.read_text("utf-8").split("## Kinds of columns", 1)[1].split("```toml\n", 1)[1].split("```", 1)[0]
    columns = parse_recipe(HEAD + example).columns
    assert {column.kind for column in columns.values()} == {
        "number", "boolean", "category", "date", "datetime", "time", "text",
    }  # fmt: skip


def test_every_kind_is_published_as_its_recipe_says(write: Write) -> None:
    """Names, derivations and codes of one column of each kind."""
    found = built(
        write,
        "n,b,s,d,t\n1.5,yes,f,2020-01-31,some\n,no,m,2021-12-01,text\n2,no,f,2020-06-01,here\n",
        "[columns.n]\nlow = 0\nhigh = 10\nmissing = 'bit'\n"
        "[columns.b]\nkind = 'boolean'\n"
        "[columns.s]\nkind = 'category'\ncategories = ['f', 'm']\nas = ['one-hot', 'ordinal']\n"
        "[columns.d]\nkind = 'date'\norigin = 2020-01-01\nlow = 0\nhigh = 700\nparts = ['year', 'month']\n"
        "[columns.t]\nkind = 'text'\nbuckets = 4\nas = ['ordinal']\n",
        "[defaults]\nbins = 4\n",
    ).codebook
    codes = {column.name: column for column in found.columns}
    assert list(codes) == ["n", "n:missing", "b", "s", "s=f", "s=m", "d", "d:year", "d:month", "t"]
    assert all(column.declared and column.affine and column.bins for column in found.columns)
    assert (codes["n"].impute, codes["n:missing"].bins) == (0.0, (0.5,))
    assert codes["d:year"].affine == Affine(low=2020.0, step=1.0, levels=2)
    assert codes["d:month"].bins == tuple(month + 0.5 for month in range(1, 12))
    assert codes["t"].affine == Affine(low=0.0, step=1.0, levels=4)
    assert found.source_names == ("n", "b", "s", "d", "t")


def persons_table(counts: dict[str, tuple[int, int]]) -> str:
    """A table of words: {word: (rows, persons)}."""
    lines = ["word,person,x\n"]
    number = 0
    for word, (rows, persons) in counts.items():
        lines += [f"{word},p{number + row % persons},1\n" for row in range(rows)]
        number += persons
    return "".join(lines)


def test_a_measured_list_names_values_of_enough_persons_only(write: Write) -> None:
    """A value is listed when min_group persons have it, however many rows it has; the rest is the other bin."""
    text = persons_table({"flu": (40, 20), "cold": (20, 20), "rare": (400, 19), "gout": (19, 19)})
    rule = "[columns.word]\nkind = 'category'\nas = ['ordinal']\n[columns.x]\nlow = 0\nhigh = 10\n"
    table = "[table]\nperson = 'person'\nrows_per_person = 30\n"
    found = built(write, text, rule, table + "[policy]\nmin_group = 20\n")
    (source,) = found.codebook.sources
    assert source == CategorySource(name="word", words=("cold", "flu"), other=True)
    assert "rare" not in found.codebook.to_bytes().decode()
    assert any("at least 20 persons" in warning for warning in found.warnings)
    assert [column.declared for column in found.codebook.columns] == [False, True]
    by_rows = built(write, text, rule, "[table]\ndrop = ['person']\n[policy]\nmin_group = 20\n").codebook.sources[0]
    assert isinstance(by_rows, CategorySource)
    assert by_rows.words == ("cold", "flu", "rare")


@pytest.mark.parametrize(
    ("text", "rule", "error"),
    [
        ("s\na\nb\n", "kind = 'category'", BadRecipe),  # nobody is in a group
        ("s\na\nb\n", "kind = 'category'\ncategories = ['a']", OutOfRange),
        ('s\na\n""\nb\n', "kind = 'category'\ncategories = ['a', 'b']", OutOfRange),  # missing
        ("s\na\nb\n", "kind = 'date'", OutOfRange),
        ("s\n2020-01-01\n", "kind = 'date'\nlow = 0\nhigh = 10", OutOfRange),  # days since 1970
        ("s\na\nb\n", "kind = 'category'\ncategories = ['a', 'b']\nmissing = 'impute'\nimpute = 'c'", BadRecipe),
        ("s\na\nb\n", "low = 0\nhigh = 1", BadRecipe),  # words are no numbers
        ("s\na\nb\n", "kind = 'category'\ncategories = ['a', ' a ']", BadRecipe),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(write: Write, text: str, rule: str, error: type[Exception]) -> None:
    """Before anything is encrypted, and no value of the table is in the message."""
    with pytest.raises(error):
        built(
            write,
            text.replace("\n", ",1\n").replace("s,1", "s,x"),
            f"[columns.s]\n{rule}\n[columns.x]\nlow=0\nhigh=2\n",
        )


def test_a_preview_holds_the_owners_columns_and_codes_like_a_table(write: Write) -> None:
    """Synthetic words, dates and gaps that every encoding takes, drawn from the codebook alone: the same for all."""
    book = built(
        write,
        "n,s,d,y,t,b\n1.5,f,2020-01-31,1999-01-01,some,yes\n,m,2021-12-01,1998-01-01,text,no\n",
        "[columns.n]\nlow = 0\nhigh = 10\nmissing = 'bit'\n"
        "[columns.s]\nkind = 'category'\ncategories = ['f', 'm', 'other']\nother = 'bin'\n"
        "[columns.d]\nkind = 'date'\norigin = 2020-01-01\nlow = 0\nhigh = 700\nparts = ['month']\n"
        "[columns.y]\nkind = 'date'\nelapsed = false\nparts = ['year']\n"
        "[columns.t]\nkind = 'text'\nbuckets = 4\n"
        "[columns.b]\nkind = 'boolean'\n",
        "[defaults]\nbins = 4\n",
    ).codebook
    drawn = preview(book, 400, 3)
    assert drawn.columns == list(book.source_names)
    assert drawn.equals(preview(book, 400, 3))
    assert 0 < drawn["n"].null_count() < 100
    assert {"f", "m", "other"} < set(drawn["s"])
    assert set(drawn["y"].dt.year()) == {1998, 1999}
    words = {source.name: pl.String() for source in book.sources}
    back = pl.read_csv(io.BytesIO(preview_csv(book, 400, 3)), schema_overrides=words)
    assert (encode(book, back) == encode(book, drawn)).all()
    assert (encode_bins(book, drawn).max(axis=0) > 0).all()


def test_a_label_column_is_published_and_marked(write: Write) -> None:
    """Under the encodings of the owner's choice; its codebook says so, and only there."""
    book = built(
        write, "x,ill\n1,yes\n2,no\n", "[columns.x]\nlow = 0\nhigh = 10\n"
        "[columns.ill]\nkind = 'boolean'\nlabel = true\nencodings = ['affine']\n", "[defaults]\nbins = 4\n",
    ).codebook  # fmt: skip
    assert [(column.name, column.label) for column in book.columns] == [("x", False), ("ill", True)]
    assert book.columns[1].bins is None
    assert b'"label":true' in book.to_bytes()
    assert book.to_bytes().count(b"label") == 1
