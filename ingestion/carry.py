"""What earlier versions gave away about the persons of a new one: from tags and charges to the table's statement.

A tag is a keyed hash of a person (`ingestion.tags`): rows of one person have equal tags. A person's charge in an
earlier version is the greatest charge of their rows there; over versions charges add: each job ran on one version.

Why the greatest row is enough, where every job charges each of its rows for `rows_per_person` of them: a job tells of a
person at most what it charges, times the part of `rows_per_person` that it covers, so what all jobs told is at most the
average over a person's rows of what they were charged.

Memory is bounded whatever the sizes: rows are joined one part of the tags at a time, sums lie in a file without a name.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.protocol.data.dataset import Carried
from app.protocol.data.table import MAX_CARRIED, MAX_CARRIED_BITS
from fhe.arrays import I64, U64

BLOCK_ROWS = 2048  # at least so many rows are stated as one, so that the statement hardly tells who is who
NOBODY = 0  # the tag of a row that cannot be compared
_SLICE = 1 << 20  # rows
_PART = 1 << 22  # rows whose tags are joined at once


@dataclass(frozen=True)
class Charge:
    """Micro-bits that rows [first, end) of a version were charged."""

    first: int
    end: int
    micro_bits: int


@dataclass(frozen=True)
class Earlier:
    """One earlier version: the tags of its rows, what these were charged, and the new rows' tags made the same way.

    `times`: how often a row's charge can stand for one person of the new table, whose rows the earlier one told apart.
    """

    tags: U64
    charges: tuple[Charge, ...]  # they may overlap, and add
    new: U64
    times: int = 1


def carry(
    earlier: Sequence[Earlier], rows: int, *, everywhere: int = 0, block: int = BLOCK_ROWS
) -> tuple[Carried, ...]:
    """What each stretch of a new version's rows starts with: the greatest charge of any of its persons.

    Stretches are whole blocks of at least `block` rows (one for a smaller table); those without a charge are left out.
    `everywhere`: micro-bits that every row starts with.
    """
    with tempfile.TemporaryFile() as scratch:
        totals = np.memmap(scratch, np.int64, "w+", shape=(rows,))
        for each in earlier:
            _add(each, totals)
        edges = blocks(rows, block)
        most = [int(totals[low:high].max()) + everywhere for low, high in itertools.pairwise(edges)]
    found: list[Carried] = []
    for (low, high), bits in zip(itertools.pairwise(edges), most, strict=True):
        bits = min(bits, MAX_CARRIED_BITS)  # noqa: PLW2901
        last = found[-1] if found else None
        if last and last.micro_bits == bits and last.first_row + last.rows == low:
            found[-1] = Carried(first_row=last.first_row, rows=high - last.first_row, micro_bits=bits)
        elif bits:
            found.append(Carried(first_row=low, rows=high - low, micro_bits=bits))
    return tuple(found)


def blocks(rows: int, block: int = BLOCK_ROWS) -> list[int]:
    """The edges of the blocks: each of at least `block` rows, and no more of them than a table may state."""
    count = max(1, min(rows // block, MAX_CARRIED))
    size = rows // count
    return [*range(0, size * count, size), rows]


def most_charged(charges: Sequence[Charge], rows: int) -> int:
    """The greatest sum of charges on any of `rows` rows."""
    _, sums = _steps(charges, rows)
    return int(sums.max())


def shared(old: U64, new: U64) -> int:
    """How many rows of a new table speak of persons of an old one."""
    found = 0
    for part, parts in _parts(old, new):
        mine = np.unique(np.concatenate([tags for _, tags in _slices(old, part, parts)]))
        found += sum(int(_places(mine, tags)[1].sum()) for _, tags in _slices(new, part, parts))
    return found


def crowded(tags: U64, most: int) -> tuple[int, int]:
    """(persons with more than `most` rows, rows of the one with most)."""
    persons = greatest = 0
    for part, parts in _parts(tags):
        _, counts = np.unique(np.concatenate([found for _, found in _slices(tags, part, parts)]), return_counts=True)
        persons += int((counts > most).sum())
        greatest = max(greatest, int(counts.max(initial=0)))
    return persons, greatest


def _add(earlier: Earlier, totals: I64) -> None:
    cuts, sums = _steps(earlier.charges, len(earlier.tags))
    if not sums.any():
        return
    for part, parts in _parts(earlier.tags, earlier.new):
        persons, most = _charged(earlier.tags, cuts, sums, part, parts)
        for rows, tags in _slices(earlier.new, part, parts):
            places, found = _places(persons, tags)
            totals[rows[found]] += most[places[found]] * earlier.times


def _charged(old: U64, cuts: I64, sums: I64, part: int, parts: int) -> tuple[U64, I64]:
    """(the charged persons of a part of the tags, ascending; the greatest charge of any row of each)."""
    persons: list[U64] = []
    charges: list[I64] = []
    for rows, tags in _slices(old, part, parts):
        charge = sums[np.searchsorted(cuts, rows, side="right") - 1]
        persons.append(tags[charge > 0])
        charges.append(charge[charge > 0])
    tags, charge = np.concatenate(persons), np.concatenate(charges)
    order = np.argsort(tags, kind="stable")
    tags, charge = tags[order], charge[order]
    starts = np.flatnonzero(np.concatenate([[True], tags[1:] != tags[:-1]])) if len(tags) else np.zeros(0, np.int64)
    return tags[starts], np.maximum.reduceat(charge, starts) if len(tags) else charge


def _steps(charges: Sequence[Charge], rows: int) -> tuple[I64, I64]:
    """(ascending first rows of stretches that share their charges, what each is charged in all)."""
    changes: dict[int, int] = {0: 0}
    for each in charges:
        first, end = max(each.first, 0), min(each.end, rows)
        if first < end:
            changes[first] = changes.get(first, 0) + each.micro_bits
            changes[end] = changes.get(end, 0) - each.micro_bits
    cuts = sorted(cut for cut in changes if cut < rows)
    return np.array(cuts, np.int64), np.cumsum(np.array([changes[cut] for cut in cuts], np.int64))


def _places(persons: U64, tags: U64) -> tuple[I64, npt.NDArray[np.bool_]]:
    """(where each tag stands among ascending persons, whether it is there)."""
    if not len(persons):
        return np.zeros(len(tags), np.int64), np.zeros(len(tags), np.bool_)
    places, order = np.empty(len(tags), np.int64), np.argsort(tags)  # in order, since leaps over memory cost the most
    places[order] = np.minimum(np.searchsorted(persons, tags[order]), len(persons) - 1)
    return places, (persons[places] == tags) & (tags != NOBODY)


def _parts(*tags: U64) -> Iterator[tuple[int, int]]:
    """Numbers of the parts that tags are joined in, each with how many there are."""
    parts = -(-max(len(each) for each in tags) // _PART) or 1
    return ((part, parts) for part in range(parts))


def _slices(tags: U64, part: int, parts: int) -> Iterator[tuple[I64, U64]]:
    """(row numbers, tags) of a part, a slice of the rows at a time; at least one, perhaps empty."""
    for start in range(0, max(len(tags), 1), _SLICE):
        here = np.asarray(tags[start : start + _SLICE])
        mine = np.flatnonzero(here % np.uint64(parts) == part)
        yield mine + start, here[mine]
