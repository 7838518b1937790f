"""Rounding and clipping with shared rotations: low bits may stay, and one rotation gives all of a digit's tables.

As in `fhe.compile.digits.clipped`, y = min(max(x >> drop, 0), 2^bits - 1). Bits are taken in groups from the lowest one
on: a rotation gives a group's highest bit, from the padding bit, and another one its others. Others that y does not
have are left where they are: their value is below what a table tells apart, so that it only takes room from the noise.

The highest bits, up to the sign, are a *window* h that one rotation reads whole: as S, what y has of it, and s, which
is -1, 0 or 1 where x is below, inside or above what y tells apart. Each one or two bits e below the window are then
read once more, as the message e + 2^k s, whose table gives e inside, nothing below and all of its bits above. That is
negacyclic in twice the values less their mean, so that sums are *halves* of y. Where they are too noisy for what reads
them one lookup more gathers them.

With a packing key the window selects (`Clipping.selects`): inside, what was read below it, elsewhere a constant. One
encrypted table of eight entries takes the place of S, s and all that reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from fhe.arrays import I64
from fhe.compile.digits.stages import Stages, WireSum
from fhe.engine.factors import factored, noise_gains
from fhe.noise.linear import log2_failure
from fhe.noise.lookup import bootstrap_variance, keyswitch_variance, modulus_switch_variance
from fhe.profile import EncryptionProfile

PART = 3  # bits that a table reads under the padding bit
MARGIN = 2  # binary orders by which a table stays below the profile's failure probability
SELECTED = 2  # bits of y that a table selects: three times as many values, and those that are negative


@dataclass(frozen=True)
class Clipping:
    """What is asked: x = X / 2 in [-2^w + 2^(drop + bits), 2^w), w = width - 1, and halves of y at `width_out`."""

    width: int
    drop: int
    bits: int
    width_out: int
    selects: bool = False  # the window reads an encrypted table: the dataset has a packing key
    cut: int = 0  # bit of y at which what comes out is cut in two, to be gathered; 0: nowhere

    @property
    def bottom(self) -> int:
        """The lowest bit of X that y has."""
        return 1 + self.drop

    @property
    def top(self) -> int:
        """The lowest bit of X above y's."""
        return self.bottom + self.bits

    @property
    def fine(self) -> int:
        """The width of lookups that give what is subtracted, and a part of y."""
        return max(self.width, self.bits + 2, self.selecting if self.selects else 0)

    @property
    def selecting(self) -> int:
        """The width at which the window selects, and of what comes out: values and results both fit."""
        return max(self.width, self.width_out)


@dataclass(frozen=True)
class BitGroup:
    """Bits [first, first + size) of X, read while what is below them is at most `stray`; `whole`: all are taken."""

    first: int
    size: int
    stray: int
    whole: bool

    @property
    def last(self) -> int:
        """Its highest bit."""
        return self.first + self.size - 1


@dataclass(frozen=True)
class WindowPlan:
    """Groups from the lowest bit on, then the window from bit `window` on, over what is at most `stray`."""

    groups: tuple[BitGroup, ...]
    window: int
    stray: int
    rotations: int


def window_width(low: int, high: int, drop: int, bits: int) -> int:
    """Bits, besides its sign, of a value in [low, high] that can be clipped so."""
    least = low - (1 << (drop + bits))
    return max(-least - 1, high, (1 << (drop + bits)) - 1).bit_length()


