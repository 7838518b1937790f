"""An indexer that is killed goes on where it stopped."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.chain.evm.embedded import EmbeddedChain
from app.market.db.database import Database
from app.market.indexer.indexer import Indexer
from app.storage.folder import BlockStore
from tests.market.story import told
from tests.support.index_state import contents

ROOT = Path(__file__).parents[3]


def test_killed_at_any_moment_it_goes_on(
    history: EmbeddedChain,
    tmp_path_factory: pytest.TempPathFactory,
    new_database: Callable[[], Database],
    store: BlockStore,
    tmp_path: Path,
) -> None:
    """Processes killed at random moments leave a database that another process completes to the same index."""
    folder = next(tmp_path_factory.getbasetemp().glob("history*"))
    market, whole, killed = told(history, folder), new_database(), new_database()
    Indexer(market, store, whole).sync()
    command = [
        sys.executable, "-m", "tests.market.indexer.worker",
        str(folder / "chain.sqlite"), str(folder / "deployment.json"), str(tmp_path / "store"),
        killed.url.render_as_string(hide_password=False),
    ]  # fmt: skip
    chance = random.Random(3)
    for _ in range(2):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        while process.stdout.readline() == "0\n":
            pass  # the first blocks are those of the deployment, of which nothing is indexed
        time.sleep(chance.uniform(0.05, 0.4))
        process.kill()
        process.wait(30)
        process.stdout.close()
    indexer = Indexer(market, store, killed)
    synced = indexer.sync()
    assert synced.events < len(contents(whole)["events"]), "no process got anywhere before it was killed"
    assert contents(killed) == contents(whole)
