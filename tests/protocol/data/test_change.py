"""What a version changed, from two manifests."""

from __future__ import annotations

from typing import Any

from app.protocol.data.change import change_in_words, changed
from app.protocol.data.dataset import ColumnCode, EncryptedTable, Shard
from app.protocol.data.derivation import CategorySource, Member, Place
from app.protocol.data.manifest import Manifest
from app.protocol.market.receipt import OutputPolicy
from tests.support.documents import manifest

FIRST = manifest("Harbour", columns=("age", "income"))


def with_table(made: Manifest, **fields: Any) -> Manifest:
    """The manifest with another table."""
    return made.model_copy(update={"table": made.table.model_copy(update=fields)})


def with_seed(shard: Shard, column: str, seed: str) -> Shard:
    """The shard with one file encrypted again."""
    files = tuple(file.model_copy(update={"seed": seed}) if file.column == column else file for file in shard.files)
    return shard.model_copy(update={"files": files})


def told(before: Manifest | None, after: Manifest) -> str:
    """The words of a change."""
    return "; ".join(change_in_words(changed(before, after)))


def test_the_first_version_and_the_same_again() -> None:
    """Nothing came before the first; the same manifest again changes nothing and keeps every file."""
    assert changed(None, FIRST).columns_added == ("age", "income")
    assert told(None, FIRST) == "the first version"
    assert told(FIRST, FIRST) == "the same table; 2 of 2 files kept"


def test_rows_that_are_appended() -> None:
    """Old files are kept, whatever the new shard holds."""
    (shard,) = FIRST.table.shards
    more = with_seed(with_seed(shard, "age", "a1" * 16), "income", "b2" * 16).model_copy(
        update={"first_row": 1000, "rows": 1}
    )
    after = with_table(FIRST, rows=1001, shards=(shard, more))
    assert told(FIRST, after) == "1 row more; 2 of 4 files kept"
    assert told(after, FIRST) == "1 row fewer; 2 of 2 files kept"


def test_corrections_and_columns() -> None:
    """A corrected column, a new one and one that is gone, each by name; of many columns the first eight."""
    (shard,) = FIRST.table.shards
    corrected = with_table(FIRST, shards=(with_seed(shard, "income", "c3" * 16),))
    assert told(FIRST, corrected) == "other ciphertext of earlier rows in column income; 1 of 2 files kept"
    wide = manifest("Harbour", columns=("age", *(f"c{number}" for number in range(1200))))
    assert told(FIRST, wide).startswith(
        "new columns c0, c1, c2, c3, c4, c5, c6, c7 and 1,192 more; without column income"
    )


def test_new_keys_a_policy_and_words() -> None:
    """Under new keys no ciphertext is compared; policy and description are told, the date of publication is not."""
    (shard,) = FIRST.table.shards
    rotated = with_table(FIRST, epoch=2, shards=(with_seed(shard, "age", "d4" * 16),))
    assert told(FIRST, rotated) == "everything encrypted anew, under other keys"
    assert changed(FIRST, rotated).columns_changed == ()
    policy = FIRST.model_copy(update={"policy": OutputPolicy(release="score")})
    assert told(FIRST, policy) == "another output policy; 2 of 2 files kept"
    card = FIRST.card.model_copy(update={"description": "Otherwise."})
    assert told(FIRST, FIRST.model_copy(update={"card": card})) == "another description; 2 of 2 files kept"
    later = FIRST.card.model_copy(update={"published": "2026-05-01", "version": "2.0.0"})
    assert told(FIRST, FIRST.model_copy(update={"card": later})) == "the same table; 2 of 2 files kept"


def test_a_longer_list_of_categories_is_another_code_of_places_alone() -> None:
    """A place means something else under another list; whether a row has a certain word does not."""

    def listed(*words: str) -> EncryptedTable:
        columns = (
            ColumnCode(name="city", dtype="word", bins=(1.0,), declared=True, derivation=Place()),
            ColumnCode(
                name="in b", dtype="word", bins=(1.0,), declared=True, source="city", derivation=Member(place=1)
            ),
        )
        sources = (CategorySource(name="city", words=words),)
        codebook = FIRST.table.codebook.model_copy(update={"columns": columns, "sources": sources})
        return FIRST.table.model_copy(update={"codebook": codebook})

    before, after, renamed = (
        FIRST.model_copy(update={"table": listed(*words)}) for words in (("a", "b"), ("a", "b", "c"), ("a", "z"))
    )
    assert changed(before, after).columns_recoded == ("city",)
    assert changed(before, renamed).columns_recoded == ("city", "in b")
