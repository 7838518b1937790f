"""Merkle trees over bytes: what lets a contract, or anyone else, check 128 bytes of a file against one digest.

The bytes are cut into leaves of 128 (the last may be shorter; no bytes at all are one empty leaf).

    leaf  = SHA-256(00 || bytes)            node = SHA-256(01 || left || right)
    root over n > 1 leaves: node(root of the first k, root of the rest), k the largest power of two below n (RFC 9162)

so a level's odd last digest moves up unchanged. A leaf is never a node and a short leaf never a full one, therefore no
second file has the same root. A table's data root is the same tree over its files, in manifest order, whose leaves are
SHA-256(02 || the file's root). Roots are 64 hex digits, proofs the siblings' digests from the leaf up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from app.protocol.ids import Digest

LEAF_BYTES = 128
BATCH_LEAVES = 1 << 13  # 1 MiB of bytes: a perfect subtree is hashed level by level, then only its root is kept
_BATCH_BYTES = BATCH_LEAVES * LEAF_BYTES

Fold = Callable[[bytes | bytearray | memoryview], bytes]  # the root of one whole batch, however it is computed


class Builder:
    """The root of bytes that come in pieces of any length; keeps less than 1 MiB of them."""

    def __init__(self, fold: Fold | None = None) -> None:
        """`fold` hashes a batch faster than hashlib does here, to the same root (`fhe.merkle`)."""
        self._fold_batch = fold or (lambda batch: _fold(_leaves(batch)))
        self._pending = bytearray()
        self._peaks: list[tuple[int, bytes]] = []  # (batches, root) of perfect subtrees, larger ones first

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes."""
        view = memoryview(data).cast("B")
        if self._pending:
            missing = _BATCH_BYTES - len(self._pending)
            self._pending += view[:missing]
            view = view[missing:]
        if len(self._pending) == _BATCH_BYTES:
            self._push(self._fold_batch(bytes(self._pending)))
            self._pending.clear()
        whole = len(view) // _BATCH_BYTES * _BATCH_BYTES
        for start in range(0, whole, _BATCH_BYTES):
            self._push(self._fold_batch(view[start : start + _BATCH_BYTES]))
        self._pending += view[whole:]

    def root(self) -> Digest:
        """The root of what came so far."""
        peaks = [peak for _, peak in self._peaks]
        if self._pending or not peaks:
            peaks.append(_fold(_leaves(self._pending)))
        right = peaks.pop()
        while peaks:
            right = _node(peaks.pop(), right)
        return Digest(right.hex())

    def _push(self, digest: bytes) -> None:
        batches = 1
        while self._peaks and self._peaks[-1][0] == batches:
            digest = _node(self._peaks.pop()[1], digest)
            batches *= 2
        self._peaks.append((batches, digest))


def root(data: bytes | bytearray | memoryview) -> Digest:
    """The Merkle root of `data`."""
    builder = Builder()
    builder.update(data)
    return builder.root()


def leaves(length: int) -> int:
    """How many leaves `length` bytes have."""
    return max(1, -(-length // LEAF_BYTES))


def proof(data: bytes | bytearray | memoryview, leaf: int) -> tuple[str, ...]:
    """The digests that lead from leaf number `leaf` of `data` to its root. IndexError if there is no such leaf."""
    return _path(_leaves(memoryview(data).cast("B")), leaf)


def path_over(roots: Sequence[bytes], index: int) -> tuple[str, ...]:
    """The digests that lead from subtree number `index` to the root over whole subtrees, the last one of any length.

    IndexError if there is no such subtree.
    """
    return _path(list(roots), index)


def verify(root: str, leaf_bytes: bytes, leaf: int, length: int, siblings: Sequence[str]) -> bool:
    """Whether `leaf_bytes` is leaf number `leaf` of the `length` bytes under `root`."""
    if not 0 <= leaf < leaves(length) or len(leaf_bytes) != min(LEAF_BYTES, length - leaf * LEAF_BYTES):
        return False
    return _climb(_leaf(leaf_bytes), leaf, leaves(length), siblings) == root


def data_root(roots: Iterable[str]) -> Digest:
    """The root over files' roots, in manifest order. ValueError without files or for what is no digest."""
    peaks: list[tuple[int, bytes]] = []  # (files, root) of perfect subtrees, larger ones first
    for root in roots:
        files, digest = 1, _file_leaves([root])[0]
        while peaks and peaks[-1][0] == files:
            digest, files = _node(peaks.pop()[1], digest), 2 * files
        peaks.append((files, digest))
    if not peaks:
        raise ValueError("a data root needs the 32-byte roots of one file or more")
    _, right = peaks.pop()
    while peaks:
        right = _node(peaks.pop()[1], right)
    return Digest(right.hex())


def file_proof(roots: Sequence[str], file: int) -> tuple[str, ...]:
    """The digests that lead from file number `file` to the data root."""
    return _path(_file_leaves(roots), file)


def verify_file(data_root: str, root: str, file: int, files: int, siblings: Sequence[str]) -> bool:
    """Whether `root` is that of file number `file` of `files` under `data_root`."""
    return 0 <= file < files and _climb(_file_leaves([root])[0], file, files, siblings) == data_root


def _leaf(data: bytes | memoryview) -> bytes:
    return sha256(b"\x00" + data).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _leaves(data: bytes | bytearray | memoryview) -> list[bytes]:
    whole = bytes(data)
    return [
        sha256(b"\x00" + whole[start : start + LEAF_BYTES]).digest() for start in range(0, len(whole) or 1, LEAF_BYTES)
    ]


def _file_leaves(roots: Sequence[str]) -> list[bytes]:
    digests = [bytes.fromhex(root) for root in roots]
    if not digests or any(len(digest) != 32 for digest in digests):
        raise ValueError("a data root needs the 32-byte roots of one file or more")
    return [sha256(b"\x02" + digest).digest() for digest in digests]


def _up(level: list[bytes]) -> list[bytes]:
    pairs = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[0::2], level[1::2], strict=False)]
    return pairs + level[-1:] if len(level) % 2 else pairs


def _fold(level: list[bytes]) -> bytes:
    while len(level) > 1:
        level = _up(level)
    return level[0]


def _path(level: list[bytes], index: int) -> tuple[str, ...]:
    if not 0 <= index < len(level):
        raise IndexError("no such leaf")
    siblings = []
    while len(level) > 1:
        if index ^ 1 < len(level):
            siblings.append(level[index ^ 1].hex())
        level, index = _up(level), index // 2
    return tuple(siblings)


def _climb(digest: bytes, index: int, count: int, siblings: Sequence[str]) -> Digest:
    """The root that these siblings lead to, or "" if there are too many, too few or malformed ones."""
    rest = list(reversed(siblings))
    try:
        while count > 1:
            if index ^ 1 < count:
                sibling = bytes.fromhex(rest.pop())
                if len(sibling) != 32:
                    return Digest("")
                digest = _node(sibling, digest) if index % 2 else _node(digest, sibling)
            index, count = index // 2, (count + 1) // 2
    except (IndexError, ValueError):
        return Digest("")
    return Digest("" if rest else digest.hex())
