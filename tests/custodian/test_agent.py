"""The agent on honest jobs: what was licensed comes out, and nothing else."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.custodian import agent as module
from app.custodian.agent import LAST_CHANCE, REORG_PATIENCE
from app.custodian.attempts import FIRST_RETRY, LONGEST_RETRY, Outcome
from app.custodian.ledger import DecisionState
from app.custodian.readout import read_out
from app.execution.execute import Evaluation
from app.execution.inputs import JobInputs
from app.policy.explain import LABEL_ONLY, explain
from app.protocol.documents import sha256
from app.protocol.errors import Unavailable
from app.protocol.ids import CidText, Digest
from app.protocol.market.receipt import Decision, OutputPolicy
from app.protocol.policy.bits import micro_bits
from app.protocol.ports import Progress
from app.storage.cid import digest_to_cid, parse
from app.storage.content import file_cid
from fhe.arrays import I64
from fhe.circuit.codec import digest
from fhe.compile import with_label
from fhe.compile.check import check
from fhe.compile.compiled import Compiled
from fhe.compile.decoder import Decoder, Labels
from fhe.profiles import insecure_test_profile
from tests.support.custody import OPEN_POLICY, MarketInMemory, linear_circuit

SPREAD = [17, -4, 9, 30, 2, 8, -11, 5]


def test_honest_scores_reach_the_buyer(tmp_path: Path) -> None:
    """An honest job is released, and the buyer opens exactly the circuit's outputs."""
    world = MarketInMemory(tmp_path)
    number = world.job(linear_circuit([SPREAD], [100]), first=3, rows=41)
    outcome = world.agent().process(number)
    assert outcome.what == DecisionState.DONE, outcome
    result = world.opened(number)
    assert np.array_equal(result.values, world.clear(number))
    assert (result.header.first_row, result.header.rows, result.header.released) == (3, 41, "score")
    decision = Decision.from_bytes(world.store.read(digest_to_cid(world.chain.job(number).decision), limit=1 << 20))
    assert (decision.outcome, decision.rank, decision.verified_by) == ("release", 1, "self")
    assert decision.signature == "signed:" + decision.model_copy(update={"signature": ""}).digest


def test_second_pass_does_nothing(tmp_path: Path) -> None:
    """Processing a released job again sends nothing and opens nothing."""
    world = MarketInMemory(tmp_path)
    number = world.job(linear_circuit([SPREAD]))
    agent = world.agent()
    agent.process(number)
    assert agent.process(number).what == DecisionState.DONE
    assert [entry[0] for entry in world.chain.of(number)] == ["release"]
    assert world.ledger.decryptions(1, 1) == 1


def test_labels_and_levels(tmp_path: Path) -> None:
    """A label policy releases labels only, and scores are rounded to the levels of the output's own range."""
    world = MarketInMemory(tmp_path)
    wide: dict[str, Any] = {"max_rank": 4, "micro_bits_per_person": 100_000_000}
    labelled = world.job(linear_circuit([SPREAD], at=6000), license=world.license(OutputPolicy(**wide)))
    rounded = world.job(linear_circuit([SPREAD]), license=world.license(OutputPolicy(release="score", **wide)))
    classes = world.job(
        linear_circuit([SPREAD, SPREAD[::-1], [3, 1, 4, 1, 5, 9, 2, 6]]),
        license=world.license(OutputPolicy(**wide)),
    )
    world.agent().step()
    assert np.array_equal(world.opened(labelled).values, world.clear(labelled) >= 6000)
    assert np.array_equal(world.opened(classes).values[0], world.clear(classes).argmax(axis=0))
    scores = world.opened(rounded).values
    assert len(np.unique(scores)) <= 16
    width = 255 * sum(abs(weight) for weight in SPREAD) / 16
    assert np.abs(scores - world.clear(rounded)).max() <= width / 2 + 1
    spent = {entry.job: entry.micro_bits for entry in world.ledger.history(1)}
    assert spent == {labelled: 1_000_000, rounded: 4_000_000, classes: micro_bits(3)}


