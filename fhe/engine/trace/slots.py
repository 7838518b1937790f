"""Lines of words that are cut in slots of one size, and the roots over their first words: docs/trace.md, section 8.

Slots are computed one at a time; of the others only some hashes are kept. Whoever holds another line differs from it in
a first word, and that word is false by itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from hashlib import sha256

from fhe.arrays import U64
from fhe.engine.hashing import root_of

LEAF = 16  # words
KEPT = 4  # slots
EMPTY = bytes(32)  # the root over no words


class Slots(ABC):
    """A line's shape: parts that begin at slots, each of so many chunks of leaves. All in words."""

    @property
    @abstractmethod
    def most(self) -> int:
        """Words that a slot has to hold."""

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many there are."""

    @abstractmethod
    def out_at(self, word: int) -> tuple[int, bool]:
        """The word that the line ends before where it is about word number `word`, and whether that is negated."""

    @cached_property
    def chunk_depth(self) -> int:
        """log2 of a chunk's leaves: an eighth of the power of two of leaves that holds a slot."""
        return max(0, (-(-self.most // LEAF) - 1).bit_length() - 3)

    @cached_property
    def slot(self) -> int:
        """Words of a slot: whole chunks."""
        chunk = LEAF << self.chunk_depth
        return -(-self.most // chunk) * chunk

    def after(self, start: int, words: int) -> int:
        """Where the part behind one of so many words begins."""
        return start + -(-words // self.slot) * self.slot

    @cached_property
    def tree(self) -> int:
        """Levels of the tree above leaves."""
        return (self.slots * self.slot // LEAF - 1).bit_length()

    @property
    def levels_of_words(self) -> int:
        """Levels of the tree above words."""
        return self.tree + LEAF.bit_length() - 1


class Tape(ABC):
    """All words of one line."""

    shape: Slots

    def __init__(self) -> None:
        self._kept: dict[int, tuple[bytes, list[list[bytes]]]] = {}

    @abstractmethod
    def slot(self, number: int) -> U64:
        """The words of a slot."""

    def word(self, index: int) -> int:
        """One word."""
        inside = index % LEAF
        return int.from_bytes(self.leaf(index // LEAF)[8 * inside : 8 * inside + 8], "little")

    def out(self, word: int) -> int:
        """A word of the result."""
        place, negated = self.shape.out_at(word)
        found = self.word(place)
        return -found % (1 << 64) if negated else found

    def compute(self) -> None:
        """Work out the whole line, of which hashes are kept; else it is done when the first root is asked for."""
        _ = self._trees

    def node(self, height: int, number: int) -> bytes:
        """The hash over 2^height leaves, from leaf number * 2^height on; all are in slots."""
        inside = self.shape.chunk_depth
        if height >= inside:
            return self._trees[height - inside][number]
        leaves = self.shape.slot // LEAF
        slot = (number << height) // leaves
        return self._inside(slot)[1][height][number - (slot * leaves >> height)]

    def prefix(self, words: int) -> bytes:
        """The root over the first `words` words; 32 zero bytes for none."""
        return sha256(b"\x03" + self.begun(words)).digest() if words else EMPTY

    def begun(self, words: int) -> bytes:
        """What that root is of: the hashes of the whole trees that full leaves make up, the largest first; then the
        words of the leaf that is not full.
        """
        leaf, inside = divmod(words, LEAF)
        heights = [height for height in range(leaf.bit_length())[::-1] if leaf >> height & 1]
        peaks = [self.node(height, (leaf >> height) - 1) for height in heights]
        return b"".join([*peaks, self.leaf(leaf)[: 8 * inside] if inside else b""])

    def leaf(self, number: int) -> bytes:
        """The bytes of a leaf."""
        slot, inside = divmod(number, self.shape.slot // LEAF)
        return self._inside(slot)[0][8 * LEAF * inside :][: 8 * LEAF]

    def opening(self, index: int, words: int) -> list[bytes]:
        """The leaf that has word `index`, and its path to the tree that it is of among the first `words` words."""
        leaf = index // LEAF
        heights = range((leaf ^ words // LEAF).bit_length() - 1)
        return [self.leaf(leaf), *(self.node(height, leaf >> height ^ 1) for height in heights)]

    @cached_property
    def _trees(self) -> list[list[bytes]]:
        """The hashes of chunks, of each two, and so on."""
        size = 8 * LEAF << self.shape.chunk_depth
        chunks = list[bytes]()
        for number in range(self.shape.slots):
            data = self.slot(number).astype("<u8").tobytes()
            chunks += [bytes.fromhex(root_of(data[at : at + size])) for at in range(0, len(data), size)]
        return _tree(chunks)

    def _inside(self, slot: int) -> tuple[bytes, list[list[bytes]]]:
        """The words of a slot and the trees in it, of the few that were asked for last."""
        found = self._kept.pop(slot, None)
        if found is None:
            data = self.slot(slot).astype("<u8").tobytes()
            leaves = [sha256(b"\x00" + data[at : at + 128]).digest() for at in range(0, len(data), 128)]
            found = data, _tree(leaves)
        self._kept[slot] = found
        while len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return found


def _tree(level: list[bytes]) -> list[list[bytes]]:
    """Hashes, of each two of them, and so on; of an odd last one nothing."""
    found = [level]
    while len(level) > 1:
        level = [sha256(b"\x01" + level[k] + level[k + 1]).digest() for k in range(0, len(level) - 1, 2)]
        found.append(level)
    return found
