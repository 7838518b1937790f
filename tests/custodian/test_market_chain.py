"""The agent on the real contracts: release, refusal with its reason, a second release, and finality."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.auditor.approval import owners_word
from app.auditor.audit import Auditor
from app.auditor.budget import audit_budget
from app.auditor.charge import charge, place
from app.auditor.report import CheckStatus
from app.chain.events import Event
from app.chain.evm.embedded import EmbeddedChain
from app.chain.wallet.account import digest_signer
from app.custodian.follow import Follower
from app.custodian.market_chain import LOOK_AGAIN, MarketChain
from app.custodian.settling import settle_licenses
from app.execution.inputs import load_job_inputs
from app.protocol.errors import AlreadyReleased, VerificationFailed
from app.protocol.ids import Digest, TxHash
from app.protocol.market.entities import Approval, JobState
from app.protocol.market.receipt import Decision, OutputPolicy
from app.storage.cid import digest_to_cid
from fhe.profiles import find
from tests.support.custodian_chain import CustodianOnChain, agent_of
from tests.support.custody import MarketInMemory, linear_circuit
from tests.support.market import MICRO, open_market, set_stage

SPREAD = [17, -4, 9, 30, 2, 8, -11, 5]


@pytest.fixture
def scene(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[CustodianOnChain]:
    """Everything up to a license on a real dataset, with two providers unless the test asks for more."""
    chain = EmbeddedChain(tmp_path / "chain.sqlite")
    stage = set_stage(open_market(chain, tmp_path / "deployment.json"), providers=getattr(request, "param", 2))
    world = MarketInMemory(tmp_path)
    stage.publish(world.records[1])
    scene = CustodianOnChain(world, stage, 0, agent_of(stage, world, world.ledger))
    scene.license = scene.sell(world.manifest.policy)
    yield scene
    chain.close()


def test_release_on_the_contracts(scene: CustodianOnChain) -> None:
    """An honest job is settled with the digests of seal and decision, and the decision's signer is the custodian."""
    job = scene.compute(linear_circuit([SPREAD]))
    outcomes = {outcome.job: outcome for outcome in scene.agent.step()}
    assert outcomes[job].what == "done", outcomes
    record = scene.stage.market.job(job)
    assert record.state is JobState.SETTLED
    decision = Decision.from_bytes(scene.world.store.read(digest_to_cid(record.decision), limit=1 << 20))
    unsigned = decision.model_copy(update={"signature": ""})
    assert digest_signer(unsigned.digest, decision.signature) == scene.stage.owner.address
    with pytest.raises(AlreadyReleased):
        scene.stage.market.release(scene.stage.owner, job, sealed=Digest("1" * 64), decision=Digest("2" * 64))

    scene.world.chain.jobs[job] = record
    scene.world.chain.address, scene.world.chain.chain_id = scene.stage.market.address, scene.stage.market.chain_id
    scene.world.chain.datasets[1, record.version] = scene.stage.market.dataset(scene.stage.dataset)
    assert np.array_equal(scene.world.opened(job).values, scene.world.clear(job))


@pytest.mark.parametrize("scene", [5], indirect=True)
def test_refusals_on_the_contracts(scene: CustodianOnChain) -> None:
    """A forbidden circuit and a forged receipt end as REFUSED with the reason that the buyer reads on chain.

    The forged one is contested first: it is refused when three others agree on it as well.
    """
    identity = scene.compute(linear_circuit([[7]]))
    forged = scene.compute(linear_circuit([SPREAD]), receipt="ab" * 32)
    market = scene.stage.market
    assert {each.job: each.what for each in scene.agent.step()} == {identity: "refused", forged: "contested"}
    assert market.job(forged).state is JobState.DISPUTED
    assert [each.what for each in scene.agent.step()] == ["waiting"]
    scene.answer(forged, "ab" * 32)
    scene.agent.step()
    assert (market.job(identity).state, market.job(identity).reason) == (JobState.REFUSED, "concentration")
    assert (market.job(forged).state, market.job(forged).reason) == (JobState.REFUSED, "output-mismatch")
    assert scene.world.ledger.decryptions(scene.stage.dataset, 1) == 0


