"""Exact readings of wide values. A value of width W is an integer in [-2^W, 2^W); several are read side by side.

Its bits are taken away from the lowest one on, four at a time (docs/canonical-evaluator.md, section 12): the fourth is
in the padding bit of a Linear of width 3, so that a constant table reads it; the other three then fit an ordinary
table; both are subtracted, and what is left is a multiple of sixteen. Two lookups take four bits, and every one of
them reads at most three bits under the padding bit, whatever W.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhe.compile.digits.stages import Stages, WireSum

GROUP = 4  # bits that two lookups read
THREE = range(8)
MOST_CLASSES = 4  # of an argmax: six comparisons; the sum that tells the first three others apart is below 8


def without_low_bits(stages: Stages, values: Sequence[WireSum], width: int, groups: int) -> list[WireSum]:
    """The values less their lowest 4 `groups` bits, at the same width."""
    left = list(values)
    for group in range(groups):
        bottom = GROUP * group
        place, reads, out = 1 << bottom, GROUP - 1 + bottom, width - bottom
        half = len(THREE) // 2
        high = stages.look_up(left, reads, [[-half] * len(THREE)] * len(left), out, negacyclic=True)
        left = [value - (bit + half) * place for value, bit in zip(left, high, strict=True)]
        rest = stages.look_up(left, reads, [list(THREE)] * len(left), out)
        left = [value - three * place for value, three in zip(left, rest, strict=True)]
    return left


def signs(stages: Stages, values: Sequence[WireSum], width: int, width_out: int) -> list[WireSum]:
    """1 for each value below zero and -1 for others, as wires of width `width_out`."""
    groups = max(0, -(-(width + 1 - GROUP) // GROUP))
    left = without_low_bits(stages, values, width, groups)
    table = [-1] * (1 << (width - GROUP * groups))
    return stages.look_up(left, width, [table] * len(left), width_out, negacyclic=True)


def argmax(stages: Stages, values: Sequence[WireSum], width: int, width_out: int) -> WireSum:
    """Which of three or four values is the first greatest one, 0 to 3; their differences fit `width`."""
    count = len(values)
    pairs = [(one, other) for other in range(count) for one in range(other)]
    beaten = signs(stages, [values[one] - values[other] for one, other in pairs], width, GROUP)
    better = dict(zip(pairs, beaten, strict=True))  # 1: the later one is greater
    wins = [
        sum(
            (better[i, j] + 1 for i in range(j)),
            sum(((better[j, k] * -1) + 1 for k in range(j + 1, count)), WireSum()),
        )
        for j in range(1, count)
    ]  # twice the number of values that j beats
    best = [int(beats == count - 1) for beats in THREE]
    chosen = stages.look_up(wins, GROUP, [best] * len(wins), GROUP - 1)
    number = sum((win * j for j, win in enumerate(chosen, 1)), WireSum())
    clipped = [label if label < count else 0 for label in THREE]
    return stages.look_up([number], GROUP - 1, [clipped], width_out)[0]
