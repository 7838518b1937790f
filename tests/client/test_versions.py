"""Versions: rows are appended and corrected, columns added, and what stays the same keeps ciphertext and numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from app.execution.inputs import load_manifest
from app.execution.source import StoreSource
from app.protocol.errors import BadRecipe, NotAllowed, OutOfRange
from fhe.arrays import I64
from fhe.ciphertexts.packing import Decryptor
from fhe.circuit.circuit import Input
from fhe.engine.source import spans
from fhe.profiles import REFERENCE
from tests.support.custody import NAMES, random_keys
from tests.support.persons import BIT, BY_CODES, OwnersHome, chain_template, people
from tests.support.persons import recipe as recipe_of


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain to copy."""
    return chain_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def town(template: Path, tmp_path: Path) -> OwnersHome:
    """An owner's home."""
    return OwnersHome(template, tmp_path)


def codes(town: OwnersHome, dataset: int, column: str) -> I64:
    """A column of a dataset's present version, decrypted by its rows' numbers as a job reads them."""
    table = load_manifest(town.store, town.market.dataset(dataset)).table
    source, opener = StoreSource(table, REFERENCE, town.store), Decryptor(random_keys(1), REFERENCE)
    found = []
    for span in spans(table, REFERENCE.polynomial_size, 0, table.rows):
        wire, chunks = Input(column=column, encoding="affine", index=0), range(span.chunk, span.chunk + 1)
        words = source.mask(wire, span.shard, chunks), source.bodies(wire, span.shard, chunks)
        found.append(opener.open(*words, REFERENCE.message_width)[0, span.start : span.stop])
    return np.concatenate(found)


def cids(town: OwnersHome, dataset: int) -> list[list[str]]:
    """The CIDs of each shard's files."""
    return [[file.cid for file in shard.files] for shard in town.table(dataset).shards]


def append(town: OwnersHome, dataset: int, frame: pl.DataFrame, **changes: str) -> None:
    """Append rows."""
    town.owner.update(dataset, town.file(frame, "more.parquet"), recipe_of(**changes), append=True)


def test_rows_are_appended(town: OwnersHome) -> None:
    """A new month is new shards: old rows keep their numbers, CIDs and tags."""
    first = people(50)
    number = town.publish(first)
    before = cids(town, number)
    month = people(30, seed=2)
    append(town, number, month)
    assert cids(town, number)[: len(before)] == before
    table = town.table(number)
    assert (table.rows, [shard.rows for shard in table.shards]) == (80, [50, 30])
    assert (town.market.dataset(number).version, town.market.dataset(number).rows) == (2, 80)
    for name in NAMES[:2]:
        assert codes(town, number, name).tolist() == [*first[name].to_list(), *month[name].to_list()]
    append(town, number, people(20, seed=3))
    assert [shard.first_row for shard in town.table(number).shards] == [0, 50, 80]
    assert (
        len(town.owner.persons._files.tags(town.owner.persons._files.all()[town.market.dataset(number).manifest]))
        == 100
    )


def test_a_person_who_comes_again_is_counted(town: OwnersHome) -> None:
    """Rows of a person of an earlier month count toward rows_per_person, over the whole table."""
    number = town.publish(people(50))
    with pytest.raises(BadRecipe, match="have more rows than rows_per_person"):
        append(town, number, people(50).head(4))
    with pytest.raises(BadRecipe, match="by another column or numbering"):
        append(town, number, people(5, seed=9), table=BY_CODES)
    assert town.market.dataset(number).version == 1
    assert not list(town.owner.actor.path("publications").iterdir())


def test_rows_outside_the_codebook_are_refused(town: OwnersHome) -> None:
    """The codebook stays: a value outside of it is refused, and nothing is kept."""
    number = town.publish(people(50))
    blocks = set(town.store.blocks())
    with pytest.raises(OutOfRange):
        append(town, number, people(3, seed=5).with_columns(pl.lit(300).alias(NAMES[0])))
    with pytest.raises(NotAllowed, match="encrypt every row again"):
        town.owner.update(number, town.file(people(3, seed=5)), recipe_of(), append=True, rotate=True)
    assert set(town.store.blocks()) == blocks


def test_corrections_and_new_columns_keep_the_rest(town: OwnersHome) -> None:
    """A corrected value makes one file anew; a column that is added or taken away touches no other."""
    frame = people(50)
    number = town.publish(frame, recipe_of(columns=NAMES[:7]))
    (before,) = cids(town, number)
    corrected = frame[NAMES[2]].to_list()
    corrected[7] = (corrected[7] + 1) % 256
    frame = frame.with_columns(pl.Series(NAMES[2], corrected))
    town.update(number, frame, recipe_of(columns=NAMES[:7]))
    (after,) = cids(town, number)
    assert [old == new for old, new in zip(before, after, strict=True)] == [n != 2 for n in range(7)]
    town.update(number, frame, recipe_of(columns=NAMES))
    (wider,) = cids(town, number)
    assert wider[:7] == after
    town.update(number, frame, recipe_of(columns=NAMES[1:]))
    assert cids(town, number) == [wider[1:]]


def test_charges_follow_the_persons(town: OwnersHome) -> None:
    """What was released about a person is carried into the version with more rows; no new person starts with it."""
    number = town.publish(people(2048))
    town.released(number, 0, 2048, 2 * BIT)
    append(town, number, people(2048, seed=2))
    starts = town.starts(number)
    assert (starts[:2048] == 2 * BIT).all()
    assert (starts[2048:] == 0).all()
