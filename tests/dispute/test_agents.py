"""Providers and a custodian at work as they are run, among executors who agree on a lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from app.auditor.audit import Auditor
from app.auditor.report import CheckStatus
from app.chain.node import DevNode
from app.chain.wallet.account import Account
from app.client import challenging
from app.client.challenging import Challenger
from app.custodian.agent import CustodianAgent
from app.custodian.ledger import Ledger
from app.execution.execute import Evaluation
from app.execution.inputs import JobInputs
from app.home.network import Network
from app.protocol.errors import NotAllowed, TryAgain
from app.protocol.market.disputes import Dispute, Verdict
from app.protocol.market.entities import JobState
from app.protocol.market.receipt import OutputPolicy
from app.protocol.ports import Progress
from app.provider.actions import Done
from app.provider.agent import ProviderAgent
from tests.dispute.arena import CIRCUITS, Arena, Liar, arena, forged
from tests.support.custodian_chain import CustodianOnChain, agent_of
from tests.support.custody import RAW
from tests.support.market import HOUR, digest


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """One market for this module."""
    with arena(tmp_path_factory.mktemp("arena"), providers=5) as found:
        yield found


def provider(town: Arena, account: Account, folder: Path) -> ProviderAgent:
    """An honest one, that has just started."""
    return ProviderAgent(town.market, town.world.store, account, folder / account.address, threads=1)


def custodian(town: Arena, name: str) -> CustodianAgent:
    """The dataset's, with a ledger of its own."""
    scope = f"{town.market.chain_id}:{town.market.address}"
    return agent_of(town.stage, town.world, Ledger(town.world.folder / name, scope, town.market.now, lease=0))


def test_a_custodian_convicts_all_executors_and_releases_what_others_compute(town: Arena, tmp_path: Path) -> None:
    """Everybody who was drawn lies alike, and defends it: the custodian accuses each, others are drawn, and the owner
    decrypts what is true. Nobody asked a majority.
    """
    job, drawn = town.order(CIRCUITS[0])
    own = town.honest(job)
    lie = forged(own, 5, 1 << 40)
    job = town.answered(job, [(each, lie) for each in drawn])
    assert job.state is JobState.COMPUTED
    agent, liars = custodian(town, "first.sqlite"), [Liar(town, each, lie, 0.5) for each in drawn]
    said = agent.process(job.id)
    assert said.what == "contested"
    assert town.market.job(job.id).contested_from == 0
    for _ in range(8):
        if not sum(len(list(liar.moves(town.market.job(job.id)))) for liar in liars):
            break
        assert agent.process(job.id).what == "waiting"
    assert [each.verdict for each in town.market.disputes(job.id)] == [Verdict.CONVICTED] * 2
    assert town.market.job(job.id).state is JobState.DISPUTED

    others = [each for each in town.stage.providers if each not in drawn]
    looks = [provider(town, account, tmp_path).step() for _ in range(4) for account in others]
    assert Done.FAILED not in [each.what for look in looks for each in look if each.job == job.id]
    job = town.market.job(job.id)
    assert (job.state, job.receipt) == (JobState.COMPUTED, own.receipt.digest)
    assert agent.process(job.id).what == "done"
    assert town.market.job(job.id).state is JobState.SETTLED


def test_an_honest_provider_challenges_by_itself_and_defends_itself(town: Arena, tmp_path: Path) -> None:
    """As its agent is run: it commits, reveals, accuses whoever revealed another result, and answers who accuses it."""
    job, drawn = town.order(CIRCUITS[20])
    own = town.honest(job)
    lie = forged(own, 4, 7)
    good, bad = drawn
    market, store = town.market, town.world.store
    store.put(bytes(lie.output))
    store.put(lie.receipt.to_bytes())
    salt = "ab" * 32
    assert [each.what for each in provider(town, good, tmp_path).step() if each.job == job.id] == [Done.COMMITTED]
    market.commit(bad, job.id, lie.receipt.digest, salt)
    assert [each.what for each in provider(town, good, tmp_path).step() if each.job == job.id] == [Done.REVEALED]
    market.reveal(bad, job.id, lie.receipt.digest, salt)
    market.open_dispute(bad, job.id, drawn.index(good), 1)  # the liar says that the honest one lies

    liar, seen = Liar(town, bad, lie, 0.0), []
    for _ in range(4):
        seen += [each.what for each in provider(town, good, tmp_path).step() if each.job == job.id]
        list(liar.moves(market.job(job.id)))
    assert Done.FAILED not in seen
    assert seen[:2] == [Done.PLAYED, Done.CHALLENGED]
    assert [each.verdict for each in market.disputes(job.id)] == [Verdict.CLEARED, Verdict.CONVICTED]
    assert market.job(job.id).receipt == own.receipt.digest
    assert provider(town, good, tmp_path).step() == []


