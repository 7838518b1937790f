"""What the facade is asked for: jobs by what they are, and arguments that nothing can hold."""

from __future__ import annotations

import pytest

from app.protocol.errors import DarkroomError
from app.protocol.market.entities import JobState
from tests.support.market import MarketOnChain


def test_jobs_are_listed_by_what_they_are(embedded_stage: MarketOnChain) -> None:
    """Filters by dataset, buyer, state and first id select exactly the jobs that fit."""
    stage, market = embedded_stage, embedded_stage.market
    computed, waiting = stage.compute(), stage.open("waiting")
    assert [job.id for job in market.jobs()] == [computed, waiting]
    assert [job.id for job in market.jobs(states={JobState.OPEN})] == [waiting]
    assert [job.id for job in market.jobs(dataset=stage.dataset, buyer=stage.buyer.address)] == [computed, waiting]
    assert [job.id for job in market.jobs(first=waiting)] == [waiting]
    assert not list(market.jobs(buyer=stage.owner.address))
    assert not list(market.jobs(dataset=9))


def test_every_error_leaves_as_one_of_ours(embedded_stage: MarketOnChain) -> None:
    """Arguments that no ABI type can hold are BadInput, not an exception of a library."""
    for action in (
        lambda: embedded_stage.market.approve(embedded_stage.buyer, "JobMarket", -1),
        lambda: embedded_stage.market.approve(embedded_stage.buyer, "NoSuchContract", 1),
        lambda: embedded_stage.market.approve(embedded_stage.buyer, "0x12", 1),
        lambda: embedded_stage.open(circuit="zz"),
        lambda: embedded_stage.open(units=2**64),
    ):
        with pytest.raises(DarkroomError):
            action()
