"""One honest executor is enough: disputes on the real contracts, whoever lies, is late, or only wants to hurt."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.auditor.audit import Auditor
from app.auditor.provenance.lineage import lineage
from app.auditor.provenance.prov import prov_json
from app.auditor.report import CheckStatus
from app.dispute.difference import false_bit
from app.market.db.database import Database
from app.market.indexer.indexer import Indexer
from app.market.queries.jobs import job as query_job
from app.protocol.market.disputes import Verdict
from app.protocol.market.entities import ZERO, JobState
from tests.dispute.arena import CIRCUITS, Arena, Liar, arena, forged
from tests.support.index_state import assert_mirrors


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """One market for this module."""
    with arena(tmp_path_factory.mktemp("arena")) as found:
        yield found


@pytest.mark.parametrize("seed", [*range(2), *(pytest.param(each, marks=pytest.mark.deep) for each in range(2, 60))])
def test_a_majority_of_liars_loses_to_one_honest_executor(town: Arena, seed: int) -> None:
    """Two collude on a false value, one is honest: both are convicted, and the honest result is the job's."""
    rng = random.Random(seed)
    circuit = CIRCUITS[rng.choice([0, 20])]
    job, drawn = town.order(circuit, replicas=3)
    own = town.honest(job)
    lie = forged(own, rng.randrange(3, len(own.output) // 8), rng.choice([1, 1 << 63, rng.randrange(1, 1 << 64)]))
    honest = rng.randrange(3)
    claims = [(each, own if place == honest else lie) for place, each in enumerate(drawn)]
    job = town.answered(job, claims)
    assert job.state is JobState.DISPUTED
    good = town.player(drawn[honest])
    liars = [Liar(town, each, lie, rng.choice([0.0, rng.random(), 1.0])) for each, claim in claims if claim is lie]
    present = [each for each in liars if rng.random() < 0.8]  # the others are silent
    job = town.play(job.id, [good, *present], own, [good])
    assert [each.verdict for each in town.market.disputes(job.id)] == [Verdict.CONVICTED] * 2
    assert (job.state, job.receipt) == (JobState.COMPUTED, own.receipt.digest)
    assert [each.out for each in job.executions] == [place != honest for place in range(3)]


def test_whoever_objects_to_the_truth_pays_for_it(town: Arena) -> None:
    """Values that are right, values that are none, a challenger who is silent and one who judges: all are cleared, half
    of each bond is the executor's, and the job goes on with its result.
    """
    job, drawn = town.order(CIRCUITS[20])
    own = town.honest(job)
    job = town.answered(job, [(each, own) for each in drawn])
    griefer, good = town.player(town.stage.owner), [town.player(each) for each in drawn]
    market, before = town.market, [town.market.claim(each.address) for each in drawn]
    bonds = 0
    for number, value in enumerate((0, 3, 10**9)):
        dispute = market.open_dispute(town.stage.owner, job.id, number % 2, value).value
        bonds += dispute.bond // 2
        list(good[number % 2].moves(job))
        if value == 3:  # it names a stretch, and then a total that is right
            answered = market.dispute(dispute.id)
            market.narrow_dispute(town.stage.owner, answered, 5)
            list(good[number % 2].moves(job))
            shown = market.dispute(dispute.id)
            assert shown.claim is not None
            truth = town.player(town.stage.owner).truth(job.id)
            evidence = truth.evidence(shown.claim, 2)
            market.judge_dispute(town.stage.owner, shown, truth.program.header, 2, evidence)
    job = town.play(job.id, [*good, griefer], own, [])
    assert [each.verdict for each in market.disputes(job.id)] == [Verdict.CLEARED] * 3
    assert (job.state, job.receipt) == (JobState.COMPUTED, own.receipt.digest)
    assert sum(market.claim(each.address) for each in drawn) == sum(before) + bonds


def test_what_can_be_shown_to_be_false_and_what_cannot(town: Arena) -> None:
    """Another word, another header, another dataset: a word is named. An output that nobody can read, or that is not
    what its root says, could hold any: nobody is accused of that.
    """
    job, _ = town.order(CIRCUITS[0])
    own, store = town.honest(job), town.world.store

    def word(evaluation: object, **changes: object) -> int | None:
        receipt = evaluation.receipt.model_copy(update=changes)  # type: ignore[attr-defined]
        store.put(receipt.to_bytes())
        bit = false_bit(store, receipt.digest, own)
        return None if bit is None else bit // 64

    lie, header = forged(own, 9, 1), forged(own, 1, 1 << 16)
    assert word(lie) is None
    store.put(bytes(lie.output))
    assert word(lie) == 9
    store.put(bytes(header.output))
    assert word(header) == 1
    assert word(own) is None
    for changes in ({"rows": 41}, {"manifest": "ab" * 32}, {"output_bytes": 8}, {"evaluator": "darkroom-canonical-1"}):
        assert word(own, **changes) == 0
    assert word(lie, output_root=own.receipt.output_root) is None
    assert false_bit(store, ZERO, own) is None


def test_the_index_tells_all_of_it(town: Arena, tmp_path: Path) -> None:
    """Liars convicted and silent, honest ones cleared, one dispute that still runs: rows, claims and stakes are those
    of the contracts, in words that say who moves next.
    """
    job, drawn = town.order(CIRCUITS[0])
    own = town.honest(job)
    lie = forged(own, 7, 1)
    job = town.answered(job, [(drawn[0], own), (drawn[1], lie)])
    honest, liar = town.player(drawn[0]), Liar(town, drawn[1], lie, 1.0)
    accused = honest.accusations(job, own)
    honest.accuse(job, accused[0])
    convicted = town.play(job.id, [honest, liar], own, [])
    griefed = town.market.open_dispute(town.stage.owner, job.id, 0, 0).value
    list(honest.moves(convicted))
    database = Database(f"sqlite:///{tmp_path / 'index.sqlite'}")
    Indexer(town.market, town.world.store, database).sync()
    assert_mirrors(database, town.market)
    now = town.market.now()
    with database.session() as session:
        found = query_job(session, job.id, now=now)
        first, second = found.disputes
        assert (first.verdict, first.phase, first.turn, first.deadline) == ("convicted", "over", "", 0)
        assert (second.id, second.verdict, second.turn) == (griefed.id, "", town.stage.owner.address)
        assert "first of these totals that does not follow" in second.sentence
        assert (found.job.next.action, found.job.next.actors) == ("dispute", (town.stage.owner.address,))
        assert [each.status for each in found.executions] == ["revealed", "convicted"]
        assert found.program == job.program
        late = query_job(session, job.id, now=griefed.deadline + 10**5)
        assert late.disputes[1].overdue
        assert "challenger did not move in time" in late.job.next.sentence
        assert {each.event for each in found.timeline} >= {"DisputeOpened", "DisputeShown", "DisputeEnded"}
    database.close()
    exported = prov_json(lineage(town.market, town.world.store, job.id))
    assert exported["activity"][f"job:dispute-{first.id}"]["darkroom:verdict"] == "convicted"
    report = Auditor(town.market, town.world.store).audit(job.id)
    told = {(each.fact, each.status): each.detail for each in report.checks}
    assert told["program", CheckStatus.CONFIRMED] == "executors can be convicted of a wrong result"
    assert told["dispute", CheckStatus.CONFIRMED] == "convicted, shown: its result is false"
    assert told["agreement", CheckStatus.CONFIRMED] == "1 of 1 that revealed and were not convicted"
    assert [each.claim for each in report.checks if each.status is CheckStatus.WRONG] == [
        f"the receipt of {drawn[1].address} is true"
    ]
