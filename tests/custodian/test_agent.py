"""The agent on honest jobs: what was licensed comes out, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.custodian.ledger import State
from app.execution.execute import Execution
from app.execution.facts import JobFacts
from app.protocol.documents import sha256
from app.protocol.errors import Unavailable
from app.protocol.receipt import Decision, OutputPolicy
from app.storage.cid import digest_to_cid, parse
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


@pytest.mark.parametrize("verify", ["self", "quorum", "both"])
def test_every_way_to_verify_lets_honest_jobs_through(tmp_path: Path, verify: str) -> None:
    """Honest executors are believed after re-execution, by their number, or by both, as the policy says."""
    world = World(tmp_path)
    policy = OutputPolicy(max_rank=4, verify=verify)  # type: ignore[arg-type]
    number = world.job(linear_circuit([SPREAD], [9]), license=world.license(policy))
    executed: list[int] = []

    def execute(facts: JobFacts) -> Execution:
        executed.append(facts.job.id)
        return world.execute(facts)

    assert world.agent(execute=execute).process(number).what == State.DONE
    assert np.array_equal(world.opened(number).values, world.clear(number))
    assert executed == ([] if verify == "quorum" else [number])


def test_missing_object_is_waited_for(tmp_path: Path) -> None:
    """A circuit that no store has yet is nobody's fault: the job is not refused, and goes through once it is there."""
    world = World(tmp_path)
    number = world.job(linear_circuit([SPREAD]))
    path = world.store._blocks._file(parse(digest_to_cid(world.chain.job(number).circuit)))  # type: ignore[attr-defined]
    hidden = path.with_suffix(".away")
    path.rename(hidden)
    agent = world.agent()
    assert [outcome.what for outcome in agent.step()] == ["failed"]
    assert world.chain.transactions == []
    hidden.rename(path)
    assert [outcome.what for outcome in agent.step()] == [State.DONE]


def test_store_that_fails_while_sending(tmp_path: Path) -> None:
    """A store that is out of reach after the seal delays the release; the same sealed bytes leave later."""
    world = World(tmp_path)
    number = world.job(linear_circuit([SPREAD]))
    agent, put = world.agent(), world.store.put

    def unreachable(data: bytes) -> str:
        raise Unavailable("The store does not answer.")

    world.store.put = unreachable  # type: ignore[method-assign]
    assert [outcome.what for outcome in agent.step()] == ["failed"]
    sealed = world.ledger.record(number)
    assert sealed is not None
    assert sealed.document is not None
    world.store.put = put  # type: ignore[method-assign]
    assert [outcome.what for outcome in agent.step()] == [State.DONE]
    assert world.chain.job(number).sealed == sha256(sealed.document)
    assert world.ledger.decryptions(1, 1) == 1
