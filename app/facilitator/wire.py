"""What x402 says on the wire about a prepaid order, in the words of its official package: for node and facilitator.

The order travels in the requirement's `extra`, and with it in the payment, so that a node keeps no books of its offers:
whatever comes back names its own terms, and its price is the contract's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from x402.http.utils import (
    decode_payment_signature_header,
    encode_payment_required_header,
    encode_payment_response_header,
)
from x402.mechanisms.evm.types import ExactEIP3009Payload
from x402.schemas import PaymentPayload, PaymentRequired, PaymentRequirements, ResourceInfo, SettleResponse

from app.chain.contracts.token import COIN
from app.chain.market import Market
from app.protocol.documents import canonical
from app.protocol.errors import BadDocument, BadInput
from app.protocol.market.prepaid import Authorization, PrepaidOrder

SCHEME = "exact"
ORDER = "order"  # where the order stands in `extra`
MAX_HEADER = 16 << 10  # characters of a payment header
MAX_SIGNATURE = 4096  # bytes; contract wallets join those of several keys


def network_of(chain_id: int) -> str:
    """A chain's name by CAIP-2."""
    return f"eip155:{chain_id}"


def requirements_of(market: Market, order: PrepaidOrder, now: int) -> PaymentRequirements:
    """What has to be paid for an order, and where: all of it follows from the order and the chain.

    Errors: NotFound, Reverted for an offer that is not there, VerificationFailed for another market's order.
    """
    name, version = market.coin_domain()
    return PaymentRequirements(
        scheme=SCHEME,
        network=network_of(market.chain_id),
        asset=market.client.address(COIN),
        amount=str(market.order_price(order)),
        pay_to=market.order_account(order),
        max_timeout_seconds=max(0, order.not_after - now),
        extra={"name": name, "version": version, ORDER: order.model_dump(mode="json")},
    )


def required_header(requirements: PaymentRequirements, url: str, about: str, error: str) -> str:
    """The header PAYMENT-REQUIRED. `error`: why what came does not pay, in a word."""
    resource = ResourceInfo(url=url, description=about, mime_type="application/json", service_name="Darkroom")
    return encode_payment_required_header(PaymentRequired(error=error, resource=resource, accepts=[requirements]))


def response_header(chain_id: int, payer: str, tx: str) -> str:
    """The header PAYMENT-RESPONSE of a payment that the chain has."""
    done = SettleResponse(success=True, transaction=tx, network=network_of(chain_id), payer=payer)
    return encode_payment_response_header(done)


def read_payment(header: str) -> PaymentPayload:
    """The header PAYMENT-SIGNATURE. Errors: BadInput for what is none, or too long."""
    try:
        if len(header) > MAX_HEADER:
            raise ValueError
        payload = decode_payment_signature_header(header)
    except (ValueError, TypeError, AttributeError, ValidationError, RecursionError):
        payload = None
    if not isinstance(payload, PaymentPayload):
        raise BadInput("This is no payment of x402 version 2.", "Let a client of it make one of PAYMENT-REQUIRED.")
    return payload


def order_in(requirements: PaymentRequirements) -> PrepaidOrder:
    """The order that a requirement is for. Errors: BadDocument."""
    said: Any = (requirements.extra or {}).get(ORDER)
    if not isinstance(said, dict):
        raise BadDocument("This payment names no order.", "Ask for the price again: POST /v1/asks.")
    return PrepaidOrder.from_bytes(canonical(said))


@dataclass(frozen=True)
class SignedTransfer:
    """Who pays whom, and the transfer that was signed for it."""

    payer: str
    to: str
    authorization: Authorization


def transfer_in(payload: PaymentPayload) -> SignedTransfer:
    """The signed transfer of a payment. Errors: BadInput for one of another form."""
    try:
        said = ExactEIP3009Payload.from_dict(payload.payload)
        given = said.authorization
        signature = str(said.signature or "").removeprefix("0x").lower()
        if not signature or len(signature) > 2 * MAX_SIGNATURE:
            raise ValueError
        transfer = Authorization(
            value=_number(given.value),
            valid_after=_number(given.valid_after),
            valid_before=_number(given.valid_before),
            nonce=str(given.nonce).removeprefix("0x").lower(),
            signature=signature,
        )
        payer, to = _text(given.from_address), _text(given.to)
    except (ValueError, TypeError, AttributeError, ValidationError):
        raise BadInput("This payment holds no signed transfer (EIP-3009).", "Use the scheme `exact`.") from None
    return SignedTransfer(payer, to, transfer)


def misfit(payload: PaymentPayload, wanted: PaymentRequirements, order: PrepaidOrder, transfer: SignedTransfer) -> str:
    """Why a payment does not pay `wanted`, in a word; "" where it does, as far as no signature says."""
    accepted = payload.accepted
    wrong = {
        "wrong_scheme": accepted.scheme != wanted.scheme,
        "wrong_network": accepted.network != wanted.network,
        "wrong_asset": accepted.asset.lower() != wanted.asset.lower(),
        "wrong_amount": accepted.amount != wanted.amount or str(transfer.authorization.value) != wanted.amount,
        "wrong_payee": accepted.pay_to.lower() != wanted.pay_to.lower() or transfer.to.lower() != wanted.pay_to.lower(),
        "wrong_payer": transfer.payer.lower() != order.payer.lower(),
    }
    return next((name for name, holds in wrong.items() if holds), "")


def _text(value: Any) -> str:
    """Text of the wire. Errors: TypeError."""
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def _number(text: Any) -> int:
    """A decimal of the wire. Errors: ValueError."""
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or len(text) > 78:
        raise ValueError("not a number")
    return int(text)