def test_a_result_that_was_open_to_objections_is_decrypted_unrecomputed(town: Arena, tmp_path: Path) -> None:
    """The owner chose it: with honest executors nobody objects, and with liars somebody who was not drawn does."""
    policy = OutputPolicy(max_rank=4, verify="window", challenge_hours=1, **RAW)  # type: ignore[arg-type]
    license = CustodianOnChain(town.world, town.stage, 0, custodian(town, "none.sqlite")).sell(policy)  # type: ignore[arg-type]
    patient = replace(town, license=license)
    job, drawn = patient.order(CIRCUITS[0])
    own = town.honest(job)
    job = town.answered(job, [(each, own) for each in drawn])
    lied, accomplices = patient.order(CIRCUITS[0])
    lie = forged(town.honest(lied), 6, 1 << 30)
    lied = town.answered(lied, [(each, lie) for each in accomplices])
    agent = custodian(town, "window.sqlite")
    recomputed = 0

    def execute(work: JobInputs, _progress: Progress) -> Evaluation:
        nonlocal recomputed
        recomputed += 1
        return town.honest(work.job)

    agent._execute = execute
    assert [agent.process(each.id).what for each in (job, lied)] == ["waiting"] * 2
    auditor = town.player(town.stage.buyer)  # anybody with a bond
    for each in auditor.accusations(lied, town.honest(lied)):
        auditor.accuse(lied, each)
    node = town.market.node
    assert isinstance(node, DevNode)
    node.advance(HOUR + 60)
    assert agent.process(job.id).what == "done"
    assert agent.process(lied.id).detail == "a contract is judging its result"
    assert recomputed == 0
    lied = town.play(lied.id, [auditor], own, [])
    assert [each.out for each in lied.executions] == [True, True]
    assert lied.state is JobState.DISPUTED


def test_an_order_of_another_program_gets_no_commitment(town: Arena, tmp_path: Path) -> None:
    """Executors decline what they could not defend, and the audit says which fact is wrong."""
    job, drawn = town.order(CIRCUITS[0], program=digest("another program"))
    (declined,) = [each for each in provider(town, drawn[0], tmp_path).step() if each.job == job.id]
    assert declined.what is Done.DECLINED
    assert "another program than its circuit has" in declined.detail
    (check,) = [each for each in Auditor(town.market, town.world.store).audit(job.id).checks if each.fact == "program"]
    assert check.status is CheckStatus.WRONG


def test_anybody_objects_by_name_of_the_bond(town: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `darkroom audit --challenge` does: first what it would say and cost, then nothing beyond what was allowed,
    then the disputes to their end; a second look finds nothing left to say.
    """
    monkeypatch.setattr(challenging, "POLL_SECONDS", 0.0)
    job, drawn = town.order(CIRCUITS[20])
    own = town.honest(job)
    lie = forged(own, 3, 9)
    town.answered(job, [(each, lie) for each in drawn])
    network = Network(town.market.node, town.market, town.world.store)
    challenger = Challenger(network, town.stage.buyer, job.id)
    found = challenger.objection(threads=1)
    assert [(each.executor, each.value) for each in found.accusations] == [(each.address, 0) for each in drawn]
    least = town.market.dispute_bond(job.id)
    assert found.bond == 3 * least
    said: list[str] = []
    with pytest.raises(NotAllowed, match="you allow"):
        challenger.raise_(found, found.bond - 1, lambda played: said.append(played.what))
    assert said == []
    challenger.raise_(found, found.bond, lambda played: said.append(played.what))
    liars = [Liar(town, each, lie, 0.3) for each in drawn]
    over: list[Dispute] = []
    for _ in range(2):  # they show something twice, and are narrowed and judged in between
        for liar in liars:
            list(liar.moves(town.market.job(job.id)))
        with pytest.raises(TryAgain) if not said.count("narrowed") else nullcontext():
            over = challenger.play(lambda played: said.append(played.what), timeout=0.0)
    assert said == [*["opened"] * 2, *["narrowed"] * 2, *["judged"] * 2]
    assert [each.verdict for each in over] == [Verdict.CONVICTED] * 2
    assert challenger.objection(threads=1).accusations == ()
    plain = town.stage.open("plain", license=town.license, rows=40)
    with pytest.raises(NotAllowed, match="states no program"):
        Challenger(network, town.stage.buyer, plain)


def test_a_custodian_without_money_for_a_bond_asks_others(town: Arena) -> None:
    """It does not wait for money until its own deadline passes: the job is contested as where nothing can be judged."""
    job, drawn = town.order(CIRCUITS[0])
    lie = forged(town.honest(job), 8, 3)
    job = town.answered(job, [(each, lie) for each in drawn])
    market, owner = town.market, town.stage.owner
    kept = market.balance(owner.address)
    market.transfer(owner, town.stage.buyer.address, kept)
    assert custodian(town, "poor.sqlite").process(job.id).what == "contested"
    assert market.disputes(job.id) == []
    assert market.job(job.id).contested_from == 2
    market.transfer(town.stage.buyer, owner.address, kept)
