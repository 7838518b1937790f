"""A provider in a process of its own, which says how far it is and is to be killed.

python -m tests.node.size_provider FOLDER NAME UNITS_PER_SECOND
"""

from __future__ import annotations

import sys
import threading
import time
from functools import partial
from pathlib import Path

from app.chain.evm.embedded import EmbeddedChain
from app.chain.market import Market
from app.execution import inputs
from app.execution.execute import evaluation_digest, execute
from app.provider import agent as agents
from app.provider.actions import Done
from app.provider.agent import ProviderAgent
from app.storage.folder import BlockStore
from fhe.engine.blocks import BlockSize
from fhe.profiles import find, insecure_test_profile
from tests.support.market import person

PROFILE = insecure_test_profile(polynomial_size=128, lwe_dimension=6)
SIZE = BlockSize(lookup_units=32)  # two dozen rows: keys this small are as much quicker as blocks are smaller here


def known(digest: str) -> object:
    """The profiles that readers know, and the test's own, which nobody else would take."""
    return find(digest, [PROFILE])


def use_small_keys() -> None:
    """Let this process's provider take the test's profile, in blocks of the test's size."""
    for place, name, own in (
        (inputs, "find", known),
        (agents, "execute", partial(execute, size=SIZE)),
        (agents, "evaluation_digest", partial(evaluation_digest, size=SIZE)),
    ):
        setattr(place, name, own)


def main(folder: Path, name: str, rate: float) -> None:
    """Work until the answer is committed to and revealed; a line for each tenth of a second of computing."""
    use_small_keys()
    market = Market.open(EmbeddedChain(folder / "chain.sqlite"), folder / "deployment.json")
    work, store = folder / name, BlockStore(folder / "store")
    agent = ProviderAgent(market, store, person(name), work, threads=1, units_per_second=rate)
    threading.Thread(target=_tell, args=(agent,), daemon=True).start()
    while True:
        for action in agent.step():
            print(f"did {action.what} {action.detail}", flush=True)
            if action.what in (Done.REVEALED, Done.DECLINED):
                return
        time.sleep(0.05)


def _tell(agent: ProviderAgent) -> None:
    said = None
    while True:
        now = agent.computing
        if now is not None and now != said:
            said = now
            print(f"at {now.done} of {now.rows}", flush=True)
        time.sleep(0.1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
