"""JSON-RPC over HTTP, as small as the facade needs it: one call, bounded answers, errors by kind.

web3.py would do this too, at one more second of start-up for every command; the chain tests hold it against web3.
"""

from __future__ import annotations

import itertools
import json
import secrets
import time
from typing import Any
from urllib.parse import urlsplit

import urllib3

from app.chain.node import ExecutionReverted
from app.protocol.backoff import growing
from app.protocol.errors import TooLarge, Unavailable, UsageError

MAX_ANSWER_BYTES = 64 << 20
TIMEOUT = urllib3.Timeout(connect=5.0, read=60.0)


TRIES = 4  # of one question
FIRST_PAUSE = 0.05  # seconds before the second try
BUSY = (408, 429, 500, 502, 503, 504)
RATE_CODES = (429, -32029)
RATE_WORDS = ("rate limit", "too many requests", "per second", "compute units", "request limit", "throttle")


class _Passing(Exception):
    """A failure that another try may not meet; `error` is what it is after the last one."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.error = Unavailable(message, next_step)


class RpcRefused(Exception):
    """The node answered with an error that is not a revert."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class JsonRpc:
    """One endpoint. Its path may hold an access token, so messages name only the host."""

    def __init__(self, url: str) -> None:
        """Errors: UsageError."""
        self._url = url
        try:
            parts = urlsplit(url)
            self.host = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
        except ValueError:
            raise UsageError(
                "The chain's URL is not one.", "Write it as http://host:port or https://host/path."
            ) from None
        self._pool = urllib3.PoolManager(timeout=TIMEOUT, retries=False, maxsize=8)  # retries log the whole path
        self._ids = itertools.count(1)

    def __repr__(self) -> str:
        return f"JsonRpc({self.host!r})"

    def call(self, method: str, *params: Any) -> Any:
        """The result. What passes (no answer, a busy server, a rate limit) is tried again, also a transaction: equal
        bytes are one transaction. Errors: ExecutionReverted, RpcRefused, TooLarge, Unavailable.
        """
        for attempt in range(TRIES - 1):
            try:
                return self._once(method, *params)
            except _Passing:
                time.sleep(growing(FIRST_PAUSE, attempt + 1, 1.0) * (1 + secrets.randbelow(100) / 100))
        try:
            return self._once(method, *params)
        except _Passing as last:
            raise last.error from None

    def _once(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        try:
            response = self._pool.request("POST", self._url, json=body, preload_content=False)
            try:
                data = response.read(MAX_ANSWER_BYTES + 1)
            finally:
                response.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _Passing(
                f"The chain node at {self.host} does not answer ({type(error).__name__}).",
                "Start it, or correct the chain's URL in the node settings.",
            ) from None
        if len(data) > MAX_ANSWER_BYTES:
            raise TooLarge(f"The chain node at {self.host} answered {method} with more than {MAX_ANSWER_BYTES} bytes.")
        return self._result(method, response.status, data)

    def _result(self, method: str, status: int, data: bytes) -> Any:
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or ("result" not in answer and "error" not in answer):
            said = f"The server at {self.host} answered {method} with HTTP {status} and no JSON-RPC result."
            step = "Check that the URL is an Ethereum JSON-RPC endpoint."
            raise _Passing(said, step) if status in BUSY else Unavailable(said, step)
        if "error" in answer:
            refusal = _refusal(answer["error"])
            if isinstance(refusal, RpcRefused) and _limited(refusal):
                raise _Passing(
                    f"The chain node at {self.host} limits how often it is asked: {refusal.message}.",
                    "Ask it less often (the settings' every), or use another node.",
                )
            raise refusal
        return answer["result"]


def _limited(refusal: RpcRefused) -> bool:
    """Whether a node minds how often it is asked, not what. (-32005 alone is also "too many results".)"""
    message = refusal.message.lower()
    return refusal.code in RATE_CODES or any(words in message for words in RATE_WORDS)


def _refusal(error: Any) -> ExecutionReverted | RpcRefused:
    """Nodes differ in where they put revert data: `data` as text, nested `data.data`, or nowhere."""
    error = error if isinstance(error, dict) else {"message": str(error)}
    message, data = str(error.get("message", "")), error.get("data")
    if isinstance(data, dict):
        data = data.get("data") or data.get("result")
    if isinstance(data, str) and data.startswith("0x"):
        try:
            return ExecutionReverted(bytes.fromhex(data[2:]), message)
        except ValueError:
            pass
    if error.get("code") == 3 or "revert" in message.lower():
        return ExecutionReverted(b"", message)
    code = error.get("code")
    return RpcRefused(code if isinstance(code, int) else 0, message)
