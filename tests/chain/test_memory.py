"""What a reader remembers of the contracts' answers, and when it asks anew."""

from __future__ import annotations

from pathlib import Path

from app.chain.contracts.memory import KEPT_SECONDS, LOOK_SECONDS, ReadMemory
from app.chain.evm.embedded import EmbeddedChain
from app.chain.market import Market
from tests.support.market import MarketOnChain, open_market, set_stage


class Counted:
    """A node that counts what it is asked."""

    def __init__(self, chain: EmbeddedChain) -> None:
        self._chain, self.asked = chain, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._chain, name)

    def call(self, to: str, data: bytes, sender: str | None = None) -> bytes:
        """One more."""
        self.asked += 1
        return self._chain.call(to, data, sender)


def test_answers_are_kept_while_the_chain_stays(tmp_path: Path) -> None:
    """An equal question is asked once for a head; a block of anybody, a send of one's own and time ask it anew."""
    chain = EmbeddedChain(tmp_path / "chain.sqlite")
    stage: MarketOnChain = set_stage(open_market(chain, tmp_path / "deployment.json"))
    reader = Market.open(chain, tmp_path / "deployment.json")
    counted, time = Counted(chain), [0.0]
    memory = reader.client.memory = ReadMemory(counted, lambda: time[0])  # type: ignore[arg-type]
    before = reader.balance(stage.buyer.address)
    assert reader.balance(stage.buyer.address) == before
    assert counted.asked == 1
    stage.market.faucet(stage.buyer, 5)  # by another client of the chain
    time[0] += LOOK_SECONDS
    assert reader.balance(stage.buyer.address) == before + 5
    assert counted.asked == 2
    reader.faucet(stage.buyer, 7)  # by its own: seen at once
    assert reader.balance(stage.buyer.address) == before + 12
    asked = counted.asked
    time[0] += KEPT_SECONDS
    assert reader.balance(stage.buyer.address) == before + 12
    assert counted.asked == asked + 1
    memory.forget()
    assert reader.balance(stage.buyer.address) == before + 12
    assert counted.asked == asked + 2
