"""An ETag on every answer of the API that may be asked for again, and 304 to who has it already."""

from __future__ import annotations

import hashlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OK, NOT_MODIFIED = 200, 304


class ConditionalAnswers:
    """ASGI middleware: JSON of GET routes gets a weak ETag of its bytes (RFC 9110). It saves the way, not the work.

    Answers that state an ETag of their own, that are not to be stored, or that come piece by piece, pass as they are.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope).get("if-none-match", "")
        begun: list[Message] = []  # the start of an answer whose body is looked at

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                if _tagged(message):
                    begun.append(message)
                else:
                    await send(message)
                return
            if not begun:
                await send(message)
                return
            start = begun.pop()
            if message.get("more_body"):
                await send(start)
                await send(message)
                return
            tag = f'W/"{hashlib.sha256(message.get("body", b"")).hexdigest()[:32]}"'
            headers = MutableHeaders(scope=start)
            headers["etag"] = tag
            if asked == "*" or tag.removeprefix("W/") in [each.strip().removeprefix("W/") for each in asked.split(",")]:
                del headers["content-length"]
                start, message = {**start, "status": NOT_MODIFIED}, {"type": "http.response.body", "body": b""}
            await send(start)
            await send(message)

        await self._app(scope, receive, answer)


def _tagged(start: Message) -> bool:
    """Whether this answer gets a tag here."""
    headers = Headers(scope=start)
    return (
        start["status"] == OK
        and "etag" not in headers
        and "no-store" not in headers.get("cache-control", "")
        and headers.get("content-type", "").startswith("application/json")
    )
