"""Nearest neighbours under encryption: who is closer than whom, who is among the k closest, and what these vote for.

Every two prototypes are compared once. A prototype's rank is the number of closer ones, and of equally close ones that
come before it; those with a rank below k vote. Ranks and votes are counted twice over, as a comparison is -1 or 1, so
that each is read by its sign in one lookup.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fhe.arrays import I64
from fhe.compile.digits.passes import UNDER, Reading, number_of, signs, winners_of
from fhe.compile.digits.stages import Stages, WireSum

COUNTED = 1 << UNDER  # a count less a bound is in [-COUNTED, COUNTED)
MOST_NEIGHBOURS = COUNTED - 1


def most_prototypes(neighbours: int) -> int:
    """How many prototypes can be ranked, of which so many vote."""
    return COUNTED + neighbours


def nearest_label(
    stages: Stages,
    values: Sequence[WireSum],
    width: int,
    by: Reading,
    classes: I64,
    neighbours: int,
    width_out: int,
) -> WireSum:
    """Which class most of the nearest have, the first of equals: -1 or 1 of two, else the class's number.

    `values` are the greater the closer a prototype is, their differences fit `width`, `classes` are their numbers.
    Errors: TooLarge.
    """
    count = len(values)
    pairs = [(one, other) for other in range(count) for one in range(other)]
    found = signs(stages, [values[one] - values[other] for one, other in pairs], width, by, UNDER + 1)
    later = dict(zip(pairs, found, strict=True))  # 1 where the later one is closer, else -1
    ranks = [
        sum((later[i, j] * -1 + 1 for i in range(j)), sum((later[j, i] + 1 for i in range(j + 1, count)), WireSum()))
        for j in range(count)
    ]
    near = _below(stages, [rank - 2 * neighbours for rank in ranks], UNDER + 1)  # 1 or -1
    votes = [
        sum((near[j] + 1 for j in np.flatnonzero(classes == number).tolist()), WireSum())
        for number in range(int(classes.max()) + 1)
    ]
    if len(votes) == 2:
        return _below(stages, [votes[1] - 2 * (neighbours // 2 + 1)], width_out)[0] * -1
    pairs = [(one, other) for other in range(len(votes)) for one in range(other)]
    more = _below(stages, [votes[one] - votes[other] for one, other in pairs], UNDER + 1)
    return number_of(stages, winners_of(stages, more, len(votes), UNDER), width_out)


def _below(stages: Stages, counts: Sequence[WireSum], width_out: int) -> list[WireSum]:
    """1 where twice a count less a bound is below zero, else -1."""
    return stages.look_up(counts, UNDER + 1, [[-1] * COUNTED] * len(counts), width_out, negacyclic=True)
