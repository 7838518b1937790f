"""One JSON-RPC endpoint over HTTP: answers of limited size, errors by kind, and what passes is tried again."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests

from app.chain.rpc.refusal import RpcRefused, read_refusal
from app.protocol.backoff import growing, spread
from app.protocol.errors import TooLarge, Unavailable, UsageError

MAX_ANSWER_BYTES = 64 << 20
CHUNK_BYTES = 64 << 10
TIMEOUT = (5.0, 60.0)  # seconds to connect, and between two bytes
TRIES = 4  # of one question
FIRST_PAUSE = 0.05  # seconds before the second try
BUSY = (408, 429, 500, 502, 503, 504)
LIMITS = (429, 503)  # whatever error such an answer holds, it is about how often the node is asked
HEADERS = {"Content-Type": "application/json", "User-Agent": "darkroom"}


class _Passing(Exception):
    """A failure that another try may not meet; `error` is what it is after the last one."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.error = Unavailable(message, next_step)


class Endpoint(Protocol):
    """What a node is asked through: one endpoint, several, or a recording of one."""

    @property
    def host(self) -> str:
        """Whom it asks, for messages."""

    def again(self) -> Endpoint:
        """Another provider of the same endpoint, for a client of its own."""

    def saw_head(self, number: int) -> None:
        """A newest block was read."""

    def saw_final(self, number: int, digest: str) -> None:
        """A block was taken for final."""

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        """The response, an error of the node's included. Errors: TooLarge, Unavailable."""

    def make_batch_request(self, questions: Sequence[tuple[str, Any]], /) -> list[dict[str, Any]]:
        """The responses in the order of the questions; as `make_request`."""

    def send(self, what: str, body: bytes, batch: int | None = None) -> Any:
        """The response to a request that is written already, or the list of them to a `batch` of so many; messages say
        `what` was asked. Errors: TooLarge, Unavailable.
        """


class BoundedProvider:
    """One endpoint. Its path may hold an access token, so messages and logs name only the host.

    The environment's proxies and passwords are not looked at, and redirects are not followed. web3.py, which takes most
    of a second to import, is not needed for it (`app.chain.rpc.web3_provider`). Each thread has a session of its own.
    """

    def __init__(self, url: str, *, tries: int = TRIES, timeout: tuple[float, float] = TIMEOUT) -> None:
        """Each question has so many tries; `timeout`: seconds to connect, and between two bytes. Errors: UsageError."""
        self._tries, self._timeout = tries, timeout
        try:
            parts = urlsplit(url)
            self.host = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
        except ValueError:
            raise UsageError(
                "The chain's URL is not one.", "Write it as http://host:port or https://host/path."
            ) from None
        self._url = url
        self._threads, self._ids = threading.local(), itertools.count(1)

    def __str__(self) -> str:
        return f"{type(self).__name__}({self.host!r})"

    __repr__ = __str__

    def again(self) -> BoundedProvider:
        """Another provider of the same endpoint, for a client of its own."""
        return BoundedProvider(self._url, tries=self._tries, timeout=self._timeout)

    def saw_head(self, number: int) -> None:
        """A newest block was read. One endpoint needs not be compared with others (`app.chain.rpc.pool`)."""

    def saw_final(self, number: int, digest: str) -> None:
        """A block was taken for final."""

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        """The response, an error of the node's included. What passes (no answer, a busy server, a rate limit) is tried
        again, also a transaction: equal bytes are one transaction. Errors: TooLarge, Unavailable.
        """
        answer: dict[str, Any] = self.send(method, json.dumps(self._asked(method, params)).encode())
        return answer

    def make_batch_request(self, questions: Sequence[tuple[str, Any]]) -> list[dict[str, Any]]:
        """The responses in the order of the questions; as `make_request`."""
        asked = [self._asked(method, params) for method, params in questions]
        place = {str(each["id"]): number for number, each in enumerate(asked)}
        answers: list[dict[str, Any]] = self.send("a batch", json.dumps(asked).encode(), len(asked))
        return sorted(answers, key=lambda answer: place.get(str(answer.get("id")), len(place)))

    def _asked(self, method: str, params: Any) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}

    def send(self, what: str, body: bytes, batch: int | None = None) -> Any:
        """The response to a request that is written already, or the list of them to a `batch` of so many; messages say
        `what` was asked. Errors: TooLarge, Unavailable.
        """
        for attempt in range(self._tries - 1):
            try:
                return self._once(what, body, batch)
            except _Passing:
                time.sleep(spread(growing(FIRST_PAUSE, attempt + 1, 1.0)))
        try:
            return self._once(what, body, batch)
        except _Passing as last:
            raise last.error from None

    def _once(self, what: str, body: bytes, batch: int | None) -> Any:
        try:
            status, data = self._post(body)
        except OSError as error:  # what requests raises is one, and names the whole URL
            raise _Passing(
                f"The chain node at {self.host} does not answer ({type(error).__name__}).",
                "Start it, or correct the chain's URL in the node settings.",
            ) from None
        if len(data) > MAX_ANSWER_BYTES:
            raise TooLarge(f"The chain node at {self.host} answered {what} with more than {MAX_ANSWER_BYTES} bytes.")
        answer: Any
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError):
            answer = None
        answers = [answer] if batch is None else answer if isinstance(answer, list) else []
        good = all(isinstance(each, dict) and ("result" in each or "error" in each) for each in answers)
        if not good or len(answers) != (batch or 1):
            said = f"The server at {self.host} answered {what} with HTTP {status} and no JSON-RPC result."
            step = "Check that the URL is an Ethereum JSON-RPC endpoint."
            cut = status == 200 and bool(data) and answer is None  # an answer that lost its end on the way
            raise _Passing(said, step) if status in BUSY or cut else Unavailable(said, step)
        for refusal in (read_refusal(each["error"]) for each in answers if "error" in each):
            if isinstance(refusal, RpcRefused) and (refusal.limited or status in LIMITS):
                raise _Passing(
                    f"The chain node at {self.host} limits how often it is asked: {refusal.message}.",
                    "Ask it less often (the settings' every), or use another node.",
                )
        return answer

    def _post(self, body: bytes) -> tuple[int, bytes]:
        """Status and body, of which no more than the limit is read."""
        options: dict[str, Any] = {"headers": HEADERS, "timeout": self._timeout, "allow_redirects": False}
        with self._session().post(self._url, data=body, stream=True, **options) as response:
            data = bytearray()
            for chunk in response.iter_content(CHUNK_BYTES):
                data += chunk
                if len(data) > MAX_ANSWER_BYTES:
                    break
            return response.status_code, bytes(data)

    def _session(self) -> requests.Session:
        """This thread's, whose connections stay open."""
        session: requests.Session | None = getattr(self._threads, "session", None)
        if session is None:
            session = self._threads.session = requests.Session()
            session.trust_env = False
        return session
