"""Single asks that are paid over HTTP (x402): priced, held against their payment, and handed to a facilitator.

The node holds no key and no money. What it offers is an order (`app.protocol.market.prepaid`) whose account takes
exactly its price; the payment brings that order back, so there are no books of offers. Whether an order was opened is
what the chain says: a facilitator's word is never taken for it.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.client.ask.plan import Plan
from app.client.purchase import choose_terms
from app.execution.inputs import load_manifest
from app.execution.market_state import MarketState, read_market
from app.facilitator import wire
from app.facilitator.remote import RemoteFacilitator
from app.market.web.ask_forms import Ask, AskPrice, AskTaken
from app.market.web.dependencies.caller import Spend
from app.market.web.dependencies.state import AppState
from app.market.web.questions import QuestionReport, planned, public_report, question_report, row_count
from app.market.web.quotes import BYTES_OF_WORK, JudgedCircuit, judge
from app.policy.preflight import Preflight, Request
from app.protocol.documents import sha256
from app.protocol.errors import BadDocument, BadInput, NotFound, Unavailable
from app.protocol.market.entities import JobState
from app.protocol.market.prepaid import PrepaidOrder
from fhe.circuit import codec

if TYPE_CHECKING:
    from x402.schemas import PaymentPayload, PaymentRequirements

LOG = logging.getLogger("darkroom.api")
VALID_SECONDS = 900  # for which a price can be paid
AGAIN = (JobState.EXPIRED, JobState.FAILED)
ABOUT = "One question in SQL about encrypted rows, answered to the asker's key alone."
NOT_HERE = "Buy with a wallet, or under a mandate: docs/agents.md."


@dataclass(frozen=True)
class Required:
    """An ask that is still to be paid."""

    price: AskPrice
    requirements: PaymentRequirements


def price(here: AppState, ask: Ask, spend: Spend, error: str = "payment_required") -> Required | QuestionReport:
    """What has to be paid for an ask; the answer itself where it is public.

    Errors: what the order would be refused for; BadQuery; NotFound where this market or node takes no such payments.
    """
    _offered(here)
    found = _judged(here, ask, spend)
    if isinstance(found, QuestionReport):
        return found
    found.judged.found.require()
    market, now = here.market, here.market.now()
    order = _order(here, ask, found, int(now) + VALID_SECONDS, secrets.token_hex(32))
    wanted = wire.requirements_of(market, order, now)
    told = AskPrice(
        error=error,
        question=question_report(ask.sql, found.asked, found.judged, found.data),
        order=order,
        amount=int(wanted.amount),
        asset=wanted.asset,
        network=wanted.network,
        pay_to=wanted.pay_to,
        valid_until=order.not_after,
    )
    return Required(told, wanted)


def pay(here: AppState, ask: Ask, header: str, spend: Spend) -> AskTaken | str:
    """Take a payment for an ask: the job that it opened, or why it is none for this ask, in a word.

    Given again it is the same job and takes nothing. A job that failed is opened anew out of what came back. Errors:
    BadInput for what is no payment; what the order would be refused for by now; Unavailable, after which the same
    request can be sent again.
    """
    payload = wire.read_payment(header)
    try:
        order, transfer = wire.order_in(payload.accepted), wire.transfer_in(payload)
    except (BadDocument, BadInput) as error:
        return error.code.replace("-", "_")
    market = here.market
    _offered(here)
    if (order.chain_id, order.contract) != (market.chain_id, market.orders_required()):
        return "wrong_network"
    record = market.dataset_version(ask.dataset, order.version)
    if fault := _misfit(here, ask, order, record.rows):
        return fault
    if taken := _taken(here, order, ordered_before=True):
        return taken
    wanted = wire.requirements_of(market, order, market.now())
    if wanted.max_timeout_seconds == 0:
        return "order_expired"
    if fault := wire.misfit(payload, wanted, order, transfer):
        return fault
    found = _judged(here, ask, spend, order)
    if isinstance(found, QuestionReport):
        return "wrong_order"
    found.judged.found.require()
    return _settled(here, order, found.data, payload, wanted)


def _settled(
    here: AppState, order: PrepaidOrder, data: bytes, payload: PaymentPayload, wanted: PaymentRequirements
) -> AskTaken | str:
    facilitator = RemoteFacilitator(here.settings.facilitator or "")
    checked = facilitator.verify(payload, wanted)
    if not checked.is_valid:
        return checked.invalid_reason or "invalid_payment"
    here.store.put(data)  # the executors look for it as soon as the order is open
    done = facilitator.settle(payload, wanted)
    if taken := _taken(here, order, ordered_before=False):  # the chain's word
        return taken
    LOG.warning("ask-not-settled", extra={"said": bool(done.success), "reason": str(done.error_reason)[:80]})
    claim = "says that it took the payment, and the chain does not" if done.success else "could not take the payment"
    raise Unavailable(f"The facilitator {claim}.", "Send the same request again: nothing is paid twice.")


def _taken(here: AppState, order: PrepaidOrder, *, ordered_before: bool) -> AskTaken | None:
    """The job that an order opened, as the chain has it; None before, and where it failed and can be opened again."""
    market = here.market
    number = market.order_job(order)
    if not number:
        return None
    job = market.job(number)
    if ordered_before and job.state in AGAIN and market.now() <= order.not_after:
        return None
    opening = market.order_opening(order)
    return AskTaken(
        job=number, license=job.license, dataset=job.dataset, version=job.version, rows=job.rows, circuit=job.circuit,
        account=job.buyer, transaction=opening.tx, ordered_before=ordered_before,
    )  # fmt: skip


@dataclass(frozen=True)
class JudgedAsk:
    """An ask as an order: its plan, its circuit's bytes, the offer, and what was found."""

    asked: Plan
    data: bytes
    offer: int
    judged: JudgedCircuit


