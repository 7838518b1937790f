"""The facilitator over HTTP, as x402 has it: /supported, /verify, /settle."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from x402.schemas import PaymentPayload, PaymentRequirements, VerifyRequest

from app.facilitator.facilitator import Facilitator
from app.protocol.errors import DarkroomError, TryAgain

if TYPE_CHECKING:
    from starlette.types import ASGIApp

MAX_BODY = 64 << 10  # bytes
HOSTS = ["127.0.0.1", "localhost"]
Asked = Callable[[PaymentPayload, PaymentRequirements], BaseModel]


def http_app(facilitator: Facilitator) -> ASGIApp:
    """The application. It listens for nodes on this machine, and answers to no other host's name."""

    async def supported(_: Request) -> Response:
        return _json(facilitator.supported().model_dump_json(by_alias=True, exclude_none=True))

    async def verify(request: Request) -> Response:
        return await _answer(request, facilitator.verify)

    async def settle(request: Request) -> Response:
        return await _answer(request, facilitator.settle)

    routes = [
        Route("/supported", supported),
        Route("/verify", verify, methods=["POST"]),
        Route("/settle", settle, methods=["POST"]),
    ]
    return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)])


async def _answer(request: Request, call: Asked) -> Response:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            return _problem(413, "too-large", f"A request has at most {MAX_BODY} bytes.")
    try:
        asked = VerifyRequest.model_validate(json.loads(bytes(body)))
    except (ValueError, RecursionError, ValidationError):
        return _problem(400, "bad-input", "This is no request of x402, version 2.")
    try:
        found = await run_in_threadpool(call, asked.payment_payload, asked.payment_requirements)
    except DarkroomError as error:
        return _problem(503 if isinstance(error, TryAgain) else 409, error.code, str(error))
    return _json(found.model_dump_json(by_alias=True, exclude_none=True))


def _problem(status: int, code: str, detail: str) -> Response:
    said: dict[str, Any] = {"code": code, "detail": detail}
    return _json(json.dumps(said), status)


def _json(text: str, status: int = 200) -> Response:
    return Response(text, status, media_type="application/json")
