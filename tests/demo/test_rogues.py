"""Dishonest and late parties on a real chain and store: what they try changes nothing that matters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.auditor.audit import Auditor
from app.auditor.report import CheckStatus
from app.chain.contracts.entities import content_of
from app.chain.node import DevNode
from app.client.buyer import Buyer
from app.execution.execute import execute
from app.execution.inputs import load_job_inputs
from app.protocol.errors import (
    AlreadyReleased,
    BadModel,
    LicenseExpired,
    NotAllowed,
    NotYourLicense,
    Reverted,
    RowsOutsideDataset,
)
from app.protocol.ids import Digest
from app.protocol.market.entities import JobState
from app.provider.actions import Done
from app.seal.keys import SealingKey
from fhe.merkle import root_of
from tests.demo.conftest import DemoHome, copy_home
from tests.demo.parties import ROWS, DemoParties

DAY = 86_400


@pytest.fixture(scope="module")
def town(world: DemoHome, tmp_path_factory: pytest.TempPathFactory) -> DemoParties:
    """One town for this module."""
    return DemoParties(copy_home(world.home, tmp_path_factory.mktemp("town") / "home"))


def test_colluding_executors_get_nothing_decrypted(town: DemoParties) -> None:
    """When all executors agree on a wrong output, the custodian has them convicted: nothing is decrypted, the buyer has
    its money back, and the auditor says which fact is wrong.
    """
    number = town.open()
    honest = execute(load_job_inputs(town.market, town.store, number), town.store, threads=1)
    forged = bytes([honest.output[-1] ^ 1]) + honest.output[1:]
    named = {"output": town.store.put(forged), "output_root": root_of(forged)}
    lie = honest.receipt.model_copy(update=named)
    town.answer(number, lie)
    assert town.market.job(number).state is JobState.COMPUTED

    wrong = {each.claim for each in Auditor(town.market, town.store).audit(number).checks if each.status == "wrong"}
    assert "re-execution gives the agreed result" in wrong

    town.convicted(number)
    assert town.market.job(number).state is JobState.FAILED
    with pytest.raises(NotAllowed, match="failed"):
        town.buyer.open_result(number, town.key)
    report = Auditor(town.market, town.store).audit(number)
    wrong = {check.claim for check in report.checks if check.status is CheckStatus.WRONG}
    assert sum("the receipt of" in claim for claim in wrong) == 2
    assert not report.confirmed


def test_a_receipt_of_other_rows_is_refused(town: DemoParties) -> None:
    """A true receipt for other rows is no receipt for this job: whoever revealed it cannot answer for it."""
    number = town.open(first_row=10)
    facts = load_job_inputs(town.market, town.store, number)
    moved = replace(facts, job=replace(facts.job, first_row=40))
    town.answer(number, execute(moved, town.store, threads=1).receipt)
    town.convicted(number)
    assert town.market.job(number).state is JobState.FAILED


def test_no_second_release(town: DemoParties) -> None:
    """A job that was released is not released again: not by the agent, and not by a transaction of the custodian."""
    before = town.market.job(1)
    assert 1 not in {each.job for each in town.owner.custodian().step()}
    with pytest.raises(AlreadyReleased):
        town.market.release(town.owner.account, 1, sealed=Digest("11" * 32), decision=Digest("22" * 32))
    assert town.market.job(1) == before


def test_a_model_of_another_dataset_opens_no_job(town: DemoParties) -> None:
    """A circuit for other codes is refused before anything is published or paid."""
    other = town.model()
    foreign = replace(other, circuit=replace(other.circuit, codebook=Digest("00" * 32)))
    jobs, balance = town.market.job_count(), town.market.balance(town.buyer.account.address)
    with pytest.raises(BadModel):
        town.buyer.open_job(1, foreign, first_row=7, rows=ROWS, sealing_key=town.key)
    assert (town.market.job_count(), town.market.balance(town.buyer.account.address)) == (jobs, balance)


def test_a_provider_killed_between_its_steps_goes_on(town: DemoParties) -> None:
    """A provider that dies after committing reveals the same receipt with the same salt when it comes back."""
    number = town.open(first_row=20)
    drawn = town.market.draw(town.buyer.account, number).value
    for address in drawn:
        done = town.agent(address).step()  # a new process each time: nothing but the journal remembers
        assert next(each.what for each in done if each.job == number) == "committed"
    for address in drawn:
        town.agent(address).step()
    assert town.market.job(number).state is JobState.COMPUTED
    assert [each for each in town.agent(drawn[0]).step() if each.job == number] == []
    town.owner.custodian().step()
    assert town.buyer.open_result(number, town.key).result.values.shape == (1, ROWS)


def test_a_stranger_cannot_use_a_license_or_open_a_result(town: DemoParties) -> None:
    """License and result belong to the buyer's account alone, whatever the client is told."""
    _, account = next(iter(town.accounts.values()))
    thief = Buyer(town.network, town.buyer.actor, account)
    with pytest.raises(NotYourLicense):
        thief.open_job(1, town.model(), first_row=0, rows=ROWS, sealing_key=SealingKey.generate())
    with pytest.raises(NotYourLicense):
        thief.open_result(1, town.key)