def test_a_label_under_encryption_is_all_that_a_custodian_sees(tmp_path: Path) -> None:
    """The same labels as of the scores, for the same bits; what is decrypted has no more values than labels."""
    world = MarketInMemory(tmp_path, insecure=insecure_test_profile())
    scores = linear_circuit([SPREAD], at=6000, profile=world.profile, bins=True)
    decoder = Decoder(
        model="Made", circuit=digest(scores), scale=1.0, zero_points=(0,), centre=(0,), link="identity",
        labels=Labels(type="int", values=("0", "1")),
    )  # fmt: skip
    book = world.manifest.table.codebook
    made = with_label(Compiled(scores, decoder, check(scores, book, world.profile), None), book, world.profile)
    policy = OutputPolicy(max_rank=4, circuits=("linear", "lookup"))
    told = explain(made.circuit, world.manifest.table, world.profile, policy, 40)
    assert (told.allowed, told.released, told.decrypted, told.micro_bits) == (True, "label", "label", 1_000_000)
    assert LABEL_ONLY in told.sentences()
    assert explain(scores, world.manifest.table, world.profile, policy, 40).decrypted == "outputs"
    hidden = world.job(made.circuit, license=world.license(policy))
    decrypted: list[I64] = []

    def seen(values: I64, *rest: Any) -> Any:
        decrypted.append(values)
        return read_out(values, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "read_out", seen)
        assert world.agent().process(hidden).what == DecisionState.DONE
    assert sorted(set(decrypted[0].ravel().tolist())) == [-1, 1]
    plain = world.job(scores, license=world.license(policy, buyer="0x" + "c" * 40))
    assert world.agent().process(plain).what == DecisionState.DONE
    assert np.array_equal(world.opened(hidden).values, world.opened(plain).values)


def test_a_circuit_without_a_label_is_released_in_levels(tmp_path: Path) -> None:
    """Where labels are sold, a circuit that has none gives 16 levels, and the decision says so."""
    world = MarketInMemory(tmp_path)
    number = world.job(linear_circuit([SPREAD]), license=world.license(OutputPolicy(max_rank=4)))
    assert world.agent().process(number).what == DecisionState.DONE
    assert world.opened(number).header.released == "score"
    decision = Decision.from_bytes(world.store.read(digest_to_cid(world.chain.job(number).decision), limit=1 << 20))
    assert (decision.released, decision.micro_bits) == ("score", 4_000_000)


@pytest.mark.parametrize("verify", ["self", "both"])
def test_every_way_to_verify_lets_honest_jobs_through(tmp_path: Path, verify: str) -> None:
    """Honest executors are believed after re-execution only, whatever the policy asks for besides."""
    world = MarketInMemory(tmp_path)
    policy = OPEN_POLICY.model_copy(update={"verify": verify})
    number = world.job(linear_circuit([SPREAD], [9]), license=world.license(policy))
    executed: list[int] = []

    def execute(facts: JobInputs, progress: object) -> Evaluation:
        executed.append(facts.job.id)
        return world.execute(facts)

    assert world.agent(execute=execute).process(number).what == DecisionState.DONE
    assert np.array_equal(world.opened(number).values, world.clear(number))
    assert executed == [number]


def test_missing_object_is_waited_for(tmp_path: Path) -> None:
    """A circuit that no store has yet is nobody's fault: the job is not refused, and goes through once it is there."""
    world = MarketInMemory(tmp_path)
    number = world.job(linear_circuit([SPREAD]))
    path = world.store._blocks._file(parse(digest_to_cid(world.chain.job(number).circuit)))  # type: ignore[attr-defined]
    hidden = path.with_suffix(".away")
    path.rename(hidden)
    agent = world.agent()
    assert [outcome.what for outcome in agent.step()] == ["failed"]
    assert world.chain.transactions == []
    assert [outcome.what for outcome in agent.step()] == ["waiting"]  # not before its next try
    hidden.rename(path)
    world.time += FIRST_RETRY
    assert [outcome.what for outcome in agent.step()] == [DecisionState.DONE]


