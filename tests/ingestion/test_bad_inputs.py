"""Bad files are refused by name, by a typed error that says where and what to do next, and that holds no value."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from app.protocol.errors import BadTable, DarkroomError, TooLarge
from ingestion.profile import profile_table
from ingestion.read import open_table
from tests.ingestion.bad_inputs import BAD, FRAME, GOOD, ODD_WORDS, arrow

PRIVATE = ("Ann", "Rome", "2020-01", "confidential", "Total", "40.25", "40,25", "1,200", "40.50")


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused(tmp_path: Path, name: str) -> None:
    """Each named file is a BadTable or TooLarge with the place of its fault and a next step."""
    data, complaint, mend = BAD[name]
    (path := tmp_path / name).write_bytes(data)
    with pytest.raises(DarkroomError, match=complaint) as caught:
        profile_table(path)
    assert isinstance(caught.value, BadTable | TooLarge)
    assert mend in caught.value.next_step
    assert caught.value.next_step
    assert not [word for word in PRIVATE if word in str(caught.value).replace(name, "")]


@pytest.mark.parametrize("case", ODD_WORDS)
def test_an_odd_word_is_told_by_its_line(tmp_path: Path, case: str) -> None:
    """A word among numbers is a fault of its column, with its line, what stands there and the recipe's line."""
    word, what, mend = ODD_WORDS[case]
    (path := tmp_path / "t.csv").write_text(f"age,bmi\n1,1.5\n2,{word}\n3,3.5\n4,4.5\n", encoding="utf-8")
    profile = profile_table(path)
    assert profile.column("age").usable
    fault = profile.column("bmi").fault
    assert fault is not None
    assert "'bmi' of t.csv holds numbers, and at line 3" in fault[0]
    assert what in fault[0]
    assert mend in fault[1]
    assert not [each for each in PRIVATE if each in " ".join(fault)]


def test_there_are_enough_of_them() -> None:
    """At least sixty files, each with an error of its own."""
    assert len(BAD) + len(ODD_WORDS) >= 60


def test_many_files_that_do_not_fit(tmp_path: Path) -> None:
    """Files of one table have the same columns and lie in the same kind of folder; the one that does not is named."""
    (tmp_path / "a.csv").write_bytes(GOOD)
    (tmp_path / "b.csv").write_text("age,weight\n1,2\n")
    with pytest.raises(BadTable, match=r"a\.csv has a column 'bmi', and b\.csv has none"):
        open_table(tmp_path / "*.csv")
    (tmp_path / "b.csv").write_bytes(GOOD.replace(b"2.5", b"much"))
    fault = profile_table(tmp_path / "*.csv").column("bmi").fault
    assert fault is not None
    assert "b.csv holds numbers, and at line 3 text" in fault[0]
    folder = tmp_path / "parts"
    for part in ("year=2023", "year=2024", "month=1"):
        (folder / part).mkdir(parents=True)
        (folder / part / "t.csv").write_bytes(GOOD)
    with pytest.raises(BadTable, match="other folders"):
        open_table(folder)
    (folder / "month=1" / "t.csv").unlink()
    (folder / "year=2024" / "notes.docx").write_bytes(b"x")
    with pytest.raises(BadTable, match=r"notes\.docx is not a kind of table"):
        open_table(folder)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system says of a file is told in its words, without a stack."""
    (path := tmp_path / "t.csv").write_bytes(GOOD)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BadTable, match="cannot be read: Permission denied") as caught:
        open_table(path)
    assert "permissions" in caught.value.next_step


def test_every_cut_of_a_stream_is_whole_or_refused(tmp_path: Path) -> None:
    """Wherever an Arrow stream is cut, what is read are whole batches, or it is refused: never half of a batch."""
    whole = arrow(pl.concat([FRAME, FRAME]), stream=True)
    path = tmp_path / "t.arrow"
    for length in range(4, len(whole), 3):
        path.write_bytes(whole[:length])
        try:
            (batch,) = open_table(path).batches(["age"], 100)
        except (BadTable, ValueError):
            continue
        assert batch["age"].to_list() == [40, 50, 40, 50]
