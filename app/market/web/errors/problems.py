"""Errors over HTTP: problem+json (RFC 9457) with the codes of `app.protocol.errors`.

{"type": "urn:darkroom:error:license-expired", "title": "...", "status": 409, "code": "license-expired",
 "detail": "License 3 ...", "next_step": "Buy another ...", "instance": "urn:request:...", "errors": [...]}
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from app.market.web.errors import refusals
from app.market.web.language.choice import spoken
from app.protocol import errors

LOG = logging.getLogger("darkroom.api")
MEDIA = "application/problem+json"
MAX_FIELD_ERRORS = 20
HTTP_NO_METHOD = 405
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

# The nearest of a class's bases decides.
STATUS: Mapping[type[errors.DarkroomError], int] = {
    errors.DarkroomError: 500,
    errors.UsageError: 400,
    errors.BadInput: 422,
    errors.TooLarge: 413,
    errors.NotAllowed: 409,
    errors.VerificationFailed: 422,
    errors.BadBlock: 502,
    errors.BadReceipt: 502,
    errors.TryAgain: 503,
    errors.NotFound: 404,
    refusals.NotSignedIn: 401,
    refusals.SignInRefused: 403,
    refusals.ScopeMissing: 403,
    refusals.ForgedRequest: 403,
    refusals.NoSuchRoute: 404,
    refusals.MethodNotAllowed: 405,
    refusals.RangeNotSatisfiable: 416,
    refusals.TooManyRequests: 429,
    refusals.InternalError: 500,
}


def _kinds(base: type[errors.DarkroomError]) -> set[type[errors.DarkroomError]]:
    return {base}.union(*(_kinds(each) for each in base.__subclasses__()))


FRAMEWORK = {
    404: refusals.NoSuchRoute("There is nothing at this path.", "See /v1/openapi.json."),
    405: refusals.MethodNotAllowed("This path does not take that method.", "See /v1/openapi.json."),
    413: errors.TooLarge("The request's body is over the limit.", "Send less."),
}


class FieldError(BaseModel):
    """What is wrong with one field."""

    model_config = ConfigDict(frozen=True)

    field: Annotated[str, Field(examples=["rows"])]  # its place: names and indices with dots
    message: Annotated[str, Field(examples=["Input should be greater than or equal to 1"])]


class Problem(BaseModel):
    """An error. `code` is stable; `detail` and `next_step` are for people."""

    model_config = ConfigDict(frozen=True)

    type: Annotated[str, Field(examples=["urn:darkroom:error:not-found"])]
    title: Annotated[str, Field(examples=["An object that no reachable store or chain has."])]
    status: Annotated[int, Field(examples=[404])]
    code: Annotated[str, Field(examples=["not-found"])]
    detail: Annotated[str, Field(examples=["There is no dataset 7."])]
    next_step: Annotated[str, Field(examples=["List them: darkroom dataset list."])]
    instance: Annotated[str, Field(examples=["urn:darkroom:request:3f1c"])]
    reason: str = ""  # the contract's custom error, of `reverted`
    errors: tuple[FieldError, ...] = ()  # of `invalid-fields`


ErrorPage = Callable[[Request, Problem], Response]  # `app.state.error_page`


def status_of(kind: type[errors.DarkroomError]) -> int:
    """The HTTP status of a kind of error."""
    return next(STATUS[base] for base in kind.__mro__ if base in STATUS)


def problem(error: errors.DarkroomError, scope: Scope, fields: tuple[FieldError, ...] = ()) -> Response:
    """What went wrong: a problem; for a browser that asked for a page, outside of /v1/, the page that the app has."""
    status, say = status_of(type(error)), spoken().sentences.say
    told = Problem(
        type=f"urn:darkroom:error:{error.code}",
        title=say((type(error).__doc__ or "").splitlines()[0]),
        status=status,
        code=error.code,
        detail=say(error.message),
        next_step=say(error.next_step),
        instance=f"urn:darkroom:request:{request_id(scope)}",
        reason=getattr(error, "reason", ""),
        errors=fields,
    )
    page: ErrorPage | None = getattr(scope["app"].state, "error_page", None) if "app" in scope else None
    if page is not None and not scope["path"].startswith("/v1/"):
        request = Request(scope)
        if not request.headers.get("accept", "").startswith("application/json"):  # a page's own script asks so
            return page(request, told)
    headers = {"cache-control": "no-store"}
    if status in (429, 503):
        headers["retry-after"] = str(max(1, math.ceil(getattr(error, "retry_after", 1.0))))
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(told.model_dump_json(), status, headers, MEDIA)


KINDS = sorted(_kinds(errors.DarkroomError) - {errors.DarkroomError}, key=lambda kind: (-len(kind.__mro__), kind.code))
# The codes that come with each status.
CODES: Mapping[int, tuple[str, ...]] = {
    status: tuple(sorted(kind.code for kind in KINDS if status_of(kind) == status))
    for status in sorted(set(STATUS.values()))
}


def install(app: FastAPI) -> None:
    """Answer every error of this application as a problem."""

    @app.exception_handler(errors.DarkroomError)
    def _ours(request: Request, error: errors.DarkroomError) -> Response:
        return problem(error, request.scope)

    @app.exception_handler(RequestValidationError)
    def _fields(request: Request, error: RequestValidationError) -> Response:
        say = spoken().sentences.say
        found = tuple(
            FieldError(
                field=_plain(".".join(str(part) for part in each["loc"][1:])), message=say(_plain(str(each["msg"])))
            )
            for each in error.errors()[:MAX_FIELD_ERRORS]
        )
        if any(each["loc"][0] == "path" for each in error.errors()) and not request.url.path.startswith("/v1/"):
            return problem(_no_page(request), request.scope)
        what = ", ".join(sorted({each.field or "the body" for each in found}))
        said = refusals.InvalidFields(f"Not acceptable: {what}.", "Correct the fields that `errors` names.")
        return problem(said, request.scope, found)

    @app.exception_handler(HTTPException)
    def _framework(request: Request, error: HTTPException) -> Response:
        said = FRAMEWORK.get(error.status_code) or refusals.BadRequest(
            "The request could not be read.", "Check its body and headers."
        )
        allowed = methods_of(request) if error.status_code == HTTP_NO_METHOD else []
        if allowed and request.method == "OPTIONS":
            return Response(status_code=204, headers={"allow": ", ".join(allowed)})
        answer = problem(said, request.scope)
        if allowed:
            answer.headers["allow"] = ", ".join(allowed)
        return answer

    @app.exception_handler(SQLAlchemyError)
    def _database(request: Request, error: SQLAlchemyError) -> Response:
        LOG.error("database", extra={"request_id": request_id(request.scope), "error": type(error).__name__})
        said = errors.Unavailable("The database of this node does not answer as it should.", "Try again.")
        return problem(said, request.scope)


def methods_of(request: Request) -> list[str]:
    """Every method that some route takes at a request's path."""
    asked = [(method, {**request.scope, "method": method}) for method in METHODS]
    routes = request.app.routes
    found = {method for method, scope in asked if any(route.matches(scope)[0] is Match.FULL for route in routes)}
    return sorted(found | {"OPTIONS"} | ({"HEAD"} if "GET" in found else set()))


