"""What the tests of this area share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.chain.evm.embedded import EmbeddedChain
from tests.provider.shop import CIRCUIT, Shop
from tests.support.custody import EncryptedDataset
from tests.support.market import BITS, DOLLAR, HOUR, open_market, set_stage


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Everything up to a license."""
    chain = EmbeddedChain(tmp_path / "chain.sqlite")
    stage = set_stage(open_market(chain, tmp_path / "deployment.json"))
    market, world = stage.market, EncryptedDataset(tmp_path)
    stage.publish(world.records[1])
    world.store.put(CIRCUIT)
    offer = market.create_offer(
        stage.owner, stage.dataset, price_license=DOLLAR, price_job=DOLLAR, price_row=1, max_jobs=99, max_rows=10_000,
        duration=24 * HOUR, policy=world.manifest.policy.digest, **BITS,
    )  # fmt: skip
    yield Shop(tmp_path, world, stage, market.buy_license(stage.buyer, offer.value).value)
    chain.close()