@pytest.mark.parametrize("scene", [5], indirect=True)
def test_a_contested_result_that_falls_is_released_on_the_contracts(scene: CustodianOnChain) -> None:
    """Three others find the true result, the custodian releases it, and the two liars lose their stakes for it."""
    market = scene.stage.market
    job = scene.compute(linear_circuit([SPREAD]), receipt="ab" * 32)
    liars = {each.provider: market.provider(each.provider).bond for each in market.job(job).executions}
    assert [each.what for each in scene.agent.step()] == ["contested"]
    scene.answer(job)
    assert [each.what for each in scene.agent.step()] == ["done"]
    assert market.job(job).state is JobState.SETTLED
    assert all(market.provider(liar).bond < bond for liar, bond in liars.items())


def test_a_second_ledger_charges_what_the_first_released_on_the_contracts(scene: CustodianOnChain) -> None:
    """Each follows the other's decisions before it decides; what the bits of the license do not allow is refused."""
    market = scene.stage.market
    scene.license = scene.sell(OutputPolicy(max_rank=4, micro_bits_per_license=2 * MICRO), licenses=1)
    agents = [scene.agent, agent_of(scene.stage, scene.world, scene.world.new_ledger("second.sqlite"))]
    jobs = [scene.compute(linear_circuit([SPREAD], at=at)) for at in range(3)]
    assert [agents[number % 2].process(job).what for number, job in enumerate(jobs)] == ["done", "done", "refused"]
    assert market.job(jobs[2]).reason == "bits-license"
    heads = [each.head for each in market.decisions(scene.stage.dataset)]
    assert len(set(heads)) == 3
    assert heads[-1] == market.decision_head(scene.stage.dataset)
    assert [agent.follow(scene.stage.dataset) for agent in agents] == [0, 0]  # all is known, and the refusal is seen
    assert [agent.ledger.head(scene.stage.dataset) for agent in agents] == [heads[2]] * 2


def test_licenses_are_settled_on_the_contracts(scene: CustodianOnChain) -> None:
    """A revoked license gives back what it did not use, when no job of it can run any more; others stay."""
    market, dataset = scene.stage.market, scene.stage.dataset
    scene.license = scene.sell(OutputPolicy(max_rank=4))
    job = scene.compute(linear_circuit([SPREAD], at=0))
    assert scene.agent.process(job).what == "done"
    reserved = market.budget(dataset).reserved
    market.revoke_license(scene.stage.owner, scene.license)
    seam = MarketChain(market, scene.stage.owner)
    follower = Follower(seam, scene.world.store, scene.world.ledger, find)
    assert settle_licenses(seam, scene.world.ledger, follower) == []  # a job of it might run, for all the chain knows
    assert settle_licenses(seam, scene.world.ledger, follower) == []
    node = market.node
    assert isinstance(node, EmbeddedChain)
    node.advance(market.longest_life() + 2 * LOOK_AGAIN)
    assert scene.license in settle_licenses(seam, scene.world.ledger, follower)
    assert market.license(scene.license).settled
    assert reserved - market.budget(dataset).reserved >= 7 * MICRO


def test_the_owners_word_decides_on_the_contracts(scene: CustodianOnChain) -> None:
    """Under a manual policy the agent waits, goes on after the chain's yes, and refuses after its no."""
    market, owner = scene.stage.market, scene.stage.owner
    scene.ask_the_owner()
    yes, no = scene.compute(linear_circuit([SPREAD])), scene.compute(linear_circuit([SPREAD], [1]))
    assert {each.detail for each in scene.agent.step()} == {"the owner has to approve it"}
    market.approve_job(owner, yes)
    market.deny_job(owner, no)
    assert {each.job: each.what for each in scene.agent.step()} == {yes: "done", no: "refused"}
    assert (market.job(no).state, market.job(no).reason) == (JobState.REFUSED, "not-approved")


