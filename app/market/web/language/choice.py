"""Which language a page is in: the one that a visitor chose, else the best that their browser names."""

from __future__ import annotations

import re
from contextvars import ContextVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.market.web.language.catalogue import ENGLISH, LANGUAGES, Translation, translation

COOKIE = "language"
ASKED = "darkroom-language"  # a header by which a page's own scripts ask the API for the words of errors
VARY = "accept-language, cookie"
RANGE = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]{1,40})?\s*(?:;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?\s*")
MOST_RANGES = 20

_SPOKEN: ContextVar[str] = ContextVar("language", default=ENGLISH)


def spoken() -> Translation:
    """The words of the language that this request is answered in; English outside of a page's request."""
    return translation(_SPOKEN.get())


def chosen(cookie: str, accepted: str) -> str:
    """The language of a page for a cookie's value and an Accept-Language header (RFC 9110), "" for none of them."""
    if cookie in LANGUAGES:
        return cookie
    best, weight = ENGLISH, 0.0
    for said in accepted.split(",")[:MOST_RANGES]:
        found = RANGE.fullmatch(said)
        if found and found[1].lower() in LANGUAGES and float(found[2] or 1) > weight:
            best, weight = found[1].lower(), float(found[2] or 1)
    return best


class PageLanguage:
    """ASGI middleware: pages in the visitor's language, told so to caches; the API in English, whatever a browser says.

    Scripts of our own pages show the API's errors to people: they name the page's language in a header of their own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        page = not scope["path"].startswith(("/v1/", "/static/"))
        if page:
            cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
            language = chosen(cookie, headers.get("accept-language", ""))
        else:
            asked = headers.get(ASKED, "")
            language = asked if asked in LANGUAGES else ENGLISH

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                _tell(MutableHeaders(scope=message), language, page=page, named=ASKED in headers)
            await send(message)

        token = _SPOKEN.set(language)
        try:
            await self._app(scope, receive, answer)
        finally:
            _SPOKEN.reset(token)


def _tell(headers: MutableHeaders, language: str, *, page: bool, named: bool) -> None:
    """What caches have to know."""
    kind = headers.get("content-type", "")
    if page and kind.startswith("text/html"):
        headers["content-language"] = language
        headers.add_vary_header(VARY)
    elif named and kind.startswith("application/"):
        headers.add_vary_header(ASKED)
