"""Prepaid orders on the chain: where one is paid, what it costs, opening it, and what returns to its payer."""

from __future__ import annotations

from app.chain.contracts.abi import Interface
from app.chain.contracts.beside import ORDERS
from app.chain.contracts.client import Contract, ContractClient, Sent
from app.chain.contracts.jobs import opened
from app.chain.contracts.mandates import Mandated
from app.chain.contracts.token import COIN
from app.chain.events import Event
from app.chain.wallet.account import Account
from app.protocol.errors import DarkroomError, NotFound, Unavailable, VerificationFailed
from app.protocol.ids import Address
from app.protocol.market.entities import ZERO
from app.protocol.market.prepaid import Authorization, PrepaidOrder
from contracts import load

AUTHORIZED_COIN = "TestUSDWithAuthorization"  # the form of a token that takes signed transfers
NOBODY = "0x" + "00" * 20


class Prepaid(Mandated):
    """Actions and reads of prepaid orders. Errors of all: NotFound where the market has no contract for them."""

    _coin_takes: bool | None = None
    _coin_is_test: bool | None = None

    @property
    def coin_is_test(self) -> bool:
        """Whether the payment token is one of the test dollars, which anybody may mint. Errors: Unavailable."""
        if self._coin_is_test is None:
            code = self.client.node.code(self.client.address(COIN))
            self._coin_is_test = any(load(name).matches(code) for name in (COIN, AUTHORIZED_COIN))
        return self._coin_is_test

    def orders_required(self) -> Address:
        """Where the contract is. Errors: NotFound, with what to do, where there is none."""
        return Address(self.client.address(self._orders()))

    def _orders(self) -> str:
        if ORDERS not in self.client.contracts:
            raise NotFound("Prepaid orders are not deployed beside this market.", "Deploy: darkroom mandate deploy.")
        return ORDERS

    def coin_takes_authorizations(self) -> bool:
        """Whether the payment token carries out transfers that its holder signed (EIP-3009)."""
        if self._coin_takes is None:
            try:
                self._token().read(COIN, "authorizationState", NOBODY, ZERO)
                self._coin_takes = True
            except Unavailable:
                raise
            except DarkroomError:
                self._coin_takes = False
        return self._coin_takes

    def coin_domain(self) -> tuple[str, str]:
        """Name and version of the payment token's EIP-712 domain (ERC-5267)."""
        domain = self.client.read(COIN, "eip712Domain")
        return str(domain[1]), str(domain[2])

    def authorization_used(self, payer: str, nonce: str) -> bool:
        """Whether an authorization of the payment token was used or voided."""
        return bool(self._token().read(COIN, "authorizationState", payer, nonce))

    def order_account(self, order: PrepaidOrder) -> Address:
        """Where an order is paid: whatever is sent there buys it, or returns to its payer."""
        return Address(self.client.read(self._of(order), "accountOf", order.struct))

    def order_price(self, order: PrepaidOrder) -> int:
        """Token units that opening it takes: license, job, rows, and what is set aside for executors."""
        return int(self.client.read(self._of(order), "priceOf", order.struct))

    def order_job(self, order: PrepaidOrder) -> int:
        """The job that was opened for it last; 0 before."""
        number = self.client.read(self._of(order), "idOf", order.struct)
        return int(self.client.read(ORDERS, "opened", number)[1])

    def order_opening(self, order: PrepaidOrder) -> Event:
        """The event by which its job was opened last. Errors: NotFound before."""
        name, job = self._of(order), self.order_job(order)
        block = self.job(job).opened_block if job else 0
        number = int(self.client.read(name, "idOf", order.struct), 16)
        found = self.client.find(ORDERS, "OrderOpened", block, block, number, None, job) if job else []
        if not found:
            raise NotFound("This order was not opened.", "Pay for it: POST /v1/asks.")
        return found[-1]

    def open_order(self, account: Account, order: PrepaidOrder, paid: Authorization | None = None) -> Sent[int]:
        """Take the payment, buy the license and open the job, or nothing of it; the value is the job's id.

        Anyone may. Errors: Reverted, as OrderIsOpen, OrderExpired, OrderUnpaid, or with what the market says.
        """
        given = (paid or Authorization()).struct
        return opened(self.client.send(account, self._of(order), "open", order.struct, given))

    def refund_order(self, account: Account, order: PrepaidOrder) -> Sent[int]:
        """Bring what an order's account holds or is owed to its payer; the value is how much.

        By the payer at any time, by anyone once it cannot be opened any more. Errors: Reverted, as OrderMayOpen.
        """
        sent = self.client.send(account, self._of(order), "refund", order.struct)
        return sent.with_value(int(sent.event("OrderRefunded").args["amount"]))

    def order_held(self, order: PrepaidOrder) -> int:
        """Token units that an order's account holds or is owed."""
        place = self.order_account(order)
        return self.balance(place) + self.claim(place)

    def _of(self, order: PrepaidOrder) -> str:
        """The contract's name. Errors: VerificationFailed for another market's order."""
        name = self._orders()
        if (order.chain_id, order.contract) != (self.client.node.chain_id, self.client.address(name)):
            raise VerificationFailed("This order is of another chain or market.", "Ask this node for its price again.")
        return name

    def _token(self) -> ContractClient:
        """The payment token as one that takes signed transfers."""
        there = Contract(COIN, self.client.address(COIN), Interface(load(AUTHORIZED_COIN).abi))
        return ContractClient(self.client.node, [there])
