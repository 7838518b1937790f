"""What public records say after all of it: nothing lost, nothing doubled, nothing stuck, no honest stake gone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from app.chain.rpc.node import AnvilNode
from app.demo.stage import BOND
from app.home.setup import join
from app.protocol.errors import DarkroomError
from app.protocol.market.entities import JobState
from benchmarks.live_market import LiveMarket
from tests.node.chaos.monkey import insisting

ONCE = ("JobOpened", "JobComputed", "JobReleased", "JobSettled")


BLOCKS_AT_ONCE = 6  # mined at each look: agents wait for final blocks, which nothing takes back any more


def wait_for_the_end(
    market: LiveMarket, chain: AnvilNode, orders: int, seconds: float, supervise: Callable[[], None]
) -> dict[int, int]:
    """The job of each order once all are over; they are given again, since a reorganisation may have dropped one.

    The chain, asked past the proxy, becomes final sooner than by its own pace.
    Errors: AssertionError naming what is stuck: where nothing changed for so many seconds.
    """
    limit, before = time.monotonic() + seconds, dict[int, JobState | None]()
    while True:
        supervise()
        chain.mine(BLOCKS_AT_ONCE)
        jobs = {place: insisting(lambda place=place: market.open_job(place), 30) for place in range(orders)}  # type: ignore[misc]
        states = {place: _state(market, number) for place, number in jobs.items()}
        running = {place: state for place, state in states.items() if state is None or not state.terminal}
        final = market.network.market.finalized_block
        if not running and all(market.network.market.job(each).closed_block <= final for each in jobs.values()):
            return jobs
        if running != before:  # something moves: however many there are, and however slow this machine
            limit, before = time.monotonic() + seconds, running
        assert time.monotonic() < limit, f"stuck: { {jobs[place]: state for place, state in running.items()} }"
        time.sleep(0.5)


def _state(market: LiveMarket, number: int) -> JobState | None:
    try:
        return market.network.market.job(number).state
    except DarkroomError:
        return None


def assert_whole(market: LiveMarket, jobs: dict[int, int]) -> None:
    """Every order one job, settled once, with the result of its rows; every stake and every token where it belongs."""
    chain = market.network.market
    events = chain.events(chain.first_block, chain.block_number)
    told: dict[int, list[str]] = {number: [] for number in jobs.values()}
    for each in events:
        if (number := each.args.get("job")) in told:
            told[number].append(f"{each.name} in {each.block}")
    assert len(set(jobs.values())) == len(jobs) == chain.job_count()  # none lost, none bought twice
    states = Counter(chain.job(number).state.name for number in jobs.values())
    assert set(states) == {"SETTLED"}, states
    for number, said in told.items():
        names = Counter(each.partition(" ")[0] for each in said)
        assert [name for name in ONCE if names[name] != 1] == [], f"job {number}: {', '.join(said)}"
        assert (market.result(number) == market.expected(number)).all()
    assert not [each.args for each in events if each.name in ("ExecutorSlashed", "CustodianPenalized")]
    people = [join(market.home, market.network, name)[1] for name in market.home.actors()]
    for account in people:
        if account.address in {each.address for each in chain.providers()}:
            record = chain.provider(account.address)
            assert (record.bond, record.locked) == (BOND, 0)
    dataset = chain.license(market.license).dataset
    owed = sum(chain.claims(account.address)["JobMarket"] for account in people)
    shared = [chain.client.read("JobMarket", "earnings", offer.id) for offer in chain.offers()]
    earned = sum(received - distributed for received, distributed in shared)
    assert chain.balance(chain.address) == owed + earned + chain.custody(dataset).bond
