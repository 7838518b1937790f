"""A chain in memory that can be rewritten, also between two questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from app.chain.events import Event
from app.chain.node import Block
from app.protocol.errors import NotFound
from app.protocol.ids import TxHash


@dataclass
class Simulated:
    """A chain that can be rewritten, also between two questions; stands for both the client and its node."""

    blocks: list[Block] = field(default_factory=lambda: [Block(0, "genesis", "", 0)])
    interruptions: list[tuple[int, Callable[[], None]]] = field(default_factory=list)  # after so many questions
    made: int = 0

    @property
    def node(self) -> Simulated:
        return self

    def extend(self, count: int) -> None:
        for _ in range(count):
            self.made += 1
            head = self.blocks[-1]
            self.blocks.append(Block(head.number + 1, f"block {self.made}", head.hash, self.made))

    def rewrite(self, depth: int, count: int) -> None:
        del self.blocks[max(1, len(self.blocks) - depth) :]
        self.extend(count)

    def _asked(self) -> None:
        if self.interruptions:
            patience, action = self.interruptions.pop()
            if patience:
                self.interruptions.append((patience - 1, action))
            else:
                action()

    def head(self) -> Block:
        self._asked()
        return self.blocks[-1]

    def block(self, number: int) -> Block:
        self._asked()
        if not 0 <= number < len(self.blocks):
            raise NotFound(f"no block {number}")
        return self.blocks[number]

    def blocks_at(self, numbers: Sequence[int]) -> list[Block]:
        return [self.block(number) for number in numbers]

    def events(self, first: int, last: int) -> list[Event]:
        self._asked()
        return [_event(block) for block in self.blocks[first : last + 1]]


def _event(block: Block) -> Event:
    return Event("Contract", "Happened", {}, block.number, block.hash, TxHash(f"tx of {block.hash}"), 0)
