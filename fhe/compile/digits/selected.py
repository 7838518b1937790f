"""Any function of a value of four to eight bits, by tables of three, of which other bits select one.

With d the lowest three bits, u up to three more and v up to two that are left, all tables f(8 u + 64 v + .) of d are by
one rotation. For each v those of all u are packed into one encrypted table, which u reads; where there are bits v, what
comes out is packed once more for these. Six bits take three rotations. Of four bits the last needs no selection: one
rotation gives the odd half of the function with that bit, another one the even half.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fhe.arrays import I64
from fhe.compile.digits.functions import walsh
from fhe.compile.digits.parts import ENTRIES, PART
from fhe.compile.digits.stages import Stages, WireSum

LEAST_BITS, MOST_BITS = PART + 1, 8
SELECTED = 3  # bits that a selection reads under the padding bit
HALF = ENTRIES // 2


def selected(
    stages: Stages, values: Sequence[WireSum], width: int, table: I64, width_out: int
) -> tuple[list[WireSum], int]:
    """(sums over wires of at least `width_out` bits, n): 2^n times table[value] of each value in [0, 2^width).

    The circuit shares rotations, and its dataset has a packing key. Errors: TooLarge.
    """
    count, wide = len(values), max(width, width_out)
    if width == LEAST_BITS:
        return _halves(stages, values, table, wide), 1
    more = max(0, width - PART - SELECTED)
    tables = table.reshape(1 << more, -1, ENTRIES)
    bit = stages.look_up(values, PART, [[-HALF] * ENTRIES] * count, PART + 1, negacyclic=True)
    low = [value - high - HALF for value, high in zip(values, bit, strict=True)]
    middle = (tables[..., 0] + tables[..., -1]) // 2  # without it products are smaller, and so is their noise
    shapes, shape = np.unique((tables - middle[..., None]).reshape(-1, ENTRIES), axis=0, return_inverse=True)
    rows = [[number - HALF for number in range(ENTRIES)], *shapes.tolist()]
    found = _products(stages, low, PART, rows, wide)
    rest = [value - digit - HALF for value, digit in zip(values, found[0], strict=True)]
    rest, above = _without_top(stages, rest, width - more, more, wide)
    places, up = shape.reshape(middle.shape), 1 << (wide - width + more)
    entries = [
        [found[1 + place][number] + least for place, least in zip(own, at, strict=True)]
        for own, at in zip(places.tolist(), middle.tolist(), strict=True)
        for number in range(count)
    ]
    wires = stages.select([value * up for value in rest] * len(tables), wide, entries)
    if more:
        wires = stages.select(above, wide, [wires[number::count] for number in range(count)])
    return wires, 0


def _halves(stages: Stages, values: Sequence[WireSum], table: I64, wide: int) -> list[WireSum]:
    """Twice a function of four bits: its odd half with the bit that tells them apart, then the even one."""
    even, odd = walsh(table.reshape(2, ENTRIES))
    bit, halves = _products(stages, values, PART, [[-HALF] * ENTRIES, odd.tolist()], wide, negacyclic=True)
    low = [value - high - HALF for value, high in zip(values, bit, strict=True)]
    others = stages.look_up(low, PART, [even.tolist()] * len(low), wide)
    return [one + other for one, other in zip(halves, others, strict=True)]


def _without_top(
    stages: Stages, rest: list[WireSum], under: int, more: int, wide: int
) -> tuple[list[WireSum], list[WireSum]]:
    """Values without the `more` bits from `under` on, and these as the highest ones under the padding bit of `wide`.

    They are multiples of eight, and each bit is read over what is below it.
    """
    above = [WireSum()] * len(rest)
    for place in range(under, under + more):
        worth, high = 1 << (place - 1), 1 << (wide - 1 - (under + more - place))
        over = [value - ((1 << under) - ENTRIES) // 2 for value in rest]
        own, told = _products(stages, over, place, [[-worth], [-high]], wide, negacyclic=True)
        rest = [value - bit - worth for value, bit in zip(rest, own, strict=True)]
        above = [before + bit + high for before, bit in zip(above, told, strict=True)]
    return rest, above


def _products(
    stages: Stages, values: Sequence[WireSum], width: int, rows: list[list[int]], wide: int, *, negacyclic: bool = False
) -> list[list[WireSum]]:
    """All tables of each value by one rotation, (tables, values)."""
    tables = [row for row in rows for _ in values]
    wires = stages.look_up([*values] * len(rows), width, tables, wide, negacyclic=negacyclic)
    return [wires[number * len(values) : (number + 1) * len(values)] for number in range(len(rows))]
