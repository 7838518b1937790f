"""Finds, builds if need be, and loads the native core through ctypes, which releases the interpreter while it runs."""

from __future__ import annotations

import ctypes
import math
from ctypes import POINTER, c_char_p, c_double, c_int, c_int64, c_uint64, c_void_p
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.protocol.errors import Unavailable
from fhe.arrays import F64
from fhe.engine.native import build
from fhe.engine.transform import Level, levels

BLOCK = 16  # points of a block, in transform.h


class KernelPlan(ctypes.Structure):
    """`plan` of transform.h."""

    _fields_ = (
        ("n", c_int64),
        ("N", c_int64),
        ("levels", c_int64),
        ("base", c_int64),
        ("front", c_void_p),
        ("tail", c_void_p),
    )


def _aligned(words: int) -> npt.NDArray[np.uint8]:
    raw = np.empty(8 * words + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + 8 * words]


def aligned_words(*shape: int) -> npt.NDArray[np.uint64]:
    """An uninitialised u64 array that starts at a multiple of 64 bytes, as vectors need."""
    return _aligned(math.prod(shape)).view(np.uint64).reshape(shape)


def aligned_doubles(*shape: int) -> F64:
    """As `aligned_words`, of float64."""
    return _aligned(math.prod(shape)).view(np.float64).reshape(shape)


@cache
def folder() -> Path:
    """Where the libraries of these sources are; builds them at first use. Errors: Unavailable."""
    try:
        return build.find() or build.build()
    except build.BuildError as error:
        raise Unavailable(f"The native core is not built: {error}.", "Run `make setup`.") from None


@cache
def widest() -> int:
    """The largest vector width, in doubles, that this processor runs and that is built. Errors: Unavailable."""
    probe = _open(0).darkroom_widest
    probe.restype = c_int
    return min(int(probe()), max(build.variants()))


@cache
def _open(lanes: int) -> ctypes.CDLL:
    path = folder() / build.names()[lanes]
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise Unavailable(f"The native core does not load: {error}.", "Run `make setup` again.") from None


@cache
def load(lanes: int) -> ctypes.CDLL:
    """The library of this vector width, its functions typed. Errors: Unavailable."""
    library = _open(lanes)
    plan, words, doubles = POINTER(KernelPlan), c_void_p, c_void_p
    library.darkroom_transform_key.argtypes = [plan, words, doubles, c_int64, c_int64]
    library.darkroom_bootstrap.argtypes = [plan, doubles, words, words, words, words, *[c_int64] * 4]
    library.darkroom_pack.argtypes = [plan, doubles, words, words, c_int64]
    library.darkroom_pack_tables.argtypes = [plan, doubles, words, words, c_int64, c_int64]
    library.darkroom_packs_tables.argtypes = [plan, c_int64]
    library.darkroom_keyswitch.argtypes = [words, words, words, *[c_int64] * 5]
    library.darkroom_keyswitch.restype = None
    library.darkroom_binary_key.argtypes = [plan, words, doubles]
    library.darkroom_times_key.argtypes = [plan, doubles, words, words, c_int64]
    library.darkroom_add_noise.argtypes = [words, words, c_int64, c_int64, c_double]
    library.darkroom_add_noise.restype = None
    library.darkroom_tile.restype = c_int64
    return library


def lanes_for(size: int) -> int:
    """The vector width for polynomials of `size` coefficients: a transform has at least one group of 16 x lanes points.

    Errors: Unavailable, for sizes below 64 and where there is no native core.
    """
    fitting = [lanes for lanes in build.variants() if lanes <= widest() and size // 2 >= BLOCK * lanes]
    if not fitting:
        raise Unavailable(f"The native core has no transform of {size} coefficients.", "Use the reference backend.")
    return max(fitting)


@cache
def merkle() -> ctypes.CDLL | None:
    """The library whose `darkroom_merkle` this processor can run; None without SHA-256 instructions.

    Errors: Unavailable.
    """
    library = _open(0)
    library.darkroom_has_sha.restype = c_int
    library.darkroom_merkle.argtypes = [c_void_p, c_int64, c_void_p, c_void_p]
    library.darkroom_merkle.restype = None
    return library if library.darkroom_has_sha() else None


@cache
def mask_sum() -> ctypes.CDLL | None:
    """The library whose `darkroom_mask_sum` and `darkroom_key_sums` this processor can run.

    None without AES and AVX2 instructions.

    Errors: Unavailable.
    """
    library = _open(0)
    library.darkroom_has_aes.restype = c_int
    library.darkroom_mask_sum.argtypes = [
        c_int,
        c_void_p,
        c_uint64,
        c_int64,
        c_void_p,
        c_void_p,
        c_int64,
        c_void_p,
        c_int64,
    ]
    library.darkroom_mask_sum.restype = None
    library.darkroom_key_sums.argtypes = [c_char_p, c_int64, c_int64, c_int64, c_void_p, c_void_p]
    library.darkroom_key_sums.restype = None
    return library if library.darkroom_has_aes() else None


def plan_of(size: int, lanes: int, *, n: int = 0, levels: int = 1, base: int = 1) -> KernelPlan:
    """A plan for polynomials of `size` coefficients; n, levels and base are those of a bootstrap."""
    front, tail = tables(size, lanes)
    plan = KernelPlan(n, size, levels, base, front.ctypes.data, tail.ctypes.data)
    plan.kept = front, tail  # threads that make the tables at once each get their own; the cache keeps one
    return plan


def _twiddles(level: Level) -> F64:
    """(nodes, (radix - 1) * 2): re and im of each power of t."""
    return np.concatenate([part for power in level.twiddles for part in power], axis=1)


@cache
def tables(size: int, lanes: int) -> tuple[F64, F64]:
    """The tables `front` and `tail` of a plan, aligned, for polynomials of `size` coefficients."""
    tree = levels(size // 2)
    front = np.concatenate([_twiddles(level).reshape(-1) for level in tree[:-2]])
    blocks = size // 2 // BLOCK
    inner = np.concatenate([_twiddles(tree[-2]), _twiddles(tree[-1]).reshape(blocks, 24)], axis=1)
    tail = inner.reshape(-1, lanes, 30).transpose(0, 2, 1)
    out = aligned_doubles(*front.shape), aligned_doubles(*tail.shape)
    for array, values in zip(out, (front, tail), strict=True):
        array[...] = values
    return out