def plan(asked: Clipping, noise: float, profile: EncryptionProfile) -> WindowPlan | None:
    """The plan with the fewest rotations of a value of this variance at its width; None where there is none."""
    read = keyswitch_variance(profile) + modulus_switch_variance(profile, centred=True)
    one, least = bootstrap_variance(profile), profile.p_error_log2 - MARGIN

    def fits(first: int, size: int, stray: int, variance: float) -> bool:
        """Whether a table tells `size` bits apart, one of them the padding bit, from bit `first` on."""
        reads, room = first + size - 1, 1 - stray / (1 << first)
        return log2_failure((variance * 4.0 ** (asked.width - reads) + read) / room**2, size - 1) <= least

    @cache
    def best(first: int, stray: int, variance: float) -> WindowPlan | None:
        found: list[WindowPlan] = []
        under = asked.width - first
        if under <= PART and first <= asked.top and fits(first, under + 1, stray, variance):
            found.append(WindowPlan((), first, stray, 1 + _gathering(asked, first)))
        for size in range(1, min(PART + 1, asked.top - first) + 1):
            if not fits(first, size, stray, variance):
                break
            for whole in (True, False) if first + size - 1 <= asked.bottom and size > 1 else (True,):
                group = BitGroup(first, size, stray, whole)
                left = stray if whole else stray + (1 << group.last) - (1 << first)
                after = best(first + size, left, variance + one * sum(_cleared_gains(asked, group)))
                if after is not None:
                    cost = (2 if whole and size > 1 else 1) + after.rotations
                    found.append(WindowPlan((group, *after.groups), after.window, after.stray, cost))
        return min(found, key=lambda each: each.rotations, default=None)

    return best(1, 0, noise)


