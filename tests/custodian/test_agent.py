"""The agent on honest jobs: what was licensed comes out, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from app.custodian.ledger import State
from app.protocol.receipt import Decision, OutputPolicy
from app.storage.cid import digest_to_cid
from tests.custodian.world import World, linear_circuit

SPREAD = [17, -4, 9, 30, 2, 8, -11, 5]


def test_honest_scores_reach_the_buyer(tmp_path: Path) -> None:
    """An honest job is released, and the buyer opens exactly the circuit's outputs."""
    world = World(tmp_path)
    number = world.job(linear_circuit([SPREAD], [100]), first=3, rows=41)
    outcome = world.agent().process(number)
    assert outcome.what == State.DONE, outcome
    result = world.opened(number)
    assert np.array_equal(result.values, world.clear(number))
    assert (result.header.first_row, result.header.rows, result.header.released) == (3, 41, "score")
    decision = Decision.from_bytes(world.store.read(digest_to_cid(world.chain.job(number).decision), limit=1 << 20))
    assert (decision.outcome, decision.rank, decision.verified_by) == ("release", 1, "self")
    assert decision.signature == "signed:" + decision.model_copy(update={"signature": ""}).digest


def test_second_pass_does_nothing(tmp_path: Path) -> None:
    """Processing a released job again sends nothing and opens nothing."""
    world = World(tmp_path)
    number = world.job(linear_circuit([SPREAD]))
    agent = world.agent()
    agent.process(number)
    assert agent.process(number).what == State.DONE
    assert [entry[0] for entry in world.chain.of(number)] == ["release"]
    assert world.ledger.decryptions(1, 1) == 1


def test_labels_and_steps(tmp_path: Path) -> None:
    """A label policy releases labels only, and a step rounds scores to its multiples."""
    world = World(tmp_path)
    labelled = world.job(
        linear_circuit([SPREAD], at=6000), license=world.license(OutputPolicy(release="label", max_rank=4))
    )
    stepped = world.job(linear_circuit([SPREAD]), license=world.license(OutputPolicy(score_step=500, max_rank=4)))
    classes = world.job(
        linear_circuit([SPREAD, SPREAD[::-1], [3, 1, 4, 1, 5, 9, 2, 6]]),
        license=world.license(OutputPolicy(release="label", max_rank=4)),
    )
    world.agent().step()
    assert np.array_equal(world.opened(labelled).values, world.clear(labelled) >= 6000)
    assert np.array_equal(world.opened(classes).values[0], world.clear(classes).argmax(axis=0))
    scores = world.opened(stepped).values
    assert not np.any(scores % 500)
    assert np.abs(scores - world.clear(stepped)).max() <= 250
