"""Disputes on a chain: every liar is convicted, no honest executor ever, whoever the others are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.chain.evm.embedded import EmbeddedChain
from app.chain.node import DevNode
from app.protocol.errors import BadInput, NotFound, Reverted
from app.protocol.market.disputes import DisputePhase, Verdict
from app.protocol.market.entities import JobState
from fhe.engine.trace.finder import first_false
from tests.support.anvil import anvils
from tests.support.disputes import Claimed, Trial, trial
from tests.support.market import DOLLAR

MINUTE = 60


def courts(kind: str, folder: Path, **shape: Any) -> Iterator[Trial]:
    """A market on a fresh chain of that kind."""
    if kind == "anvil":
        with anvils() as start:
            yield trial(start(), folder, **shape)
    else:
        chain = EmbeddedChain(folder / "chain.sqlite")
        yield trial(chain, folder, **shape)
        chain.close()


@pytest.fixture(scope="module")
def court(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """A market on the embedded chain, about rows, that the tests share."""
    yield from courts("embedded", tmp_path_factory.mktemp("disputes"), providers=5)


@pytest.fixture(params=["embedded", pytest.param("anvil", marks=pytest.mark.anvil)])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Trial]:
    """One on either kind of chain."""
    yield from courts(request.param, tmp_path)


def judged(court: Trial, claim: Claimed, value: int, index: int = 0, **game: Any) -> Verdict:
    """The verdict on one of the drawn, whom a stranger to the job accuses."""
    dispute = court.challenge(court.stage.buyer, index, value)
    return court.played(court.answer(dispute, claim), **game).verdict


def test_one_honest_executor_against_a_majority(both: Trial) -> None:
    """Two of three agree on a lie: the third convicts both, and its receipt alone is the result, and is paid."""
    job = both.ordered(replicas=3)
    truth = both.honest()
    lie = truth.with_word(both.word_of(7), 1)
    both.revealed([lie, truth, lie])
    honest = both.drawn[1]
    assert both.market.job(job).state is JobState.DISPUTED
    disputes = [both.challenge(honest, index, 7) for index in (0, 2)]
    assert both.market.disputes(job) == disputes == [both.market.dispute(each.id) for each in disputes]
    with pytest.raises(Reverted, match="A dispute about"):
        both.market.draw(both.stage.buyer, job)
    for dispute in disputes:
        over = both.played(both.answer(dispute, lie))
        assert (over.phase, over.verdict, over.player) == (DisputePhase.OVER, Verdict.CONVICTED, None)
        assert both.market.dispute(dispute.id) == over
    done = both.market.job(job)
    assert (done.state, done.receipt) == (JobState.COMPUTED, truth.receipt.digest)
    both.stage.release(job)
    assert both.market.job(job).state is JobState.SETTLED
    # Its bonds of 2 and 4 dollars back, as much of the stakes, and its fee.
    assert both.market.claim(honest.address) == 12 * DOLLAR + 3000


def test_a_job_states_its_program(court: Trial) -> None:
    """As its executors compute it; a job that states none cannot be disputed."""
    job = court.ordered(replicas=1)
    assert court.market.job_program(job) == court.program.digest
    plain = court.stage.open(license=2, rows=10)
    assert court.market.job_program(plain) == ""
    drawn = court.stage.draw(plain)
    court.stage.answer(plain, drawn, court.program.digest)
    assert court.market.dispute_window(plain) == (0, 0)
    with pytest.raises(Reverted, match="program"):
        court.market.open_dispute(court.stage.buyer, plain, 0, 0)
    with pytest.raises(NotFound, match="no dispute 99"):
        court.market.dispute(99)


def test_the_honest_are_never_convicted(court: Trial) -> None:
    """Whatever value and term a challenger names, and where there is no such value; it pays for that."""
    court.ordered(replicas=1)
    truth = court.honest()
    court.revealed([truth])
    executor, market = court.drawn[0], court.market
    before = market.claim(executor.address)
    for value in (0, 33, 79):
        dispute = court.answer(court.challenge(court.stage.buyer, 0, value), truth)
        assert dispute.claim is not None
        evidence = court.game().evidence(dispute.claim, value % 3)
        ended = market.judge_dispute(court.stage.buyer, dispute, court.program.header, value % 3, evidence).value
        assert ended.verdict is Verdict.CLEARED
        assert first_false(dispute.totals, court.game().totals(dispute.claim)) is None
    dispute = court.challenge(court.stage.buyer, 0, 80)
    sent = market.answer_dispute(executor, dispute, court.program.header, truth.receipt, court.program.leaf(0), ())
    assert sent.value.verdict is Verdict.CLEARED
    assert market.claim(executor.address) - before == 4 * DOLLAR
    assert market.job(court.job).receipt == truth.receipt.digest


def test_silence_loses_on_either_side(court: Trial) -> None:
    """A challenger that does not judge loses its bond; an executor that does not answer, its stake."""
    court.ordered(replicas=1)
    truth, market, buyer = court.honest(), court.market, court.stage.buyer
    court.revealed([truth])
    dispute = court.answer(court.challenge(buyer, 0, 3), truth)
    with pytest.raises(Reverted, match="has time until"):
        market.expire_dispute(buyer, dispute)
    assert isinstance(market.node, DevNode)
    market.node.advance(market.move_window() + MINUTE)
    assert market.expire_dispute(court.stage.owner, dispute).value.verdict is Verdict.CLEARED
    dispute = court.challenge(buyer, 0, 3)
    market.node.advance(market.move_window() + MINUTE)
    with pytest.raises(Reverted, match="The time for a move"):
        court.answer(dispute, truth)
    assert market.expire_dispute(court.stage.owner, dispute).value.verdict is Verdict.CONVICTED
    assert market.job(court.job).state is JobState.DISPUTED  # nobody is left: others are drawn
    for each in court.stage.providers:
        market.heartbeat(each)


def test_what_cannot_be_answered_for(court: Trial) -> None:
    """A file of another length or beginning, another CID than letters, another job's receipt."""
    court.ordered(replicas=1)
    other = court.honest()
    for number in range(4):
        court.ordered(replicas=1)
        truth = court.honest()
        lies = (
            truth.with_output(truth.output + bytes(8)),
            truth.with_word(1, 1 << 16),
            replace(truth, receipt=truth.receipt.model_copy(update={"output": 'a","rows":40,"z":"'})),
            other,
        )
        court.revealed([lies[number]])
        dispute = court.challenge(court.stage.buyer, 0, 0)
        with pytest.raises(Reverted, match=r"digest|begin|CID|ordered"):
            court.answer(dispute, lies[number])


