"""Objects that jobs wait for, asked for several at once, while the agent does what is due.

A store takes half a minute to say that it has not got something, and whoever opens a job may name a circuit that
nobody has. Asked for one after the other, such jobs would hold up reveals, draws and good jobs. So a few threads ask,
each for one object, and the agent looks at the answers that are there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from app.protocol.ids import Digest

AT_ONCE = 8  # objects that are asked for at a time
SHORT_SECONDS, LONG_SECONDS = 1.0, 20.0  # for which all answers are waited for, and after that one at least
POLL_SECONDS = 0.2


class Fetches:
    """The newest answers to what is wanted. `fetch` brings an object near, such as into the local node, or raises."""

    def __init__(self, fetch: Callable[[Digest], object]) -> None:
        self._fetch, self._changed = fetch, threading.Condition()
        self._waiting: list[Digest] = []
        self._asked: set[Digest] = set()
        self._answers: dict[Digest, Exception | None] = {}

    def want(self, names: Sequence[Digest]) -> None:
        """Ask for these in their order, and for nothing else that is not under way; answers that are here are kept."""
        with self._changed:
            self._answers = {name: answer for name, answer in self._answers.items() if name in names}
            unknown = (name for name in dict.fromkeys(names) if name not in self._answers and name not in self._asked)
            self._waiting = list(unknown)
            for _ in range(min(len(self._waiting), AT_ONCE - len(self._asked))):
                name = self._waiting.pop(0)
                self._asked.add(name)
                threading.Thread(target=self._work, args=(name,), name="fetch", daemon=True).start()

    def settle(self, stopping: threading.Event) -> None:
        """Wait a little for all answers, then longer for one of them; not at all once `stopping`."""
        with self._changed:
            self._wait(SHORT_SECONDS, stopping, lambda: not (self._asked or self._waiting))
            self._wait(LONG_SECONDS, stopping, lambda: bool(self._answers) or not (self._asked or self._waiting))

    def answered(self, name: Digest) -> bool:
        """Whether there is an answer: the object is here, or nobody has it."""
        with self._changed:
            return name in self._answers

    def came(self, name: Digest) -> bool:
        """Whether the object is here, by the newest answer."""
        with self._changed:
            return name in self._answers and self._answers[name] is None

    def check(self, name: Digest) -> None:
        """Take the answer that says why an object is not here; the next `want` asks again. Errors: those of `fetch`."""
        with self._changed:
            if (error := self._answers.get(name)) is not None:
                del self._answers[name]
                raise error

    def _wait(self, seconds: float, stopping: threading.Event, enough: Callable[[], bool]) -> None:
        for _ in range(round(seconds / POLL_SECONDS)):
            if stopping.is_set() or enough():
                return
            self._changed.wait(POLL_SECONDS)

    def _work(self, name: Digest) -> None:
        """Ask for one object after the other until nothing waits."""
        while True:
            error: Exception | None = None
            try:
                self._fetch(name)
            except Exception as raised:  # noqa: BLE001 - whoever looks at the answer raises it
                error = raised
            with self._changed:
                self._asked.discard(name)
                self._answers[name] = error
                self._changed.notify_all()
                if not self._waiting:
                    return
                name = self._waiting.pop(0)
                self._asked.add(name)
