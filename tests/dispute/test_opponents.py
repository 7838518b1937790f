"""One honest executor against each kind of opponent, on each kind of chain, about each kind of result."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.protocol.market.disputes import Verdict
from app.protocol.market.entities import JobState
from tests.dispute.arena import Arena
from tests.dispute.lookup_arena import knows, lookup_arena
from tests.dispute.opponents import MATTERS, Late, Silent
from tests.support.anvil import anvils


@pytest.fixture(scope="module", params=["embedded", pytest.param("anvil", marks=pytest.mark.anvil)])
def town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """A market on either kind of chain, on a profile of no security."""
    folder = tmp_path_factory.mktemp("opponents")
    with pytest.MonkeyPatch.context() as patch, anvils() as start:
        knows(patch)
        node = start() if request.param == "anvil" else None
        with lookup_arena(folder, providers=4, node=node) as market:
            yield market


@pytest.mark.parametrize("matter", MATTERS)
@pytest.mark.parametrize("kind", ["silent", "late", "griefing", "majority"])
def test_one_honest_executor_is_enough(town: Arena, kind: str, matter: str) -> None:
    """Whoever revealed a false result is convicted, and whoever says that the true one is wrong loses its bond: those
    that fall silent, those that move too late, those that play on to the end, and two of three who agree on the lie.
    """
    about = MATTERS[matter]
    job, drawn = town.order(about.circuit, replicas=3 if kind == "majority" else 2)
    own = town.honest(job)
    lie, (honest, *others) = about.lie(own), drawn
    job = town.answered(job, [(honest, own), *((each, lie) for each in others)])
    assert job.state is JobState.DISPUTED
    good, liars = town.player(honest), [about.liar(town, each, lie) for each in others]
    town.market.open_dispute(others[0], job.id, 0, about.value)
    wrap = {"silent": Silent, "late": Late}.get(kind)
    opponents = [wrap(each) if wrap else each for each in liars]
    job = town.play(job.id, [*opponents, good], own, [good])
    ends = {(each.executor, each.verdict) for each in town.market.disputes(job.id)}
    assert ends == {(honest.address, Verdict.CLEARED), *((each.address, Verdict.CONVICTED) for each in others)}
    assert (job.state, job.receipt) == (JobState.COMPUTED, own.receipt.digest)
    assert [each.out for each in job.executions] == [False, *(True for _ in others)]
    for each in opponents:
        assert not isinstance(each, Late) or each.refused == 2
