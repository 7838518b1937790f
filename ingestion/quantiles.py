"""Quantiles of columns of numbers, exactly: each column is sorted once, some columns in memory at a time.

The value at a share q of n finite values in order is at place q (n - 1), between two of them by linear interpolation.
A column of more than `MAX_SORTED` values is not held whole: its values are counted by the first bits of their order,
and only those near a place that is asked for are sorted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fhe.arrays import F64, I64, U64
from ingestion.read import Reading, SourceTable, open_table

MAX_SORTED = 1 << 24  # values in memory at once, 8 bytes each, and as many again while they are sorted
BATCH_ROWS = 1 << 18
_DIGIT_BITS = 16


def equal_shares(parts: int) -> tuple[float, ...]:
    """The shares that cut rows into `parts` parts of equal size."""
    return tuple(part / parts for part in range(1, parts))


def measure_quantiles(
    path: Path | str, rows: int, wanted: Mapping[str, Sequence[float]], reading: Reading | None = None
) -> dict[str, tuple[float, ...]]:
    """The quantiles of each column's finite values at the shares wanted of it, of a table of so many rows.

    A column without finite values has none. Errors: BadTable.
    """
    table = open_table(path, reading)
    if rows > MAX_SORTED:
        return {name: large_quantiles(table, name, shares) for name, shares in wanted.items()}
    found: dict[str, tuple[float, ...]] = {}
    names, together = list(wanted), max(1, MAX_SORTED // max(1, rows))
    for start in range(0, len(names), together):
        group = names[start : start + together]
        with table.errors():
            frame = table.collected(lambda frame: frame, group)
        for name in group:
            found[name] = _of_sorted(frame.drop_in_place(name).to_numpy(), wanted[name])
    return found


def large_quantiles(
    table: SourceTable, name: str, shares: Sequence[float], most: int = MAX_SORTED
) -> tuple[float, ...]:
    """The same of one column with at most `most` values in memory, however many it has."""
    stretch = _Stretches(np.zeros(1, np.uint64), 0, np.zeros(1, np.int64))
    counts = _count(table, name, stretch)
    total = int(counts.sum())
    if not total:
        return ()
    places = np.array(sorted({place for share in shares for place in _around(share * (total - 1))}))
    while True:
        stretch, held = _narrow(stretch, counts, places)
        if held <= most or stretch.depth == 64 // _DIGIT_BITS:
            break
        counts = _count(table, name, stretch)
    values = _values(table, name, stretch, places)
    return tuple(_between(values, share * (total - 1)) for share in shares)


@dataclass(frozen=True)
class _Stretches:
    """Stretches of the order of all values in which a place lies: those whose first `depth` digits are a prefix."""

    prefixes: U64  # increasing
    depth: int  # digits of 16 bits
    below: I64  # how many values come before each stretch

    def held(self, ordered: U64) -> tuple[I64, npt.NDArray[np.bool_]]:
        """(in which stretch each value lies, whether it lies in one)."""
        shift = 64 - _DIGIT_BITS * self.depth
        first = ordered >> np.uint64(shift) if self.depth else np.zeros_like(ordered)
        at = np.searchsorted(self.prefixes, first).clip(0, len(self.prefixes) - 1)
        return at, self.prefixes[at] == first


def _of_sorted(values: F64, shares: Sequence[float]) -> tuple[float, ...]:
    ordered = np.sort(values[np.isfinite(values)])
    last = len(ordered) - 1
    at = {place: float(ordered[place]) for share in shares for place in _around(share * last)} if last >= 0 else {}
    return tuple(_between(at, share * last) for share in shares) if at else ()


def _around(place: float) -> tuple[int, int]:
    return int(np.floor(place)), int(np.ceil(place))


def _between(values: Mapping[int, float], place: float) -> float:
    low, high = _around(place)
    lower, upper = values[low], values[high]
    return lower if lower == upper or low == high else (place - low) * (upper - lower) + lower


def _finite(table: SourceTable, name: str) -> Iterator[F64]:
    for frame in table.batches([name], BATCH_ROWS):
        values = frame[name].to_numpy()
        yield values[np.isfinite(values)]


def _ordered(values: F64) -> U64:
    """Whole numbers in the order of the floats: their bits, all turned for negative ones, else the sign's alone."""
    bits = (values + 0.0).view(np.uint64)  # one zero, not two
    sign = np.uint64(1 << 63)
    return np.where(bits & sign, ~bits, bits | sign)


def _floats(ordered: U64) -> F64:
    sign = np.uint64(1 << 63)
    return np.where(ordered & sign, ordered & ~sign, ~ordered).view(np.float64)


def _count(table: SourceTable, name: str, stretch: _Stretches) -> I64:
    """How many values of each stretch have each next digit: (stretches, 2^16)."""
    shift = np.uint64(64 - _DIGIT_BITS * (stretch.depth + 1))
    counts = np.zeros(len(stretch.prefixes) << _DIGIT_BITS, np.int64)
    for values in _finite(table, name):
        ordered = _ordered(values)
        at, inside = stretch.held(ordered)
        digits = (ordered[inside] >> shift & np.uint64((1 << _DIGIT_BITS) - 1)).astype(np.int64)
        counts += np.bincount((at[inside] << _DIGIT_BITS) + digits, minlength=len(counts))
    return counts.reshape(len(stretch.prefixes), -1)


def _narrow(stretch: _Stretches, counts: I64, places: I64) -> tuple[_Stretches, int]:
    """The shorter stretches in which the places lie, one digit on, and how many values they hold."""
    ends = stretch.below[:, None] + np.cumsum(counts, axis=1)
    holds = np.zeros(counts.shape, np.bool_)
    for place in places:
        within = int(np.searchsorted(stretch.below, place, side="right")) - 1
        holds[within, np.searchsorted(ends[within], place, side="right")] = True
    one, digit = np.nonzero(holds)
    prefixes = stretch.prefixes[one] << np.uint64(_DIGIT_BITS) | digit.astype(np.uint64)
    return _Stretches(prefixes, stretch.depth + 1, ends[holds] - counts[holds]), int(counts[holds].sum())


def _values(table: SourceTable, name: str, stretch: _Stretches, places: I64) -> dict[int, float]:
    """The values at places in the order of all; where a stretch is one value only, none is read."""
    one = np.searchsorted(stretch.below, places, side="right") - 1
    if stretch.depth == 64 // _DIGIT_BITS:
        return dict(zip(places.tolist(), _floats(stretch.prefixes[one]).tolist(), strict=True))
    parts = []
    for values in _finite(table, name):
        ordered = _ordered(values)
        parts.append(ordered[stretch.held(ordered)[1]])
    kept = np.sort(np.concatenate(parts))  # the stretches one after another
    starts = np.searchsorted(kept, stretch.prefixes << np.uint64(64 - _DIGIT_BITS * stretch.depth))
    found = kept[starts[one] + places - stretch.below[one]]
    return dict(zip(places.tolist(), _floats(found).tolist(), strict=True))
