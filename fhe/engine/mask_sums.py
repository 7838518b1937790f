"""Sums of weighted mask words (`fhe.mask`) by the native core, where the processor has the instructions."""

from __future__ import annotations

from functools import cache
from typing import Protocol

import numpy as np

from app.protocol.errors import Unavailable
from fhe.arrays import I64, U64
from fhe.engine.native import library
from fhe.mask import SEED_BYTES


class AddMask(Protocol):
    """Adds weighted mask words of one file to sums, without writing them anywhere; modulo 2^64."""

    def __call__(self, seed: bytes, first_word: int, weights: U64, rows: I64, sums: U64) -> None:
        """`sums[rows[t]] += weights[t] * words` for each t: C-contiguous sums u64 (outputs, words), an even number of
        words from the even `first_word` of the file on.
        """


@cache
def native_add_mask(kind: int | None = None) -> AddMask | None:
    """The native core's, with one (1) or two (2) blocks an instruction, by default the best that this processor has;
    None where it has none, or there is no core. What it adds equals what `mask` gives.
    """
    try:
        core = library.mask_sum()
    except Unavailable:
        return None
    best = 0 if core is None else int(core.darkroom_has_aes())
    chosen = best if kind is None else kind
    if core is None or chosen > best:
        return None

    def add(seed: bytes, first_word: int, weights: U64, rows: I64, sums: U64) -> None:
        if len(seed) != SEED_BYTES or first_word % 2 or sums.shape[1] % 2 or not sums.flags.c_contiguous:
            raise ValueError("mask words come in pairs, under a seed of 16 bytes, into contiguous sums")
        factors, places = np.ascontiguousarray(weights, np.uint64), np.ascontiguousarray(rows, np.int64)
        if len(factors) != len(places) or (len(places) and not 0 <= places.min() <= places.max() < len(sums)):
            raise ValueError("each weight has one row of the sums")
        addresses = factors.ctypes.data, places.ctypes.data, len(places), sums.ctypes.data
        core.darkroom_mask_sum(chosen, seed, first_word // 2, sums.shape[1] // 2, *addresses, sums.shape[1])

    return add
