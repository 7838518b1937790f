"""A served node, a facilitator over HTTP, and people who pay for single asks with the official client of x402."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from x402 import x402ClientSync
from x402.http import decode_payment_required_header, encode_payment_signature_header
from x402.mechanisms.evm.exact import register_exact_evm_client
from x402.mechanisms.evm.signers import EthAccountSigner
from x402.schemas import PaymentPayload, PaymentRequired

from app.chain.contracts.token import COIN
from app.chain.wallet.account import Account
from app.facilitator.facilitator import Facilitator
from app.facilitator.server import http_app
from app.facilitator.wire import order_in, read_payment
from app.home.listening import loopback
from app.protocol.market.prepaid import PrepaidOrder
from app.protocol.market.receipt import OutputPolicy
from app.seal.keys import SealingKey
from tests.support.market import BITS, DOLLAR, ETHER, HOUR, MICRO, person
from tests.support.policies import PLENTY
from tests.support.serving import serve
from tests.support.web import MarketNode, build_node

SQL = "SELECT avg(c1) AS mean FROM data"
FUNDS = 500 * DOLLAR
FRESH = 300.0  # seconds for which an offer is paid again and again
POLICY = OutputPolicy(
    release="aggregate", circuits=("linear", "additive"), min_group=20, epsilon_micro_per_job=500_000,
    micro_bits_per_license=3_000_000, micro_bits_per_person=PLENTY,
)  # fmt: skip


@dataclass
class PaidAskWorld:
    """The parts. `payer` has dollars and no gas."""

    scene: MarketNode
    http: httpx.Client
    facilitator: Facilitator
    gas: Account
    offer: int
    payer: Account = field(default_factory=lambda: person("a payer without gas"))
    key: SealingKey = field(default_factory=SealingKey.generate)
    _offered: tuple[float, PaymentRequired] | None = None

    @property
    def held(self) -> int:
        """The payer's dollars, in token units."""
        return self.scene.market.balance(self.payer.address)

    @property
    def license_price(self) -> int:
        """Of the offer, in token units."""
        return self.scene.market.offer(self.offer).price_license

    @contextmanager
    def another_node(self, facilitator: str | None) -> Iterator[httpx.Client]:
        """A node of the same market whose settings name another facilitator, or none."""
        with (
            serve(self.scene, facilitator=facilitator) as (origin, _, _),
            httpx.Client(base_url=origin, timeout=120) as http,
        ):
            yield http

    def order_of(self, payment: str) -> PrepaidOrder:
        """The order that a payment is for."""
        return order_in(read_payment(payment).accepted)

    def ask(self, payment: str | None = None, node: httpx.Client | None = None, **changes: Any) -> httpx.Response:
        """One request, as any HTTP client makes it."""
        body: dict[str, Any] = {
            "dataset": 1, "sql": SQL, "payer": self.payer.address, "sealing_key": self.key.public.hex(),
            "offer": self.offer,
        }  # fmt: skip
        headers = {} if payment is None else {"PAYMENT-SIGNATURE": payment}
        return (node or self.http).post("/v1/asks", json=body | changes, headers=headers)

    def required(self, **changes: Any) -> PaymentRequired:
        """What the node wants to be paid."""
        answer = self.ask(**changes)
        assert answer.status_code == 402, answer.text
        found = decode_payment_required_header(answer.headers["PAYMENT-REQUIRED"])
        assert isinstance(found, PaymentRequired)
        return found

    def offered(self) -> PaymentRequired:
        """The same, asked once a while: for payments that will be refused."""
        if self._offered is None or time.monotonic() - self._offered[0] > FRESH:
            self._offered = time.monotonic(), self.required()
        return self._offered[1].model_copy(deep=True)

    def client(self, account: Account | None = None) -> x402ClientSync:
        """The official client of the payer, or of another account: it pays this market's dollars, up to a bound."""
        client = x402ClientSync()
        register_exact_evm_client(client, EthAccountSigner((account or self.payer)._signer))
        asset, network = self.scene.market.client.address(COIN), f"eip155:{self.scene.market.chain_id}"
        client.set_spend_controls(
            {"allowed_assets": [{"network": network, "asset": asset, "max_amount_per_payment": str(50 * DOLLAR)}]}
        )
        return client

    def sign(self, required: PaymentRequired, account: Account | None = None) -> PaymentPayload:
        """The official client's payment, signed by its payer or another account."""
        made = self.client(account).create_payment_payload(required)
        assert isinstance(made, PaymentPayload)
        return made

    def payment(self, **changes: Any) -> str:
        """A header that pays for an ask."""
        return encode_payment_signature_header(self.sign(self.required(**changes)))


@contextmanager
def paid_asks(folder: Path) -> Iterator[PaidAskWorld]:
    """The whole world, in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    scene, gas = build_node(folder, authorized=True), person("a facilitator")
    scene.chain.fund(gas.address, ETHER)
    facilitator = Facilitator(scene.market, gas, folder / "orders")
    try:
        with (
            serving(http_app(facilitator)) as settles,
            serve(scene, facilitator=settles) as (origin, _, _),
            httpx.Client(base_url=origin, timeout=120) as http,
        ):
            world = PaidAskWorld(scene, http, facilitator, gas, sell(scene))
            scene.market.faucet(scene.stage.buyer, FUNDS)
            scene.market.transfer(scene.stage.buyer, world.payer.address, FUNDS)
            yield world
    finally:
        scene.database.close()
        scene.chain.close()


def sell(scene: MarketNode) -> int:
    """An offer of questions."""
    scene.store.put(POLICY.to_bytes())
    offer = scene.market.create_offer(
        scene.stage.owner, 1, price_license=DOLLAR, price_job=DOLLAR, price_row=1, max_jobs=10, max_rows=10_000,
        duration=24 * HOUR, policy=POLICY.digest, **(BITS | {"micro_bits": 3 * MICRO, "licenses": 200}),
    ).value  # fmt: skip
    scene.indexer.sync()
    return offer


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """An application behind a real server on a free port; its address."""
    listener = loopback(0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
