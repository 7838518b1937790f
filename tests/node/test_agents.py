"""What keeps a market moving by itself: signs of life, and the end of deadlines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.chain.evm.embedded import EmbeddedChain
from app.node.keeper import GRACE_SECONDS, Moved, keep
from app.protocol.errors import NotAllowed
from app.protocol.market.entities import JobState
from app.provider.heartbeat import SHARE, Heartbeat
from tests.support.market import DOLLAR, ETHER, TERMS, MarketOnChain, open_market, person, set_stage


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MarketOnChain]:
    """A market with bonded providers and a license, on an embedded chain."""
    folder = tmp_path_factory.mktemp("agents")
    chain = EmbeddedChain(folder / "chain.sqlite")
    yield set_stage(open_market(chain, Path(folder) / "deployment.json"))
    chain.close()


def test_signs_of_life_come_when_they_are_due(stage: MarketOnChain) -> None:
    """Several in a window and no more: a provider that serves stays in the draw without paying for every look."""
    market, provider = stage.market, stage.providers[0]
    pulse = Heartbeat(market, provider)
    market.heartbeat(provider)
    assert not pulse.beat()
    market.node.advance(TERMS.heartbeat_window // SHARE + 1)  # type: ignore[attr-defined]
    before = market.provider(provider.address).heartbeat
    assert pulse.beat()
    assert market.provider(provider.address).heartbeat > before
    assert not pulse.beat()


def test_a_seat_that_was_lost_is_taken_again(tmp_path: Path) -> None:
    """After an eviction the next look gives a sign of life; a bond below the floor is said to be one."""
    chain = EmbeddedChain(tmp_path / "chain.sqlite")
    stage = set_stage(open_market(chain, tmp_path / "deployment.json"))
    market, provider, poor = stage.market, stage.providers[0], person("bonded at the floor")
    chain.fund(poor.address, ETHER)
    market.faucet(poor, 200 * DOLLAR)
    market.register_provider(poor, bond=TERMS.stake_floor, price=1, capacity=1)
    chain.advance(TERMS.heartbeat_window + 1)
    for each in (provider, poor):
        market.evict(stage.buyer, each.address)
    assert Heartbeat(market, provider).beat()
    assert market.provider(provider.address).seat
    with pytest.raises(NotAllowed, match="below the floor"):
        Heartbeat(market, poor).beat()
    market.register_provider(poor, bond=DOLLAR, price=1, capacity=1)
    assert market.provider(poor.address).seat
    chain.close()


def test_who_does_not_serve_gives_no_sign(stage: MarketOnChain) -> None:
    """Neither somebody who never bonded nor a provider that leaves pays for heartbeats that mean nothing."""
    market = stage.market
    assert not Heartbeat(market, person("never bonded")).beat()
    leaving = stage.providers[1]
    market.unbond(leaving)
    market.node.advance(TERMS.heartbeat_window)  # type: ignore[attr-defined]
    assert not Heartbeat(market, leaving).beat()


def test_overdue_jobs_are_moved_on(tmp_path: Path) -> None:
    """A job that nobody drew ends once its deadline and a grace are over, by any hand, and the money comes back. A
    keeper that is told to stop does so before the next one.
    """
    chain = EmbeddedChain(tmp_path / "chain.sqlite")
    stage = set_stage(open_market(chain, tmp_path / "deployment.json"))
    market, keeper = stage.market, stage.owner
    live = market.live_jobs()
    jobs = [stage.open(), stage.open("another")]
    assert not keep(market, keeper, live)
    chain.advance(market.job(jobs[-1]).deadline - market.now() + 1)
    assert not keep(market, keeper, live)
    chain.advance(GRACE_SECONDS + 1)
    for job in jobs:
        heard: list[Moved] = []
        (moved,) = keep(market, keeper, live, heard.append, lambda heard=heard: bool(heard))  # type: ignore[misc]
        assert heard == [moved]
        assert (moved.job, moved.what) == (job, "expired")
        assert market.job(job).state in (JobState.EXPIRED, JobState.FAILED)
    assert market.claim(stage.buyer.address) > 0
    assert not keep(market, keeper, live)
    chain.close()