def test_store_that_fails_while_sending(tmp_path: Path) -> None:
    """A store that is out of reach after the seal delays the release; the same sealed bytes leave later."""
    world = MarketInMemory(tmp_path)
    number = world.job(linear_circuit([SPREAD]))
    agent, put = world.agent(), world.store.put

    def unreachable(data: bytes | bytearray | memoryview) -> CidText:
        raise Unavailable("The store does not answer.")

    world.store.put = unreachable  # type: ignore[method-assign]
    assert [outcome.what for outcome in agent.step()] == ["failed"]
    sealed = world.ledger.record(number)
    assert sealed is not None
    assert sealed.document is not None
    world.store.put = put  # type: ignore[method-assign]
    world.time += FIRST_RETRY
    assert [outcome.what for outcome in agent.step()] == [DecisionState.DONE]
    assert world.chain.job(number).sealed == sha256(sealed.document)
    assert world.ledger.decryptions(1, 1) == 1


def hide(world: MarketInMemory, digest: str) -> None:
    """Take an object out of the store."""
    world.store._blocks._file(parse(digest_to_cid(Digest(digest)))).unlink()  # type: ignore[attr-defined]


def test_a_withheld_circuit_is_refused_shortly_before_the_deadline(tmp_path: Path) -> None:
    """It is asked for again and again until then, at growing intervals; the refusal names it, and costs no keys."""
    world = MarketInMemory(tmp_path)
    deadline = world.time + 5 * LAST_CHANCE
    number = world.job(linear_circuit([SPREAD]), deadline=deadline)
    hide(world, world.chain.job(number).circuit)
    agent, tries = world.agent(), []
    while not world.chain.transactions and world.time < deadline:
        outcome = agent.step()[0]
        if outcome.what == "failed":
            tries.append(world.time)
        record = world.ledger.record(number)
        assert record is not None
        world.time = max(record.next_try, world.time)
    assert world.chain.job(number).reason == "unavailable"
    assert deadline - LAST_CHANCE <= world.time < deadline
    gaps = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert gaps[:4] == [FIRST_RETRY << n for n in range(4)]
    assert max(gaps) <= LONGEST_RETRY
    assert world.ledger.decryptions(1, 1) == 0


@pytest.mark.parametrize("error", [MemoryError(), OSError(28, "No space left on device"), KeyError("c3"), ValueError()])
def test_any_trouble_of_one_job_is_that_jobs_alone(tmp_path: Path, error: Exception) -> None:
    """Whatever re-execution raises, later jobs are served, the attempt is kept with its time, and succeeds later."""
    world = MarketInMemory(tmp_path)
    bad, good = (world.job(linear_circuit([SPREAD], [bias])) for bias in (0, 1))
    broken = True

    def execute(facts: JobInputs, progress: object) -> Evaluation:
        if facts.job.id == bad and broken:
            raise error
        return world.execute(facts)

    agent = world.agent(execute=execute)
    assert [outcome.what for outcome in agent.step()] == ["failed", DecisionState.DONE]
    record = world.ledger.record(bad)
    assert record is not None
    assert (record.attempts, record.next_try) == (1, world.time + FIRST_RETRY)
    assert type(error).__name__ in record.error
    assert "c3" not in record.error  # nobody wrote these words for others to read
    broken = False
    assert [outcome.what for outcome in agent.step()] == ["waiting"]
    world.time += FIRST_RETRY
    assert [outcome.what for outcome in agent.step()] == [DecisionState.DONE]
    record = world.ledger.record(bad)
    assert record is not None
    assert (record.attempts, record.error) == (0, "")
    assert np.array_equal(world.opened(good).values, world.clear(good))


def test_a_stopped_agent_leaves_re_execution_and_goes_on_later(tmp_path: Path) -> None:
    """Being told to stop ends the work on a job in the middle, is no failed attempt, and loses nothing."""
    world = MarketInMemory(tmp_path)
    numbers = [world.job(linear_circuit([SPREAD], [bias])) for bias in range(2)]

    def execute(facts: JobInputs, progress: Progress) -> Evaluation:
        agent.stop()
        progress(1, 2)
        raise AssertionError("it went on")

    agent = world.agent(execute=execute)
    assert agent.step() == [Outcome(numbers[0], "waiting", "the custodian was stopped")]
    record = world.ledger.record(numbers[0])
    assert record is not None
    assert record.attempts == 0
    assert [outcome.what for outcome in world.agent().step()] == [DecisionState.DONE] * 2


