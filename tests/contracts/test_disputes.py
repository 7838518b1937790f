"""Disputes on a chain: every liar is convicted, no honest executor ever, whoever the others are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.chain.evm.embedded import EmbeddedChain
from app.protocol.market.disputes import DisputePhase, Verdict
from app.protocol.market.entities import JobState
from tests.support.disputes import Trial, trial


@pytest.fixture(scope="module")
def court(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """A market on the embedded chain that the tests share."""
    folder = tmp_path_factory.mktemp("disputes")
    chain = EmbeddedChain(folder / "chain.sqlite")
    yield trial(chain, folder)
    chain.close()


def test_one_honest_executor_against_a_majority(court: Trial) -> None:
    """Two of three agree on a lie: the third convicts both, and its receipt alone is the result."""
    job = court.ordered(replicas=3)
    truth = court.honest()
    lie = truth.with_word(court.word_of(7), 1)
    court.revealed([lie, truth, lie])
    honest = court.drawn[1]
    assert court.market.job(job).state is JobState.DISPUTED
    disputes = [court.challenge(honest, index, 7) for index in (0, 2)]
    for dispute in disputes:
        over = court.played(court.answer(dispute, lie))
        assert (over.phase, over.verdict) == (DisputePhase.OVER, Verdict.CONVICTED)
    print(court.gas)
    done = court.market.job(job)
    assert (done.state, done.receipt) == (JobState.COMPUTED, truth.receipt.digest)
    court.stage.release(job)
    assert court.market.job(job).state is JobState.SETTLED
