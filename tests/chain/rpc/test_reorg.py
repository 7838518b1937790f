"""Reorganisations on a real node: nobody is left unable to go on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.chain.events import Event
from app.chain.rpc.node import AnvilNode
from app.protocol.ids import Digest
from app.protocol.market.entities import JobState
from tests.support.anvil import undone
from tests.support.market import DOLLAR, MarketOnChain, digest, open_market, set_stage

pytestmark = pytest.mark.anvil


@pytest.fixture
def stage(start_anvil: Callable[[], AnvilNode], tmp_path: Path) -> MarketOnChain:
    """A market on anvil."""
    return set_stage(open_market(start_anvil(), tmp_path / "deployment.json"))


@pytest.mark.parametrize("depth", [1, 64])
def test_every_step_of_a_job_can_be_repeated_after_a_reorganisation(stage: MarketOnChain, depth: int) -> None:
    """Each actor sees its transaction vanish once, sends it again, and the job still ends as agreed."""
    market, node = stage.market, stage.market.node
    assert isinstance(node, AnvilNode)
    receipt, salt = digest("receipt"), digest("salt")
    cursor, story = market.cursor(), list[Event]()

    def twice(action: Callable[[], object]) -> None:
        def followed() -> None:
            action()
            follow()

        undone(node, followed, depth)
        action()
        follow()

    def follow() -> None:
        step = cursor.poll()
        if step.forget_after is not None:
            story[:] = [event for event in story if event.block <= step.forget_after]
        story.extend(step.events)

    twice(stage.open)
    twice(lambda: stage.draw(1))
    executors = [stage.by_address(each.provider) for each in market.job(1).executions]
    assert len(executors) == 2
    for each in executors:
        twice(lambda each=each: market.commit(each, 1, Digest(receipt), salt))  # type: ignore[misc]
    for each in executors:
        twice(lambda each=each: market.reveal(each, 1, receipt, salt))  # type: ignore[misc]
    twice(lambda: market.release(stage.owner, 1, sealed=digest("sealed"), decision=digest("decision")))
    assert market.job(1).state is JobState.SETTLED
    twice(lambda: market.withdraw(stage.owner, [stage.offer]))
    assert market.claim(stage.owner.address) == 0
    bond = market.custody(stage.dataset).bond
    assert market.balance(stage.owner.address) == 10_000 * DOLLAR - bond + 5 * DOLLAR + DOLLAR + 100 * 100
    follow()
    assert story == market.events(market.first_block, market.block_number)