def _gathering(asked: Clipping, window: int) -> int:
    """Rotations after the window's, about: one for each part that a message tells apart, none where the window does."""
    if asked.selects:
        return 0
    return -(-max(0, window - asked.bottom) // SELECTED)


def _cleared_gains(asked: Clipping, group: BitGroup) -> list[float]:
    """Gains of what is subtracted of a group, as it is read at the value's width."""
    found = []
    for tables in (_high(asked, group), *([_low(asked, group)] if group.whole and group.size > 1 else [])):
        wide = asked.fine if len(tables) > 1 else asked.width
        gain = noise_gains(factored(tables), tables)[0] if len(tables) > 1 else 1.0
        found.append(float(gain) * 4.0 ** (wide - asked.width))
    return found


def _high(asked: Clipping, group: BitGroup) -> I64:
    """Tables (1 or 2, 1) of a group's highest bit: what is subtracted, less its mean; then e', if y has that bit."""
    rows = [[-(1 << (group.last - 1))]]
    if asked.bottom <= group.last:
        rows.append([-(1 << (group.last - asked.bottom))])
    return np.array(rows, np.int64)


def _low(asked: Clipping, group: BitGroup) -> I64:
    """The same of a group's other bits, (1 to 3, entries): parts of y on both sides of a cut are apart."""
    places = np.arange(1 << (group.size - 1)) << group.first
    rows = [places - (int(places[-1]) >> 1)]
    if asked.bottom < group.last:
        number = places >> asked.bottom
        rows += [2 * part - part[-1] for part in _cut(number, asked.cut) if part.any()]
    return np.array(rows, np.int64)


def _cut(number: I64, at: int) -> list[I64]:
    """Numbers without their bits from `at` on, and these; 0: the numbers."""
    return [number & ((1 << at) - 1), number >> at << at] if at else [number]


@dataclass(frozen=True)
class ClippedBits:
    """Some bits of y below the window: twice these of each value, from bit `first` of y on, less `most`."""

    first: int
    size: int
    numbers: list[WireSum]

    @property
    def most(self) -> int:
        """With all its bits 1."""
        return ((1 << self.size) - 1) << self.first


def clipped_in_windows(stages: Stages, values: Sequence[WireSum], asked: Clipping, by: WindowPlan) -> list[WireSum]:
    """Twice min(max(x >> drop, 0), 2^bits - 1) of each value X, as sums of wires of `width_out`. Errors: TooLarge."""
    left, parts = _below_window(stages, values, asked, by)
    if parts and asked.selects:
        return _by_encrypted_table(stages, left, asked, by, parts, range(asked.bits))
    return _selected(stages, left, asked, by, _joined(parts))


def gathered_in_windows(
    stages: Stages, values: Sequence[WireSum], asked: Clipping, by: WindowPlan, width_out: int
) -> list[WireSum]:
    """The same, not twice but itself, with the noise of a lookup for each `PART` bits of y, as wires of `width_out`.

    More than these need `asked.selects`, and are cut there (`asked.cut`). Errors: TooLarge.
    """
    if not asked.cut:
        spans, halves = [range(asked.bits)], [clipped_in_windows(stages, values, asked, by)]
    else:
        left, parts = _below_window(stages, values, asked, by)
        spans = [range(asked.cut), range(asked.cut, asked.bits)]
        halves = [_by_encrypted_table(stages, left, asked, by, parts, span) for span in spans]
    read = [
        stages.look_up(own, span.stop + 1, [range(0, 1 << span.stop, 1 << span.start)] * len(own), width_out)
        for span, own in zip(spans, halves, strict=True)
    ]
    return [sum(own, WireSum()) for own in zip(*read, strict=True)]


def _below_window(
    stages: Stages, values: Sequence[WireSum], asked: Clipping, by: WindowPlan
) -> tuple[list[WireSum], list[ClippedBits]]:
    """The values without the groups' bits, and what y has of these."""
    left, parts = list(values), list[ClippedBits]()
    for group in by.groups:
        left, own = _taken(stages, left, asked, group)
        parts += own
    return left, parts


def _taken(
    stages: Stages, left: list[WireSum], asked: Clipping, group: BitGroup
) -> tuple[list[WireSum], list[ClippedBits]]:
    """The values without a group's bits, and what y has of these."""
    parts = list[ClippedBits]()
    tables, reach = _high(asked, group), (1 << group.last) - (1 << group.first) + group.stray
    high = _looked_up(stages, [value - (reach + 1) // 2 for value in left], group.last, tables, asked, negacyclic=True)
    left = [value - bit - (1 << (group.last - 1)) for value, bit in zip(left, high[0], strict=True)]
    if len(high) > 1:
        parts.append(ClippedBits(group.last - asked.bottom, 1, high[1]))
    if group.size > 1 and group.whole:
        tables = _low(asked, group)
        low = _looked_up(stages, [value - (group.stray + 1) // 2 for value in left], group.last, tables, asked)
        middle = ((1 << group.last) - (1 << group.first)) >> 1
        left = [value - number - middle for value, number in zip(left, low[0], strict=True)]
        if len(low) > 1:
            first, end = max(group.first, asked.bottom) - asked.bottom, group.last - asked.bottom
            ends = [first, *([asked.cut] if first < asked.cut < end else []), end]
            own = [ClippedBits(*each) for each in zip(ends, np.diff(ends).tolist(), low[1:], strict=False)]
            parts = [*own, *parts]
    return left, parts


def _looked_up(
    stages: Stages,
    values: Sequence[WireSum],
    width: int,
    tables: I64,
    asked: Clipping,
    *,
    negacyclic: bool = False,
    width_out: int = 0,
) -> list[list[WireSum]]:
    """All tables of each value, by one rotation each: (tables, values)."""
    wide = width_out or (asked.fine if len(tables) > 1 else asked.width)
    rows = [table for table in tables.tolist() for _ in values]
    wires = stages.look_up([*values] * len(tables), width, rows, wide, negacyclic=negacyclic)
    return [wires[number * len(values) : (number + 1) * len(values)] for number in range(len(tables))]


def _joined(parts: Sequence[ClippedBits]) -> list[ClippedBits]:
    """Neighbouring parts together, as long as a table reads them."""
    found: list[ClippedBits] = []
    for part in parts:
        if found and found[-1].size + part.size <= SELECTED:
            before = found.pop()
            numbers = [one + other for one, other in zip(before.numbers, part.numbers, strict=True)]
            found.append(ClippedBits(before.first, before.size + part.size, numbers))
        else:
            found.append(part)
    return found


def _selected(
    stages: Stages, left: list[WireSum], asked: Clipping, by: WindowPlan, parts: Sequence[ClippedBits]
) -> list[WireSum]:
    """What comes out, from the window and the parts of y below it."""
    if parts and asked.selects:
        return _by_encrypted_table(stages, left, asked, by, parts)
    below, most = max(0, by.window - asked.bottom), (1 << asked.bits) - 1
    places = np.arange(1 << (asked.width - by.window)) << by.window
    number = np.minimum(places >> asked.bottom, most) >> below << below
    rows, step = [2 * number - (most >> below << below)], 2 << below
    if parts:
        rows.append(np.where(places < 1 << asked.top, 0, step))
    window = [value - (by.stray + 1) // 2 for value in left]
    found = _looked_up(stages, window, asked.width, np.stack(rows), asked, negacyclic=True, width_out=asked.width_out)
    out = [each + most for each in found[0]]
    for part in parts:
        up = 1 << (below - part.first - part.size)  # so that s counts once, whatever the part
        sources = [(e + part.most) * up + s for e, s in zip(part.numbers, found[1], strict=True)]
        bits = np.arange(1 << part.size) << part.first
        table = np.concatenate([2 * bits - part.most, np.full(len(bits), part.most)])
        chosen = _looked_up(stages, sources, below + 2, table[None], asked, negacyclic=True, width_out=asked.width_out)
        out = [one + other for one, other in zip(out, chosen[0], strict=True)]
    return out


def _by_encrypted_table(
    stages: Stages, left: list[WireSum], asked: Clipping, by: WindowPlan, parts: Sequence[ClippedBits], span: range
) -> list[WireSum]:
    """The same of some bits of y, by one selection: inside it is all parts and the window's bits, else it is clipped.

    Below zero the window is one of those that would be above, and the padding bit negates what these have.
    """
    below, most = max(0, by.window - asked.bottom), (1 << span.stop) - (1 << span.start)
    own = [part for part in parts if part.first in span]
    places = [place << by.window for place in range(1 << (asked.width - by.window))]
    constants = [
        2 * (place >> asked.bottom >> below << below & most) - most + sum(part.most for part in own)
        if place < 1 << asked.top
        else most
        for place in places
    ]
    window = [value - (by.stray + 1) // 2 for value in left]
    if own:
        inside = [place < 1 << asked.top for place in places]
        entries = [
            [
                sum((part.numbers[row] for part in own if within), WireSum((), constant))
                for within, constant in zip(inside, constants, strict=True)
            ]
            for row in range(len(left))
        ]
        up = 1 << (asked.selecting - asked.width)
        found = stages.select([value * up for value in window], asked.selecting, entries, negacyclic=True)
    else:
        wide, table = asked.selecting, np.array([constants])
        found = _looked_up(stages, window, asked.width, table, asked, negacyclic=True, width_out=wide)[0]
    return [each + most for each in found]


def sign_plan(width: int, noise: float, profile: EncryptionProfile) -> WindowPlan | None:
    """How the sign of a value in [-2^width, 2^width) of this variance is read; None where it cannot be."""
    return plan(_sign(width), noise, profile)


def signs_over_low_bits(
    stages: Stages, values: Sequence[WireSum], width: int, by: WindowPlan, width_out: int
) -> list[WireSum]:
    """1 for each value below zero and -1 for others, as wires of `width_out`; other bits may stay. Errors: TooLarge."""
    asked, left = _sign(width), [value * 2 for value in values]
    for group in by.groups:
        left, _ = _taken(stages, left, asked, group)
    table = [-1] * (1 << (asked.width - by.window))
    window = [value - (by.stray + 1) // 2 for value in left]
    return stages.look_up(window, asked.width, [table] * len(window), width_out, negacyclic=True)


def _sign(width: int) -> Clipping:
    """A clipping of which nothing is kept."""
    return Clipping(width + 1, width + 1, 0, width + 1)
