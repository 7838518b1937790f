"""Versions through the public package: rows are appended, a table is corrected, and nothing goes without consent."""

from __future__ import annotations

import pytest

import darkroom
from app.home.config import NodeConfig, write_config
from app.protocol.errors import NotAllowed, OutOfRange
from tests.support.custody import NAMES
from tests.support.persons import PASSPHRASE, OwnersHome, chain_template, people
from tests.support.persons import recipe as recipe_of


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> OwnersHome:
    """An owner's home, set up as a program finds it, with one dataset."""
    made = OwnersHome(chain_template(tmp_path_factory.mktemp("template")), tmp_path_factory.mktemp("town"))
    chain = made.folder / "chain"
    where = {"chain": f"embedded:{chain}/chain.sqlite", "store": f"folder:{made.folder / 'store'}"}
    write_config(made.home, NodeConfig(deployment=f"{chain}/deployment.json", **where))
    made.account.save(made.owner.actor.path("account.json"), PASSPHRASE, light=True)
    return made


def test_a_new_month_is_appended_and_a_value_corrected(town: OwnersHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each version is one of the same dataset; what stays keeps its ciphertext; a bad row publishes nothing."""
    monkeypatch.setenv("DARKROOM_PASSPHRASE", PASSPHRASE)
    first, month = people(50), people(10, seed=2)
    number = town.publish(first, recipe_of())
    more, owner = town.file(month, "more.parquet"), darkroom.owner(town.home.root)
    assert owner.preview(more, recipe_of(), dataset=number, append=True)
    with pytest.raises(NotAllowed, match="nobody has consented") as refused:
        owner.append(number, more, recipe_of())
    assert f"dataset={number}, append=True" in refused.value.next_step
    wrong = town.file(month.with_columns((month[NAMES[0]] + 1000).alias(NAMES[0])), "wrong.parquet")
    with pytest.raises(OutOfRange):
        owner.append(number, wrong, recipe_of(), consent=True)
    assert town.market.dataset(number).version == 1

    appended = owner.append(number, more, recipe_of(), consent=True, progress=False)
    assert (appended.number, appended.version, appended.offer) == (number, 2, None)
    assert (appended.dataset.number, appended.dataset.rows) == (number, 60)

    whole = first.vstack(month)
    corrected = town.file(whole.with_columns((255 - whole[NAMES[3]]).alias(NAMES[3])), "whole.parquet")
    with pytest.raises(NotAllowed, match="nobody has consented"):
        owner.update(appended.dataset, corrected, recipe_of())
    updated = owner.update(appended.dataset, corrected, recipe_of(), consent=True, progress=False)
    assert (updated.number, updated.version, updated.dataset.rows) == (number, 3, 60)
    assert updated.files_kept == 2 * (len(NAMES) - 1)