def test_an_audit_shows_the_owners_word(scene: CustodianOnChain) -> None:
    """Open until it is said, then confirmed with its transaction, released or not; no line where nobody asked."""
    market, owner = scene.stage.market, scene.stage.owner
    plain = scene.compute(linear_circuit([SPREAD], [2]))
    scene.ask_the_owner()
    yes, no = scene.compute(linear_circuit([SPREAD])), scene.compute(linear_circuit([SPREAD], [1]))
    waiting = scene.audited(yes)
    assert waiting is not None
    assert (waiting.status, waiting.source) == (CheckStatus.OPEN, "")
    sent = {yes: market.approve_job(owner, yes), no: market.deny_job(owner, no)}
    scene.agent.step()
    for job, words in ((yes, "released in block"), (no, "nothing was released")):
        line = scene.audited(job)
        assert line is not None
        assert (line.status, line.source) == (CheckStatus.CONFIRMED, sent[job].tx)
        assert owner.address in line.detail
        assert words in line.detail
    assert market.job(plain).state is JobState.SETTLED
    assert scene.audited(plain) is None


def test_a_release_without_the_owners_yes_is_found(scene: CustodianOnChain) -> None:
    """The contract takes it from the custodian; every auditor sees it."""
    scene.ask_the_owner()
    job = scene.compute(linear_circuit([SPREAD]))
    scene.stage.market.release(scene.stage.owner, job, sealed=Digest("1" * 64), decision=Digest("2" * 64))
    report = Auditor(scene.stage.market, scene.world.store).audit(job)
    (line,) = [check for check in report.checks if check.claim == "the release keeps to the owner's word"]
    assert (line.status, line.detail) == (CheckStatus.WRONG, "released without the owner's approval")
    assert not report.confirmed


CHARGE = "what it says that it costs follows from public records"
PLACE = "the decision stands in the chain of its dataset's decisions"


def test_an_audit_works_the_charge_out_again(scene: CustodianOnChain) -> None:
    """Bits, rank, query and repetition of each decision are confirmed, and its place among the dataset's decisions."""
    scene.license = scene.sell(OutputPolicy(max_rank=4))
    circuits = [linear_circuit([SPREAD], at=0), linear_circuit([SPREAD], at=0), linear_circuit([[7]])]
    jobs = [scene.compute(circuit) for circuit in reversed(circuits)]
    for job in (jobs[2], jobs[1], jobs[0]):  # not in the order of their numbers
        scene.agent.process(job)
    auditor = Auditor(scene.stage.market, scene.world.store)
    found = [{check.claim: check for check in auditor.audit(job).checks} for job in jobs]
    assert {checks[claim].status for checks in found for claim in (CHARGE, PLACE)} == {CheckStatus.CONFIRMED}
    rounds = [check for checks in found for check in checks.values() if check.fact in ("commitment", "agreement")]
    assert ([check.status for check in rounds], len(rounds)) == ([CheckStatus.CONFIRMED] * 9, 9)
    assert [checks[CHARGE].detail.split(";")[0] for checks in found] == [
        "a refusal gives nothing away", "an answer that was given before", "1 bit about each person, rank 1",
    ]  # fmt: skip
    assert [checks[PLACE].detail for checks in found] == [f"number {n} of 3 on dataset 1" for n in (3, 2, 1)]
    report = audit_budget(scene.stage.market, scene.world.store, scene.stage.dataset)
    assert report.confirmed
    assert report.spent == MICRO


def test_an_audit_finds_a_decision_that_says_less_than_it_costs(scene: CustodianOnChain) -> None:
    """Each field that follows from public records is compared; a custodian's signature does not help it."""
    market, store = scene.stage.market, scene.world.store
    scene.license = scene.sell(OutputPolicy(max_rank=4))
    job = scene.compute(linear_circuit([SPREAD], at=0))
    scene.agent.process(job)
    facts, policy = load_job_inputs(market, store, job), OutputPolicy(max_rank=4)
    true = Decision.from_bytes(store.read(digest_to_cid(facts.job.decision), limit=1 << 20))
    assert charge(market, store, facts, policy, true)[0] is CheckStatus.CONFIRMED
    lies: list[dict[str, object]] = [
        {"micro_bits": 0}, {"rank": 0}, {"query": "5" * 64}, {"released": "score"}, {"verified_by": "both"},
        {"again": True, "micro_bits": 0, "rank": 0},
    ]  # fmt: skip
    for lie in lies:
        assert charge(market, store, facts, policy, true.model_copy(update=lie))[0] is CheckStatus.WRONG, lie
    elsewhere = replace(facts.job, decision=Digest("5" * 64))
    assert place(market, elsewhere)[0] is CheckStatus.WRONG


