"""Rounding to fewer bits and clipping, as layers of a quantized network do it: ReLU, and whatever is clipped at zero.

Of a value x of width W with `drop` lowest bits that do not count, y = min(max(x >> drop, 0), 2^bits - 1). The dropped
bits are taken away, then the bits of y are read in parts of up to three. What is left, u = x >> (drop + bits), tells
whether y is inside (u = 0): two signs, of u and of u - 1. A part d then stands in a message with the padding bit as
"outside", d + 8 [u != 0], so that the negacyclic table 0, 1, ... gives z = d or -d, and (d + z) / 2 is d or 0. One more
lookup adds the top where u > 0 and leaves y with the noise of one bootstrap.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhe.compile.digits.parts import ENTRIES, PART, DigitPart, read_part
from fhe.compile.digits.passes import doubled, groups, low_groups, signs
from fhe.compile.digits.stages import Stages, WireSum
from fhe.noise.lookup import bootstrap_variance
from fhe.profile import EncryptionProfile


def clip_width(low: int, high: int, drop: int, bits: int) -> int:
    """The width at which a value in [low, high] can be clipped: it holds the value less 2^(drop + bits)."""
    least = low - (1 << (drop + bits))
    return max(max(-least - 1, high).bit_length(), drop + bits + PART)


def clip_stages(width: int, drop: int, bits: int, noise: float, profile: EncryptionProfile) -> int:
    """How many stages of lookups `clipped` takes. Errors: NoiseOverflow."""
    read = [min(PART, bits - first) for first in range(0, bits, PART)]
    sizes = low_groups(width, drop, noise, profile)
    sizes += groups(width - drop - bits, noise + (drop + bits) * bootstrap_variance(profile), profile)
    return sum(1 if size == 1 else 2 for size in (*sizes, *read)) + 3  # two signs, what is outside, what comes out


def clipped(
    stages: Stages,
    values: Sequence[WireSum],
    width: int,
    drop: int,
    bits: int,
    width_out: int,
    noise: float,
    profile: EncryptionProfile,
) -> list[WireSum]:
    """min(max(value >> drop, 0), 2^bits - 1) of each value, as sums of wires of width `width_out`.

    `width`: of `clip_width`; `noise`: the values' variance. Errors: NoiseOverflow, TooLarge.
    """
    left = doubled(stages, values, width, low_groups(width, drop, noise, profile))
    gone, parts = drop, list[DigitPart]()
    for first in range(0, bits, PART):
        size = min(PART, bits - first)
        left, part = read_part(stages, left, width, gone, size)
        parts.append(part)
        gone += size
    compared = [*left, *(value - (2 << gone) for value in left)]
    sizes = groups(width - gone, noise + gone * bootstrap_variance(profile), profile)
    found = signs(stages, compared, width, sizes, PART + 1, gone)
    below, short = found[: len(left)], found[len(left) :]  # 1: u < 0; 1: u < 1
    half = ENTRIES // 2
    asked = [d - (b + s) * half for part in parts for d, b, s in zip(part.numbers, below, short, strict=True)]
    turned = stages.look_up(asked, PART, [range(ENTRIES)] * len(asked), PART + 1, negacyclic=True)
    sums, tables = list[WireSum](), list[list[int]]()
    for number, part in enumerate(parts):
        own = turned[number * len(left) : (number + 1) * len(left)]
        sums += [d + z + (s * -1 + 1) * part.top for d, z, s in zip(part.numbers, own, short, strict=True)]
        tables += [[(place // part.unit) << (PART * number) for place in range(ENTRIES)]] * len(left)
    wires = stages.look_up(sums, PART + 1, tables, width_out)
    return [sum(wires[number :: len(left)], WireSum()) for number in range(len(left))]
