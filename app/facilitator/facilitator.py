"""Payments of prepaid orders, verified and settled by the official x402 package, and what returns to payers.

The facilitator believes nobody: price and payee are the contract's, the signature is the token's to check. It sends
nothing but orders that are paid for, so its gas buys no stranger's transactions. Each order that it takes is written
down first; `sweep` brings refunds and what was too much to the payers, who may have no gas to do it themselves.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

from x402 import x402FacilitatorSync
from x402.mechanisms.evm.exact import ExactEvmFacilitatorScheme
from x402.pending_settlement_store import InMemoryPendingSettlementStore
from x402.schemas import (
    PaymentPayload,
    PaymentRequirements,
    SettleResponse,
    SupportedKind,
    SupportedResponse,
    VerifyResponse,
)

from app.chain.market import Market
from app.chain.wallet.account import Account
from app.facilitator.signer import OrderSigner
from app.facilitator.wire import SCHEME, SignedTransfer, misfit, network_of, order_in, requirements_of, transfer_in
from app.files.private import write_private
from app.protocol.documents import MAX_DOCUMENT_BYTES, sha256
from app.protocol.errors import DarkroomError, Unavailable
from app.protocol.market.entities import JobState
from app.protocol.market.prepaid import PrepaidOrder

LOG = logging.getLogger("darkroom.facilitator")
MAX_ORDERS = 10_000  # that are not over
LATE_SECONDS = 3600  # after which money that comes for an order that is over is its payer's to fetch
AGAIN = (JobState.EXPIRED, JobState.FAILED)  # refunded: the order may be opened again


class Facilitator:
    """One market's, with a gas account; `folder` keeps the orders that are under way."""

    def __init__(self, market: Market, account: Account, folder: Path) -> None:
        market.orders_required()
        self._market, self._account, self._folder = market, account, folder
        self._pending = InMemoryPendingSettlementStore()
        self._turn = threading.Lock()  # one account, one transaction at a time; and one order is settled once
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def supported(self) -> SupportedResponse:
        """What it settles: one scheme on one chain."""
        kind = SupportedKind(x402_version=2, scheme=SCHEME, network=network_of(self._market.chain_id))
        return SupportedResponse(kinds=[kind], signers={"eip155:*": [self._account.address]})

    def verify(self, payload: PaymentPayload, requirements: PaymentRequirements) -> VerifyResponse:
        """Whether a payment pays for its order and would go through now. Errors: Unavailable."""
        try:
            order, transfer = self._read(payload, requirements)
        except Unavailable:
            raise
        except DarkroomError as error:
            return VerifyResponse(is_valid=False, invalid_reason=error.code, invalid_message=str(error))
        if fault := self._fault(payload, requirements, order, transfer):
            return VerifyResponse(is_valid=False, invalid_reason=fault, payer=transfer.payer)
        if self._is_paid(order, transfer):
            return VerifyResponse(is_valid=True, payer=transfer.payer)
        return self._official(order, transfer).verify(payload, requirements)

    def settle(self, payload: PaymentPayload, requirements: PaymentRequirements) -> SettleResponse:
        """Carry a payment to the chain and open its order, or nothing of both. An order that is open already is a
        success that takes nothing. Errors: Unavailable.
        """
        network = network_of(self._market.chain_id)
        try:
            order, transfer = self._read(payload, requirements)
        except Unavailable:
            raise
        except DarkroomError as error:
            return _failed(error.code, str(error), network)
        if fault := self._fault(payload, requirements, order, transfer):
            return _failed(fault, "", network, transfer.payer)
        with self._turn:
            try:
                if tx := self._open_now(order):
                    return SettleResponse(success=True, transaction=tx, network=network, payer=order.payer)
                self._keep(order)
                if self._is_paid(order, transfer):
                    tx = str(self._market.open_order(self._account, order).tx)
                    return SettleResponse(success=True, transaction=tx, network=network, payer=order.payer)
            except Unavailable:
                raise
            except DarkroomError as error:
                return _failed(getattr(error, "reason", "") or error.code, str(error), network, order.payer)
            done = self._official(order, transfer).settle(payload, requirements)
        said = {"order": self._market.order_account(order), "reason": done.error_reason or "", "tx": done.transaction}
        LOG.info("settled" if done.success else "not-settled", extra=said)
        return done

    def sweep(self) -> list[tuple[PrepaidOrder, int]]:
        """Bring to the payers what their orders did not take; the refunds that were made. Errors: Unavailable."""
        refunds = []
        for path, order in self._kept():
            with self._turn:
                job, now = self._market.order_job(order), self._market.now()
                state = self._market.job(job).state if job else None
                late = now > order.not_after
                over = late if state is None or state in AGAIN else state.terminal
                if not over:
                    continue
                if self._market.order_held(order):
                    refunds.append((order, self._market.refund_order(self._account, order).value))
                if state is not None or now > order.not_after + LATE_SECONDS:
                    path.unlink(missing_ok=True)
        return refunds

    def _read(self, payload: PaymentPayload, requirements: PaymentRequirements) -> tuple[PrepaidOrder, SignedTransfer]:
        return order_in(requirements), transfer_in(payload)

    def _fault(
        self, payload: PaymentPayload, said: PaymentRequirements, order: PrepaidOrder, transfer: SignedTransfer
    ) -> str:
        """Why this is no payment of its order; what the requirements say is held against the chain."""
        try:
            wanted = requirements_of(self._market, order, self._market.now())
        except Unavailable:
            raise
        except DarkroomError as error:
            return error.code
        if order_in(payload.accepted) != order or said.amount != wanted.amount or said.extra != wanted.extra:
            return "wrong_order"
        if (said.pay_to.lower(), said.asset.lower(), said.network) != (
            wanted.pay_to.lower(),
            wanted.asset.lower(),
            wanted.network,
        ):
            return "wrong_payee"
        if wanted.max_timeout_seconds == 0:
            return "order_expired"
        return misfit(payload, wanted, order, transfer)

    def _open_now(self, order: PrepaidOrder) -> str:
        """The transaction by which an order was opened whose job did not fail; "" where there is none."""
        job = self._market.order_job(order)
        if not job or self._market.job(job).state in AGAIN:
            return ""
        return self._market.order_opening(order).tx

    def _is_paid(self, order: PrepaidOrder, transfer: SignedTransfer) -> bool:
        """Whether its account has its money already: somebody sent the payment first, or its job failed."""
        used = self._market.authorization_used(transfer.payer, transfer.authorization.nonce)
        return used and self._market.order_held(order) > 0

    def _official(self, order: PrepaidOrder, transfer: SignedTransfer) -> x402FacilitatorSync:
        signer = OrderSigner(self._market, self._account, order, transfer.authorization)
        made = x402FacilitatorSync()
        scheme = ExactEvmFacilitatorScheme(signer, pending_store=self._pending)
        made.register([network_of(self._market.chain_id)], scheme)
        return made

    def _keep(self, order: PrepaidOrder) -> None:
        """Write an order down before anything is sent for it. Errors: Unavailable above the bound."""
        path = self._folder / f"{sha256(order.to_bytes())}.json"
        if path.is_file():
            return
        if sum(1 for _ in self._folder.glob("*.json")) >= MAX_ORDERS:
            raise Unavailable(f"{MAX_ORDERS} orders are under way.", "Try again when some are over.")
        write_private(path, order.to_bytes())

    def _kept(self) -> Iterator[tuple[Path, PrepaidOrder]]:
        for path in sorted(self._folder.glob("*.json")):
            with path.open("rb") as file:
                yield path, PrepaidOrder.from_bytes(file.read(MAX_DOCUMENT_BYTES + 1))


def _failed(reason: str, message: str, network: str, payer: str | None = None) -> SettleResponse:
    return SettleResponse(
        success=False, error_reason=reason, error_message=message, transaction="", network=network, payer=payer
    )
