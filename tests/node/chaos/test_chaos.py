"""A market at work while everything around it fails: afterwards nothing is lost, doubled, stuck or slashed.

`make test` has a round in which each kind of trouble comes once, `make test-deep` half an hour. One seed says what
happens; it is printed, and DARKROOM_CHAOS_SEED and DARKROOM_CHAOS_SECONDS repeat a run. What other processes do
meanwhile is not in its hand.
"""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.chain.rpc.node import AnvilNode
from app.home.home import Home
from benchmarks.live_market import LiveMarket, set_up_market
from tests.node.chaos.faulty_proxy import CALM, DRIZZLE, FaultyProxy
from tests.node.chaos.monkey import Monkey, insisting
from tests.node.chaos.verdict import assert_whole, wait_for_the_end
from tests.support import ipfs_daemon, postgres
from tests.support.anvil import start_anvil
from tests.support.index_state import assert_as_rebuilt

__all__ = ["start_anvil"]

pytestmark = [
    pytest.mark.anvil,
    pytest.mark.ipfs,
    pytest.mark.postgres,
    pytest.mark.filterwarnings("ignore:The 'strict' parameter:FutureWarning"),  # ipfshttpclient on urllib3 2
]

LIVELY = ("--block-time", "1", "--mixed-mining", "--slots-in-an-epoch", "6")  # final after twelve blocks
READY_SECONDS = 60.0
SETTLING_SECONDS = 240.0  # without anything that moves, after the last fault


@pytest.mark.parametrize(
    ("seconds", "orders"),
    [pytest.param(0.0, 3, id="short"), pytest.param(1_800.0, 200, id="long", marks=pytest.mark.deep)],
)
def test_chaos(
    start_anvil: Callable[..., AnvilNode],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    seconds: float,
    orders: int,
) -> None:
    """Every order is one settled job with the right result, every stake is there, and the index equals a rebuild."""
    seed = int(os.environ.get("DARKROOM_CHAOS_SEED") or request.config.getoption("randomly_seed", 1) or 1)
    seconds = float(os.environ.get("DARKROOM_CHAOS_SECONDS") or seconds)
    print(f"repeat: DARKROOM_CHAOS_SEED={seed} DARKROOM_CHAOS_SECONDS={seconds:g}")
    phase = Phases()
    chain = start_anvil(*LIVELY)
    with ipfs_daemon.running(tmp_path / "ipfs") as store, postgres.started() as server:
        proxies = [
            FaultyProxy(f"http://{chain.host}", seed, flips=False),
            FaultyProxy(store, seed + 1, flips=True),
        ]
        home = Home(tmp_path / "home")
        market = set_up_market(home, proxies[0].url, f"kubo:{proxies[1].url}", providers=3)
        phase("market")
        url = server.new_database()
        settings = tmp_path / "node.toml"
        settings.write_text(
            f'[chain]\nurl = "{proxies[0].url}"\ndeployment = "deployment.json"\n'
            f'[store]\nurl = "kubo:{proxies[1].url}"\n[index]\nurl = "{url}"\n'
        )
        words = ["node", "index", "--config", str(settings)]
        monkey = Monkey(market, chain, proxies, seed, database=server.restart, index=words)
        buyer = threading.Thread(target=_shop, args=(market, orders, seconds), name="buyer")
        try:
            monkey.start()
            buyer.start()
            monkey.wait_ready(READY_SECONDS)
            phase("ready")
            monkey.rage(seconds)
            monkey.rest()
            phase("rage")
            proxies[1].weather = DRIZZLE  # whatever was too slow for the storm meets a store that is never quite well
            buyer.join()
            jobs = wait_for_the_end(market, chain, orders, SETTLING_SECONDS, monkey.start)
            proxies[1].weather = CALM
            phase("end of all jobs")
            assert_whole(market, jobs)
            monkey.stop()
            phase("verdict")
            chain.request("evm_setIntervalMining", 0)  # it stands still while indexes are compared
            assert_as_rebuilt(market.network, url, tmp_path)
            phase("index built anew")
        finally:
            monkey.stop()
            print(phase.took, f"CPU seconds: {phase.cpu:.0f}")
            print(dict(monkey.done), [dict(each.done) for each in proxies])
            for each in proxies:
                each.stop()


class Phases:
    """How many seconds each part of a run took, and what of the processors: other work changes only the former."""

    def __init__(self) -> None:
        self.took: dict[str, float] = {}
        self._since = time.monotonic()

    def __call__(self, name: str) -> None:
        """A part has ended."""
        now = time.monotonic()
        self.took[name], self._since = round(now - self._since, 1), now

    @property
    def cpu(self) -> float:
        """CPU seconds of this process and of those that have ended."""
        spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(each.ru_utime + each.ru_stime for each in spent)


def _shop(market: LiveMarket, orders: int, seconds: float) -> None:
    """Order all through the run, each as a person does who repeats a command until it goes well."""
    for place in range(orders):
        insisting(lambda place=place: market.open_job(place), SETTLING_SECONDS)  # type: ignore[misc]
        time.sleep(seconds / orders / 2)
