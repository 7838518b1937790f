"""Proofs of leaves of long files, in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest

from app.protocol.data import merkle
from fhe.merkle import BATCH_BYTES, prove, root_of

LENGTHS = [0, 1, 128, 129, BATCH_BYTES - 1, BATCH_BYTES, BATCH_BYTES + 1, 3 * BATCH_BYTES + 700, 5 * BATCH_BYTES]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_leaf_leads_to_the_root(length: int) -> None:
    """First, last and random leaves of files on both sides of a batch's end; no read is longer than a batch."""
    rng = np.random.default_rng(length)
    data = rng.bytes(length)
    count, root = merkle.leaves(length), root_of(data)

    def read(start: int, size: int) -> bytes:
        assert size <= BATCH_BYTES
        return data[start : start + size]

    for leaf in {0, count - 1, *map(int, rng.integers(0, count, 3))}:
        shown, path = prove(read, length, leaf)
        assert shown == data[leaf * merkle.LEAF_BYTES : (leaf + 1) * merkle.LEAF_BYTES]
        assert merkle.verify(root, shown, leaf, length, path)
    with pytest.raises(IndexError):
        prove(read, length, count)