def _judged(here: AppState, ask: Ask, spend: Spend, order: PrepaidOrder | None = None) -> JudgedAsk | QuestionReport:
    """An ask, judged as it would be ordered, or as it was priced before; the report of one whose answer is public.

    Errors: BadQuery, NotFound, NotAllowed where nothing is sold; RowsOutsideDataset.
    """
    market = here.market
    record = market.dataset(ask.dataset)
    asked = planned(here, ask.sql, load_manifest(here.store, record).table)
    rows = row_count(record.rows, ask.first_row, ask.rows)
    if asked.circuit is None:
        return public_report(ask.sql, record.id, record.version, rows, asked)
    data, states = codec.encode(asked.circuit), dict[int | None, MarketState]()
    fixed = (None, None, None) if order is None else (order.max_fee, order.version, order.content)
    request = Request(asked.circuit, rows, ask.first_row, ask.replicas, ask.sealing_key, *fixed)

    def check(_: int, offer: int | None) -> Preflight:
        spend(len(data) // BYTES_OF_WORK)
        states[offer] = read_market(market, here.store, ask.dataset, offer=offer)
        return judge(here, states[offer], request)

    terms = choose_terms(market, ask.dataset, check, (), offer=order.offer if order else ask.offer)
    return JudgedAsk(asked, data, terms.offer or 0, JudgedCircuit(request, states[terms.offer], terms.found))


def _misfit(here: AppState, ask: Ask, order: PrepaidOrder, rows: int) -> str:
    """Whether a paid order is another than this request asks for."""
    record = here.market.dataset_version(ask.dataset, order.version)
    asked = planned(here, ask.sql, load_manifest(here.store, record).table)
    wanted = (ask.payer, ask.sealing_key, ask.first_row, row_count(rows, ask.first_row, ask.rows), ask.replicas)
    given = (order.payer, order.sealing_key, order.first_row, order.rows, order.replicas)
    digest = None if asked.circuit is None else sha256(codec.encode(asked.circuit))
    same = wanted == given and digest == order.circuit and (ask.offer is None or ask.offer == order.offer)
    sold = same and here.market.offer(order.offer).dataset == ask.dataset
    return "" if sold else "wrong_order"


def _order(here: AppState, ask: Ask, found: JudgedAsk, until: int, nonce: str) -> PrepaidOrder:
    request, said = found.judged.request, found.judged.found
    return PrepaidOrder(
        chain_id=here.market.chain_id,
        contract=here.market.orders_required(),
        payer=ask.payer,
        offer=found.offer,
        not_after=until,
        nonce=nonce,
        circuit=sha256(found.data),
        first_row=request.first_row,
        rows=request.rows,
        sealing_key=ask.sealing_key,
        units=said.cost.units,
        replicas=request.replicas,
        max_fee=said.price.max_fee or 0,
        version=said.version,
        content=said.content,
    )


def _offered(here: AppState) -> None:
    """Errors: NotFound where single asks cannot be paid over HTTP."""
    if here.settings.facilitator is None:
        raise NotFound("This node names no facilitator, so single asks cannot be paid here.", NOT_HERE)
    here.market.orders_required()
    if not here.market.coin_takes_authorizations():
        raise NotFound("This market's token takes no signed transfers (EIP-3009).", NOT_HERE)


def required_header(here: AppState, required: Required) -> str:
    """The header PAYMENT-REQUIRED."""
    url = f"{here.settings.origin}/v1/asks"
    return wire.required_header(required.requirements, url, ABOUT, required.price.error)


def receipt(here: AppState, ask: Ask, taken: AskTaken) -> str:
    """The header PAYMENT-RESPONSE, of the transaction that the chain has."""
    return wire.response_header(here.market.chain_id, ask.payer, taken.transaction)