def event(name: str, block: int) -> Event:
    """An event of job 1, as a node tells it."""
    return Event("JobMarket", name, {"job": 1, "owner": "0xA1"}, block, "", TxHash(f"0x{block}"), 0)


@pytest.mark.parametrize(
    ("approval", "told"),
    [
        (Approval.DENIED, [event("JobDenied", 5), event("JobReleased", 9)]),
        (Approval.APPROVED, [event("JobReleased", 9), event("JobApproved", 10)]),
    ],
    ids=["denied", "approved too late"],
)
def test_a_release_against_the_owners_word_is_wrong(
    scene: CustodianOnChain, approval: Approval, told: list[Event]
) -> None:
    """No contract of ours lets it pass, but an auditor does not have to believe that."""
    job = replace(scene.stage.market.job(scene.compute(linear_circuit([SPREAD]))), approval=approval)
    assert owners_word(job, told, manual=True)[0] is CheckStatus.WRONG
    with pytest.raises(VerificationFailed):
        owners_word(job, told[:0], manual=True)


@pytest.mark.parametrize("word", [Approval.APPROVED, Approval.DENIED])
def test_a_word_that_is_not_final_is_not_acted_on(
    scene: CustodianOnChain, monkeypatch: pytest.MonkeyPatch, word: Approval
) -> None:
    """A yes or a no in a block that could still be taken back releases and refuses nothing."""
    market = scene.stage.market
    number = scene.compute(linear_circuit([SPREAD]))
    before = market.block_number
    (market.approve_job if word is Approval.APPROVED else market.deny_job)(scene.stage.owner, number)
    monkeypatch.setattr(type(market), "finalized_block", property(lambda self: before))
    assert scene.agent.process(number).what == "waiting"
    assert market.job(number).state is JobState.COMPUTED
    monkeypatch.setattr(type(market), "finalized_block", property(lambda self: before + 1))
    said = scene.agent.process(number)
    if word is Approval.DENIED:
        assert said.what == "refused"
        return
    assert said.detail == "its release is not final on the chain yet"
    released, seam = market.job(number), MarketChain(market, scene.stage.owner)
    assert released.state is JobState.SETTLED
    assert not seam.release_final(released)
    monkeypatch.setattr(type(market), "finalized_block", property(lambda self: released.closed_block))
    assert seam.release_final(released)
    assert not seam.release_final(replace(released, sealed=released.decision))
    assert scene.agent.process(number).what == "done"


def test_a_job_that_cannot_be_read_keeps_no_other_waiting(
    scene: CustodianOnChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that lacks one job's event: that job is told as failed, and the next one is released in the same look."""
    bad, good = (scene.compute(linear_circuit([SPREAD], [bias])) for bias in (0, 1))
    client, openings = scene.stage.market.client, scene.stage.market._openings
    events_in = client.events_in
    monkeypatch.setattr(
        client, "events_in", lambda *words: [each for each in events_in(*words) if each.args.get("job") != bad]
    )
    openings.forget()
    assert [(each.job, each.what) for each in scene.agent.step()] == [(bad, "failed"), (good, "done")]


def test_finality_is_read_from_events(scene: CustodianOnChain, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job counts as final only when a finalized block holds the event with its receipt."""
    job = scene.stage.market.job(scene.compute(linear_circuit([SPREAD])))
    seam = MarketChain(scene.stage.market, scene.stage.owner)
    assert seam.final(job)
    market = type(scene.stage.market)
    monkeypatch.setattr(market, "finalized_block", property(lambda self: job.opened_block))
    assert not seam.final(job)
    assert [job.id for job in seam.computed(lambda *_: None)] == [job.id]
    assert scene.agent.process(job.id).what == "waiting"
    assert [(each.id, epoch) for each, epoch in seam.open_jobs(scene.stage.dataset)] == [(job.id, 1)]
