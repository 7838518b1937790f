"""Merkle roots of long files (`app.protocol.data.merkle`), by the processor's own SHA-256 instructions where it can.

One root whatever computes it: the native core hashes whole batches with two messages side by side, hashlib the rest.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from app.protocol.data.merkle import BATCH_LEAVES, Builder, Fold
from app.protocol.errors import Unavailable
from app.protocol.ids import Digest
from fhe.engine.native import library


def builder() -> Builder:
    """A builder of one file's root. Safe to use in threads, each with its own: hashing lets go of the interpreter."""
    return Builder(native_fold())


def root_of(data: bytes | bytearray | memoryview) -> Digest:
    """The Merkle root of bytes that are all there."""
    whole = builder()
    whole.update(data)
    return whole.root()


@cache
def native_fold() -> Fold | None:
    """The root of one whole batch by the native core; None where it or the instructions cannot be had."""
    try:
        core = library.merkle()
    except Unavailable:
        return None
    if core is None:
        return None

    def fold(batch: bytes | bytearray | memoryview) -> bytes:
        data = np.frombuffer(batch, np.uint8)
        work, root = np.empty(32 * BATCH_LEAVES, np.uint8), np.empty(32, np.uint8)
        core.darkroom_merkle(data.ctypes.data, BATCH_LEAVES, work.ctypes.data, root.ctypes.data)
        return root.tobytes()

    return fold
