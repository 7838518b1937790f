"""The data viewer: what is counted of the synthetic preview, and what is marked as certified."""

from __future__ import annotations

from app.market.queries.dataset import ColumnView
from app.market.web.certificates import CertifiedView
from app.market.web.pages.columns import MOST_BARS, TALL, WIDE, PreviewTable, pictures


def column(name: str, **facts: object) -> ColumnView:
    """A column of numbers."""
    told = {
        "name": name, "dtype": "float", "low": 0.0, "step": 1.0, "levels": 16, "bins": None, "missing": "reject",
        "impute": None, "outside": "reject", "declared": True, "encodings": ("affine",),
    }  # fmt: skip
    return ColumnView.model_validate(told | facts)


def certified(question: str) -> CertifiedView:
    """An answer that the owner certified."""
    return CertifiedView(
        job=1, version=1, question=question, rows=9, groups=(), names=("x",), table=(), receipt="", noise_scale=1.0,
        means="",
    )  # fmt: skip


def test_every_synthetic_value_is_in_one_bar() -> None:
    """Numbers in equal steps, few of them each by itself, words by how common they are, whatever there is of each."""
    rows = [[str(number), str(number % 3), f"word {number % 20}", "" if number % 4 else "1"] for number in range(100)]
    table = PreviewTable(["many", "few", "words", "gaps"], rows, 5000)
    drawn = {each.name: each for each in pictures([column(name) for name in table.header], table, ())}
    assert {name: sum(bar.count for bar in each.bars) for name, each in drawn.items()} == {
        "many": 100, "few": 100, "words": 100, "gaps": 25,
    }  # fmt: skip
    assert len(drawn["many"].bars) == len(drawn["words"].bars) == MOST_BARS
    assert [(bar.words, bar.count) for bar in drawn["few"].bars] == [("0", 34), ("1", 33), ("2", 33)]
    assert drawn["words"].bars[-1].words == "9 others"
    assert drawn["gaps"].missing == 0.75
    assert (drawn["many"].ends, drawn["few"].ends, drawn["many"].most) == (("0", "99"), ("0", "2"), 9)
    assert drawn["many"].missing == 0
    for each in drawn.values():
        assert max(bar.height for bar in each.bars) == TALL
        assert all(bar.x >= 0 and bar.x + bar.width <= WIDE for bar in each.bars)


def test_values_that_are_no_numbers_are_words() -> None:
    """A column with an infinity or a text among its numbers is counted by words, and nothing fails."""
    table = PreviewTable(["odd", "inf"], [["1", "1"], ["x", "inf"], ["1", "nan"]], 3)
    odd, inf = pictures([column("odd"), column("inf")], table, ())
    assert [(bar.words, bar.count) for bar in odd.bars] == [("1", 2), ("x", 1)]
    assert sum(bar.count for bar in inf.bars) == 3


def test_without_a_preview_columns_are_still_there() -> None:
    """What the codebook says needs no preview; one that lacks a column draws nothing for it."""
    (alone,) = pictures([column("age")], None, ())
    assert (alone.bars, alone.missing, alone.ends) == ((), None, ("", ""))
    (lacking,) = pictures([column("age")], PreviewTable(["wage"], [["1"]], 1), ())
    assert lacking.bars == ()


def test_columns_of_one_source_are_one_picture() -> None:
    """A category is published as a column for each of its words; people see the column of the owner's table."""
    codes = [column("colour=red", source="colour"), column("colour=blue", source="colour"), column("age")]
    assert [(each.name, len(each.codes)) for each in pictures(codes, None, ())] == [("colour", 2), ("age", 1)]


def test_a_certified_figure_marks_its_own_column_alone() -> None:
    """A question names columns as SQL does: a longer name, or a word of another, is another column."""
    asked = [certified("SELECT avg(age) FROM data"), certified('SELECT histogram("net wage") FROM data')]
    names = ("age", "wage", "net wage", "age_2", "ag")
    drawn = {each.name: each for each in pictures([column(name) for name in names], None, asked)}
    assert [each.question for each in drawn["age"].certified] == ["SELECT avg(age) FROM data"]
    assert [each.question for each in drawn["net wage"].certified] == [asked[1].question]
    assert drawn["age_2"].certified == drawn["ag"].certified == ()
