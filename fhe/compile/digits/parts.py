"""A few bits of wide values, as numbers that tables read: what clipping and functions of digits begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fhe.compile.digits.stages import Stages, WireSum

PART = 3  # bits that a table reads under the padding bit
ENTRIES = 1 << PART


@dataclass(frozen=True)
class DigitPart:
    """Some bits of every value, as numbers from 0 to `top` in steps of `unit`."""

    numbers: list[WireSum]
    top: int
    unit: int
    next_bit: list[WireSum]  # the bit above them as 0 or 2^(1 + size); empty where it was not read


def read_part(
    stages: Stages, left: Sequence[WireSum], width: int, gone: int, size: int
) -> tuple[list[WireSum], DigitPart]:
    """Doubled values of this width, whose lowest `gone` bits are gone, without their next `size` bits; and these bits.

    One bit stands in the padding bit itself. Two or three are read once the bit above them is known, which stays.
    """
    entries, bottom, out = 1 << size, 1 + gone, width - gone
    if size == 1:
        bit = stages.look_up(left, bottom, [[-1]] * len(left), out + 1, negacyclic=True)
        numbers = [each + 1 for each in bit]
        return [value - n * (1 << gone) for value, n in zip(left, numbers, strict=True)], DigitPart(numbers, 2, 2, [])
    high = stages.look_up(left, bottom + size, [[-entries] * entries] * len(left), out + 1, negacyclic=True)
    above = [bit + entries for bit in high]
    under = [value - bit * (1 << gone) for value, bit in zip(left, above, strict=True)]
    numbers = stages.look_up(under, bottom + size, [range(entries)] * len(left), out)
    rest = [value - n * (1 << bottom) for value, n in zip(left, numbers, strict=True)]
    return rest, DigitPart(numbers, entries - 1, 1, above)
