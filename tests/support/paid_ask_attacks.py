"""What is tried on payments of single asks (x402): nothing is stolen, and nobody pays twice.

Each attack gives what it may rightly cost the payer, in token units: 0, or the price of the one job that was opened.
`tests/attack/test_paid_asks.py` runs all of them, and so does `python -m benchmarks agents`.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from x402.http import encode_payment_signature_header
from x402.schemas import PaymentPayload

from app.facilitator.wire import order_in
from tests.support.market import digest, person
from tests.support.paid_asks import PaidAskWorld
from tests.support.payment_carriers import CARRIERS
from tests.support.payment_trials import (
    THIEF,
    PaidAskAttack,
    honest,
    one,
    price_of,
    refused,
    taken_by,
    together,
)

__all__ = ["ATTACKS", "PaidAskAttack", "honest", "taken_by"]

FAR = 1 << 40
Change = Callable[[Any], dict[str, Any]]


# --- the same payment again, and for something else


def _replayed(**changes: Any) -> Callable[[PaidAskWorld], int]:
    def run(world: PaidAskWorld) -> int:
        payload = world.sign(world.required())
        header = encode_payment_signature_header(payload)
        first = world.ask(header)
        assert first.status_code == 202, first.text
        if changes:
            refused(world, header, **changes)
        else:
            again = world.ask(header)
            assert (again.status_code, again.json()["job"]) == (202, first.json()["job"])
            assert again.json()["ordered_before"]
        return price_of(world, payload)

    return run


def _for_another(**changes: Any) -> Callable[[PaidAskWorld], int]:
    return lambda world: refused(world, world.sign(world.required()), **changes)


def _racing(world: PaidAskWorld) -> int:
    payload = world.sign(world.required())
    header, found = encode_payment_signature_header(payload), []
    calls = [threading.Thread(target=lambda: found.append(world.ask(header))) for _ in range(3)]
    together(calls)
    assert {each.status_code for each in found} == {202}
    assert len({each.json()["job"] for each in found}) == 1
    return price_of(world, payload)


# --- payments that are none


def _changed(**changed: Change) -> Callable[[PaidAskWorld], int]:
    """What is accepted says something else than what was signed."""

    def run(world: PaidAskWorld) -> int:
        payload = world.sign(world.required())
        update = {name: change(payload.accepted)[name] for name, change in changed.items()}
        return refused(world, payload.model_copy(update={"accepted": payload.accepted.model_copy(update=update)}))

    return run


def _signed(change: Callable[[PaidAskWorld, Any], dict[str, Any]], *, tell: bool = False) -> Callable[..., int]:
    """The official client signs for changed requirements; `tell`: and says so, instead of what the node offered."""

    def run(world: PaidAskWorld) -> int:
        required = world.offered()
        (offered,) = required.accepts
        other = offered.model_copy(update=change(world, offered))
        payload = _client_of_anything(world).create_payment_payload(one(required, other))
        assert isinstance(payload, PaymentPayload)
        return refused(world, payload if tell else payload.model_copy(update={"accepted": offered}))

    return run


def _client_of_anything(world: PaidAskWorld) -> Any:
    client = world.client()
    client.set_spend_controls(False)
    return client


def _order_changed(**update: Any) -> Callable[[PaidAskWorld], int]:
    """The order in the payment is another than the one whose account is paid."""

    def change(_: PaidAskWorld, offered: Any) -> dict[str, Any]:
        return {"extra": offered.extra | {"order": offered.extra["order"] | update}}

    return _signed(change, tell=True)


def _transfer(**update: Any) -> Callable[[PaidAskWorld], int]:
    """Fields of the signed transfer are changed after the signing."""

    def run(world: PaidAskWorld) -> int:
        payload = world.sign(world.required())
        said = payload.payload | {"authorization": payload.payload["authorization"] | update}
        return refused(world, payload.model_copy(update={"payload": said}))

    return run


def _expired(world: PaidAskWorld) -> int:
    required = world.offered()
    (offered,) = required.accepts
    payload = world.sign(one(required, offered.model_copy(update={"max_timeout_seconds": 1})))
    time.sleep(1.1)  # the wall's clock, by which the official client and facilitator go
    return refused(world, payload.model_copy(update={"accepted": offered}))


def _late_order(world: PaidAskWorld) -> int:
    """The official client pays an order that could be opened until a second ago."""
    required, market = world.required(), world.scene.market
    (offered,) = required.accepts
    late = order_in(offered).model_copy(update={"not_after": market.now() - 1})
    update = {"pay_to": market.order_account(late), "extra": offered.extra | {"order": late.model_dump(mode="json")}}
    return refused(world, world.sign(one(required, offered.model_copy(update=update))))


def _another_signer(world: PaidAskWorld) -> int:
    payload = world.sign(world.required(), THIEF)
    said = payload.payload | {"authorization": payload.payload["authorization"] | {"from": world.payer.address}}
    return refused(world, payload.model_copy(update={"payload": said}))


def _poor(world: PaidAskWorld) -> int:
    poor = person("a payer without money")
    return refused(world, world.sign(world.required(payer=poor.address), poor), payer=poor.address)


def _voided(world: PaidAskWorld) -> int:
    """The payer's wallet moved the money away before the payment was carried to the chain."""
    market, held = world.scene.market, world.held
    payload = world.sign(world.required())
    world.scene.chain.fund(world.payer.address, 10**18)
    market.transfer(world.payer, world.scene.stage.buyer.address, held)
    refused(world, payload)
    market.transfer(world.scene.stage.buyer, world.payer.address, held)
    return 0


