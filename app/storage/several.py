"""Several sources of blocks as one: read from the first that has the right bytes, written to all that are there.

A source that has not the block, has wrong bytes under its name, or is away is passed over, so that one damaged disk or
one wrong gateway costs a look and not a job. A source that is away is left alone for a while that grows.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from app.protocol.backoff import growing
from app.protocol.errors import BadBlock, DarkroomError, NotFound, Unavailable
from app.storage.cid import Cid
from app.storage.content import Blocks, ContentStore
from app.storage.unixfs import MAX_BLOCK_BYTES

Answer = TypeVar("Answer")

FIRST_REST, LONGEST_REST = 2.0, 120.0  # seconds for which a source that is away is left alone


@dataclass
class _Source:
    blocks: Blocks
    failures: int = 0
    due: float = float("-inf")
    said: str = ""


class SeveralBlocks:
    """Blocks in several places. What `get` returns was checked here: for wrong bytes the next place is asked."""

    def __init__(self, sources: Sequence[Blocks], clock: Callable[[], float] = time.monotonic) -> None:
        """`sources` in the order in which they are asked, the nearest first."""
        self._sources, self._clock = [_Source(each) for each in sources], clock

    def has(self, cid: Cid) -> bool:
        """Whether one of the places that answer holds the block. Errors: Unavailable when none answers."""
        return any(self._each(lambda blocks: blocks.has(cid)))

    def get(self, cid: Cid) -> bytes:
        """The block from the first place that has it right.

        Errors: BadBlock where it is wrong wherever it is; Unavailable where one that may have it is away; NotFound.
        """
        wrong: DarkroomError | None = None
        away: DarkroomError | None = None
        missing: DarkroomError | None = None
        for source in self._in_turn():
            try:
                block = source.blocks.get(cid)
            except NotFound as error:
                source.failures, missing = 0, missing or error
            except Unavailable as error:
                self._failed(source, error)
                away = away or error
            else:
                source.failures = 0
                if len(block) <= MAX_BLOCK_BYTES and hashlib.sha256(block).digest() == cid.digest:
                    return block
                wrong = wrong or BadBlock(
                    f"What the stores hold under {cid.text} does not hash to it.", "Ask its owner to publish it again."
                )
        resting = next((each.said for each in self._sources if each.due > self._clock()), "")
        if wrong is None and away is None and resting:
            away = Unavailable(f"A store that may have {cid.text} is away: {resting}", "Try again.")
        raise wrong or away or missing or Unavailable("There is no store.", "Name one in the settings.")

    def put(self, cid: Cid, block: bytes | bytearray | memoryview) -> None:
        """Keep a block in every place that answers. Errors: Unavailable when none takes it."""
        self._each(lambda blocks: blocks.put(cid, block))

    def pin(self, cid: Cid) -> None:
        """Keep the file for good in every place that has it all. Errors: Unavailable when none does."""
        self._each(lambda blocks: blocks.pin(cid), (NotFound,))

    def pinned(self, cid: Cid) -> bool:
        """Whether a place that answers keeps the file for good already. Errors: Unavailable when none answers."""
        return any(self._each(lambda blocks: blocks.pinned(cid)))

    def unpin(self, cid: Cid) -> None:
        """Keep the file no longer in any place that answers. Errors: Unavailable when none answers."""
        self._each(lambda blocks: blocks.unpin(cid))

    @property
    def removes(self) -> bool:
        """Whether a place lets single blocks go."""
        return any(each.blocks.removes for each in self._sources)

    def remove(self, cid: Cid) -> None:
        """Let a block go in every place that lets single blocks go and answers."""
        self._each(lambda blocks: blocks.remove(cid))

    def health(self) -> list[str]:
        """The last trouble of each source, "" for one that is well, in their order."""
        return [each.said if each.failures else "" for each in self._sources]

    def _each(self, act: Callable[[Blocks], Answer], passed: tuple[type[DarkroomError], ...] = ()) -> list[Answer]:
        """What the places that are well answer, at least one of them. Errors: Unavailable, and what is to be passed."""
        answers: list[Answer] = []
        last: DarkroomError | None = None
        for source in self._in_turn():
            try:
                answers.append(act(source.blocks))
                source.failures = 0
            except Unavailable as error:
                self._failed(source, error)
                last = error
            except passed as error:
                last = error
        if not answers:
            raise last or Unavailable("There is no store.", "Name one in the settings.")
        return answers

    def _in_turn(self) -> list[_Source]:
        well = [each for each in self._sources if each.due <= self._clock()]
        return well or self._sources

    def _failed(self, source: _Source, error: DarkroomError) -> None:
        source.failures += 1
        source.due = self._clock() + growing(FIRST_REST, source.failures, LONGEST_REST)
        source.said = error.message


class SeveralStores(ContentStore):
    """The Store seam over several places."""

    def __init__(self, stores: Sequence[ContentStore]) -> None:
        self.places = SeveralBlocks([each.source for each in stores])
        super().__init__(self.places)
