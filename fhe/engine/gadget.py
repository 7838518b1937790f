"""Integer steps that reference, linear algebra and key switching share: digits, modulus switch, rotation, extraction.

All words are u64 modulo 2^64; an LWE ciphertext is [mask..., body] with phase body - <mask, key>.
"""

from __future__ import annotations

import numpy as np

from fhe.arrays import I64, U64
from fhe.profile import Gadget


def digit_offset(gadget: Gadget) -> int:
    """What is added before cutting digits: half a base at each level, and half of what the last level drops."""
    base, levels = gadget.base_log, gadget.levels
    return sum(1 << (63 - base * level) for level in range(levels)) + (1 << (63 - base * levels)) & (1 << 64) - 1


def digits(words: U64, gadget: Gadget) -> I64:
    """Signed digits (levels, ...) in [-2^(base-1), 2^(base-1)), level 0 the least significant.

    sum over l of digit_l * 2^(64 - base * (levels - l)) is `words` rounded to a multiple of 2^(64 - base * levels).
    """
    base, levels = gadget.base_log, gadget.levels
    u = words + np.uint64(digit_offset(gadget))
    cut = [u >> np.uint64(64 - base * (levels - level)) & np.uint64((1 << base) - 1) for level in range(levels)]
    signed: I64 = np.stack(cut).view(np.int64) - np.int64(1 << (base - 1))
    return signed


def switch_modulus(words: U64, size: int) -> I64:
    """Words rounded from modulo 2^64 to modulo 2 * size (a power of two), half up."""
    bits = (2 * size).bit_length() - 1
    return (((words >> np.uint64(63 - bits)) + np.uint64(1)) >> np.uint64(1)).view(np.int64) & np.int64(2 * size - 1)


def centre(small: U64, size: int) -> U64:
    """LWE ciphertexts (batch, n + 1) whose bodies have lost half of what rounding will take from their masks.

    A mask word a_i is rounded by e_i to a multiple of q = 2^64 / 2 size. Its bit s_i then moves the phase by e_i s_i,
    of which e_i / 2 is known: what is left is +-e_i / 2, with half the variance, whatever the key. The sum is halved
    downwards.
    """
    unit = np.uint64(64 - (2 * size).bit_length() + 1)
    rounded = switch_modulus(small[:, :-1], size).view(np.uint64) << unit
    lost = (small[:, :-1] - rounded).sum(axis=1, dtype=np.uint64).view(np.int64)
    out = small.copy()
    out[:, -1] -= (lost >> np.int64(1)).view(np.uint64)
    return out


def rotate(polynomials: U64, exponents: I64) -> U64:
    """Polynomials (batch, ..., N) times X^exponents[batch] modulo X^N + 1, exponents in [0, 2N)."""
    size = polynomials.shape[-1]
    place = (np.arange(size) - exponents[:, None]) % (2 * size)
    middle = (1,) * (polynomials.ndim - 2)
    place = place.reshape(len(exponents), *middle, size)
    turned = np.take_along_axis(polynomials, place % size, -1)
    return np.where(place >= size, np.uint64(0) - turned, turned)


def table_polynomials(tables: I64, width_out: int, size: int) -> U64:
    """Test polynomials (tables, N) of lookup tables (tables, entries): boxes of N / entries coefficients a value.

    Boxes are centred on their value, so the first half box stands at the start and its negative at the end.
    """
    entries = tables.shape[1]
    box = size // entries
    index = (np.arange(size) + box // 2) // box
    scaled = tables.view(np.uint64) << np.uint64(63 - width_out)
    polynomials = scaled[:, index % entries]
    polynomials[:, index == entries] = np.uint64(0) - scaled[:, :1]
    return polynomials


def boxed(polynomials: U64, width: int) -> U64:
    """Polynomials (..., N) times (1 + X + ... + X^(width - 1)) X^(-width / 2): each coefficient spread over a box.

    Where they are not zero only at multiples of `width`, that is a test polynomial of such coefficients.
    """
    half = width // 2
    zero = np.zeros((*polynomials.shape[:-1], 1), np.uint64)
    before, after = polynomials[..., polynomials.shape[-1] - half + 1 :], polynomials[..., :half]
    around = np.concatenate([zero, np.uint64(0) - before, polynomials, np.uint64(0) - after], axis=-1)
    sums = np.cumsum(around, axis=-1, dtype=np.uint64)
    return sums[..., width:] - sums[..., :-width]


def extract(masks: U64, bodies: U64, row: int) -> U64:
    """LWE ciphertexts (..., N + 1) of coefficient `row` of RLWE ones: a'_i = a_{row-i}, negated where it wraps."""
    size = masks.shape[-1]
    out = np.empty((*masks.shape[:-1], size + 1), np.uint64)
    out[..., : row + 1] = masks[..., row::-1]
    out[..., row + 1 : size] = np.uint64(0) - masks[..., :row:-1]
    out[..., size] = bodies[..., row]
    return out