def test_rows_outside_the_dataset(town: DemoParties) -> None:
    """A job for a row more than the dataset has is refused by the client, and by the contract without it."""
    with pytest.raises(RowsOutsideDataset):
        town.open(first_row=285 - ROWS + 1)
    quoted = (1, content_of(town.market.dataset(1)))
    order = (1, "11" * 32, 285, 1, "22" * 32, 1, 2, 0, *quoted)
    with pytest.raises(Reverted) as caught:
        town.market.client.send(town.buyer.account, "JobMarket", "open", order)
    assert caught.value.reason == "RowsOutsideDataset"


def test_an_expired_license_opens_no_job(world: DemoHome, tmp_path: Path) -> None:
    """When a license's time is over, it opens no job; the error names the next step."""
    town = DemoParties(copy_home(world.home, tmp_path / "late"))
    assert isinstance(town.network.node, DevNode)
    town.network.node.advance(31 * DAY)
    with pytest.raises(LicenseExpired) as caught:
        town.open()
    assert "darkroom license buy" in caught.value.next_step


def test_a_job_that_pays_for_too_little_work_is_declined(world: DemoHome, tmp_path: Path) -> None:
    """Executors decline a job whose units understate its circuit; it fails, and nobody loses a stake."""
    town = DemoParties(copy_home(world.home, tmp_path / "home"))
    market = town.market
    model = town.buyer.models.find(market.job(2).circuit)  # the demo's trees: far more than one unit
    town.store.put(model.data)
    bonds = {address: market.provider(address).bond for address in town.accounts}
    order = {"circuit": model.circuit_digest, "first_row": 0, "rows": 8, "units": 1, "replicas": 2, "max_fee": 10**6}
    number = market.open_job(town.buyer.account, 1, sealing_key=town.key.public.hex(), **order).value  # type: ignore[arg-type]
    done = [each for address in list(town.accounts) * 2 for each in town.agent(address).step() if each.job == number]
    assert [each.what for each in done].count(Done.DECLINED) == 2
    assert market.job(number).state is JobState.DISPUTED

    assert isinstance(town.network.node, DevNode)
    town.network.node.advance(2 * DAY)  # one provider is left, which is not enough for another draw
    market.expire(town.buyer.account, number)
    assert market.job(number).state is JobState.FAILED
    assert {address: market.provider(address).bond for address in town.accounts} == bonds


def test_the_command_objects_to_nothing_that_is_true(world: DemoHome) -> None:
    """It re-executes and says so, of a packed result with lookups too; without the role it says what is missing."""
    for job in ("1", "2"):
        done = world.run("audit", "--challenge", job, "--as", "buyer", "--json")
        assert done.code == 0, done.err[-500:]
        assert (done.json["accusations"], done.json["bond"], done.json["sent"]) == ([], 0, [])
    assert world.run("audit", "--challenge", "1").code == 2
