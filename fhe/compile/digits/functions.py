"""Any function of a value of up to eight bits, by tables of three.

The lowest three bits are a number d; the n others are bits u. With the Walsh coefficients over u for each d,

    2^n f(8 u + d) = sum over sets S of those bits of (-1)^(how many of S are 1) t_S(d),

one negacyclic lookup for each S whose t_S is not constant: its message is d, and 8 more for each bit of S that is 1, of
which the padding bit keeps whether they are even. Tables that are constant in d are together a function of u, which is
one lookup where u has three bits. Functions that people use have few coefficients: a ReLU has two.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.protocol.errors import BadModel
from fhe.arrays import I64
from fhe.compile.digits.parts import ENTRIES, PART, read_part
from fhe.compile.digits.stages import Stages, WireSum

MOST_BITS = 8


def looked_up(
    stages: Stages, values: Sequence[WireSum], width: int, table: Sequence[int], width_out: int
) -> tuple[list[WireSum], int]:
    """(sums over wires of width `width_out`, n): 2^n times table[value] of each value in [0, 2^width).

    Where a dataset has a packing key, `fhe.compile.digits.selected` takes a third of the rotations.
    Errors: BadModel for a width of more than `MOST_BITS` bits; TooLarge.
    """
    if not 1 <= width <= MOST_BITS or len(table) != 1 << width:
        raise BadModel(f"A table of {len(table)} entries is none of {width} bits.", f"Use 1 to {MOST_BITS} bits.")
    if width <= PART:
        return stages.look_up(values, width, [table] * len(values), width_out), 0
    more = width - PART
    spectrum = walsh(np.array(table, np.int64).reshape(-1, ENTRIES))
    constant = (spectrum == spectrum[:, :1]).all(axis=1)
    asked = np.flatnonzero(~constant)
    alone = np.flatnonzero(constant & spectrum.any(axis=1) & (np.arange(len(spectrum)) > 0))
    rest, part = read_part(stages, [value * 2 for value in values], width, 0, PART)
    found = [WireSum((), int(spectrum[0, 0]) if constant[0] else 0)] * len(values)
    if len(alone) and more <= PART:  # all of them by one lookup of the bits above
        only = np.where(np.isin(np.arange(len(spectrum)), alone)[:, None], spectrum, 0)[:, :1]
        own = walsh(only).ravel().tolist()
        found = [
            before + wire
            for before, wire in zip(found, stages.look_up(rest, width + 1, [own] * len(rest), width_out), strict=True)
        ]
    else:
        asked = np.sort(np.concatenate([asked, alone]))
    bits = _bits(stages, rest, part.next_bit, width, int(np.bitwise_or.reduce(asked, initial=0)))
    sums, tables = list[WireSum](), list[list[int]]()
    for chosen in asked.tolist():
        own = [number * (1 << (width - 2)) for number in part.numbers]
        for place in range(more):
            if chosen >> place & 1:
                own = [one + other for one, other in zip(own, bits[place], strict=True)]
        sums += own
        tables += [spectrum[chosen].tolist()] * len(own)
    wires = stages.look_up(sums, width + 1, tables, width_out, negacyclic=True) if sums else []
    parts = [wires[number :: len(rest)] for number in range(len(rest))]
    found = [sum(own, before) for own, before in zip(parts, found, strict=True)]
    return found, more


def walsh(values: I64) -> I64:
    """sum over u of (-1)^(bits that S and u share) values[u], (sets, ...), of values (2^n, ...); itself up to 2^n."""
    found = values.copy()
    step = 1
    while step < len(found):
        pairs = found.reshape(-1, 2, step, *found.shape[1:])
        found = np.concatenate([pairs[:, :1] + pairs[:, 1:], pairs[:, :1] - pairs[:, 1:]], axis=1).reshape(found.shape)
        step *= 2
    return found


def _bits(
    stages: Stages, rest: Sequence[WireSum], first: Sequence[WireSum], width: int, wanted: int
) -> list[list[WireSum]]:
    """Each bit above the part, as 0 or the weight of the padding bit of a layer of width + 1; up to the last wanted."""
    padding = 2 << width
    found = [[bit * (padding >> (PART + 1)) for bit in first]]
    left = [value - bit for value, bit in zip(rest, first, strict=True)]
    for place in range(1, width - PART):
        if not wanted >> place:
            break
        if place == width - PART - 1:  # nothing is left but this bit, whose doubled value is half a padding bit
            found.append([value * 2 for value in left])
            break
        left, part = read_part(stages, left, width, PART + place, 1)
        found.append([number * (padding >> 1) for number in part.numbers])
    return found
