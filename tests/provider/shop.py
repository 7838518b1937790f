"""A real dataset under license on the real contracts, and providers who compute on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.chain.wallet.account import Account
from app.protocol.documents import sha256
from app.provider.agent import ProviderAgent
from fhe.circuit.codec import encode
from tests.support.custody import BUYER_PUBLIC, EncryptedDataset, linear_circuit
from tests.support.market import MarketOnChain

CIRCUIT = encode(linear_circuit([[17, -4, 9, 30, 2, 8, -11, 5]]))


@dataclass
class Shop:
    """A real dataset under license, and two providers."""

    folder: Path
    world: EncryptedDataset
    stage: MarketOnChain
    license: int

    def open(self) -> int:
        """A job for both providers."""
        return self.stage.open(circuit=sha256(CIRCUIT), license=self.license, rows=40, sealing_key=BUYER_PUBLIC)

    def agent(self, account: Account, **settings: float | bool) -> ProviderAgent:
        """A provider's agent, with a journal of its own."""
        folder = self.folder / account.address
        return ProviderAgent(self.stage.market, self.world.store, account, folder, threads=1, **settings)  # type: ignore[arg-type]
