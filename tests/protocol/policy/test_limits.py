"""Bits: what a release costs each person, and the limits of a license and of a person, row by row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.protocol.data.dataset import Carried
from app.protocol.market.receipt import RAW_WORDS, OutputPolicy
from app.protocol.policy.bits import charge, default_person_limit, micro_bits, noisy_micro_bits
from app.protocol.policy.leakage import Leakage, Released
from app.protocol.policy.reasons import Reason
from app.protocol.policy.rules import Grant, check_bits, check_policy, entry_of, spent_on
from tests.protocol.policy.verdicts import BIT, POLICY, SPACE, TABLE, A, B, C, aggregates, facts_of, leak, past, verdict
from tests.support.custody import codebook


@pytest.mark.parametrize(
    ("changes", "report", "bits"),
    [
        ({"release": "label"}, leak(A, labels=2), BIT),
        ({"release": "label"}, leak(A, labels=5), micro_bits(5)),
        ({"release": "label"}, leak(A), 4 * BIT),
        ({"levels": 256}, leak(A), 8 * BIT),
        ({"levels": 256}, leak(A, B), 16 * BIT),
        ({"levels": 65536}, leak(A), micro_bits(1001)),
        ({"raw_scores": RAW_WORDS}, leak(A), micro_bits(1001)),
        ({"epsilon_micro_per_job": 1_000_000}, leak(A), noisy_micro_bits(1_000_000)),
        ({"release": "label", "epsilon_micro_per_job": 1_000_000}, leak(A, labels=2), BIT),
    ],
    ids=[
        "yes or no",
        "five classes",
        "no label",
        "levels",
        "two outputs",
        "few values",
        "raw",
        "noisy",
        "noise is more",
    ],
)
def test_charges(changes: dict[str, object], report: Leakage, bits: int) -> None:
    """A release costs log2 of its distinct answers about a row, or its epsilon where that is less."""
    granted = verdict(POLICY.model_copy(update=changes), report)
    assert isinstance(granted, Grant)
    assert granted.entry.micro_bits == bits


def test_a_row_pays_for_all_rows_of_its_person() -> None:
    """Rows of one person may be asked about in different jobs; of a noisy sum the noise covers all of them."""
    policy, report = POLICY.model_copy(update={"release": "label"}), leak(A, labels=2)
    assert [charge(policy, report, rows) for rows in (1, 2, 3)] == [BIT, 2 * BIT, 3 * BIT]
    assert charge(aggregates(), report, 3) == noisy_micro_bits(100_000)
    table = TABLE.model_copy(update={"rows_per_person": 3})
    granted = verdict(policy, report, table=table, rows=1)
    assert isinstance(granted, Grant)
    assert granted.entry.micro_bits == 3 * BIT


LABEL = OutputPolicy(max_rank=4, micro_bits_per_license=3 * BIT, micro_bits_per_person=5 * BIT)
YES_NO = leak(A, labels=2)


def test_a_license_is_told_no_more_than_it_reserved() -> None:
    """An offer may reserve less on the chain than its policy says; the rest is what other licenses were promised."""
    told = past(A, license=1, micro_bits=2 * BIT, kind="label")
    facts = facts_of(LABEL, YES_NO)
    entry = entry_of(LABEL, YES_NO, facts.table, facts.job)
    assert check_bits(LABEL, facts.table, entry, [told], 3 * BIT) is None
    assert check_bits(LABEL, facts.table, entry, [told], 3 * BIT - 1) is Reason.BITS_LICENSE
    assert check_bits(LABEL, facts.table, entry, [told], 100 * BIT) is None
    poor = replace(facts, license=replace(facts.license, micro_bits=BIT - 1))
    assert check_policy(poor, SPACE, [], lambda _groups, _share: None) is Reason.BITS_LICENSE


def test_bits_of_a_license_and_of_a_person() -> None:
    """A license may be told its own bits, and all licenses together those of a person; the last bit of each fits."""

    def told(license: int, bits: int, **changes: object) -> Released:
        usual: dict[str, Any] = {"license": license, "micro_bits": bits * BIT, "kind": "label"}
        return past(A, **(usual | changes))

    assert isinstance(verdict(LABEL, YES_NO, told(1, 2)), Grant)
    assert verdict(LABEL, YES_NO, told(1, 3)) is Reason.BITS_LICENSE
    assert verdict(LABEL, YES_NO, told(1, 1), told(1, 2)) is Reason.BITS_LICENSE
    assert isinstance(verdict(LABEL, YES_NO, told(2, 4)), Grant)
    assert verdict(LABEL, YES_NO, told(2, 4), told(3, 1)) is Reason.BITS_PERSON
    assert verdict(LABEL, YES_NO, told(2, 3), told(1, 2)) is Reason.BITS_PERSON
    # one row in common is enough, rows beside it are not touched
    assert verdict(LABEL, YES_NO, told(2, 5, first=99, end=200)) is Reason.BITS_PERSON
    assert isinstance(verdict(LABEL, YES_NO, told(2, 5, first=100, end=200)), Grant)
    # the most that was said of one person counts, not the sum over different ones
    halves = [told(2, 4, first=0, end=50), told(3, 4, first=50, end=100)]
    assert isinstance(verdict(LABEL, YES_NO, *halves), Grant)
    assert verdict(LABEL, YES_NO, *halves, told(4, 1, first=49, end=51)) is Reason.BITS_PERSON


def test_the_limit_of_a_person_is_a_quarter_of_a_row_unless_more_is_said() -> None:
    """Eight columns of 256 codes hold 64 bits: 16 may leave for ever; a narrow table still sells eight."""
    policy = LABEL.model_copy(update={"micro_bits_per_person": 0})
    assert default_person_limit(codebook()) == 16 * BIT
    narrow = codebook().model_copy(update={"columns": codebook().columns[:1]})
    assert default_person_limit(narrow) == 8 * BIT
    assert isinstance(verdict(policy, YES_NO, past(A, micro_bits=15 * BIT)), Grant)
    assert verdict(policy, YES_NO, past(A, micro_bits=16 * BIT)) is Reason.BITS_PERSON


def test_other_versions_are_not_matched() -> None:
    """What another version gave away counts on every row, for the person and for the license, wherever it was there."""
    other = past(A, first=900, end=901, version=2, micro_bits=5 * BIT)
    assert verdict(LABEL, YES_NO, other) is Reason.BITS_PERSON
    mine = replace(other, license=1, micro_bits=3 * BIT)
    assert verdict(LABEL, YES_NO, mine) is Reason.BITS_LICENSE
    # its forms speak of another codebook, so rank and concentration do not follow them
    assert isinstance(verdict(POLICY, leak(C), past(A, version=2), past(B, version=2)), Grant)


def test_carried_charges() -> None:
    """Stretches that the table states replace the jobs inside the statement; a later job on an old version does not."""
    stated = TABLE.model_copy(
        update={"carried": (Carried(first_row=10, rows=20, micro_bits=5 * BIT),), "carried_jobs": 50}
    )
    inside = past(A, job=50, version=2, micro_bits=5 * BIT)
    late = replace(inside, job=51, micro_bits=BIT)
    assert verdict(LABEL, YES_NO, inside, table=stated) is Reason.BITS_PERSON
    assert isinstance(verdict(LABEL, YES_NO, inside, table=stated, first_row=30), Grant)
    assert isinstance(verdict(LABEL, YES_NO, inside, table=stated, rows=10), Grant)
    assert isinstance(verdict(LABEL, YES_NO, late, table=stated, rows=10), Grant)
    assert verdict(LABEL, YES_NO, late, replace(late, job=52, micro_bits=4 * BIT), table=stated, rows=10) is (
        Reason.BITS_PERSON
    )
    # what a license was told is not forgotten by a statement of persons
    mine = replace(inside, license=1, micro_bits=3 * BIT)
    assert verdict(LABEL, YES_NO, mine, table=stated, first_row=30) is Reason.BITS_LICENSE


@pytest.mark.parametrize("seed", range(20))
def test_spent_is_the_most_of_any_row(seed: int) -> None:
    """The sweep over stretches gives what adding up row by row gives, whatever overlaps what."""
    rng = np.random.default_rng(seed)
    rows = 40

    def stretch() -> tuple[int, int]:
        low, high = sorted(int(each) for each in rng.choice(rows + 1, 2, replace=False))
        return low, high

    history = []
    for job in range(int(rng.integers(0, 12))):
        first, end = stretch()
        version, bits = int(rng.integers(1, 4)), int(rng.integers(0, 9))
        history.append(past(A, job=job, version=version, first=first, end=end, micro_bits=bits))
    cuts = sorted(int(each) for each in rng.choice(rows + 1, 6, replace=False))
    carried = tuple(
        Carried(first_row=low, rows=high - low, micro_bits=int(rng.integers(0, 9)))
        for low, high in zip(cuts[::2], cuts[1::2], strict=True)
    )
    table = TABLE.model_copy(update={"carried": carried, "carried_jobs": int(rng.integers(0, 12))})
    version, (first, end) = int(rng.integers(1, 4)), stretch()

    def on(row: int) -> int:
        said = sum(c.micro_bits for c in carried if c.first_row <= row < c.first_row + c.rows)
        for entry in history:
            same = entry.version == version
            if (same and entry.first <= row < entry.end) or (not same and entry.job > table.carried_jobs):
                said += entry.micro_bits
        return said

    assert spent_on(table, history, version, first, end) == max(on(row) for row in range(first, end))


def test_an_equal_query_is_free_and_an_equal_answer_is_not() -> None:
    """Asked again, a query costs nothing, whoever asks; another query is charged though it may say the same."""
    granted = verdict(LABEL, YES_NO)
    assert isinstance(granted, Grant)
    full = replace(granted.entry, job=99, license=2, micro_bits=5 * BIT, answered=True)
    again = verdict(LABEL, YES_NO, full)
    assert isinstance(again, Grant)
    assert (again.again, again.entry.micro_bits, again.rank) == (True, 0, 0)
    assert verdict(LABEL, YES_NO, replace(full, answered=False)) is Reason.BITS_PERSON  # reserved, not out
    assert verdict(LABEL, YES_NO, full, rows=99) is Reason.BITS_PERSON  # other rows
    assert verdict(LABEL, leak(A, labels=2, circuit="8" * 64), full, circuit="8" * 64) is Reason.BITS_PERSON
    for coarse in ({"levels": 8}, {"epsilon_micro_per_job": 5_000_000}):
        assert verdict(LABEL.model_copy(update=coarse), YES_NO, full) is Reason.BITS_PERSON
