"""Every attack, five seeds each: none is released or decrypted, and an honest job beside it goes through."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.protocol.market.entities import JobState
from tests.attack.attacks import ATTACKS
from tests.support.custody import OPEN_POLICY, MarketInMemory, linear_circuit

HONEST = [9, 12, -11, 8, 15, -9, 10, 13]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_not_released(name: str, seed: int, tmp_path: Path) -> None:
    """The attacked jobs end without a release or wait, nothing of theirs was decrypted, the honest job is released."""
    world = MarketInMemory(tmp_path, seed, policy=OPEN_POLICY.model_copy(update={"min_group": 10}))
    rng = np.random.default_rng(1000 + seed)
    setup, expected = ATTACKS[name]
    attacked = setup(world, rng)
    before = world.ledger.decryptions(1, 1)
    honest = world.job(linear_circuit([HONEST]), first=45, rows=15)
    agent = world.agent()
    outcomes = {outcome.job: outcome for outcome in agent.step()}
    for number in world.chain.contested:  # the coalition is drawn again, and stands by what it said
        world.chain.jobs[number] = replace(world.chain.jobs[number], state=JobState.COMPUTED)
    outcomes |= {outcome.job: outcome for outcome in agent.step() if outcome.job in world.chain.contested}
    assert attacked
    for number in attacked:
        job = world.chain.job(number)
        assert job.state in (JobState.COMPUTED, JobState.REFUSED), f"{name}: {job.state}"
        assert expected in (outcomes[number].what, outcomes[number].detail), outcomes[number]
        assert not [entry for entry in world.chain.of(number) if entry[0] == "release"]
    assert np.array_equal(world.opened(honest).values, world.clear(honest))
    assert world.ledger.decryptions(1, 1) == before + 1


def test_there_are_enough_attacks() -> None:
    """At least twenty distinct variants are kept."""
    assert len(ATTACKS) >= 20
