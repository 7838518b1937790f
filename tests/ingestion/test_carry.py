"""What a person starts with in a new version: against a brute force, whatever the rows, the charges and the order."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.data.dataset import Carried
from app.protocol.data.table import MAX_CARRIED
from app.storage.folder import BlockStore
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EncryptionProfile
from ingestion import carry as carrying
from ingestion.carry import BLOCK_ROWS, NOBODY, Charge, Earlier, blocks, carry, crowded, most_charged, shared
from ingestion.publish import prepare
from ingestion.recipe import parse_recipe
from tests.ingestion.conftest import RECIPE

MOST = 3  # rows of one person
PERSONS = st.lists(st.integers(NOBODY, 9), min_size=1, max_size=30)  # few, so that they meet


def tags(persons: list[int]) -> Any:
    """Tags of small numbers, spread over the 64 bits; nobody stays nobody."""
    return np.array(persons, np.uint64) * np.uint64(0x9E3779B97F4A7C15)


@st.composite
def earlier_versions(draw: st.DrawFn) -> list[tuple[list[int], list[Charge], int]]:
    """(persons by row, overlapping charges, times) of up to three versions."""
    found = []
    for persons in draw(st.lists(PERSONS, max_size=3)):
        stretch = st.tuples(st.integers(0, 32), st.integers(0, 32), st.integers(0, 50))
        charges = [Charge(first, first + rows, bits) for first, rows, bits in draw(st.lists(stretch, max_size=4))]
        found.append((persons, charges, draw(st.integers(1, 3))))
    return found


def brute(versions: list[tuple[list[int], list[Charge], int]], new: list[int]) -> list[int]:
    """What each new row starts with, straight from the definition."""
    return [
        sum(
            times
            * max(
                (
                    sum(each.micro_bits for each in charges if each.first <= row < each.end)
                    for row, other in enumerate(persons)
                    if other == person != NOBODY
                ),
                default=0,
            )
            for persons, charges, times in versions
        )
        for person in new
    ]


@given(earlier_versions(), PERSONS, st.integers(1, 12), st.integers(0, 5), st.integers(1, 3), st.integers(1, 3))
def test_nobody_starts_with_less_than_was_released(
    versions: list[tuple[list[int], list[Charge], int]],
    new: list[int],
    block: int,
    everywhere: int,
    cut: int,
    read: int,
) -> None:
    """Every block starts with exactly the most of its rows, however the join is cut into parts and slices."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(carrying, "_PART", cut)
        patch.setattr(carrying, "_SLICE", read)
        found = carry(
            [Earlier(tags(persons), tuple(charges), tags(new), times) for persons, charges, times in versions],
            len(new),
            everywhere=everywhere,
            block=block,
        )
    expected, stated = brute(versions, new), [0] * len(new)
    for each in found:
        stated[each.first_row : each.first_row + each.rows] = [each.micro_bits] * each.rows
    edges = blocks(len(new), block)
    for low, high in itertools.pairwise(edges):
        assert stated[low:high] == [max(expected[low:high]) + everywhere] * (high - low)
    assert all(each.rows >= min(block, len(new)) and each.micro_bits for each in found)


@st.composite
def tables(draw: st.DrawFn) -> list[int]:
    """The person of each row, none with more than MOST rows."""
    persons = draw(st.lists(st.integers(1, 8), min_size=1, max_size=20))
    return [person for row, person in enumerate(persons) if persons[:row].count(person) < MOST]


