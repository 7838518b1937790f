"""What a look costs that finds nothing to do, after few finished jobs and after many, and an index of that history.

The jobs are opened and expire undrawn: the quickest end there is, and as final as any. anvil takes their transactions
unsigned and in batches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.chain.contracts.entities import content_of
from app.chain.live import LiveJobs
from app.chain.rpc.node import AnvilNode
from app.client.owner import Owner
from app.client.provider import Provider
from app.home.home import Home
from app.home.setup import join
from app.market.db.database import Database
from app.market.indexer.indexer import Indexer
from app.node.keeper import keep
from app.protocol.documents import sha256
from benchmarks.live_market import JOB_ROWS, LiveMarket, set_up_market
from fhe.circuit.codec import encode
from fhe.circuit.cost import cost
from fhe.profiles import REFERENCE

FEW, MANY = 10, 10_000
AT_ONCE = 40  # jobs that are open together: under 30 million gas of a block, and within the custodian's bond
GAS = 600_000
EMPTY_BLOCKS, MINED_AT_ONCE = 1_000, 10  # besides, since most blocks of a chain hold nothing of a market
WARM_LOOKS = 2


def idle_looks(node: AnvilNode, folder: Path, told: Callable[[int], None], many: int = MANY) -> dict[str, float]:
    """The figures; `told` hears of thousandths of the work."""
    home = Home(folder / "home")
    market = set_up_market(home, f"http://{node.host}", providers=2)
    steps = _steps(market)
    _finish(market, FEW)
    few = _asked(market, steps)
    for done in range(0, many - FEW, 1000):
        _finish(market, min(1000, many - FEW - done))
        told(done)
    after = _asked(market, steps)
    for _ in range(EMPTY_BLOCKS // MINED_AT_ONCE):
        node.mine(MINED_AT_ONCE)
    return {
        "idle_calls_growth": round(max(after[name] / few[name] for name in few), 3),
        **{f"idle_calls_{name}": calls for name, calls in after.items()},
        "finished_jobs": many,
        **_indexed(market, folder),
    }


def _steps(market: LiveMarket) -> dict[str, Callable[[], object]]:
    """One look of each agent, as its process takes it."""
    home, network = market.home, market.network
    provider = Provider(network, *join(home, network, market.providers[0])).agent(1, "cpu")
    custodian = Owner(network, *join(home, network, "owner")).custodian(device="cpu")
    actor, operator = join(home, network, "operator")
    live: LiveJobs = network.market.live_jobs(network.market.folder(actor.folder) / "keeper-live-jobs.json")
    return {
        "provider": provider.step,
        "custodian": custodian.step,
        "keeper": lambda: keep(network.market, operator, live),
    }


def _asked(market: LiveMarket, steps: dict[str, Callable[[], object]]) -> dict[str, int]:
    """Questions of one look of each that finds nothing new."""
    found = {}
    for name, step in steps.items():
        for _ in range(WARM_LOOKS):
            step()
        with _counting(market.network.node) as asked:
            step()
        found[name] = len(asked)
    return found


@contextmanager
def _counting(node: Any) -> Iterator[list[str]]:
    """Every question that the node is asked, each of a batch too."""
    asked: list[str] = []
    provider = node.provider
    one, batch = provider.make_request, provider.make_batch_request

    def single(method: Any, params: Any) -> Any:
        asked.append(str(method))
        return one(method, params)

    def several(requests: Sequence[tuple[Any, Any]]) -> Any:
        asked.extend(str(method) for method, _ in requests)
        return batch(requests)

    provider.make_request, provider.make_batch_request = single, several
    try:
        yield asked
    finally:
        del provider.make_request, provider.make_batch_request


def _finish(market: LiveMarket, jobs: int) -> None:
    """Open so many jobs and let them expire."""
    chain, node = market.network.market, market.network.node
    assert isinstance(node, AnvilNode)
    window = chain.deployment.terms.draw_window + 1
    dataset = chain.dataset(chain.license(market.license).dataset)
    units = cost(market.circuit, REFERENCE, JOB_ROWS).units
    digest, key = bytes.fromhex(sha256(encode(market.circuit))), bytes.fromhex(market.key.public.hex())
    content = bytes.fromhex(content_of(dataset))
    there = chain.client.contracts["JobMarket"]
    while jobs > 0:
        batch, first = min(AT_ONCE, jobs), chain.job_count() + 1
        order = (market.license, digest, 0, JOB_ROWS, key, units, 2, 50_000, dataset.version, content)
        opening = [there.interface.encode_call("open", (order,))] * batch
        _mined(node, market.buyer.address, there.address, opening)
        node.advance(window)
        ends = [there.interface.encode_call("expire", (number,)) for number in range(first, first + batch)]
        _mined(node, market.buyer.address, there.address, ends)
        if chain.job_count() != first + batch - 1 or not chain.job(first + batch - 1).state.terminal:
            raise RuntimeError("anvil did not take the transactions of finished jobs")
        jobs -= batch


def _mined(node: AnvilNode, sender: str, to: str, calls: list[bytes]) -> None:
    """All of these calls of one account in one block."""
    node.request("anvil_impersonateAccount", sender)
    node.request("evm_setAutomine", False)
    try:
        for data in calls:
            node.request("eth_sendTransaction", {"from": sender, "to": to, "gas": hex(GAS), "data": "0x" + data.hex()})
        node.mine()
    finally:
        node.request("evm_setAutomine", True)


def _indexed(market: LiveMarket, folder: Path) -> dict[str, float]:
    database = Database(f"sqlite:///{folder / 'index.sqlite'}")
    try:
        began = time.perf_counter()
        indexer = Indexer(market.network.market, market.network.store, database)
        done = indexer.sync()
        took = time.perf_counter() - began
    finally:
        database.close()
    blocks = market.network.market.block_number - market.network.market.first_block + 1
    return {
        "index_blocks": blocks,
        "index_blocks_per_s": round(blocks / took, 1),
        "index_events_per_s": round(done.events / took, 1),
    }
