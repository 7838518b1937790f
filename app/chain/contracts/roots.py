"""Digests by which a dispute's moves bind what went before: docs/trace.md, section 8."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from app.protocol.ids import Digest
from app.protocol.market.disputes import Dispute, LineStretch


def matter(dispute: Dispute) -> Digest:
    """Of what of a dispute never changes."""
    receipt, order = (bytes.fromhex(each) for each in (dispute.receipt, dispute.order))
    fields = (dispute.index, dispute.bond, receipt, order, dispute.value)
    return Digest(keccak(encode(["uint8", "uint256", "bytes32", "bytes32", "uint64"], fields)).hex())


def list_claim(stretch: LineStretch, roots: Sequence[str]) -> Digest:
    """Of what a player stands for that has given a list of roots over a stretch."""
    fields = (
        bytes.fromhex(stretch.line),
        stretch.levels,
        stretch.level,
        stretch.node,
        stretch.bits,
        _lists(roots)[-1][0],
    )
    return Digest(keccak(encode(["bytes32", *["uint64"] * 4, "bytes32"], fields)).hex())


def picked(roots: Sequence[str], part: int) -> tuple[Any, ...]:
    """The contract's `Pick`: two neighbours of a list, and what leads from them to its digest."""
    *below, _ = _lists(roots)
    return part, roots[part], roots[part + 1], [level[part >> up ^ 1].hex() for up, level in enumerate(below)]


def _lists(roots: Sequence[str]) -> list[list[bytes]]:
    """The tree over neighbouring pairs, the pairs first."""
    found = [[keccak(bytes.fromhex(low + high)) for low, high in pairwise(roots)]]
    while len(found[-1]) > 1:
        level = found[-1]
        found.append([keccak(level[k] + level[k + 1]) for k in range(0, len(level), 2)])
    return found
