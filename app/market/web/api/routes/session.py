"""Signing in with a wallet."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from app.chain.wallet.envelope import to_address
from app.market.web.api.answers import reply
from app.market.web.auth import siwe
from app.market.web.auth.sessions import NONCE_SECONDS, SESSION_SECONDS
from app.market.web.dependencies.caller import SECURED, Caller, CurrentCaller, cookie_name, in_person, rate_cost
from app.market.web.dependencies.state import AppState, State
from app.market.web.errors.problems import error_responses
from app.market.web.errors.refusals import SignInRefused
from app.market.web.fields import Address, RequestModel, ResponseModel, Signature

router = APIRouter(tags=["sign-in"])


class Challenge(RequestModel):
    """Who wants to sign in."""

    address: Address


class SignInMessage(ResponseModel):
    """Sign `message` as it is (personal_sign) before `expires_at`, then POST /v1/session."""

    message: str
    nonce: str
    expires_at: int


class Signed(RequestModel):
    """A signed message."""

    message: Annotated[str, Field(max_length=siwe.MAX_MESSAGE, examples=["127.0.0.1:8080 wants you to sign in ..."])]
    signature: Signature


class SessionView(ResponseModel):
    """Who is signed in here. Send `csrf` as X-CSRF-Token with every write of the session."""

    signed_in: bool
    address: str
    scopes: tuple[str, ...]
    csrf: str
    expires_at: int


@router.post(
    "/session/challenge",
    response_model=SignInMessage,
    responses=error_responses(409),
    dependencies=[Depends(rate_cost(1))],
)
def begin_session(asked: Challenge, here: State) -> Response:
    """A message to sign, with a nonce that is good for five minutes and for one sign-in."""
    nonce, expires_at = here.access.new_nonce()
    message = siwe.compose(
        here.settings.origin, asked.address, here.market.chain_id, nonce, expires_at - NONCE_SECONDS, expires_at
    )
    return reply(SignInMessage(message=message, nonce=nonce, expires_at=expires_at))


@router.post("/session", response_model=SessionView, status_code=201, responses=error_responses())
def open_session(signed: Signed, here: State) -> Response:
    """Sign in: the cookie that this sets is the session. Contract accounts answer by ERC-1271."""
    said = siwe.parse(signed.message)
    siwe.check(said, origin=here.settings.origin, chain_id=here.market.chain_id, now=here.parts.clock())
    address = to_address(said.address)
    here.access.use_nonce(said.nonce)
    if not here.market.signed_text_by(address, signed.message, signed.signature):
        raise SignInRefused("The signature is not this account's.", "Sign the message with the account that it names.")
    secret, session = here.access.open_session(address)
    answer = reply(_card(Caller(address, frozenset(), session)), 201, {"cache-control": "no-store"})
    _set_cookie(here, answer, secret, SESSION_SECONDS)
    return answer


@router.get("/session", response_model=SessionView, responses=error_responses())
def get_session(who: CurrentCaller) -> Response:
    """Who this browser or token is here."""
    return reply(_card(who), headers={"cache-control": "no-store"})


@router.delete("/session", status_code=204, responses=error_responses(), dependencies=SECURED)
def close_session(here: State, who: Annotated[Caller, Depends(in_person)]) -> Response:
    """Sign out."""
    assert who.session is not None
    here.access.close_session(who.session)
    answer = Response(status_code=204)
    _set_cookie(here, answer, "", 0)
    return answer


def _set_cookie(here: AppState, answer: Response, secret: str, seconds: int) -> None:
    answer.set_cookie(
        cookie_name(here.settings.secure),
        secret,
        max_age=seconds,
        path="/",
        secure=here.settings.secure,
        httponly=True,
        samesite="strict",
    )


def _card(who: Caller) -> SessionView:
    session, token = who.session, who.token
    return SessionView(
        signed_in=bool(who.address),
        address=who.address,
        scopes=tuple(sorted(who.scopes)) if token else (),
        csrf=session.csrf if session else "",
        expires_at=session.expires_at if session else token.expires_at if token else 0,
    )
