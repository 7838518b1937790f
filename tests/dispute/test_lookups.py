"""Jobs with lookups: agents alone convict who revealed a false one, and one honest executor beats a majority."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.auditor.audit import Auditor
from app.auditor.report import CheckStatus
from app.chain.node import DevNode
from app.custodian.ledger import Ledger
from app.execution.program import stated_program
from app.market.db.database import Database
from app.market.indexer.indexer import Indexer
from app.market.queries.disputes import ENDS, LOOKUP_TASKS, TASKS
from app.market.queries.jobs import job as query_job
from app.protocol.data.manifest import write_manifest
from app.protocol.documents import sha256
from app.protocol.errors import Reverted
from app.protocol.ids import Digest
from app.protocol.market.disputes import DisputePhase, RowsClaim, Verdict
from app.protocol.market.entities import ZERO, JobState
from app.provider.actions import Done
from app.provider.agent import ProviderAgent
from tests.dispute.arena import FIRST, ROWS, Arena
from tests.dispute.deep_liar import TWO, DeepLiar
from tests.dispute.lookup_arena import PROFILE, SIZE, TREE, LookupLiar, corrupted, found, knows, lookup_arena
from tests.support.custodian_chain import agent_of
from tests.support.index_state import assert_mirrors


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """One market for this module, on a profile of no security."""
    with pytest.MonkeyPatch.context() as patch:
        knows(patch)
        with lookup_arena(tmp_path_factory.mktemp("lookups")) as market:
            yield market


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(40))
def test_a_majority_of_liars_loses_to_one_honest_executor(town: Arena, seed: int) -> None:
    """Two collude on a word of a lookup, and stand for a line that ends in it, or fall silent on the way."""
    rng = random.Random(seed)
    job, drawn = town.order(TREE, replicas=3)
    own = town.honest(job)
    lie = corrupted(own, rng.randrange(job.rows), rng.randrange(SIZE + 1), rng.randrange(1, 1 << 20))
    honest = rng.randrange(3)
    claims = [(each, own if place == honest else lie) for place, each in enumerate(drawn)]
    job = town.answered(job, claims)
    assert job.state is JobState.DISPUTED
    good = town.player(drawn[honest])
    liars = [LookupLiar(town, each, lie, rng) for each, claim in claims if claim is lie]
    present = [each for each in liars if seed % 2 == 0 or each is liars[0]]  # the other is silent
    job = town.play(job.id, [good, *present], own, [good])
    over = town.market.disputes(job.id)
    assert [each.verdict for each in over] == [Verdict.CONVICTED] * 2
    assert any(each.stretch for each in over)  # a line was looked into
    assert (job.state, job.receipt) == (JobState.COMPUTED, own.receipt.digest)
    assert [each.out for each in job.executions] == [place != honest for place in range(3)]


def test_agents_play_it_by_themselves(town: Arena, tmp_path: Path) -> None:
    """Everybody who was drawn lies alike but one, whose agent commits, reveals and accuses while its line is computed
    beside it; an auditor and the job's page tell what happened.
    """
    job, drawn = town.order(TREE, replicas=2)
    own = town.honest(job)
    good, bad = drawn
    lie = corrupted(own, 7, 64, 3)
    store, market, salt = town.world.store, town.market, "ab" * 32
    store.put(bytes(lie.output))
    store.put(lie.receipt.to_bytes())
    agent = ProviderAgent(market, store, good, tmp_path / "good", threads=1)

    def step() -> list[Done]:
        return [each.what for each in agent.step() if each.job == job.id]

    assert step() == [Done.COMMITTED]
    assert [path.name for path in tmp_path.rglob("roots/*.json")] == [f"{town.world.evaluation_key}.json"]
    market.commit(bad, job.id, lie.receipt.digest, salt)
    assert step() == [Done.REVEALED]
    market.reveal(bad, job.id, lie.receipt.digest, salt)
    liar, seen, told_of = LookupLiar(town, bad, lie, random.Random(5)), list[Done](), set[str]()
    database = Database(f"sqlite:///{tmp_path / 'index.sqlite'}")
    indexer = Indexer(market, store, database)
    for _ in range(1000):
        seen += (moved := step())
        if moved:
            indexer.sync()
            with database.session() as session:
                told_of |= {each.sentence for each in query_job(session, job.id, now=market.now()).disputes}
        if market.job(job.id).state is JobState.COMPUTED:
            break
        list(liar.moves(market.job(job.id)))
    assert set(seen) == {Done.CHALLENGED, Done.PLAYED}
    assert {TASKS[DisputePhase.ANSWER], LOOKUP_TASKS[DisputePhase.SHOW], ENDS[Verdict.CONVICTED]} <= told_of
    assert_mirrors(database, market)
    database.close()
    (over,) = market.disputes(job.id)
    assert (over.verdict, market.job(job.id).receipt) == (Verdict.CONVICTED, own.receipt.digest)
    report = Auditor(market, store, find_profile=found).audit(job.id)
    told = {(each.fact, each.status): each.detail for each in report.checks}
    assert told["program", CheckStatus.CONFIRMED] == "executors can be convicted of a wrong result"
    assert told["dispute", CheckStatus.CONFIRMED] == "convicted, shown: its result is false"


def test_a_custodian_defends_the_key_before_the_contract(town: Arena) -> None:
    """All drawn executors agree on a lie and fall silent: each is convicted, nothing is decrypted."""
    job, drawn = town.order(TREE)
    lie = corrupted(town.honest(job), 3, 9, 1)
    job = town.answered(job, [(each, lie) for each in drawn])
    scope = f"{town.market.chain_id}:{town.market.address}"
    ledger = Ledger(town.world.folder / "ledger.sqlite", scope, town.market.now, lease=0)
    agent = agent_of(town.stage, town.world, ledger, town.lines)
    said = agent.process(job.id)
    assert said.what == "contested", said
    node = town.market.node
    assert isinstance(node, DevNode)
    node.advance(town.market.move_window() + 60)
    assert agent.process(job.id).what == "waiting"
    assert [each.verdict for each in town.market.disputes(job.id)] == [Verdict.CONVICTED] * 2
    assert town.market.job(job.id).state is JobState.DISPUTED


def test_an_owner_that_lies_about_its_key_convicts_nobody(town: Arena, tmp_path: Path) -> None:
    """An order states the program that a manifest's false roots give: executors work out their own, and decline; the
    custodian refuses, and the audit says which fact is wrong.
    """
    world, market = town.world, town.market
    roots = world.manifest.table.key_roots
    assert roots is not None
    false = roots.model_copy(update={"points": "ab" * 32})
    lying = world.manifest.model_copy(update={"table": world.manifest.table.model_copy(update={"key_roots": false})})
    data = write_manifest(lying)
    world.store.put(data)
    table = lying.table
    market.new_version(
        town.stage.owner, town.stage.dataset, manifest=sha256(data), data_root=table.data_root, profile=table.profile,
        rows=table.rows,
    )  # fmt: skip
    stated = stated_program(TREE, PROFILE, table, ROWS)
    assert stated not in (ZERO, stated_program(TREE, PROFILE, world.manifest.table, ROWS))
    job, drawn = town.order(TREE, program=stated)
    agent = ProviderAgent(market, world.store, drawn[0], tmp_path / "declines", threads=1)
    (declined,) = [each for each in agent.step() if each.job == job.id]
    assert declined.what is Done.DECLINED
    assert "another program than its circuit has" in declined.detail
    report = Auditor(market, world.store, find_profile=found).audit(job.id)
    (check,) = [each for each in report.checks if each.fact == "program"]
    assert check.status is CheckStatus.WRONG


@pytest.mark.parametrize("seed", [0, *(pytest.param(each, marks=pytest.mark.deep) for each in range(1, 30))])
def test_a_first_lookup_is_judged_through_the_one_that_reads_it(town: Arena, seed: int) -> None:
    """The liar's second lookup follows from a false first one, which it stands for and says that the honest result is
    false by: both disputes go down two lines.
    """
    job, (honest, false) = town.order(TWO)
    own, liar = town.honest(job), DeepLiar(town, false, job, random.Random(seed))
    lie = liar.result(own)
    assert bytes(lie.output) != bytes(own.output)
    job = town.answered(job, [(honest, own), (false, lie)])
    town.market.open_dispute(false, job.id, 0, (liar.slip.row - FIRST) * (SIZE + 1) + seed % SIZE)
    good = town.player(honest)
    job = town.play(job.id, [good, liar], own, [good])
    over = {each.executor: each for each in town.market.disputes(job.id)}
    assert (over[honest.address].verdict, over[false.address].verdict) == (Verdict.CLEARED, Verdict.CONVICTED)
    assert [each.line.layer for each in over.values() if each.line] == [1, 1]
    assert (job.state, job.receipt) == (JobState.COMPUTED, own.receipt.digest)


def test_a_claim_about_a_line_is_none_about_rows(town: Arena) -> None:
    """Both have as many words, and an executor shows something of either: a liar that has to show its line of a first
    lookup does not get away by showing totals of rows, of which nobody could show anything false.
    """
    job, (honest, false) = town.order(TWO)
    own, liar = town.honest(job), DeepLiar(town, false, job, random.Random(4))
    job = town.answered(job, [(honest, own), (false, liar.result(own))])
    good, market = town.player(honest), town.market
    for each in good.accusations(job, own):
        good.accuse(job, each)
    (dispute,) = market.disputes(job.id)
    while (line := dispute.line) is None or line.layer == 0:
        _ = [*liar.moves(job), *good.moves(job)]
        (dispute,) = market.disputes(job.id)
    assert dispute.phase is DisputePhase.SHOW
    assert line.word > line.lookup
    levels = Digest(f"{line.levels:064x}")
    rows = RowsClaim(
        line.program, line.data_root, line.row, line.lookup, line.word, line.said, line.layer, levels
    )  # fmt: skip
    totals = (rows.sum,) if rows.rows == 1 else (0,) * (len(rows.cuts) - 2)
    with pytest.raises(Reverted, match="claim"):
        market.show_dispute(false, replace(dispute, claim=rows), totals)
    town.play(job.id, [good, liar], own, [good])
    assert market.dispute(dispute.id).verdict is Verdict.CONVICTED
