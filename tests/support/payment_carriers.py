"""What is tried by those who carry payments to the chain: facilitators, nodes, whoever sees a payment on its way."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from x402.http import encode_payment_signature_header
from x402.schemas import VerifyRequest
from x402.schemas.errors import NoMatchingRequirementsError

from app.facilitator.facilitator import Facilitator
from app.facilitator.server import http_app
from app.facilitator.wire import order_in, transfer_in
from app.protocol.errors import DarkroomError
from tests.support.market import DOLLAR, digest, person
from tests.support.paid_asks import PaidAskWorld, serving
from tests.support.payment_trials import THIEF, PaidAskAttack, one, price_of, together


def _racing_facilitators(world: PaidAskWorld) -> int:
    """Two facilitators with accounts of their own settle one payment at once."""
    other = Facilitator(world.scene.market, THIEF, world.scene.folder / "another's orders")
    world.scene.chain.fund(THIEF.address, 10**18)
    payload, done = world.sign(world.required()), []
    jobs = world.scene.market.job_count()
    wanted = payload.accepted
    together(
        [
            threading.Thread(target=lambda each=each: done.append(each.settle(payload, wanted)))
            for each in (world.facilitator, other)
        ]
    )
    assert any(each.success for each in done)
    assert world.scene.market.job_count() == jobs + 1
    return price_of(world, payload)


def _carried_first(world: PaidAskWorld) -> int:
    """A thief carries the transfer to the token by itself: the money is in the order's account, and buys the order."""
    payload = world.sign(world.required())
    order, signed = order_in(payload.accepted), transfer_in(payload)
    market, world_ = world.scene.market, world.scene
    world_.chain.fund(THIEF.address, 10**18)
    client, given = market._token(), signed.authorization
    args = (signed.payer, signed.to, *given.struct)
    client.send(THIEF, "TestUSD", "transferWithAuthorization", *args)
    answer = world.ask(encode_payment_signature_header(payload))
    assert answer.status_code == 202, answer.text
    return market.order_price(order)


def _settled_first(world: PaidAskWorld) -> int:
    """Somebody else settles the payment before the node does: the payer has its job, and pays once."""
    payload = world.sign(world.required())
    assert world.facilitator.settle(payload, payload.accepted).success
    answer = world.ask(encode_payment_signature_header(payload))
    assert answer.json()["ordered_before"]
    return price_of(world, payload)


def _other_order(world: PaidAskWorld) -> int:
    """A facilitator opens an order of its own with the payer's transfer."""
    payload = world.sign(world.required())
    order, signed = order_in(payload.accepted), transfer_in(payload)
    world.scene.chain.fund(THIEF.address, 10**18)
    for update in ({"sealing_key": digest("thief")}, {"payer": THIEF.address}, {"circuit": digest("other")}):
        try:
            world.scene.market.open_order(THIEF, order.model_copy(update=update), signed.authorization)
        except DarkroomError:
            continue
        raise AssertionError("the payment opened another order")
    return 0


def _refund_first(world: PaidAskWorld) -> int:
    """A thief has the money sent back, or to itself, between payment and opening."""
    market = world.scene.market
    payload = world.sign(world.required())
    order = order_in(payload.accepted)
    world.scene.chain.fund(THIEF.address, 10**18)
    for each in (order, order.model_copy(update={"payer": THIEF.address})):
        try:
            market.refund_order(THIEF, each)
        except DarkroomError:
            continue
        assert each.payer == THIEF.address  # its own, which holds nothing
    assert world.ask(encode_payment_signature_header(payload)).status_code == 202
    return market.order_price(order)


def _liar(world: PaidAskWorld, answers: dict[str, Any]) -> int:
    """A facilitator that says what it likes; afterwards the honest one settles the same payment."""

    async def say(request: Request) -> Response:
        found = answers.get(request.url.path)
        return Response("no json", 200) if found is None else JSONResponse(found)

    payload = world.sign(world.required())
    header = encode_payment_signature_header(payload)
    app = Starlette(routes=[Route("/verify", say, methods=["POST"]), Route("/settle", say, methods=["POST"])])
    with serving(app) as url, world.another_node(url) as node:
        answer = world.ask(header, node)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text
    assert world.ask(header).status_code == 202
    return price_of(world, payload)


VALID = {"isValid": True, "payer": "0x" + "1" * 40}
SETTLED = {"success": True, "transaction": "0x" + "ab" * 32, "network": "eip155:1"}
FAILED = {"success": False, "transaction": "", "network": "eip155:1", "errorReason": "no"}


def _denies(world: PaidAskWorld) -> int:
    """It settles, and says that it did not: the chain's word counts, and nobody pays again."""

    async def settle(request: Request) -> Response:
        asked = VerifyRequest.model_validate(json.loads(await request.body()))
        world.facilitator.settle(asked.payment_payload, asked.payment_requirements)
        return JSONResponse(FAILED)

    async def verify(_: Request) -> Response:
        return JSONResponse(VALID)

    payload = world.sign(world.required())
    app = Starlette(routes=[Route("/verify", verify, methods=["POST"]), Route("/settle", settle, methods=["POST"])])
    with serving(app) as url, world.another_node(url) as node:
        assert world.ask(encode_payment_signature_header(payload), node).status_code == 202
    return price_of(world, payload)


def _no_gas(world: PaidAskWorld) -> int:
    payload = world.sign(world.required())
    poor = Facilitator(world.scene.market, person("without gas"), world.scene.folder / "poor")
    with serving(http_app(poor)) as url, world.another_node(url) as node:
        answer = world.ask(encode_payment_signature_header(payload), node)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text
    return 0


def _not_there(world: PaidAskWorld) -> int:
    payload = world.sign(world.required())
    with world.another_node("http://127.0.0.1:1") as node:
        assert world.ask(encode_payment_signature_header(payload), node).status_code == 503
    return 0


def _dear(world: PaidAskWorld) -> int:
    """A node that asks for more than the client's bound is paid nothing."""
    required = world.required()
    dear = required.accepts[0].model_copy(update={"amount": str(51 * DOLLAR)})
    with pytest.raises(NoMatchingRequirementsError, match="spend_controls"):
        world.sign(one(required, dear))
    return 0


CARRIERS: tuple[PaidAskAttack, ...] = (
    PaidAskAttack("two facilitators with one payment at once", _racing_facilitators),
    PaidAskAttack("a transfer that a thief carries first", _carried_first),
    PaidAskAttack("a payment that is settled twice", _settled_first),
    PaidAskAttack("a facilitator that opens another order", _other_order),
    PaidAskAttack("a refund before the order is opened", _refund_first),
    PaidAskAttack(
        "a facilitator that claims to have settled", lambda world: _liar(world, {"/verify": VALID, "/settle": SETTLED})
    ),
    PaidAskAttack(
        "a facilitator that never settles", lambda world: _liar(world, {"/verify": VALID, "/settle": FAILED})
    ),
    PaidAskAttack("a facilitator that babbles", lambda world: _liar(world, {"/verify": VALID})),
    PaidAskAttack("a facilitator that denies what it settled", _denies),
    PaidAskAttack("a facilitator without gas", _no_gas),
    PaidAskAttack("a facilitator that is not there", _not_there),
    PaidAskAttack("a node that asks for more than the client's bound", _dear),
)
