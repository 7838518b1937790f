"""Single asks, paid over HTTP by clients of x402 that have no account and no gas here."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from starlette.responses import Response

from app.market.web.api.answers import reply
from app.market.web.api.openapi import links
from app.market.web.ask_forms import Ask, AskPrice, AskTaken
from app.market.web.dependencies.caller import Spending, rate_cost
from app.market.web.dependencies.state import State
from app.market.web.errors.problems import error_responses
from app.market.web.questions import QuestionReport
from app.protocol.errors import NotFound

router = APIRouter(tags=["jobs"])

MAX_HEADER = 16 << 10
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": QuestionReport, "description": "The answer is public: nothing is paid, and `answer` holds it."},
    202: links("$response.body#/job", get_job="id", follow_job="id", get_decision="id", get_result="id"),
    402: {
        "model": AskPrice,
        "description": "What has to be paid. PAYMENT-REQUIRED says it to clients of x402.",
        "headers": {
            "PAYMENT-REQUIRED": {"description": "x402, version 2: base64 of JSON.", "schema": {"type": "string"}}
        },
    },
}
Payment = Annotated[
    str | None,
    Header(max_length=MAX_HEADER, alias="PAYMENT-SIGNATURE", description="x402, version 2: what a client signed."),
]


@router.post(
    "/asks",
    response_model=AskTaken,
    status_code=202,
    responses=error_responses(404, 409, 502) | ANSWERS,
    dependencies=[Depends(rate_cost(4))],
)
def ask_once(ask: Ask, here: State, spend: Spending, payment: Payment = None) -> Response:
    """Ask one question and pay for it in the same request (x402): no account, no license, no gas of one's own.

    Without a payment: 402 with the price, and the header that clients of x402 pay. With it: the job. The same payment
    again is the same job. What the job does not take, and all of its price if it fails, returns to the payer.
    """
    try:
        from app.market.web import asks
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("x402", "httpx"):
            raise
        raise NotFound(
            "The official package of x402 is not installed on this node.",
            "Install: pip install 'darkroom-market[x402]'.",
        ) from None
    refused = "payment_required"
    if payment is not None:
        taken = asks.pay(here, ask, payment, spend)
        if not isinstance(taken, str):
            return reply(
                taken, 202, {"PAYMENT-RESPONSE": asks.receipt(here, ask, taken), "location": f"/v1/jobs/{taken.job}"}
            )
        refused = taken
    found = asks.price(here, ask, spend, refused)
    if isinstance(found, QuestionReport):
        return reply(found)
    header = asks.required_header(here, found)
    return reply(found.price, 402, {"PAYMENT-REQUIRED": header, "cache-control": "no-store"})
