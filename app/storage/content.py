"""Files over any source of blocks: the one place where bytes are checked against the CID they were asked for by.

A source of blocks (a folder, a Kubo node) is never trusted: each block is hashed after it came, and a node's sizes must
agree with its parent's, before a byte is passed on. A range costs the leaves it touches and the nodes above them.
"""

from __future__ import annotations

import copy
import hashlib
import io
from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path
from typing import Protocol, Self

from app.protocol.errors import BadBlock, TooLarge, Unavailable
from app.protocol.ids import CidText
from app.storage.cid import RAW, Cid, parse
from app.storage.unixfs import LEAF_BYTES, MAX_BLOCK_BYTES, DagNode, FileBuilder, decode_node, height

_KEPT_NODES = 64  # about 60 KB each
READS = 2  # of a block that came wrong: it may have been spoilt on the way


class Blocks(Protocol):
    """Where blocks are kept. What `get` returns is not yet trusted."""

    def has(self, cid: Cid) -> bool:
        """Whether the block is there, without reading it. Errors: Unavailable."""

    def get(self, cid: Cid) -> bytes:
        """The block's bytes, at most MAX_BLOCK_BYTES + 1 of them. Errors: NotFound, Unavailable."""

    def put(self, cid: Cid, block: bytes | bytearray | memoryview) -> None:
        """Keep a block. Errors: Unavailable."""

    def pin(self, cid: Cid) -> None:
        """Keep the file of this top block for good, now that all its blocks are there. Errors: Unavailable."""

    def pinned(self, cid: Cid) -> bool:
        """Whether the file of this top block is kept for good already. Errors: Unavailable."""

    def unpin(self, cid: Cid) -> None:
        """Keep the file of this top block no longer. Errors: Unavailable."""

    @property
    def removes(self) -> bool:
        """Whether single blocks can be let go; if not, the source clears up what no pin holds by itself."""

    def remove(self, cid: Cid) -> None:
        """Let a block go that no file needs, where the source `removes`. Errors: Unavailable."""


class Recording:
    """What was put into a store for the first time while it was recorded, so that it can be taken back."""

    def __init__(self, blocks: Blocks, note: Callable[[str], None], earlier: Iterable[str] = ()) -> None:
        """`note` is told a line of what is about to be put; `earlier`: the lines of a run that did not end."""
        self._source, self._note = blocks, note
        self._files: dict[Cid, None] = {}
        self._new: dict[Cid, None] = {}
        for line in earlier:
            kind, _, text = line.partition(" ")
            (self._files if kind == "file" else self._new)[parse(text)] = None

    def block(self, cid: Cid) -> None:
        """A block is about to be put; nobody is asked for it where it could not be taken back alone."""
        if self._source.removes and cid not in self._new and not self._source.has(cid):
            self._note(f"block {cid.text}")
            self._new[cid] = None

    def file(self, cid: Cid) -> None:
        """A file is about to be pinned."""
        if cid not in self._files and (cid in self._new if self._source.removes else not self._source.pinned(cid)):
            self._note(f"file {cid.text}")
            self._files[cid] = None

    def undo(self, keep: Container[Cid] = ()) -> None:
        """Take back what was new, but for what is to be kept; what was there before stays. Errors: Unavailable."""
        for cid in self._files:
            if cid not in keep:
                self._source.unpin(cid)
        for cid in self._new:
            if cid not in keep:
                self._source.remove(cid)