@given(tables(), st.lists(st.tuples(st.integers(0, 19), st.integers(1, 6), st.integers(1, 9)), max_size=6))
def test_no_person_of_several_rows_starts_with_too_little(persons: list[int], jobs: list[tuple[int, int, int]]) -> None:
    """Jobs on one row or on many, each telling some bits of every row it covers, are covered by what is stated."""
    told = dict.fromkeys(persons, 0)
    for first, rows, bits in jobs:
        for person in persons[first : first + rows]:
            told[person] += bits
    charges = tuple(Charge(first, first + rows, bits * MOST) for first, rows, bits in jobs)  # every row pays for all
    alone = sorted(told)
    stated = carry([Earlier(tags(persons), charges, tags(alone))], len(alone), block=1)
    starts = {row: each.micro_bits for each in stated for row in range(each.first_row, each.first_row + each.rows)}
    assert all(starts.get(row, 0) >= told[person] for row, person in enumerate(alone))


@given(PERSONS, PERSONS, st.integers(1, 4), st.integers(1, 3))
def test_sharing_and_crowding_are_counted(old: list[int], new: list[int], most: int, cut: int) -> None:
    """Rows whose person was there before, and persons with more rows than stated, are counted exactly."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(carrying, "_PART", cut)
        assert shared(tags(old), tags(new)) == sum(person in old and person != NOBODY for person in new)
        counts = [new.count(person) for person in set(new)]
        assert crowded(tags(new), most) == (sum(count > most for count in counts), max(counts))


def test_the_order_of_rows_does_not_matter() -> None:
    """Shuffled rows, and thirty new ones in front, leave each person with what was released about them."""
    rng = np.random.default_rng(5)
    old = rng.integers(1, 1 << 62, 10_000).astype(np.uint64)
    charges = (Charge(0, 5000, 7), Charge(2000, 3000, 5))
    front = np.concatenate([rng.integers(1, 1 << 62, 30).astype(np.uint64), old])
    assert carry([Earlier(old, charges, front)], len(front))[0] == Carried(
        first_row=0, rows=len(front) // 4 * 2, micro_bits=12
    )
    shuffled = carry([Earlier(old, charges, rng.permutation(old))], len(old))
    assert shuffled == (Carried(first_row=0, rows=len(old), micro_bits=12),)  # each block holds one of the most charged


def test_stretches_are_long_and_few() -> None:
    """A block has at least 2,048 rows, a smaller table is one, and no table states more than it may."""
    assert blocks(1) == [0, 1]
    assert blocks(2 * BLOCK_ROWS - 1) == [0, 2 * BLOCK_ROWS - 1]
    assert blocks(2 * BLOCK_ROWS) == [0, BLOCK_ROWS, 2 * BLOCK_ROWS]
    for rows in (BLOCK_ROWS * (MAX_CARRIED + 3) + 5, (1 << 30) + 1):
        edges = blocks(rows)
        assert len(edges) == MAX_CARRIED + 1
        assert edges[-1] == rows
        assert min(high - low for low, high in itertools.pairwise(edges)) >= BLOCK_ROWS


def test_the_most_charged_row() -> None:
    """Charges that overlap add; what lies outside of the table does not count."""
    assert most_charged([Charge(0, 10, 3), Charge(5, 9, 4), Charge(12, 20, 100)], 10) == 7
    assert most_charged([], 10) == 0
    assert most_charged([Charge(0, 10, 9), Charge(0, 5, -9)], 10) == 9


def test_persons_and_what_was_told_of_them_are_stated(
    table_file: Path, secret: SecretKeys, profile: EncryptionProfile, store: BlockStore
) -> None:
    """The table says how many rows a person has at most, and what each stretch of rows starts with, up to which job."""
    recipe = parse_recipe(RECIPE + '[table]\nperson = "count"\nrows_per_person = 200\nrest = "drop"\n')
    carried = (Carried(first_row=0, rows=1000, micro_bits=5_000_000),)
    prepared = prepare(
        table_file, recipe, secret, profile, store, epoch=1, published="2026-01-31", carried=carried, carried_jobs=7
    )
    table = prepared.manifest.table
    assert (table.rows_per_person, table.carried, table.carried_jobs) == (200, carried, 7)
    assert [column.name for column in table.codebook.columns] == ["size", "count", "load"]  # listed, so published
