"""How a file becomes blocks: the UnixFS profile `unixfs-v1-2025` (CIDv1, raw leaves of 1 MiB, nodes of 1024 links).

A file of at most one leaf is that raw block. A longer one is a tree of dag-pb nodes in which every node is full but
the last of its level, so the size of a file alone fixes the tree's shape: which sizes its children have, how many bytes
each node takes. A node is therefore read by taking its size and its children's digests out, building the node that must
stand there and comparing bytes. Any other shape, which could make a reader fetch a million one-byte leaves, is refused.

A node is the links (field 2: CID in field 1, an empty name in field 2, the subtree's bytes in field 3), then the data
(field 1: UnixFS type 2 in field 1, size in field 3, each child's size in field 4), as IPIP-499 and Kubo write them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from app.protocol.errors import BadBlock, TooLarge
from app.storage.cid import BINARY_LENGTH, DAG_PB, RAW, Cid, of_block

LEAF_BYTES = 1 << 20
WIDTH = 1024
SPANS = (LEAF_BYTES, LEAF_BYTES * WIDTH, LEAF_BYTES * WIDTH * WIDTH)  # file bytes below a full node of each level
MAX_FILE_BYTES = SPANS[-1]  # 1 TiB
MAX_BLOCK_BYTES = LEAF_BYTES  # a full node is about 60 KB
_LINK_HEAD = bytes((0x0A, BINARY_LENGTH))


@dataclass(frozen=True)
class DagNode:
    """An inner node that was checked: the file bytes below it and its children."""

    size: int
    height: int  # 1: the children are leaves
    digests: tuple[bytes, ...]

    @property
    def child_bytes(self) -> int:
        """File bytes below each child but the last."""
        return SPANS[self.height - 1]

    def child(self, index: int) -> Cid:
        """The CID of a child."""
        return Cid(RAW if self.height == 1 else DAG_PB, self.digests[index])

    def child_size(self, index: int) -> int:
        """File bytes below a child."""
        return min(self.child_bytes, self.size - index * self.child_bytes)


def height(size: int) -> int:
    """Levels of nodes above the leaves of a file of `size` bytes. Errors: TooLarge."""
    for level, span in enumerate(SPANS):
        if size <= span:
            return level
    raise TooLarge(f"A file of {size} bytes is over the limit of {MAX_FILE_BYTES}.", "Publish it in several shards.")


def encode_node(size: int, level: int, digests: tuple[bytes, ...] | list[bytes]) -> bytes:
    """The block of the node over `size` file bytes at `level`, whose children have these digests, in order."""
    codec = RAW if level == 1 else DAG_PB
    step = SPANS[level - 1]
    sizes = [min(step, size - start) for start in range(0, size, step)]
    cid_head = bytes((1, codec, 0x12, 0x20))
    links, data = bytearray(), bytearray(b"\x08\x02\x18" + _varint(size))
    for child, digest in zip(sizes, digests, strict=True):
        link = _LINK_HEAD + cid_head + digest + b"\x12\x00\x18" + _varint(_tree_bytes(child, level - 1))
        links += b"\x12" + _varint(len(link)) + link
        data += b"\x20" + _varint(child)
    return bytes(links + b"\x0a" + _varint(len(data)) + data)


def decode_node(block: bytes | bytearray | memoryview) -> DagNode:
    """The node that a dag-pb block holds. Errors: BadBlock for every form but the profile's own."""
    try:
        digests: list[bytes] = []
        position = 0
        view = memoryview(block)
        while view[position] == 0x12 and len(digests) < WIDTH:
            length, start = _read_varint(view, position + 1)
            digests.append(bytes(view[start + 6 : start + 38]))
            position = start + length
        _, position = _read_varint(view, position + 1)
        size, _ = _read_varint(view, position + 3)
        level = _level(size, len(digests))
        if encode_node(size, level, digests) != view:
            raise ValueError
    except (ValueError, IndexError, TooLarge):
        raise BadBlock(
            "A block is not a file node of the profile unixfs-v1-2025.",
            "Ask the publisher to add the file with that profile.",
        ) from None
    return DagNode(size, level, tuple(digests))


class FileBuilder:
    """Turns leaves, given in order, into a file's blocks and its CID; keeps 32 bytes a leaf."""

    def __init__(self, sink: Callable[[Cid, bytes | bytearray | memoryview], None]) -> None:
        self._sink = sink
        self._leaves: list[bytes] = []
        self._size = 0

    def leaf(self, block: bytes | bytearray | memoryview) -> None:
        """Add the next leaf; every one but the last must have LEAF_BYTES."""
        if len(block) > LEAF_BYTES or self._size != len(self._leaves) * LEAF_BYTES:
            raise ValueError("every leaf but the last is full")
        cid = of_block(RAW, block)
        self._sink(cid, block)
        self._leaves.append(cid.digest)
        self._size += len(block)

    def finish(self) -> Cid:
        """The file's CID, after its nodes went to the sink. Errors: TooLarge."""
        if not self._leaves:
            self.leaf(b"")
        top, digests = height(self._size), self._leaves
        for level in range(1, top + 1):
            digests = list(self._nodes(level, digests))
        return Cid(DAG_PB if top else RAW, digests[0])

    def _nodes(self, level: int, digests: list[bytes]) -> Iterable[bytes]:
        span = SPANS[level]
        for first in range(0, len(digests), WIDTH):
            start = first // WIDTH * span
            block = encode_node(min(span, self._size - start), level, digests[first : first + WIDTH])
            cid = of_block(DAG_PB, block)
            self._sink(cid, block)
            yield cid.digest


def _level(size: int, children: int) -> int:
    """The lowest level at which a node of `size` bytes has this many children; ValueError if there is none."""
    for level in range(1, len(SPANS)):
        if 0 < size <= SPANS[level] and -(-size // SPANS[level - 1]) == children:
            return level
    raise ValueError


@lru_cache(maxsize=4096)
def _tree_bytes(size: int, level: int) -> int:
    """Bytes of all blocks of the subtree over `size` file bytes whose top is at `level`: a link's third field."""
    if level == 0:
        return size
    step = SPANS[level - 1]
    full, rest = divmod(size, step)
    children = [(step, full)] + ([(rest, 1)] if rest else [])
    links, data, below = 0, 3 + len(_varint(size)), 0
    for child, count in children:
        tree = _tree_bytes(child, level - 1)
        link = len(_LINK_HEAD) + BINARY_LENGTH + 3 + len(_varint(tree))
        links += count * (1 + len(_varint(link)) + link)
        data += count * (1 + len(_varint(child)))
        below += count * tree
    return links + 1 + len(_varint(data)) + data + below


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(view: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 56:
        byte = view[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError
