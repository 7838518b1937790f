"""Opening a paid result: chain, sealed document, ciphertext and key, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.client.buyer import Buyer
from app.home.home import Home
from app.home.network import Network
from app.protocol.errors import NotFound
from app.protocol.market.receipt import SealedResult
from app.seal.keys import SealingKey
from app.storage.cid import digest_to_cid
from app.storage.folder import BlockStore
from tests.support.custody import BUYER_KEY
from tests.support.web import MarketNode


def poor(scene: MarketNode, home: Home, folder: Path) -> Buyer:
    """The buyer, with a store that holds the settled job's sealed document and ciphertext alone."""
    store, job = BlockStore(folder), scene.market.job(scene.settled)
    sealed = scene.store.read(digest_to_cid(job.sealed), limit=1 << 20)
    store.put(sealed)
    store.put(scene.store.read(SealedResult.from_bytes(sealed).ciphertext_cid, limit=1 << 20))
    network = replace(Network.open(home), store=store)
    return Buyer(network, home.actor("buyer", create=True), scene.stage.buyer)


def test_a_paid_result_opens_without_circuit_or_manifest(scene: MarketNode, home: Home, tmp_path: Path) -> None:
    """Nobody can hold a result back by taking manifest or circuit out of the stores after the release."""
    buyer, job = poor(scene, home, tmp_path / "poor"), scene.market.job(scene.settled)
    for digest in (job.circuit, scene.market.dataset_version(job.dataset, job.version).manifest):
        with pytest.raises(NotFound):
            buyer.network.store.read(digest_to_cid(digest), limit=1 << 20)
    opened = buyer.open_result(scene.settled, SealingKey.of(BUYER_KEY))
    assert opened.result.header.rows == job.rows
    assert opened.model is None
    assert len(opened.to_polars()) == job.rows
