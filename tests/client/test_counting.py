"""What a person's rows start with covers what was told of the person, by whatever jobs on whichever of the rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.client.charges import JobCharge
from app.client.counting import charges_on
from ingestion.carry import Earlier, carry

MOST = 3  # rows of one person


@st.composite
def tables(draw: st.DrawFn) -> list[int]:
    """The person of each row, none with more than MOST rows."""
    persons = draw(st.lists(st.integers(1, 8), min_size=1, max_size=20))
    return [person for row, person in enumerate(persons) if persons[:row].count(person) < MOST]


@given(tables(), st.lists(st.tuples(st.integers(0, 19), st.integers(1, 6), st.integers(1, 9)), max_size=6))
def test_no_person_of_several_rows_starts_with_too_little(persons: list[int], jobs: list[tuple[int, int, int]]) -> None:
    """Jobs on one row or on many, each telling some bits of every row it covers, are covered by what is stated."""
    told = dict.fromkeys(persons, 0)
    charged = []
    for number, (first, wanted, bits) in enumerate(jobs):
        rows = min(wanted, len(persons) - first)
        if rows < 1:
            continue
        for person in persons[first : first + rows]:
            told[person] += bits
        charge = bits * min(rows, MOST)  # as `app.protocol.bits.charge` has it
        charged.append(JobCharge(number, 1, first, first + rows, charge, final=True))
    tags = np.array(persons, np.uint64)
    alone = np.unique(tags)
    stated = carry([Earlier(tags, charges_on(charged, 1, MOST), alone)], len(alone), block=1)
    starts = {row: each.micro_bits for each in stated for row in range(each.first_row, each.first_row + each.rows)}
    for row, person in enumerate(alone.tolist()):
        assert starts.get(row, 0) >= told[person]


def test_only_the_jobs_of_the_version_count() -> None:
    """A job belongs to the version that it ran on; of a person's only row it costs what it was charged."""
    jobs = [JobCharge(1, 1, 0, 5, 7, final=True), JobCharge(2, 2, 0, 5, 9, final=True)]
    assert [charge.micro_bits for charge in charges_on(jobs, 2, 1)] == [9]