def _garbage(header: str) -> Callable[[PaidAskWorld], int]:
    return lambda world: refused(world, header)


def _encoded(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


ATTACKS: tuple[PaidAskAttack, ...] = (
    *CARRIERS,
    PaidAskAttack("a payment header sent again", _replayed()),
    PaidAskAttack("a used payment for another question", _replayed(sql="SELECT avg(c2) AS mean FROM data")),
    PaidAskAttack("a used payment for the thief's key", _replayed(sealing_key=digest("thief"))),
    PaidAskAttack("a payment for another question", _for_another(sql="SELECT avg(c2) AS mean FROM data")),
    PaidAskAttack("a payment for another key", _for_another(sealing_key=digest("thief"))),
    PaidAskAttack("a payment of another payer", _for_another(payer=THIEF.address)),
    PaidAskAttack("a payment for fewer rows", _for_another(rows=30)),
    PaidAskAttack("a payment for fewer executors", _for_another(replicas=1)),
    PaidAskAttack("a payment for another dataset", _for_another(dataset=99)),
    PaidAskAttack("three requests with one payment at once", _racing),
    PaidAskAttack("less than the price, and said so", _signed(lambda _, each: _less(each), tell=True)),
    PaidAskAttack("less than the price, and the price said", _signed(lambda _, each: _less(each))),
    PaidAskAttack("more than the price", _signed(lambda _, each: {"amount": str(int(each.amount) + 1)})),
    PaidAskAttack("to a thief, and said so", _signed(lambda *_: {"pay_to": THIEF.address}, tell=True)),
    PaidAskAttack("to a thief, and the account said", _signed(lambda *_: {"pay_to": THIEF.address})),
    PaidAskAttack("on another chain, and said so", _signed(lambda *_: {"network": "eip155:1"}, tell=True)),
    PaidAskAttack("on another chain, and this one said", _signed(lambda *_: {"network": "eip155:1"})),
    PaidAskAttack("in another token", _signed(lambda *_: {"asset": "0x" + "3" * 40}, tell=True)),
    PaidAskAttack("in another token, and this one said", _signed(lambda *_: {"asset": "0x" + "3" * 40})),
    PaidAskAttack("by another scheme", _changed(scheme=lambda _: {"scheme": "upto"})),
    PaidAskAttack("an order with the thief's key in it", _order_changed(sealing_key=digest("thief"))),
    PaidAskAttack("an order that pays the thief back", _order_changed(payer=THIEF.address)),
    PaidAskAttack("an order of another circuit", _order_changed(circuit=digest("other"))),
    PaidAskAttack("an order that claims less work", _order_changed(units=0)),
    PaidAskAttack("an order with another fee", _order_changed(max_fee=0)),
    PaidAskAttack("an order of another contract", _order_changed(contract="0x" + "4" * 40)),
    PaidAskAttack("an order of another version", _order_changed(version=1)),
    PaidAskAttack("an order that is none", _order_changed(kind="darkroom/mandate")),
    PaidAskAttack("an order that lives for ever", _order_changed(not_after=FAR)),
    PaidAskAttack("a transfer with another value", _transfer(value="1")),
    PaidAskAttack("a transfer with another end", _transfer(validBefore=str(FAR))),
    PaidAskAttack("a transfer with another nonce", _transfer(nonce="0x" + "5" * 64)),
    PaidAskAttack("a transfer with a value that is no number", _transfer(value="1e18")),
    PaidAskAttack("a transfer that is not valid yet", _transfer(validAfter=str(FAR))),
    PaidAskAttack("a payment that expired", _expired),
    PaidAskAttack("an order that is over", _late_order),
    PaidAskAttack("signed by somebody else", _another_signer),
    PaidAskAttack("by a payer without money", _poor),
    PaidAskAttack("by a payer who took the money away meanwhile", _voided),
    PaidAskAttack("a header that is no base64", _garbage("=" * 99)),
    PaidAskAttack("a header that is no payment", _garbage(_encoded({"x402Version": 2}))),
    PaidAskAttack("a header of version 1", _garbage(_encoded({"x402Version": 1, "payload": {}}))),
    PaidAskAttack("a header deeper than a parser", _garbage(base64.b64encode(b"[" * 9000).decode())),
    PaidAskAttack("a header without end", _garbage("A" * 20_000)),
)


def _less(offered: Any) -> dict[str, Any]:
    return {"amount": str(int(offered.amount) - 1)}
