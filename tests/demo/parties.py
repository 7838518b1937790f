"""Everyone of the demo, in a copy of its home."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from app.chain.node import DevNode
from app.chain.wallet.account import Account
from app.client.buyer import Buyer
from app.client.models import Model
from app.client.owner import Owner
from app.home.home import Home
from app.home.network import Network
from app.protocol.ids import Address
from app.protocol.market.disputes import Verdict
from app.protocol.market.entities import JobState
from app.protocol.market.receipt import Receipt
from app.provider.agent import ProviderAgent
from app.seal.keys import SealingKey

ROWS = 30


class DemoParties:
    """A copy of the demo's home with everyone in it, for trouble."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        self.network = Network.open(self.home)
        self.market, self.store = self.network.market, self.network.store
        self.owner = Owner(self.network, self.home.actor("owner"), self._account("owner"))
        self.buyer = Buyer(self.network, self.home.actor("buyer"), self._account("buyer"))
        self.key = SealingKey.load(self.home.actor("buyer").path("sealing.key"), self.home.actor("buyer").passphrase())
        self.accounts = {
            account.address: (name, account)
            for name in ("provider-1", "provider-2", "provider-3")
            for account in [self._account(name)]
        }

    def _account(self, name: str) -> Account:
        actor = self.home.actor(name)
        return Account.load(actor.path("account.json"), actor.passphrase())

    def model(self) -> Model:
        """The demo's linear model."""
        return self.buyer.models.find(self.market.job(1).circuit)

    def open(self, **changes: int) -> int:
        """A job of the buyer's first license; its number."""
        order: dict[str, Any] = {"first_row": 0, "rows": ROWS, **changes}
        return self.buyer.open_job(1, self.model(), sealing_key=self.key, **order).value

    def agent(self, address: Address) -> ProviderAgent:
        """The honest agent of a provider."""
        name, account = self.accounts[address]
        return ProviderAgent(self.market, self.store, account, self.home.actor(name).folder, threads=1)

    def answer(self, number: int, receipt: Receipt) -> None:
        """All drawn executors commit to a receipt and reveal it, whatever it says."""
        drawn = self.market.draw(self.buyer.account, number).value
        salts = {address: secrets.token_hex(32) for address in drawn}
        for address in drawn:
            self.market.commit(self.accounts[address][1], number, receipt.digest, salts[address])
        self.store.put(receipt.to_bytes())
        for address in drawn:
            self.market.reveal(self.accounts[address][1], number, receipt.digest, salts[address])

    def convicted(self, number: int) -> None:
        """The custodian accuses every executor, who have nothing to answer: the contract convicts them, and in the end
        the job has nobody left to compute it.
        """
        outcomes = {each.job: each.what for each in self.owner.custodian().step()}
        assert outcomes[number] == "contested"
        node = self.market.node
        assert isinstance(node, DevNode)
        node.advance(self.market.move_window() + 1)
        self.owner.custodian().step()
        assert [each.verdict for each in self.market.disputes(number)] == [Verdict.CONVICTED] * 2
        assert self.market.job(number).state is JobState.DISPUTED
        node.advance(self.market.job(number).deadline - node.now() + 1)
        self.market.expire(self.buyer.account, number)
