"""Who asks: nobody in particular, a signed-in browser, or a program with a token; and what they may."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPBearer

from app.market.web.auth.sessions import SCOPES, Scope, Session, Token
from app.market.web.dependencies.state import State
from app.market.web.errors import refusals
from app.market.web.middleware.security import SAFE, client_of, too_many

COOKIE = "darkroom"
CSRF_HEADER = "x-csrf-token"

# For OpenAPI alone: the routes below read the header and the cookie themselves, to tell a wrong one from none.
BEARER = HTTPBearer(auto_error=False, scheme_name="token", description="A token of POST /v1/tokens.")
SESSION = APIKeyCookie(
    name=COOKIE,
    auto_error=False,
    scheme_name="session",
    description="The cookie of POST /v1/session. Writes also need its CSRF token in X-CSRF-Token.",
)


@dataclass(frozen=True)
class Caller:
    """Who a request comes from. `address` is "" for nobody in particular."""

    address: str = ""
    scopes: frozenset[Scope] = frozenset()
    session: Session | None = None
    token: Token | None = None
    client: str = ""  # whose live streams count
    clients: tuple[str, ...] = ()  # whose work and uploads count: the address, and the account with all its tokens


def caller(request: Request, here: State) -> Caller:
    """The caller. Errors: NotSignedIn for a token that is none; ForgedRequest for a write without the CSRF token."""
    client = client_of(request.scope)
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme:
        token = here.access.token(text.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise refusals.NotSignedIn("This token is none, or is over.", "Make another: POST /v1/tokens.")
        scopes = frozenset(token.scopes)
        return Caller(token.address, scopes, None, token, f"token {token.id}", (client, f"account {token.address}"))
    secret = request.cookies.get(cookie_name(here.settings.secure))
    session = here.access.session(secret) if secret else None
    if session is None:
        return Caller(client=client, clients=(client,))
    if request.method not in SAFE:
        given = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), session.csrf.encode()):
            raise refusals.ForgedRequest(
                "A write in a session needs its CSRF token.", "Send what GET /v1/session says as X-CSRF-Token."
            )
    account = f"account {session.address}"
    return Caller(session.address, frozenset(SCOPES), session, None, account, (client, account))


def require_scope(scope: Scope) -> Callable[..., Caller]:
    """A dependency: a signed-in caller who may do this. Errors: NotSignedIn, ScopeMissing."""

    def check(who: CurrentCaller) -> Caller:
        if not who.address:
            raise refusals.NotSignedIn("Sign in first.", "POST /v1/session, or send a token.")
        if scope not in who.scopes:
            raise refusals.ScopeMissing(f"This token lacks the scope {scope}.", "Make one that has it.")
        return who

    return check


def in_person(who: CurrentCaller) -> Caller:
    """A caller with a session: what tokens may never do. Errors: NotSignedIn, ScopeMissing."""
    if not who.address:
        raise refusals.NotSignedIn("Sign in first.", "POST /v1/session.")
    if who.session is None:
        raise refusals.ScopeMissing("No token may do this.", "Sign in: POST /v1/session.")
    return who


def rate_cost(amount: float) -> Callable[..., None]:
    """A dependency: the route takes work, and a caller may ask for so much of it. Errors: TooManyRequests."""

    def charge(spend: Spending) -> None:
        spend(amount)

    return charge


def spending(who: CurrentCaller, here: State) -> Spend:
    """A dependency: takes work from the buckets of the caller's address and account together, where the amount is known
    only on the way. It raises TooManyRequests.
    """

    def spend(amount: float) -> None:
        if here.heavy and (wait := here.heavy.take(*who.clients, cost=amount)):
            raise too_many(wait)

    return spend


def cookie_name(secure: bool) -> str:
    """Over TLS the prefix makes browsers hold the cookie to this very host."""
    return f"__Host-{COOKIE}" if secure else COOKIE


Spend = Callable[[float], None]
CurrentCaller = Annotated[Caller, Depends(caller)]
Spending = Annotated[Spend, Depends(spending)]
SECURED = [Depends(BEARER), Depends(SESSION)]