def _no_page(request: Request) -> errors.NotFound:
    """What somebody is told whose page's address names nothing."""
    if (said := request.path_params.get("address")) is not None:
        step = "An address is 0x and 40 hexadecimal digits: look at it again where you have it from."
        return errors.NotFound(f"{_plain(str(said))[:60]} is not the address of an account.", step)
    said = next(iter(request.path_params.values()), "")
    if "tx" in request.path_params:
        step = "A hash is 0x and 64 hexadecimal digits in lower case."
        return errors.NotFound(f"{_plain(str(said))[:60]} is not the hash of a transaction.", step)
    step = "Datasets, offers, licenses and jobs have whole numbers from 1 on."
    return errors.NotFound(f"{_plain(str(said))[:60]} is not a number of anything here.", step)


def _plain(text: str) -> str:
    """Names of fields come from the client, who may put anything there."""
    return text.encode("ascii", "backslashreplace").decode()[:200]


def request_id(scope: Scope) -> str:
    """The request's identifier, which the log carries too."""
    return str(scope.get("darkroom.request_id", ""))


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's words for the errors of a route."""
    words = {
        400: "The request is not understood.",
        401: "Not signed in, or with a token that is none.",
        403: "Forbidden: another site, a missing scope, or a sign-in that was refused.",
        404: "Not there.",
        409: "The market's rules say no.",
        413: "A body or an object is too large.",
        416: "Outside the object.",
        422: "A field or document cannot be used as it is.",
        429: "Too many requests; `Retry-After` says when.",
        502: "A store gave bytes that do not hash to their name.",
        503: "A part of the node is out of reach or busy; `Retry-After` says when.",
    }
    # Host, origin, size, rate, a wrong token and the node's parts concern every route.
    every = sorted({400, 401, 403, 413, 422, 429, 503, *statuses})
    return {
        status: {
            "description": f"{words[status]} Codes: {', '.join(f'`{code}`' for code in CODES[status])}.",
            "content": {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": _example(status)}},
        }
        for status in every
    }


def _example(status: int) -> dict[str, Any]:
    """What a problem of a status looks like."""
    kind = next(each for each in KINDS if status_of(each) == status)
    return {
        "type": f"urn:darkroom:error:{kind.code}", "title": (kind.__doc__ or "").splitlines()[0], "status": status,
        "code": kind.code, "detail": "What is wrong, in a sentence.", "next_step": "What to do about it.",
        "instance": "urn:darkroom:request:3f1c", "reason": "", "errors": [],
    }  # fmt: skip