def test_long_work_keeps_its_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Re-execution that takes longer than a lease is not taken over by another process while it goes on."""
    monkeypatch.setattr("app.custodian.attempts.RENEW_EVERY", 0.0)  # this clock does not move here
    world = MarketInMemory(tmp_path)
    number = world.job(linear_circuit([SPREAD]))
    ledger, seen = world.new_ledger(lease=30), []

    def execute(facts: JobInputs, progress: Progress) -> Evaluation:
        for minute in range(3):
            world.time += 20
            progress(minute, 3)
            seen.append(world.agent(ledger).process(number).detail)
        return world.execute(facts)

    assert world.agent(ledger, execute=execute).process(number).what == DecisionState.DONE
    assert seen == ["another process works on it, or it is over"] * 3


def test_nothing_leaves_before_the_chain_has_the_release(tmp_path: Path) -> None:
    """Until the chain took the release the store holds no ciphertext of the result; then it does."""
    world = MarketInMemory(tmp_path)
    number = world.job(linear_circuit([SPREAD]))
    kept: dict[str, bool] = {}

    def look(step: str) -> None:
        record = world.ledger.record(number)
        if record is not None and record.ciphertext is not None:
            kept[step] = world.store.has(file_cid(record.ciphertext))

    assert world.agent(hook=look).process(number).what == DecisionState.DONE
    assert kept == {
        "decide": False, "send": False, "store document": False, "store decision": False, "release": False,
        "store result": False, "record": True,
    }  # fmt: skip


def test_a_result_leaves_once_its_release_is_final(tmp_path: Path) -> None:
    """While a reorganisation could still take a release back, the sealed bytes are nowhere; one that is taken back is
    sent again with the same bytes, and charged once.
    """
    world = MarketInMemory(tmp_path)
    number = world.job(linear_circuit([SPREAD]))
    before, agent = world.chain.jobs[number], world.agent()
    agent._step = lambda step: world.chain.unfinal.add(number) if step == "release" else None
    assert agent.process(number) == Outcome(number, "waiting", "its release is not final on the chain yet")
    record = world.ledger.record(number)
    assert record is not None
    assert record.state is DecisionState.SENT
    assert record.ciphertext is not None
    sealed = file_cid(record.ciphertext)
    assert agent.step()[0].what == "waiting"
    assert not world.store.has(sealed)
    world.chain.jobs[number], world.chain.decided = before, []  # a reorganisation
    world.chain.unfinal.clear()
    agent._step = lambda step: None
    assert [each.what for each in agent.step()] == [DecisionState.DONE]
    assert world.store.has(sealed)
    assert world.chain.job(number).sealed == sha256(record.document or b"")
    assert [each.job for each in world.ledger.history(1, chain_only=True)] == [number]
    assert world.ledger.decryptions(1, 1) == 1
    assert len(world.chain.of(number)) == 2


def test_a_release_that_the_chain_lost_is_sent_again(tmp_path: Path) -> None:
    """After a reorganisation the same sealed bytes are released once more, and nothing is charged twice."""
    world = MarketInMemory(tmp_path)
    number = world.job(linear_circuit([SPREAD]))
    before = world.chain.jobs[number]
    agent = world.agent()
    assert agent.process(number).what == DecisionState.DONE
    sealed = world.chain.job(number).sealed
    world.chain.jobs[number], world.chain.decided = before, []
    assert agent.process(number).what == DecisionState.DONE  # a node that lags behind, for all we know
    assert world.chain.decided == []
    world.time += REORG_PATIENCE + 1
    assert agent.process(number).what == DecisionState.DONE
    assert world.chain.job(number).sealed == sealed
    assert len(world.ledger.history(1)) == 1
    assert world.ledger.decryptions(1, 1) == 1
