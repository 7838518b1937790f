"""Tokens: how programs sign in. Only a person with a session makes, lists or revokes them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field, StringConstraints
from starlette.responses import Response

from app.market.web.api.answers import reply
from app.market.web.auth.sessions import MAX_TOKEN_DAYS, SCOPES, Scope, Token
from app.market.web.dependencies.caller import SECURED, Caller, in_person
from app.market.web.dependencies.state import State
from app.market.web.errors.problems import error_responses
from app.market.web.fields import RequestModel, ResponseModel

router = APIRouter(tags=["sign-in"], dependencies=SECURED)
Person = Annotated[Caller, Depends(in_person)]


class NewToken(RequestModel):
    """What a token is to be for."""

    name: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,100}$"), Field(examples=["nightly scoring"])]
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1, max_length=len(SCOPES), examples=[["account:read"]])]
    days: Annotated[int, Field(ge=1, le=MAX_TOKEN_DAYS, examples=[30])] = 30


class TokenView(ResponseModel):
    """A token without its secret. `used_at` is exact to the hour; 0 means never."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: int
    expires_at: int
    used_at: int
    revoked_at: int


class MadeToken(TokenView):
    """A new token. `token` is shown this once: send it as `Authorization: Bearer`."""

    token: str


class TokenList(ResponseModel):
    """An account's tokens, newest first."""

    items: tuple[TokenView, ...]


@router.post("/tokens", response_model=MadeToken, status_code=201, responses=error_responses(409))
def make_token(asked: NewToken, here: State, who: Person) -> Response:
    """Make a token for a program."""
    text, token = here.access.new_token(who.address, asked.name, asked.scopes, asked.days)
    made = MadeToken(token=text, **_fields(token))
    return reply(made, 201, {"cache-control": "no-store", "location": f"/v1/tokens/{token.id}"})


@router.get("/tokens", response_model=TokenList, responses=error_responses())
def list_tokens(here: State, who: Person) -> Response:
    """The caller's tokens."""
    cards = tuple(TokenView(**_fields(token)) for token in here.access.tokens(who.address))
    return reply(TokenList(items=cards), headers={"cache-control": "no-store"})


@router.delete("/tokens/{id}", response_model=TokenView, responses=error_responses(404))
def revoke_token(
    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$"), Field(examples=["0123456789abcdef"])],
    here: State,
    who: Person,
) -> Response:
    """End a token at once."""
    return reply(TokenView(**_fields(here.access.revoke(who.address, id))))


def _fields(token: Token) -> dict[str, object]:
    return {name: value for name, value in vars(token).items() if name != "address"}
