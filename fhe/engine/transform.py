"""The canonical transform of negacyclic polynomials: docs/canonical-evaluator.md section 3, in readable NumPy.

A polynomial p of N real coefficients is folded to H = N / 2 complex points z_j = p_j + i p_{j+H}; products modulo
X^N + 1 become products of polynomials in z modulo X^H = i. The forward transform evaluates z at the H roots of X^H = i
by splitting X^{4m} = t^4 into the four factors X^m = t i^k, over and over; the inverse undoes it without dividing by H.
Where log2(H) is odd the first split is into two. Nodes stay where their points are, so the transform needs no
reordering; the order of the transformed points is the tree's.

Real and imaginary parts are separate float64 arrays and every expression below is one IEEE operation after another in
the order it is written: this is the definition that native and GPU code must match bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from fhe.arrays import F64, I64
from fhe.engine.roots import roots

Complex = tuple[F64, F64]

MIN_SIZE, MAX_SIZE = 32, 8192  # polynomial sizes that have a transform


@dataclass(frozen=True)
class Level:
    """All splits of one depth: each node has `radix` blocks of `width` points and twiddles t, t^2, t^3 (or t)."""

    radix: int
    width: int
    twiddles: tuple[Complex, ...]  # radix - 1 powers of t, each of shape (nodes, 1)
    angles: I64  # (nodes,): t's angle in units of a turn / (2 N)


@cache
def levels(points: int) -> tuple[Level, ...]:
    """The splits for `points` = H, from the root down. Angles are exact integers, in units of one turn / (4 H)."""
    turn = 4 * points
    real, imaginary = roots(turn)
    angles, width, out = np.array([points], np.int64), points, []  # X^H = i: a quarter turn
    while width > 1:
        radix = 2 if points.bit_length() % 2 == 0 and width == points else 4
        width //= radix
        t = angles // radix
        powers = [t * power % turn for power in range(1, radix)]
        out.append(Level(radix, width, tuple((real[a][:, None], imaginary[a][:, None]) for a in powers), t))
        angles = ((angles[:, None] + np.arange(radix) * turn) // radix).reshape(-1)
    return tuple(out)


def multiply(x: Complex, t: Complex) -> Complex:
    """Complex product x t."""
    return x[0] * t[0] - x[1] * t[1], x[0] * t[1] + x[1] * t[0]


def _multiply_conjugate(x: Complex, t: Complex) -> Complex:
    return x[0] * t[0] + x[1] * t[1], x[1] * t[0] - x[0] * t[1]


def add(x: Complex, y: Complex) -> Complex:
    """Complex sum x + y."""
    return x[0] + y[0], x[1] + y[1]


def _subtract(x: Complex, y: Complex) -> Complex:
    return x[0] - y[0], x[1] - y[1]


def _add_i(x: Complex, y: Complex) -> Complex:
    """Complex sum x + i y."""
    return x[0] - y[1], x[1] + y[0]


def _subtract_i(x: Complex, y: Complex) -> Complex:
    """Complex sum x - i y."""
    return x[0] + y[1], x[1] - y[0]


def _blocks(re: F64, im: F64, level: Level) -> Iterator[Complex]:
    """Views (..., nodes, width) of the blocks of every node."""
    shape = (*re.shape[:-1], -1, level.radix, level.width)
    real, imaginary = re.reshape(shape), im.reshape(shape)
    for k in range(level.radix):
        yield real[..., k, :], imaginary[..., k, :]


def _store(blocks: list[Complex], values: tuple[Complex, ...]) -> None:
    for (real, imaginary), value in zip(blocks, values, strict=True):
        real[...], imaginary[...] = value


def forward(re: F64, im: F64) -> None:
    """Transform (..., H) points in place; C-contiguous float64 arrays."""
    for level in levels(re.shape[-1]):
        split(re, im, level)


def split(re: F64, im: F64, level: Level) -> None:
    """All splits of one depth, in place."""
    x = list(_blocks(re, im, level))
    u = [multiply(x[k], level.twiddles[k - 1]) for k in range(1, level.radix)]
    if level.radix == 2:
        _store(x, (add(x[0], u[0]), _subtract(x[0], u[0])))
        return
    s, d = add(x[0], u[1]), _subtract(x[0], u[1])
    p, q = add(u[0], u[2]), _subtract(u[0], u[2])
    _store(x, (add(s, p), _add_i(d, q), _subtract(s, p), _subtract_i(d, q)))


def inverse(re: F64, im: F64) -> None:
    """Undo `forward` in place, but for a factor H."""
    for level in reversed(levels(re.shape[-1])):
        join(re, im, level)


def join(re: F64, im: F64, level: Level) -> None:
    """Undo the splits of one depth in place, but for their factor."""
    y, t = list(_blocks(re, im, level)), level.twiddles
    if level.radix == 2:
        _store(y, (add(y[0], y[1]), _multiply_conjugate(_subtract(y[0], y[1]), t[0])))
        return
    s, d = add(y[0], y[2]), _subtract(y[0], y[2])
    p, q = add(y[1], y[3]), _subtract(y[1], y[3])
    values = (
        add(s, p),
        _multiply_conjugate(_subtract_i(d, q), t[0]),
        _multiply_conjugate(_subtract(s, p), t[1]),
        _multiply_conjugate(_add_i(d, q), t[2]),
    )
    _store(y, values)


def points(coefficients: F64) -> Complex:
    """Transformed points (..., H) of real polynomials (..., N)."""
    half = coefficients.shape[-1] // 2
    re, im = coefficients[..., :half].copy(), coefficients[..., half:].copy()
    forward(re, im)
    return re, im


def key_points(words: npt.NDArray[np.uint64]) -> Complex:
    """Transformed points of key polynomials u64 (..., N), scaled by 2^-64 / H so that results come as turns.

    Words count as signed integers, rounded to float64 (to nearest, ties to even).
    """
    half = words.shape[-1] // 2
    return points(words.view(np.int64).astype(np.float64) * (2.0**-64 / half))


def to_words(re: F64, im: F64) -> npt.NDArray[np.uint64]:
    """Words (..., N) of inverse-transformed points in turns: the fraction of a turn times 2^64, ties to even.

    A fraction lies in [-1/2, 1/2]; it becomes two 32-bit limbs, since 2^63 itself is no int64.
    """
    turns = np.concatenate([re, im], -1)
    scaled = (turns - np.rint(turns)) * 2.0**32
    high = np.rint(scaled)
    low = np.rint((scaled - high) * 2.0**32)
    words: npt.NDArray[np.uint64] = high.astype(np.int64).view(np.uint64)
    words <<= np.uint64(32)
    words += low.astype(np.int64).view(np.uint64)
    return words