class ContentStore:
    """The Store seam (`app.protocol.ports.Store`) over a source of blocks."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._nodes: OrderedDict[bytes, DagNode] = OrderedDict()  # only nodes that were checked
        self._recording: Recording | None = None

    @property
    def source(self) -> Blocks:
        """Where the blocks are kept."""
        return self._blocks

    def recorded(
        self, note: Callable[[str], None] = lambda _line: None, earlier: Iterable[str] = ()
    ) -> tuple[Self, Recording]:
        """Another door to the same blocks, and the record of what is put through it alone (see `Recording`).

        A block that somebody else puts at the same time, and that is new here, counts as this door's.
        """
        door = copy.copy(self)
        door._nodes, door._recording = OrderedDict(), Recording(self._blocks, note, earlier)
        return door, door._recording

    def put(self, data: bytes | bytearray | memoryview) -> CidText:
        """Keep `data`; its CID. Errors: Unavailable, TooLarge."""
        return self.put_pieces([memoryview(data).cast("B")])

    def put_pieces(self, pieces: Iterable[bytes | memoryview]) -> CidText:
        """Keep a file that comes in pieces of any length, one leaf in memory at a time; its CID.

        Errors: Unavailable, TooLarge; what the pieces raise, and then no file is kept, though some of its blocks are.
        """
        builder, waiting = FileBuilder(self._keep), bytearray()
        for piece in pieces:
            view = memoryview(piece).cast("B")
            if waiting:
                missing = LEAF_BYTES - len(waiting)
                waiting += view[:missing]
                view = view[missing:]
                if len(waiting) < LEAF_BYTES:
                    continue
                builder.leaf(waiting)
                waiting = bytearray()
            whole = len(view) // LEAF_BYTES * LEAF_BYTES
            for start in range(0, whole, LEAF_BYTES):
                builder.leaf(view[start : start + LEAF_BYTES])
            waiting += view[whole:]
        if waiting:
            builder.leaf(waiting)
        return self._pinned(builder)

    def put_file(self, path: Path) -> CidText:
        """Keep a file's bytes, one leaf in memory at a time; their CID. Errors: Unavailable, TooLarge."""
        builder = FileBuilder(self._keep)
        leaf = memoryview(bytearray(LEAF_BYTES))
        try:
            with path.open("rb") as file:
                while filled := file.readinto(leaf):
                    builder.leaf(leaf[:filled])
        except OSError as error:
            raise Unavailable(f"{path.name} cannot be read: {error.strerror}.") from None
        return self._pinned(builder)

    def has(self, cid: str) -> bool:
        """Whether the block that `cid` names is kept here (of a long file: its top node). Errors: BadDocument."""
        return self._blocks.has(parse(cid))

    def size(self, cid: str) -> int:
        """Length in bytes. Errors: NotFound, BadBlock, BadDocument, Unavailable."""
        name = parse(cid)
        return len(self._block(name)) if name.codec == RAW else self._root(name).size

    def read(self, cid: str, offset: int = 0, length: int | None = None, *, limit: int) -> bytes:
        """Verified bytes [offset, offset + length), to the end by default, at most `limit`.

        Errors: TooLarge above the limit (before leaves are read); BadBlock for wrong bytes and for a range that is not
        inside the file; NotFound; BadDocument for text that is no CID; Unavailable.
        """
        name = parse(cid)
        if name.codec == RAW:
            block = self._block(name)
            start, stop = _range(cid, len(block), offset, length, limit)
            return block if (start, stop) == (0, len(block)) else block[start:stop]
        root = self._root(name)
        start, stop = _range(cid, root.size, offset, length, limit)
        if start == stop:
            return b""
        whole = io.BytesIO()  # gives its bytes away without another copy, so a long read holds them once
        for piece in self._pieces(root, start, stop):
            if len(piece) == stop - start:
                return bytes(piece)
            whole.write(piece)
        return whole.getvalue()

    def verify(self, cid: str) -> int:
        """Fetch every block of a file and check it, one leaf in memory at a time; the file's length.

        Errors: NotFound, BadBlock, BadDocument, Unavailable.
        """
        name = parse(cid)
        if name.codec == RAW:
            return len(self._block(name))
        root = self._root(name)
        return sum(len(piece) for piece in self._pieces(root, 0, root.size))

    def tree(self, cid: str) -> Iterator[Cid]:
        """The CIDs of all blocks of a file, its top first; leaves are named by their nodes, and not read.

        Errors: NotFound, BadBlock, BadDocument, Unavailable.
        """
        name = parse(cid)
        yield name
        if name.codec != RAW:
            yield from self._below(self._root(name))

    def blocks_of(self, cid: str) -> Iterator[tuple[Cid, bytes]]:
        """All blocks of a file, its top first, each checked. Errors: NotFound, BadBlock, BadDocument, Unavailable."""
        return ((each, self._block(each)) for each in self.tree(cid))

    def put_block(self, cid: Cid, block: bytes) -> None:
        """Keep one block that was checked; its file is kept for good by `keep`. Errors: Unavailable."""
        self._keep(cid, block)

    def keep(self, cid: str) -> None:
        """Keep a file for good, all of whose blocks are here. Errors: Unavailable."""
        name = parse(cid)
        if self._recording is not None:
            self._recording.file(name)
        self._blocks.pin(name)

    def _below(self, node: DagNode) -> Iterator[Cid]:
        for index in range(len(node.digests)):
            yield node.child(index)
            if node.height > 1:
                yield from self._below(self._child(node, index))

    def drop(self, cid: str, kept: Container[str] = ()) -> None:
        """Keep a file no longer: its pin goes, and where single blocks can be let go, those that are not in `kept`.

        Errors: NotFound where its nodes are not here, BadBlock, Unavailable.
        """
        blocks = list(self.tree(cid)) if self._blocks.removes else []
        if cid not in kept:
            self._blocks.unpin(parse(cid))
        for block in blocks:
            if block.text not in kept:
                self._blocks.remove(block)

    def _keep(self, cid: Cid, block: bytes | bytearray | memoryview) -> None:
        if self._recording is not None:
            self._recording.block(cid)
        self._blocks.put(cid, block)

    def _pinned(self, builder: FileBuilder) -> CidText:
        cid = builder.finish()
        if self._recording is not None:
            self._recording.file(cid)
        self._blocks.pin(cid)
        return CidText(cid.text)

    def _pieces(self, node: DagNode, start: int, stop: int) -> Iterator[bytes | memoryview]:
        """The leaves' parts of bytes [start, stop) below a node, in order."""
        step = node.child_bytes
        for index in range(start // step, -(-stop // step)):
            first, size = index * step, node.child_size(index)
            low, high = max(start - first, 0), min(stop - first, size)
            if node.height > 1:
                yield from self._pieces(self._child(node, index), low, high)
                continue
            leaf = self._block(node.child(index))
            if len(leaf) != size:
                raise BadBlock(f"A leaf has {len(leaf)} bytes where its file's node says {size}.")
            yield leaf if high - low == size else memoryview(leaf)[low:high]

    def _root(self, cid: Cid) -> DagNode:
        node = self._node(cid)
        if node.height != height(node.size):
            raise BadBlock(f"{cid.text} is the inner node of a file, not a whole one.")
        return node

    def _child(self, parent: DagNode, index: int) -> DagNode:
        node = self._node(parent.child(index))
        if node.size != parent.child_size(index) or node.height != parent.height - 1:
            raise BadBlock("A node of a file has another size than its parent says.")
        return node

    def _node(self, cid: Cid) -> DagNode:
        node = self._nodes.pop(cid.digest, None) or decode_node(self._block(cid))
        self._nodes[cid.digest] = node
        while len(self._nodes) > _KEPT_NODES:
            self._nodes.popitem(last=False)
        return node

    def _block(self, cid: Cid) -> bytes:
        for _ in range(READS):
            block = self._blocks.get(cid)
            if len(block) <= MAX_BLOCK_BYTES and hashlib.sha256(block).digest() == cid.digest:
                return block
        raise BadBlock(
            f"What the store holds under {cid.text} does not hash to it.",
            "Fetch it again from another source; the copy here is damaged.",
        )


def file_cid(data: bytes | bytearray | memoryview) -> CidText:
    """The CID that `data` has in every store of this profile, without keeping it."""
    builder = FileBuilder(lambda _cid, _block: None)
    view = memoryview(data).cast("B")
    for start in range(0, len(view), LEAF_BYTES):
        builder.leaf(view[start : start + LEAF_BYTES])
    return CidText(builder.finish().text)


def _range(cid: str, size: int, offset: int, length: int | None, limit: int) -> tuple[int, int]:
    stop = size if length is None else offset + length
    if not 0 <= offset <= stop <= size:
        raise BadBlock(f"{cid} has {size} bytes, which do not contain the range from {offset} to {stop}.")
    if stop - offset > limit:
        raise TooLarge(f"A read of {stop - offset} bytes is over the limit of {limit}.")
    return offset, stop
