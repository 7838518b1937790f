"""An indexer in a process of its own, to be killed. Arguments: chain file, deployment, store, database URL."""

from __future__ import annotations

import sys
from pathlib import Path

from app.chain.evm.embedded import EmbeddedChain
from app.chain.market import Market
from app.market.db.database import Database
from app.market.indexer.indexer import Indexer
from app.storage.folder import BlockStore

if __name__ == "__main__":
    chain, deployment, store, url = sys.argv[1:]
    market = Market.open(EmbeddedChain(chain), Path(deployment))
    indexer = Indexer(market, BlockStore(Path(store)), Database(url))
    behind = True
    while behind:
        step = indexer._step(3)
        behind = step.behind > 0
        print(len(step.events), flush=True)
