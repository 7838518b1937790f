"""Answers of view functions, kept while the chain stays as it is: for programs that ask the same again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from app.chain.node import ChainNode, ExecutionReverted

LOOK_SECONDS = 0.2  # between looks at the head: no answer is older than this after a block of somebody else
KEPT_SECONDS = 5.0  # even without a block: some answers depend on the clock
MAX_KEPT = 4096  # answers


class ReadMemory:
    """What a node's contracts answered since the head last changed. A refusal is not kept."""

    def __init__(self, node: ChainNode, clock: Callable[[], float] = time.monotonic) -> None:
        self._node, self._clock = node, clock
        self._lock = threading.Lock()
        self._head, self._looked, self._since = "", -KEPT_SECONDS, 0.0
        self._kept: dict[tuple[str, bytes], bytes] = {}

    def call(self, to: str, data: bytes) -> bytes:
        """The answer. Errors: those of the node."""
        kept = self._present()
        if (answer := kept.get((to, data))) is None:
            answer = self._node.call(to, data)
            if len(kept) < MAX_KEPT:
                kept[to, data] = answer
        return answer

    def calls(self, calls: Sequence[tuple[str, bytes]]) -> list[bytes | ExecutionReverted]:
        """The same for many, in as few questions as the node takes. Errors: Unavailable."""
        kept = self._present()
        missing = [each for each in dict.fromkeys(calls) if each not in kept]
        asked = dict(zip(missing, self._node.calls(missing), strict=True)) if missing else {}
        fresh = {each: answer for each, answer in asked.items() if isinstance(answer, bytes)}
        if len(kept) + len(fresh) <= MAX_KEPT:
            kept.update(fresh)
        return [asked[each] if each in asked else kept[each] for each in calls]

    def forget(self) -> None:
        """Ask everything anew: this program sent something."""
        with self._lock:
            self._kept, self._looked = {}, -KEPT_SECONDS

    def _present(self) -> dict[tuple[str, bytes], bytes]:
        """What is kept of the present head. An answer that comes in late goes into the head's that it was asked at."""
        with self._lock:
            now = self._clock()
            if now - self._looked >= LOOK_SECONDS:
                head, self._looked = self._node.head().hash, now
                if head != self._head or now - self._since >= KEPT_SECONDS:
                    self._head, self._since, self._kept = head, now, {}
            return self._kept
