"""Tags know a person again in another file, order and form, and say nothing to whoever lacks the key."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.errors import BadRecipe, BadTable
from fhe.arrays import U64
from ingestion.carry import NOBODY
from ingestion.identity import Identity
from ingestion.read import Reading
from ingestion.tags import check_persons, read_tags, taggable, write_tags
from tests.ingestion.conftest import Write

KEY, OTHER = b"k" * 32, b"o" * 32
BY_KEY = Identity(person="id")
CODES = Codebook(
    columns=(
        ColumnCode(name="a", dtype="real", affine=Affine(low=0.0, step=1.0, levels=4), declared=True),
        ColumnCode(name="b", dtype="real", bins=(0.5, 1.5), missing="impute", impute=0.0, declared=True),
    )
)
BY_CODES = Identity(codebook=CODES)


def tagged(file: Path, identity: Identity, key: bytes = KEY, reading: Reading | None = None) -> U64:
    """The tags of a file's rows."""
    out = file.with_suffix(".npy")
    write_tags(file, reading, {out: identity}, key)
    return np.array(read_tags(out))


def test_a_key_is_one_person_in_every_kind_of_file(write: Write, tmp_path: Path) -> None:
    """Numbers as text, with zeros, blanks or a point, in CSV and Parquet, have the tag of the number."""
    text = tagged(write("t.csv", "id,x\n7,1\n 007 ,2\n7.0,3\n8,4\nAda,5\n9007199254740993,6\n"), BY_KEY)
    assert len({*text.tolist()}) == 4
    assert text[0] == text[1] == text[2]
    pl.DataFrame({"id": [8, 7, 9007199254740993]}).write_parquet(tmp_path / "t.parquet")
    assert tagged(tmp_path / "t.parquet", BY_KEY).tolist() == [text[3], text[0], text[5]]
    pl.DataFrame({"id": [7.0, 8.0]}).write_ipc(tmp_path / "f.arrow")
    assert tagged(tmp_path / "f.arrow", BY_KEY).tolist() == [text[0], text[3]]
    composed = tagged(write("u.csv", "id\nAdé\nAde\u0301\n"), BY_KEY)
    assert composed[0] == composed[1]


def test_tags_need_the_key_and_the_numbering(write: Write) -> None:
    """Another home's key, and another numbering, give other tags of the same rows."""
    file = write("t.csv", "id\n1\n2\n")
    own = tagged(file, BY_KEY)
    assert not set(own) & set(tagged(file, BY_KEY, OTHER))
    assert not set(own) & set(tagged(file, Identity(person="id", numbering="clinic b")))
    assert (tagged(file, BY_KEY) == own).all()


def test_rows_without_a_key_are_nobody(write: Write) -> None:
    """Empty, blank and declared missing keys are no person, and a table that has them is refused with the count."""
    found = tagged(write("t.csv", "id,x\n1,1\n,2\n  ,3\nNA,4\n"), BY_KEY, reading=Reading(missing_values=("NA",)))
    assert (found == NOBODY).tolist() == [False, True, True, True]
    with pytest.raises(BadRecipe, match="'id' is empty in 3 rows"):
        check_persons(found, "id", 1)


def test_more_rows_of_a_person_than_stated_are_refused(write: Write) -> None:
    """The refusal says how many persons and rows there are, and no value."""
    found = tagged(write("t.csv", "id\nAda\nBob\nAda\nAda\nBob\nEve\n"), BY_KEY)
    with pytest.raises(BadRecipe, match="2 persons have more rows than rows_per_person = 1 says; one has 3") as refused:
        check_persons(found, "id", 1)
    assert not any(name in str(refused.value) for name in ("Ada", "Bob", "Eve"))
    with pytest.raises(BadRecipe, match="1 persons"):
        check_persons(found, "id", 2)
    check_persons(found, "id", 3)


def test_without_a_key_equal_codes_are_one_person(write: Write) -> None:
    """Rows are told apart by what is published of them; a row that has no code is nobody, and none is refused."""
    found = tagged(write("t.csv", "a,b,c\n1.2,0.7,9\n0.9,1.4,8\n1,0.1,7\n9,0.7,6\n,0.7,5\n1,,4\n1,0,3\n"), BY_CODES)
    assert found[0] == found[1]
    assert len({*found[[0, 2]].tolist()}) == 2
    assert (found == NOBODY).tolist() == [False, False, False, True, True, False, False]
    assert found[5] == found[6] == found[2]  # the imputed value is a value


def test_which_tables_can_be_tagged(write: Write) -> None:
    """A table without the key's column, or with text where codes need numbers, cannot be compared."""
    file = write("t.csv", "id,a,b\nx,1,2\n")
    assert taggable(BY_KEY, file)
    assert taggable(BY_CODES, file)
    assert not taggable(Identity(person="no"), file)
    assert not taggable(BY_CODES, write("u.csv", "id,a,b\nx,1,y\n"))
    assert not taggable(BY_CODES, write("v.csv", "id,a\nx,1\n"))


def test_tag_files_are_private_and_checked(write: Write, tmp_path: Path) -> None:
    """A tag file is readable by its owner alone, has eight bytes a row, and a damaged one is refused."""
    tagged(write("t.csv", "id\n1\n2\n3\n"), BY_KEY)
    out = tmp_path / "t.npy"
    assert out.stat().st_mode & 0o777 == 0o600
    assert out.stat().st_size == 128 + 3 * 8
    out.write_bytes(out.read_bytes()[:-3])
    with pytest.raises(BadTable, match="damaged"):
        read_tags(out)
    np.save(tmp_path / "o.npy", np.zeros((2, 2)))
    with pytest.raises(BadTable, match="damaged"):
        read_tags(tmp_path / "o.npy")
