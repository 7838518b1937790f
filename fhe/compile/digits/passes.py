"""Exact readings of wide values. A value of width W is an integer in [-2^W, 2^W); several are read side by side.

Its bits are taken away from the lowest one on, in groups of up to four (docs/canonical-evaluator.md, section 12): the
fourth is in the padding bit of a Linear of width 3, so that a constant table reads it; the other three then fit an
ordinary table; both are subtracted, and what is left is a multiple of sixteen. Two lookups take four bits, and none
reads more than three bits under the padding bit, whatever W. What was subtracted leaves the noise of its lookups, which
matters most where the lowest bits are shifted up furthest: there groups are smaller, down to a bit for a lookup.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.protocol.errors import NoiseOverflow
from fhe.compile.digits.stages import Stages, WireSum
from fhe.compile.digits.windows import MARGIN, WindowPlan, signs_over_low_bits
from fhe.noise.linear import log2_failure
from fhe.noise.lookup import bootstrap_variance, keyswitch_variance, modulus_switch_variance
from fhe.profile import EncryptionProfile

UNDER = 3  # bits that a table reads under the padding bit
MOST_CLASSES = 4  # of an argmax: six comparisons; the sum that tells the first three others apart is below 8


def groups(width: int, noise: float, profile: EncryptionProfile) -> list[int]:
    """How many bits each group has, lowest first, until a sign can be read; `noise`: the value's variance at `width`.

    A value that is read at width V = p + w (w bits under the padding bit, p bits gone) has its own variance and that of
    the lookups so far, times 4^(W - V). Errors: NoiseOverflow where not even a bit can be read.
    """
    reading = _Reading(width, noise, profile)
    while width - reading.gone > profile.lookup_width or reading.fails(width - reading.gone, 0):
        reading.take(profile.lookup_width + 1)
    return reading.sizes


def low_groups(width: int, bits: int, noise: float, profile: EncryptionProfile) -> list[int]:
    """The same for the lowest `bits` bits and no more. Errors: NoiseOverflow."""
    reading = _Reading(width, noise, profile)
    while reading.gone < bits:
        reading.take(bits - reading.gone)
    return reading.sizes


class _Reading:
    """A value of which some groups of bits are gone."""

    def __init__(self, width: int, noise: float, profile: EncryptionProfile) -> None:
        self.sizes: list[int] = []
        self.gone = self._lookups = 0
        self._width, self._noise, self._profile = width, noise, profile
        self._switched = keyswitch_variance(profile) + modulus_switch_variance(profile, centred=True)

    def fails(self, under: int, more: int) -> bool:
        """Whether `under` bits under the padding bit cannot be read, with the noise of `more` lookups."""
        variance = self._noise + (self._lookups + more) * bootstrap_variance(self._profile)
        variance *= 4.0 ** (self._width - self.gone - under)
        return log2_failure(variance + self._switched, under) > self._profile.p_error_log2 - MARGIN

    def take(self, most: int) -> None:
        """The next group, of up to `most` bits. Errors: NoiseOverflow."""
        left = self._width - self.gone
        possible = range(min(self._profile.lookup_width, most - 1), 0, -1)
        under = next((w for w in possible if w < left and not self.fails(w, 1)), 0)
        if left == 0 or (under == 0 and self.fails(0, 0)):
            raise NoiseOverflow(
                f"These values take {self._width} bits and a sign, which is more than this profile reads exactly.",
                "Fit it on bin codes, whose range is smaller, or use fewer bits of a weight (n_bits); or leave the"
                " label to the custodian.",
            )
        self.sizes.append(under + 1)
        self.gone += under + 1
        self._lookups += 2 if under else 1


def doubled(stages: Stages, values: Sequence[WireSum], width: int, sizes: Sequence[int]) -> list[WireSum]:
    """Twice the values less the lowest bits of groups of these sizes, of width + 1: a constant table gives halves.

    Values that differ by a constant have the lowest bits in common as far as the constant has none of them, and these
    are looked up once.
    """
    return without_low_bits(stages, [value * 2 for value in values], width, sizes, 0)


def without_low_bits(
    stages: Stages, left: Sequence[WireSum], width: int, sizes: Sequence[int], gone: int
) -> list[WireSum]:
    """The same of values that are doubled already, and whose lowest `gone` bits are gone."""
    left, bottom = list(left), 1 + gone
    for bits in sizes:
        alike = [(value.terms, value.constant % (1 << (bottom + bits))) for value in left]
        firsts: dict[tuple[object, int], WireSum] = {}
        for key, value in zip(alike, left, strict=True):
            firsts.setdefault(key, value)
        low = dict(zip(firsts, _lowest(stages, list(firsts.values()), width, bottom, bits), strict=True))
        left = [value - low[key] for value, key in zip(left, alike, strict=True)]
        bottom += bits
    return left


def _lowest(stages: Stages, values: Sequence[WireSum], width: int, bottom: int, bits: int) -> list[WireSum]:
    """What so many bits from the bottom on are worth in each of these values."""
    entries, reads, out = 1 << (bits - 1), bits - 1 + bottom, width + 1 - bottom
    high = stages.look_up(values, reads, [[-entries] * entries] * len(values), out + 1, negacyclic=True)
    found = [(bit + entries) * (1 << (bottom - 1)) for bit in high]
    if bits == 1:
        return found
    left = [value - bit for value, bit in zip(values, found, strict=True)]
    rest = stages.look_up(left, reads, [range(entries)] * len(left), out)
    return [bit + others * (1 << bottom) for bit, others in zip(found, rest, strict=True)]


Reading = Sequence[int] | WindowPlan  # sizes of `groups`, or in a circuit that shares rotations a plan


def signs(
    stages: Stages, values: Sequence[WireSum], width: int, sizes: Reading, width_out: int, bottom: int = 0
) -> list[WireSum]:
    """1 for each value below zero and -1 for others, as wires of width `width_out`.

    Of values without their lowest `bottom` bits, `values` are the doubles.
    """
    if isinstance(sizes, WindowPlan):
        return signs_over_low_bits(stages, values, width, sizes, width_out)
    left = without_low_bits(stages, values, width, sizes, bottom) if bottom else doubled(stages, values, width, sizes)
    table = [-1] * (1 << (width - sum(sizes) - bottom))
    return stages.look_up(left, width + 1, [table] * len(left), width_out, negacyclic=True)


def winners(stages: Stages, values: Sequence[WireSum], width: int, sizes: Reading, width_out: int) -> list[WireSum]:
    """Of each of three or four values but the first: 1 where it is the first greatest one, else 0, as wires of width
    `width_out`; their differences fit `width`.
    """
    pairs = [(one, other) for other in range(len(values)) for one in range(other)]
    beaten = signs(stages, [values[one] - values[other] for one, other in pairs], width, sizes, UNDER + 1)
    return winners_of(stages, beaten, len(values), width_out)


def winners_of(stages: Stages, beaten: Sequence[WireSum], count: int, width_out: int) -> list[WireSum]:
    """The same of three or four values whose comparisons are known: 1 where the later one is greater, else -1."""
    pairs = [(one, other) for other in range(count) for one in range(other)]
    better = dict(zip(pairs, beaten, strict=True))
    wins = [
        sum(
            (better[i, j] + 1 for i in range(j)),
            sum(((better[j, k] * -1) + 1 for k in range(j + 1, count)), WireSum()),
        )
        for j in range(1, count)
    ]  # twice the number of values that j beats
    best = [int(beats == count - 1) for beats in range(1 << UNDER)]
    return stages.look_up(wins, UNDER + 1, [best] * len(wins), width_out)


def argmax(stages: Stages, values: Sequence[WireSum], width: int, sizes: Reading, width_out: int) -> WireSum:
    """Which of three or four values is the first greatest one, 0 to 3; their differences fit `width`."""
    return number_of(stages, winners(stages, values, width, sizes, UNDER), width_out)


def number_of(stages: Stages, chosen: Sequence[WireSum], width_out: int) -> WireSum:
    """The number of the winner among these, from 1 on, or 0, from wires of width `UNDER`."""
    number = sum((win * j for j, win in enumerate(chosen, 1)), WireSum())
    clipped = [label if label <= len(chosen) else 0 for label in range(1 << UNDER)]
    return stages.look_up([number], UNDER, [clipped], width_out)[0]
