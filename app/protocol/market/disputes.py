"""Disputes about one executor's receipt: who is to move, what was claimed, how it ended. The rules: docs/trace.md, 7.

Values only, no IO. Words are integers below 2^64, digests 32 bytes in lower-case hex, times seconds since the epoch,
amounts token units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from app.protocol.ids import Address, Digest, Seconds, Units

ZERO = Digest("00" * 32)
FAN = 128  # stretches that a look cuts a sum over rows in
WORD = 1 << 64


class DisputePhase(IntEnum):
    """Whose move it is, and which; the numbers are the contract's."""

    OVER = 0
    ANSWER = 1  # the executor shows receipt, output word and totals
    JUDGE = 2  # the challenger shows the total that does not follow
    SHOW = 3  # the executor shows totals inside a stretch
    NARROW = 4  # the challenger names a stretch whose first total is right and whose last is not

    @property
    def executors(self) -> bool:
        """The executor is to move."""
        return self in (DisputePhase.ANSWER, DisputePhase.SHOW)


class Verdict(IntEnum):
    """How a dispute ended; the numbers are the contract's."""

    OPEN = 0
    CONVICTED = 1  # the receipt is false, or the executor was silent
    CLEARED = 2  # the challenger refuted nothing, or was silent
    MOOT = 3  # another dispute had convicted the executor before


@dataclass(frozen=True)
class RowsClaim:
    """What an executor stands for: rows [low, high) add so much to one output."""

    program: Digest
    data_root: Digest
    output: int
    low: int
    high: int
    at_low: int
    at_high: int
    shown: Digest  # Keccak-256 of the totals that were shown; zero before

    @property
    def rows(self) -> int:
        """How many it is about: of one, totals are over the terms, of more, over rows."""
        return self.high - self.low

    @property
    def sum(self) -> int:
        """What the rows add, modulo 2^64."""
        return (self.at_high - self.at_low) % WORD

    @property
    def cuts(self) -> tuple[int, ...]:
        """The rows at which a look cuts it, both ends included: the totals shown are those of the inner ones."""
        parts = min(FAN, self.rows)
        return tuple(self.low + self.rows * part // parts for part in range(parts + 1))


@dataclass(frozen=True)
class Dispute:
    """A dispute after its last move."""

    id: int
    job: int
    index: int  # the executor's place among the job's
    phase: DisputePhase
    deadline: Seconds  # of the next move
    executor: Address
    challenger: Address
    bond: Units
    receipt: Digest  # that the executor revealed
    order: Digest
    value: int  # row * outputs + output of the result
    claimed: Digest  # Keccak-256 of `claim`; zero before there is one
    claim: RowsClaim | None = None
    totals: tuple[int, ...] = ()  # that were shown last
    summed: SumClaim | None = None  # of a circuit with lookups, in the place of `claim`
    words: tuple[int, ...] = ()  # of the terms' wires, that were shown with `totals`
    line: LookupClaim | None = None  # the lookup that is looked into
    stretch: LineStretch | None = None  # of its line, that is disputed
    roots: tuple[
        Digest, ...
    ] = ()  # over the words up to each of the stretch's ends, as the player says that moved last
    verdict: Verdict = Verdict.OPEN
    block: int = 0  # of its last event

    @property
    def player(self) -> Address | None:
        """Who is to move; None when it is over."""
        if self.phase is DisputePhase.OVER:
            return None
        return self.executor if self.phase.executors else self.challenger


@dataclass(frozen=True)
class ProvenLeaf:
    """128 bytes of a file (its last ones may be fewer), and the digests that lead to its root."""

    data: bytes
    path: tuple[Digest, ...] = ()


NO_LEAF = ProvenLeaf(b"")


@dataclass(frozen=True)
class Evidence:
    """What shows a total to be false. Of the first total, and of a wrong number of them, `output` alone."""

    output: ProvenLeaf
    term: ProvenLeaf = NO_LEAF
    input: ProvenLeaf = NO_LEAF
    shard: ProvenLeaf = NO_LEAF
    shard_number: int = 0
    file_root: Digest = ZERO
    file_path: tuple[Digest, ...] = ()
    word: ProvenLeaf = NO_LEAF


@dataclass(frozen=True)
class SumClaim:
    """What an executor stands for of one word of a result with lookups: a sum over the last layer's terms."""

    program: Digest
    data_root: Digest
    row: int  # of the dataset
    output: int
    word: int  # of the value's ciphertext, 0 to N
    levels: int  # of the tree over the words of a lookup's line
    shown: Digest  # Keccak-256 of totals and words


@dataclass(frozen=True)
class SumEvidence:
    """What shows a total or a word of a wire to be false; or, of a wire that is a lookup, the roots over its line."""

    output: ProvenLeaf
    term: ProvenLeaf = NO_LEAF
    proof: bytes = b""
    roots: tuple[Digest, ...] = ()


@dataclass(frozen=True)
class LookupClaim:
    """That a word of a lookup in a row is `said`."""

    program: Digest
    data_root: Digest
    row: int
    lookup: int
    word: int
    said: int
    layer: int = 0  # how many lookups were looked into before
    levels: int = 0  # of the tree over the words of its line


@dataclass(frozen=True)
class LineStretch:
    """A node of a line's tree whose words are disputed, and how many levels the list of roots goes down from it."""

    line: Digest  # Keccak-256 of the lookup's claim
    levels: int
    level: int
    node: int
    bits: int

    @property
    def ends(self) -> tuple[int, ...]:
        """The words at which it is cut, its own ends included."""
        first, size = self.node << self.bits, self.levels - self.level - self.bits
        return tuple(first + part << size for part in range((1 << self.bits) + 1))

    def part(self, number: int) -> LineStretch:
        """The node of a part."""
        return LineStretch(self.line, self.levels, self.level + self.bits, self.node << self.bits | number, 0)


@dataclass(frozen=True)
class LineMove:
    """A player's move about a line. `part` ends at the first of the other's roots that is false."""

    kind: Literal["begin", "cut", "word", "sum", "result"]
    part: int = 0
    roots: tuple[Digest, ...] = ()  # of the player, over the parts of what is left
    said: int = 0  # the word, where another lookup's is judged
    proof: bytes = b""
    totals: tuple[int, ...] = ()  # of a value that was packed, whose word is judged, as an executor answers with them
    words: tuple[int, ...] = ()


def packed(totals: Sequence[int]) -> bytes:
    """Totals as the contract takes them: 8 bytes each, big-endian."""
    return b"".join(total.to_bytes(8, "big") for total in totals)


def unpacked(data: bytes) -> tuple[int, ...]:
    """Inverse of `packed`."""
    return tuple(int.from_bytes(data[place : place + 8], "big") for place in range(0, len(data), 8))
