"""Another party's line of a lookup as far as it was shown: enough to prove under its root what stands before its first
false word, and that word.

To the left of what was picked both lines are equal; to the right the other's nodes were shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from app.protocol.ids import Digest
from app.protocol.market.disputes import Look, ProvenLeaf
from fhe.engine.trace.tape import LEAF, LookupTape, TapeShape

LEAF_BYTES = 8 * LEAF


class SeenLine:
    """What was shown of a line, over one's own."""

    def __init__(self, mine: LookupTape, looks: Sequence[Look]) -> None:
        self._mine, self._looks = mine, looks
        self._nodes: dict[tuple[int, int], bytes] = {}
        self._words: tuple[int, bytes] = 0, b""  # the first leaf whose words were shown, and they
        for look in looks:
            for number, digest in enumerate(self._shown(look)):
                self._nodes[look.level + look.bits, (look.node << look.bits) + number] = digest

    @property
    def shape(self) -> TapeShape:
        """Of the line."""
        return self._mine.shape

    def turns(self) -> tuple[int, ...]:
        """The turns, which are one's own where anything after them is proven."""
        return self._mine.turns()

    def opening(self, index: int) -> ProvenLeaf:
        """The leaf that has a word, and its path to the other's root."""
        leaf, tree = index // LEAF, self.shape.tree
        first, words = self._words
        inside = (leaf - first) * LEAF_BYTES
        data = words[inside : inside + LEAF_BYTES] if 0 <= inside < len(words) else self._mine.leaves(tree, leaf)
        path = tuple(Digest(self.node(tree - up, leaf >> up ^ 1).hex()) for up in range(tree))
        return ProvenLeaf(data, path)

    def node(self, level: int, number: int) -> bytes:
        """The hash of a node, `level` levels below the root."""
        if (found := self._nodes.get((level, number))) is not None:
            return found
        if not any(_above(level, number, look) for look in self._looks):
            return self._mine.node(level, number)
        both = self.node(level + 1, 2 * number) + self.node(level + 1, 2 * number + 1)
        found = self._nodes[level, number] = sha256(b"\x01" + both).digest()
        return found

    def _shown(self, look: Look) -> list[bytes]:
        if look.level + look.bits < self.shape.tree:
            return [look.shown[at : at + 32] for at in range(0, len(look.shown), 32)]
        self._words = look.node << look.bits, look.shown
        leaves = (look.shown[at : at + LEAF_BYTES] for at in range(0, len(look.shown), LEAF_BYTES))
        return [sha256(b"\x00" + leaf).digest() for leaf in leaves]


def _above(level: int, number: int, look: Look) -> bool:
    """Whether a node is above nodes that a look showed."""
    if level <= look.level:
        return look.node >> (look.level - level) == number
    return level < look.level + look.bits and number >> (level - look.level) == look.node
