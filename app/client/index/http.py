"""HTTP to a marketplace node, as small as the client needs it: JSON, event streams, problems as our errors.

Answers are bounded in size and time, redirects are not followed, and text is made safe to print: a node is a stranger.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3

from app.protocol import errors
from app.protocol.errors import BadInput, DarkroomError, NotAllowed, TooLarge, Unavailable, UsageError

MAX_ANSWER_BYTES = 8 << 20
MAX_LINE_BYTES = 1 << 20  # of an event stream
CONNECT_SECONDS, SILENT_SECONDS, ANSWER_SECONDS = 5.0, 30.0, 60.0
CHUNK = 1 << 16
MAX_WORDS = 500  # characters of a problem's sentence
NAME_A_NODE = "Start one: darkroom up; or name another: --node URL, DARKROOM_NODE."

_CODE = re.compile(r"[a-z]{1,20}(-[a-z]{1,20}){0,5}")
_OURS = {
    each.code: each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, DarkroomError)
}
_BY_STATUS: dict[int, type[DarkroomError]] = {
    400: UsageError, 404: UsageError, 405: UsageError, 401: NotAllowed, 403: NotAllowed, 409: NotAllowed,
    413: BadInput, 416: BadInput, 422: BadInput,
}  # fmt: skip

Query = Mapping[str, Any]


class NodeHttp:
    """One node's address. Messages name its host only."""

    def __init__(self, url: str, patience: float = SILENT_SECONDS) -> None:
        """`patience` is for silences, in seconds. Errors: UsageError for what is no http(s)://host[:port]."""
        self.url = url.rstrip("/")
        if not _is_origin(self.url):
            raise UsageError("That is no node's address.", "Write it as http://host:port or https://host.")
        self.host = urlsplit(self.url).netloc
        timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, patience), read=patience)
        self._pool = urllib3.PoolManager(timeout=timeout, retries=False, maxsize=4)

    def get(self, path: str, query: Query | None = None) -> Any:
        """The JSON of an answer. Errors: those that the node tells, by their code; TooLarge, Unavailable."""
        end = time.monotonic() + ANSWER_SECONDS
        with self._asked(path, query or {}, {}) as response:
            return self._json(b"".join(self._chunks(response, MAX_ANSWER_BYTES, end)))

    def lines(self, path: str, query: Query | None = None, headers: Mapping[str, str] | None = None) -> Iterator[str]:
        """The lines of an event stream until it ends. Errors: as `get`'s."""
        with self._asked(path, query or {}, dict(headers or {})) as response:
            rest = b""
            for chunk in self._chunks(response, None, None):
                *whole, rest = (rest + chunk).split(b"\n")
                if len(rest) > MAX_LINE_BYTES:
                    raise TooLarge(f"The node at {self.host} sent a line over {MAX_LINE_BYTES} bytes.")
                yield from (line.decode("utf-8", "replace").rstrip("\r") for line in whole)

    @contextmanager
    def _asked(self, path: str, query: Query, headers: dict[str, str]) -> Iterator[urllib3.BaseHTTPResponse]:
        words = urlencode({name: value for name, value in query.items() if value not in (None, "", ())}, doseq=True)
        try:
            response = self._pool.request(
                "GET", f"{self.url}{path}{'?' + words if words else ''}", headers=headers, preload_content=False,
                redirect=False, decode_content=False,
            )  # fmt: skip
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._silent(error) from None
        try:
            if response.status != 200:
                end = time.monotonic() + ANSWER_SECONDS
                raise self._problem(response.status, b"".join(self._chunks(response, MAX_ANSWER_BYTES, end)))
            yield response
        finally:
            response.close()

    def _chunks(self, response: urllib3.BaseHTTPResponse, limit: int | None, end: float | None) -> Iterator[bytes]:
        """The body as it comes. Errors: TooLarge above `limit` bytes; Unavailable after `end` or a broken line."""
        total = 0
        while True:
            try:
                chunk = response.read1(CHUNK, decode_content=False)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise self._silent(error) from None
            if not chunk:
                return
            total += len(chunk)
            if limit is not None and total > limit:
                raise TooLarge(f"The node at {self.host} answered with more than {limit} bytes.", "Ask for less.")
            if end is not None and time.monotonic() > end:
                raise Unavailable(f"The node at {self.host} takes too long to answer.", "Try again, or name another.")
            yield chunk

    def _json(self, data: bytes) -> Any:
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise self._stranger() from None

    def _problem(self, status: int, data: bytes) -> DarkroomError:
        """What the node told (RFC 9457), as the error of that code."""
        try:
            told = json.loads(data)
            code, words, step = told["code"], told["detail"], told["next_step"]
            if not (isinstance(code, str) and _CODE.fullmatch(code) and words and isinstance(step, str)):
                raise TypeError
        except (ValueError, TypeError, KeyError, RecursionError):
            return self._stranger()
        return kind_of(code, status)(printable(str(words))[:MAX_WORDS], printable(step)[:MAX_WORDS])

    def _silent(self, error: Exception) -> Unavailable:
        return Unavailable(f"No node answers at {self.host} ({type(error).__name__}).", NAME_A_NODE)

    def _stranger(self) -> Unavailable:
        return Unavailable(f"What answers at {self.host} is no Darkroom node.", NAME_A_NODE)


def _is_origin(url: str) -> bool:
    """Whether this is scheme://host[:port] and nothing else."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        return False
    return named and parts.scheme in ("http", "https") and f"{parts.scheme}://{parts.netloc}" == url


@cache
def kind_of(code: str, status: int) -> type[DarkroomError]:
    """The error of a code: ours, or for a refusal that only servers know the nearest of ours, with that code."""
    if code in _OURS:
        return _OURS[code]
    base = _BY_STATUS.get(status, Unavailable)
    return type("".join(part.title() for part in code.split("-")), (base,), {"__doc__": "A refusal of a node."})


def printable(text: str) -> str:
    """Text without what moves a terminal's cursor, colours it or turns writing around."""
    return "".join(char if char.isprintable() else " " for char in text)