def test_a_receipt_that_is_not_of_the_order_cannot_be_answered_for(court: Trial) -> None:
    """Each field of it is the order's, or the program's."""
    court.ordered(replicas=1)
    truth = court.honest()
    wrong = {"evaluator": "darkroom-canonical-9", "form": "lwe", "rows": 39, "first_row": 4, "circuit": "1" * 64}
    for field, value in wrong.items():
        lie = replace(truth, receipt=truth.receipt.model_copy(update={field: value}))
        court.job = court.ordered(replicas=1)
        lie.receipt = lie.receipt.model_copy(update={"job": court.job})
        court.revealed([lie])
        with pytest.raises(Reverted):
            court.answer(court.challenge(court.stage.buyer, 0, 0), lie)


def fuzzed(court: Trial, seed: int, games: int) -> None:
    """Liars of every kind, each in a job of its own: all are convicted."""
    rng = np.random.default_rng(seed)
    for _ in range(games):
        court.ordered(replicas=1)
        value = int(rng.integers(2 * 40))
        change = int(rng.integers(1, 1 << 63)) << int(rng.integers(0, 2))
        lie = court.honest().with_word(court.word_of(value), change)
        court.revealed([lie])
        dispute = court.challenge(court.stage.buyer, 0, value)
        totals = court.totals_for(dispute, lie)
        for place in rng.integers(0, len(totals) - 1, int(rng.integers(0, 3))):
            totals[place] = int(rng.integers(0, 1 << 64, dtype=np.uint64))
        if rng.integers(4) == 0:
            totals = totals[int(rng.integers(1, len(totals))) :]
        assert court.played(court.answer(dispute, lie, totals)).verdict is Verdict.CONVICTED
        bonded(court)


def bonded(court: Trial) -> None:
    """Whoever lost a stake puts down another."""
    for each in court.stage.providers:
        court.market.faucet(each, 100 * DOLLAR)
        court.market.register_provider(each, bond=100 * DOLLAR, fixed_fee=1000, price=2_000_000, capacity=10**9)


def test_liars_of_every_kind(court: Trial) -> None:
    """A few of them; ten thousand are played in forge's deep runs (contracts/test/Disputes.t.sol)."""
    fuzzed(court, 1, 3)


@pytest.mark.deep
def test_many_liars_of_every_kind(court: Trial) -> None:
    """More of them, against the evaluator's own results."""
    fuzzed(court, 2, 100)


def test_sums_over_rows_are_narrowed_to_one(tmp_path: Path) -> None:
    """A block of 150 rows takes two looks."""
    for summed in courts("embedded", tmp_path, rows=300, block=150):
        summed.ordered(rows=290, replicas=1)
        truth = summed.honest()
        lie = truth.with_word(summed.word_of(1), 5)
        summed.revealed([lie])
        dispute = summed.answer(summed.challenge(summed.stage.buyer, 0, 1), lie)
        assert dispute.phase is DisputePhase.NARROW
        assert summed.played(dispute).verdict is Verdict.CONVICTED
        assert {"narrow", "show", "judge"} <= set(summed.gas)
        with pytest.raises(BadInput):
            summed.market.open_dispute(summed.stage.buyer, summed.job, 0, -1)
