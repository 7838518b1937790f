"""What is said about a single ask that is paid over HTTP: the question, its price, and the job that it became."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.client.ask.query import MAX_SQL
from app.market.queries.view import Amount
from app.market.web.fields import MAX_ID, Address, Digest, Id, RequestModel, ResponseModel
from app.market.web.questions import QuestionReport
from app.policy.preflight import MAX_REPLICAS, REPLICAS
from app.protocol.market.prepaid import PrepaidOrder


class Ask(RequestModel):
    """A question, who pays for it, and whose key its answer is sealed to."""

    dataset: Id
    sql: Annotated[
        str,
        Field(min_length=1, max_length=MAX_SQL, examples=["SELECT avg(c0) FROM data"], description="docs/ask.md."),
    ]
    payer: Annotated[Address, Field(description="Who signs the payment; refunds go there.")]
    sealing_key: Annotated[Digest, Field(description="The asker's X25519 public key, hex.")]
    offer: Annotated[int | None, Field(ge=1, le=MAX_ID, description="By default the cheapest that sells it.")] = None
    rows: Annotated[int | None, Field(ge=1, le=MAX_ID, description="All of the dataset's by default.")] = None
    first_row: Annotated[int, Field(ge=0, le=MAX_ID)] = 0
    replicas: Annotated[int, Field(ge=1, le=MAX_REPLICAS, description="Executors that must agree.")] = REPLICAS


class AskPrice(ResponseModel):
    """What an ask costs and tells, and the order that its payment is for. PAYMENT-REQUIRED says the same to clients of
    x402: pay it and send the same request again.
    """

    error: str  # why the payment that came is none for this, in a word; "payment_required" where none came
    question: QuestionReport
    order: PrepaidOrder
    amount: Amount  # token units: license, job, rows, and what is set aside for executors, of which the rest returns
    asset: str
    network: str  # CAIP-2
    pay_to: str  # the order's own account
    valid_until: int


class AskTaken(ResponseModel):
    """An ask whose payment opened a job. The answer is GET /v1/jobs/{id}/result, sealed to the asker's key; how its
    sums are read is POST /v1/datasets/{id}/questions/compiled.
    """

    job: int
    license: int
    dataset: int
    version: int
    rows: int
    circuit: str
    account: str  # that bought it; what it does not take returns to the payer
    transaction: str
    ordered_before: bool  # this payment had opened the job before: nothing was taken now
