"""Lines of lookups, each computed once, beside whatever else an agent does.

A line takes some seconds to a minute. Whoever asks for one that is not there yet gets None, and asks again at its next
look: a move has an hour. Nothing is kept on disk; a process that was killed computes it anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable

from fhe.engine.trace.slots import Tape

KEPT_LINES = 16  # 3 MiB each, under the reference profile


class Lines:
    """The lines of one process, one computed at a time."""

    def __init__(self, *, beside: bool = True) -> None:
        """Without `beside`, whoever asks waits."""
        self._beside, self._one = beside, threading.Lock()
        self._made: dict[Hashable, Tape | Exception] = {}
        self._threads: dict[Hashable, threading.Thread] = {}

    def get(self, key: Hashable, make: Callable[[], Tape]) -> Tape | None:
        """The line of a key, begun now where it is not there; None as long as it is computed.

        `make` reads what it starts from; the rest of it needs no store. Errors: those of `make`; of computing, which is
        tried again when the line is asked for again.
        """
        if key not in self._made and key not in self._threads:
            thread = threading.Thread(target=self._compute, args=(key, make()), daemon=True)
            self._threads[key] = thread
            thread.start()
        if not self._beside and key in self._threads:
            self._threads[key].join()
        if key not in self._made:
            return None
        self._threads.pop(key, None)
        found = self._made.pop(key)
        if isinstance(found, Exception):
            raise found
        self._made[key] = found  # the one that was asked for last is dropped last
        while len(self._made) > KEPT_LINES:
            self._made.pop(next(iter(self._made)))
        return found

    def _compute(self, key: Hashable, line: Tape) -> None:
        with self._one:
            try:
                line.compute()
                self._made[key] = line
            except Exception as error:  # noqa: BLE001 - whoever asks is told
                self._made[key] = error
