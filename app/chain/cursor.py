"""Following the chain's events through crashes and reorganisations.

The pure part: a `Checkpoint` remembers the hashes of the blocks last seen; `reconcile` finds the newest of them that is
still in the chain. The shell, `Cursor`, asks a node for the next blocks' events and hands out a `CursorStep`: what to
forget, what to add, and the trail to keep. Whoever applies a step and stores its trail in one transaction never misses
an event and never sees one twice, whatever happens in between.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.chain.contracts.client import ContractClient
from app.chain.events import Event
from app.protocol.errors import BadDocument, NotFound, Unavailable

DEPTH = 128  # blocks of memory: twice the depth after which public chains are final
MAX_BLOCKS = 1_000  # in one step
TRIES = 5  # a chain that reorganises again and again while it is being read


@dataclass(frozen=True)
class BlockRef:
    """A block that was seen: number and hash."""

    number: int
    hash: str


@dataclass(frozen=True)
class Checkpoint:
    """Where a reader stands. `start` is the first block of interest; `marks` are the last seen blocks, ascending."""

    start: int
    marks: tuple[BlockRef, ...] = ()

    @property
    def next(self) -> int:
        """The first block not yet seen."""
        return self.marks[-1].number + 1 if self.marks else self.start

    def extended(self, marks: tuple[BlockRef, ...]) -> Checkpoint:
        """With newer marks, and no more than `DEPTH` in all."""
        return Checkpoint(self.start, (self.marks + marks)[-DEPTH:])

    def cut(self, ancestor: BlockRef | None) -> Checkpoint:
        """Back at a common ancestor; None means before everything."""
        return Checkpoint(self.start, tuple(m for m in self.marks if ancestor and m.number <= ancestor.number))

    def to_json(self) -> dict[str, Any]:
        """A JSON value to store."""
        return {"start": self.start, "marks": [[mark.number, mark.hash] for mark in self.marks]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Checkpoint:
        """Inverse of `to_json`. Errors: BadDocument."""
        try:
            marks = tuple(BlockRef(int(number), str(digest)) for number, digest in value["marks"])
            start = int(value["start"])
        except (KeyError, TypeError, ValueError):
            raise BadDocument("This is not a stored place in a chain.", "Begin again from the first block.") from None
        if any(a.number >= b.number for a, b in itertools.pairwise(marks)):
            raise BadDocument("The blocks of this stored place are not in order.", "Begin again from the first block.")
        return cls(start, marks)


@dataclass(frozen=True)
class CursorStep:
    """What a reader does next: forget everything after block `forget_after` (None: nothing), then add `events`.

    `trail` is to be stored together with the effect. `behind` counts blocks that are there and not yet read.
    """

    forget_after: int | None
    events: tuple[Event, ...]
    checkpoint: Checkpoint
    behind: int


def reconcile(checkpoint: Checkpoint, hash_at: Callable[[int], str | None]) -> Checkpoint:
    """The trail up to the newest mark that the chain still has; unchanged when its last block is still there.

    `hash_at` gives the canonical hash at a height, None above the head. Marks are searched by halves: once a block
    is in the chain, all before it are.
    """
    marks = checkpoint.marks
    if not marks or hash_at(marks[-1].number) == marks[-1].hash:
        return checkpoint
    low, high = 0, len(marks) - 1  # marks[:low] are in the chain, marks[high:] are not
    while low < high:
        middle = (low + high) // 2
        if hash_at(marks[middle].number) == marks[middle].hash:
            low = middle + 1
        else:
            high = middle
    return checkpoint.cut(marks[low - 1] if low else None)


class Cursor:
    """Reads a deployment's events from a stored trail on."""

    def __init__(
        self, client: ContractClient, checkpoint: Checkpoint, *, confirmations: int = 0, sparse: bool = False
    ) -> None:
        """`confirmations` blocks at the head are left for later; 0 reads all and relies on `CursorStep.forget_after`.

        A `sparse` cursor remembers one block of a step that ends more than twice `DEPTH` behind the head, instead of
        asking for the hashes of `DEPTH` blocks that no reorganisation reaches: reading all of history costs a few
        questions a step. Should one reach them nevertheless, everything is read again.
        """
        self._client = client
        self._confirmations = confirmations
        self._sparse = sparse
        self.checkpoint = checkpoint

    def poll(self, limit: int = MAX_BLOCKS) -> CursorStep:
        """The next step; the cursor moves on with it. Without news it has no events and forgets nothing.

        Errors: Unavailable.
        """
        for _ in range(TRIES):
            step = self._step(limit)
            if step is not None:
                self.checkpoint = step.checkpoint
                return step
        raise Unavailable("The chain keeps reorganising while it is being read.", "Try again.")

    def _step(self, limit: int) -> CursorStep | None:
        """One try; None when the blocks changed between two of its questions."""
        node = self._client.node
        trail = reconcile(self.checkpoint, self._hash_at)
        forget = None if trail is self.checkpoint else trail.next - 1
        head = node.head().number - self._confirmations
        last = min(head, trail.next + limit - 1)
        if last < trail.next:
            return CursorStep(forget, (), trail, 0)
        settled = self._sparse and head - last > 2 * DEPTH
        try:
            blocks = node.blocks_at(range(last if settled else max(trail.next, last - DEPTH + 1), last + 1))
            events = tuple(self._client.events(trail.next, last))
        except NotFound:
            return None
        # What changes after the blocks were read is found by the next step. What must not pass: events of other blocks
        # than those read (a second node behind the same address), and blocks that do not follow on the trail.
        here = {block.number: block.hash for block in blocks}
        if any(here.get(event.block, event.block_hash) != event.block_hash for event in events):
            return None
        if reconcile(trail, self._hash_at) != trail:
            return None
        marks = tuple(BlockRef(block.number, block.hash) for block in blocks)
        seen = Checkpoint(trail.start, marks) if settled else trail.extended(marks)
        return CursorStep(forget, events, seen, head - last)

    def _hash_at(self, number: int) -> str | None:
        try:
            return self._client.node.block(number).hash
        except NotFound:
            return None
