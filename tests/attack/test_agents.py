"""What is tried on an agent through its tools: nothing is spent that should not be, and the honest agent goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.agent_attacks import ATTACKS
from tests.support.agent_world import AgentAttack, AgentWorld, agent_world, stolen_by


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentWorld]:
    """One world for all attacks."""
    with agent_world(tmp_path_factory.mktemp("agents")) as made:
        yield made


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda each: each.name)
def test_nothing_is_taken(world: AgentWorld, attack: AgentAttack) -> None:
    """An attack takes nothing from anybody, and the agent's own purchase goes through beside it."""
    assert stolen_by(attack, world) == {}
    world.honest()
