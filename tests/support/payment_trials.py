"""How an attack on a payment is tried, and what counts as stolen."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from x402.http import encode_payment_signature_header
from x402.schemas import PaymentPayload, PaymentRequired

from app.facilitator.wire import order_in
from tests.support.market import person
from tests.support.paid_asks import PaidAskWorld

THIEF = person("a thief")


@dataclass(frozen=True)
class PaidAskAttack:
    """Something that must take nothing. `run` gives what it may rightly cost the payer."""

    name: str
    run: Callable[[PaidAskWorld], int]


def price_of(world: PaidAskWorld, payload: PaymentPayload) -> int:
    """Of the order that a payment is for."""
    return world.scene.market.order_price(order_in(payload.accepted))


def taken_by(attack: PaidAskAttack, world: PaidAskWorld) -> int:
    """Token units that the payer has less than is right, or a thief more."""
    market, before, theirs = world.scene.market, world.held, 0
    for who in (THIEF.address, world.gas.address):
        theirs -= market.balance(who)
    rightly = attack.run(world)
    for who in (THIEF.address, world.gas.address):
        theirs += market.balance(who)
    return abs(before - world.held - rightly) + max(0, theirs)


def honest(world: PaidAskWorld) -> bool:
    """The payer's own ask beside it goes through, for its price."""
    before = world.held
    payload = world.sign(world.required())
    answer = world.ask(encode_payment_signature_header(payload))
    return answer.status_code == 202 and before - world.held == price_of(world, payload)


def refused(world: PaidAskWorld, payload: PaymentPayload | str, **changes: Any) -> int:
    """A payment that pays for nothing."""
    header = payload if isinstance(payload, str) else encode_payment_signature_header(payload)
    jobs = world.scene.market.job_count()
    answer = world.ask(header, **changes)
    assert answer.status_code in (402, 404, 409, 422, 431), (answer.status_code, answer.text)
    assert world.scene.market.job_count() == jobs
    return 0


def one(required: PaymentRequired, other: Any) -> PaymentRequired:
    """What is wanted, said to be this."""
    return required.model_copy(update={"accepts": [other]})


def together(threads: list[threading.Thread]) -> None:
    """Run them at once, to their end."""
    for each in threads:
        each.start()
    for each in threads:
        each.join()
