"""web3.py's HTTP provider within bounds: answers of limited size, errors by kind, and what passes is tried again."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import requests
from eth_typing import URI

from app.chain.recursion_limit import limit_kept
from app.chain.rpc.refusal import RpcRefused, read_refusal
from app.protocol.backoff import growing
from app.protocol.errors import TooLarge, Unavailable, UsageError

with limit_kept():
    from web3.providers.base import JSONBaseProvider
    from web3.providers.rpc import HTTPProvider
    from web3.types import RPCEndpoint, RPCResponse

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

    def again(self) -> JSONBaseProvider:
        """Another provider of the same endpoint, for a client of its own."""

    def saw_head(self, number: int) -> None:
        """A newest block was read."""

    def saw_final(self, number: int, digest: str) -> None:
        """A block was taken for final."""

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The response, an error of the node's included. Errors: TooLarge, Unavailable."""

    def make_batch_request(self, requests: list[tuple[RPCEndpoint, Any]], /) -> Sequence[RPCResponse]:
        """The responses in the order of the requests; as `make_request`."""


class BoundedProvider(HTTPProvider):
    """One endpoint. Its path may hold an access token, so messages and logs name only the host.

    The environment's proxies and passwords are not looked at, redirects are not followed, and CCIP-Read is off: no
    contract makes this process open a connection.
    """

    global_ccip_read_enabled = False

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
        self._url = URI(url)
        session = requests.Session()
        session.trust_env = False
        options = {"headers": HEADERS, "timeout": timeout, "allow_redirects": False, "stream": True}
        super().__init__(url, options, session, exception_retry_configuration=None)

    def __str__(self) -> str:
        return f"{type(self).__name__}({self.host!r})"

    __repr__ = __str__

    def again(self) -> BoundedProvider:
        """Another provider of the same endpoint, for a client of its own."""
        return BoundedProvider(str(self._url), tries=self._tries, timeout=self._timeout)

    def saw_head(self, number: int) -> None:
        """A newest block was read. One endpoint needs not be compared with others (`app.chain.rpc.pool`)."""

    def saw_final(self, number: int, digest: str) -> None:
        """A block was taken for final."""

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The response, an error of the node's included. What passes (no answer, a busy server, a rate limit) is tried
        again, also a transaction: equal bytes are one transaction. Errors: TooLarge, Unavailable.
        """
        return cast("RPCResponse", self._patiently(method, self.encode_rpc_request(method, params)))

    def make_batch_request(self, batch_requests: list[tuple[RPCEndpoint, Any]]) -> list[RPCResponse]:
        """The responses in the order of the requests; as `make_request`."""
        answers = self._patiently("a batch", self.encode_batch_rpc_request(batch_requests), len(batch_requests))
        return sorted(cast("list[RPCResponse]", answers), key=lambda answer: str(answer.get("id")).zfill(20))

    def _patiently(self, what: str, body: bytes, batch: int | None = None) -> Any:
        for attempt in range(self._tries - 1):
            try:
                return self._once(what, body, batch)
            except _Passing:
                time.sleep(growing(FIRST_PAUSE, attempt + 1, 1.0) * (1 + secrets.randbelow(100) / 100))
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
            answer = self.decode_rpc_response(data)
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
        ask = self._request_session_manager.get_response_from_post_request
        with ask(self._url, data=body, **self.get_request_kwargs()) as response:
            data = bytearray()
            for chunk in response.iter_content(CHUNK_BYTES):
                data += chunk
                if len(data) > MAX_ANSWER_BYTES:
                    break
            return response.status_code, bytes(data)
