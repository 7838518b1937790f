"""A dataset's next key epoch: new jobs run under it, old ones finish, and the old key dies with a record on chain."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.demo import table as tables
from app.protocol.errors import NotAllowed, NotFound, TryAgain
from app.protocol.market.entities import JobState
from tests.demo.conftest import DemoHome, copy_home
from tests.demo.parties import DemoParties


def _finish(town: DemoParties) -> None:
    """Everybody works until nothing is left to do: providers draw, commit and reveal; the custodian releases."""
    for _ in range(3):
        for address in town.accounts:
            town.agent(address).step()
    town.owner.custodian().step()


def test_a_dataset_changes_its_keys_and_old_jobs_finish(world: DemoHome, tmp_path: Path) -> None:
    """A job opened before a rotation is served with the old key; then that key can be destroyed, and not before."""
    town = DemoParties(copy_home(world.home, tmp_path / "home"))
    owner, market = town.owner, town.market
    file = owner.actor.path("measurements.csv")
    before = town.open()

    rotated = owner.update(1, file, tables.recipe(), rotate=True)
    record = market.dataset(1)
    assert (rotated.sent.value, record.epoch, record.version) == (2, 2, 2)
    assert owner.cabinet.keyring("measurements").epochs() == [1, 2]
    with pytest.raises(NotAllowed, match="another dataset"):
        owner.publish(file, tables.recipe(), keys="measurements")

    after = town.open()
    assert (market.job(before).version, market.job(after).version) == (1, 2)
    with pytest.raises(TryAgain, match=str(before)):
        owner.retire(1, 1)
    _finish(town)
    assert {market.job(number).state for number in (before, after)} == {JobState.SETTLED}
    old, new = (town.buyer.open_result(number, town.key) for number in (before, after))
    assert (old.result.values == new.result.values).all()

    owner.retire(1, 1)
    assert owner.cabinet.keyring("measurements").epochs() == [2]
    with pytest.raises(NotFound):
        owner.cabinet.vaults(owner.actor.passphrase)(market.dataset_version(1, 1).manifest).open(1)
    again = town.open(first_row=40)
    _finish(town)
    assert market.job(again).state is JobState.SETTLED
