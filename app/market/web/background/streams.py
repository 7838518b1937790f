"""Live streams of events (server-sent events), from the index.

One task looks whether the index changed; every stream then reads its own news. A stream is resumed where it broke
off by the standard header Last-Event-ID: an event's id is the index's cursor. Idle streams carry a comment from time to
time, so that proxies keep them and dead ones are noticed.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from anyio.to_thread import run_sync
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.market.queries.jobs import Feed
from app.market.web.errors.refusals import Busy
from app.market.web.settings import WebServerSettings
from app.protocol.errors import DarkroomError

RETRY_MS = 2000  # after which a browser comes back
Read = Callable[[str | None], Feed]


class Streams:
    """All live streams of one application. `beat` is a value that changes whenever the index does."""

    def __init__(self, settings: WebServerSettings, beat: Callable[[], object]) -> None:
        self._settings, self._beat = settings, beat
        self._clients: Counter[str] = Counter()
        self._changed: asyncio.Event | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = False

    @property
    def count(self) -> int:
        """Streams under way."""
        return self._clients.total()

    @contextmanager
    def place(self, client: str) -> Iterator[None]:
        """A place for one more stream. Errors: Busy."""
        if self.count >= self._settings.max_streams:
            raise Busy("This node serves as many live streams as it may.", "Ask from time to time instead.")
        if self._clients[client] >= self._settings.max_streams_of_client:
            raise Busy("This client has as many live streams as it may.", "Close one.")
        self._clients[client] += 1
        try:
            yield
        finally:
            self._clients[client] -= 1
            self._clients += Counter()  # forget clients without streams

    def close(self) -> None:
        """End all streams, so that a server can stop; safe from any thread."""
        self._closing = True
        if self._loop is not None and self._changed is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)

    async def follow(self, read: Read, after: str | None, seconds: float) -> AsyncIterator[bytes]:
        """The stream's bytes: what `read` gives after a cursor, again whenever the index changes, for so long. The last
        event is `end`; a stream without one broke off.
        """
        yield f"retry: {RETRY_MS}\n\n".encode()
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        while not self._closing:
            changed = self._signal()
            try:
                news = await run_sync(read, after)
            except DarkroomError as error:
                yield frame("unavailable", {"code": error.code, "detail": error.message})
            else:
                if news.reorganised:
                    yield frame("reorganised", {})
                for item in news.items:
                    yield frame("event", item.model_dump(mode="json"), item.cursor)
                after = news.last or after
                if news.items:
                    continue  # there may be more than one answer holds
            while not self._closing:
                left = end - clock()
                if left <= 0:
                    yield frame("end", {"reason": "time", "after": after})
                    return
                try:
                    await asyncio.wait_for(changed.wait(), min(left, self._settings.heartbeat))
                    break
                except TimeoutError:
                    yield b": alive\n\n"
        yield frame("end", {"reason": "closing", "after": after})

    def _signal(self) -> asyncio.Event:
        """The event that the next change of the index sets; the watcher runs while somebody waits."""
        if self._changed is None or self._changed.is_set():
            self._changed, self._loop = asyncio.Event(), asyncio.get_running_loop()
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.get_running_loop().create_task(self._watch())
        return self._changed

    async def _watch(self) -> None:
        seen: object = None  # so that the first look wakes streams that began before it
        while self._clients.total() and not self._closing:
            await asyncio.sleep(self._settings.poll)
            now = await self._look()
            if now != seen and self._changed is not None:
                self._changed.set()
            seen = now

    async def _look(self) -> object:
        try:
            return await run_sync(self._beat)
        except DarkroomError as error:
            return error.code


class EventStream(StreamingResponse):
    """A stream as a response. Its place is taken before the answer begins, so that a refusal is a proper one."""

    media_type = "text/event-stream"

    def __init__(self, streams: Streams, client: str, read: Read, after: str | None, seconds: float) -> None:
        super().__init__(
            streams.follow(read, after, seconds), headers={"cache-control": "no-store", "x-accel-buffering": "no"}
        )
        self._streams, self._client = streams, client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve until the client goes. Errors: Busy."""
        with self._streams.place(self._client):
            await super().__call__(scope, receive, send)


def frame(event: str, data: Any, id: str | None = None) -> bytes:
    """One event as its bytes on the wire."""
    head = f"id: {id}\n" if id else ""
    return f"{head}event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
