"""What a job costs whatever its size: a document of many columns is hashed once for it, and not in every step."""

from __future__ import annotations

import pytest

from app.client.owner import Owner
from app.client.provider import Provider
from app.execution.execute import execute
from app.execution.inputs import load_job_inputs
from app.home.setup import join
from app.protocol.data.dataset import Codebook
from app.protocol.market.entities import JobState
from tests.node.worked import Worked


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Codebook]:
    """Every codebook that is written out to be hashed."""
    found: list[Codebook] = []
    written = Codebook.to_bytes

    def counted(self: Codebook) -> bytes:
        found.append(self)
        return written(self)

    monkeypatch.setattr(Codebook, "to_bytes", counted)
    return found


def test_a_codebook_is_hashed_once_for_a_job(worked: Worked, hashed: list[Codebook]) -> None:
    """From reading a job's documents to its receipt, however often it is evaluated; and once for each look of a
    provider or of a custodian that takes a job on.
    """
    number = worked.settle()
    market, store = worked.market.network.market, worked.market.network.store
    hashed.clear()
    inputs = load_job_inputs(market, store, number)
    assert execute(inputs, store, threads=1).receipt == execute(inputs, store, threads=1).receipt
    assert len(hashed) == 1
    network, home = worked.market.network, worked.market.home
    agents = [Provider(network, *join(home, network, name)).agent(1, "cpu") for name in worked.market.providers]
    custodian = Owner(network, *join(home, network, "owner")).custodian(device="cpu")
    number = worked.market.open_job()
    network.node.mine(3)  # type: ignore[attr-defined]
    agents[0].step()  # draws
    agents[1].step()
    hashed.clear()
    agents[0].step()
    assert len(hashed) <= 1
    for each in (*agents, *agents):
        each.step()
    hashed.clear()
    custodian.step()
    assert market.job(number).state is JobState.SETTLED
    assert len(hashed) == 1
