"""Before every request: host, size, rate and origin. On every answer: headers, an identifier, a log line.

Plain ASGI, so that event streams pass through unbuffered.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import secrets
import time
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.market.web.errors import refusals
from app.market.web.errors.problems import problem
from app.market.web.middleware.rate_limits import RateLimiter
from app.market.web.settings import WebServerSettings
from app.protocol.errors import DarkroomError, TooLarge

LOG = logging.getLogger("darkroom.api")
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
RELAY_PATH = "/v1/rpc"  # wallets call it from pages of their own; it reads no cookie
HEALTH_PATHS = frozenset({"/v1/health", "/v1/ready"})  # load balancers ask as often as they want
PRIVATE_PATHS = ("/v1/me", "/v1/session", "/v1/tokens")  # no other site's page reads what is a person's own
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

# Pages may be given a policy of their own that is as strict about scripts; the API's answers are no pages at all.
API_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
HSTS = "max-age=31536000"
# Pages of other sites may read what is public: without cookies, which a browser does not send to a wildcard.
SHARED = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "etag, location, ratelimit, ratelimit-policy, retry-after, x-request-id",
    "cross-origin-resource-policy": "cross-origin",
}
PREFLIGHT = {
    "access-control-allow-headers": "accept, content-type, if-none-match, last-event-id, range, x-request-id",
    "access-control-max-age": "7200",
}


class SecurityMiddleware:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, settings: WebServerSettings, clock: Callable[[], float]) -> None:
        self._app, self._settings = app, settings
        self._buckets = RateLimiter(settings.rate, clock) if settings.rate else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, began = Headers(scope=scope), time.perf_counter()
        given = headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope["darkroom.request_id"] = request_id
        status = 0

        head = scope["method"] == "HEAD"
        asked = {**scope, "method": "GET"} if head else scope

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._dress(MutableHeaders(scope=message), scope, request_id)
                await send(message)
                if head:  # as GET, without its body (RFC 9110)
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
            elif not head:
                await send(message)

        try:
            if refused := self._refusal(scope, headers):
                await problem(refused, scope)(scope, receive, answer)
            else:
                await self._app(asked, self._bounded(headers, receive), answer)
        except Exception:
            LOG.exception("fault", extra={"request_id": request_id})
            if not status:
                fault = refusals.InternalError(
                    "This node made a mistake.", "Try again; if it stays, report the request's number."
                )
                await problem(fault, scope)(scope, receive, answer)
        finally:
            self._note({**scope, "route": asked.get("route")}, status, request_id, began)

    def _refusal(self, scope: Scope, headers: Headers) -> DarkroomError | None:
        """Why this request goes no further, if it does not."""
        settings = self._settings
        if host_of(headers.get("host", "")) not in settings.known_hosts:
            return refusals.UnknownHost("This node has another name.", f"Ask for {settings.origin}.")
        limited = self._buckets if scope["path"] not in HEALTH_PATHS else None
        if limited and (wait := limited.take(client_of(scope))):
            return too_many(wait)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 18:
            return refusals.BadRequest("The request's length is no number.", "Send the body again.")
        if int(length) > settings.max_body:
            return TooLarge(f"A body of {length} bytes is over the limit of {settings.max_body}.", "Send less.")
        origin = headers.get("origin")
        foreign = origin not in (None, settings.origin, f"{scope['scheme']}://{headers.get('host', '')}")
        if foreign and scope["method"] not in SAFE and scope["path"] != RELAY_PATH:
            return refusals.ForgedRequest("This request came from another site.", "Use this node's own pages.")
        return None

    def _bounded(self, headers: Headers, receive: Receive) -> Receive:
        """`receive`, until more came than was allowed."""
        if "transfer-encoding" not in headers:
            return receive  # the server holds a body to its stated length
        total = 0

        async def bounded() -> Message:
            nonlocal total
            message = await receive()
            total += len(message.get("body", b""))
            if total > self._settings.max_body:
                raise HTTPException(413)
            return message

        return bounded

    def _dress(self, headers: MutableHeaders, scope: Scope, request_id: str) -> None:
        path = scope["path"]
        if is_shared(scope["method"], path):
            headers.update(SHARED)
            if scope["method"] == "OPTIONS":
                headers["access-control-allow-methods"] = "POST" if path == RELAY_PATH else "GET, HEAD"
                headers.update(PREFLIGHT)
        if self._buckets and path.startswith("/v1/") and path not in HEALTH_PATHS:
            headers.update(self._buckets.headers("requests", client_of(scope)))
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        headers.setdefault("content-security-policy", API_POLICY if path.startswith("/v1/") else PAGE_POLICY)
        headers.setdefault("cache-control", "no-cache")
        headers["x-request-id"] = request_id
        if self._settings.secure:
            headers["strict-transport-security"] = HSTS

    def _note(self, scope: Scope, status: int, request_id: str, began: float) -> None:
        """One line a request: its route's pattern, never its query, body or headers."""
        route = scope.get("route")
        LOG.info(
            "request",
            extra={
                "request_id": request_id,
                "method": scope["method"],
                "route": getattr(route, "path", "(none)"),
                "status": status,
                "ms": round((time.perf_counter() - began) * 1000, 1),
            },
        )


def is_shared(method: str, path: str) -> bool:
    """Whether pages of other sites may read the answer: what is public, and the relay, which reads no cookie."""
    if path == RELAY_PATH:
        return method in ("POST", "OPTIONS")
    private = any(path == each or path.startswith(f"{each}/") for each in PRIVATE_PATHS)
    return method in SAFE and path.startswith("/v1/") and not private


def too_many(wait: float) -> refusals.TooManyRequests:
    """The refusal of a client whose bucket is empty."""
    return refusals.TooManyRequests(
        "This client asks too often.", f"Wait {max(1, round(wait))} s, then go on more slowly.", retry_after=wait
    )


def host_of(text: str) -> str:
    """The host's name without its port, in lower case."""
    name = text.rsplit(":", 1)[0] if re.search(r":\d*$", text) and not text.endswith("]") else text
    return name.lower()


def client_of(scope: Scope) -> str:
    """Whose bucket a request takes from: an IPv4 address, or an IPv6 network of 64 bits, which one customer has."""
    client = scope.get("client")
    try:
        address = ipaddress.ip_address(client[0] if client else "")
    except ValueError:
        return "unknown"
    if address.version == 6:
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)
