"""Merkle roots of long files (`app.protocol.data.merkle`), by the processor's own SHA-256 instructions where it can.

One root whatever computes it: the native core hashes whole batches with two messages side by side, hashlib the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from app.protocol.data.merkle import BATCH_LEAVES, LEAF_BYTES, Builder, Fold, leaves, path_over, proof
from app.protocol.errors import Unavailable
from app.protocol.ids import Digest
from fhe.engine.native import library

BATCH_BYTES = BATCH_LEAVES * LEAF_BYTES


def builder() -> Builder:
    """A builder of one file's root. Safe to use in threads, each with its own: hashing lets go of the interpreter."""
    return Builder(native_fold())


def root_of(data: bytes | bytearray | memoryview) -> Digest:
    """The Merkle root of bytes that are all there."""
    whole = builder()
    whole.update(data)
    return whole.root()


def prove(read: Callable[[int, int], bytes], length: int, leaf: int) -> tuple[bytes, tuple[str, ...]]:
    """A leaf of a file of `length` bytes and the digests that lead from it to the root, 1 MiB in memory at a time.

    `read` gives so many bytes from an offset on. IndexError if there is no such leaf.
    """
    if not 0 <= leaf < leaves(length):
        raise IndexError("no such leaf")
    roots, shown, inner = list[bytes](), b"", tuple[str, ...]()
    for start in range(0, length or 1, BATCH_BYTES):
        batch = read(start, min(BATCH_BYTES, length - start))
        roots.append(bytes.fromhex(root_of(batch)))
        if 0 <= (place := leaf * LEAF_BYTES - start) < BATCH_BYTES:
            shown, inner = batch[place : place + LEAF_BYTES], proof(batch, place // LEAF_BYTES)
    return shown, inner + path_over(roots, leaf // BATCH_LEAVES)


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
