"""Attacks on mandates: none spends what it should not, each is refused for its own reason, the honest agent goes on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.chain.evm.embedded import EmbeddedChain
from app.chain.market import Market
from tests.support.mandate_attacks import CHAIN_ATTACKS, Tried, run_attacks
from tests.support.mandates import MandateStage, mandate_stage
from tests.support.market import open_market, set_stage


@pytest.fixture(scope="module")
def mandate_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MandateStage]:
    """One chain for all attacks."""
    folder = tmp_path_factory.mktemp("mandates")
    chain = EmbeddedChain(folder / "chain.sqlite")
    market = set_stage(open_market(chain, folder / "deployment.json")).market
    yield mandate_stage(market, folder / "deployment.json")
    chain.close()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def tried(mandate_scene: MandateStage) -> dict[str, Tried]:
    """What came of each attack."""
    return {each.name: each for each in run_attacks(mandate_scene)}


@pytest.mark.parametrize("name", CHAIN_ATTACKS)
def test_the_attack_spends_nothing(name: str, tried: dict[str, Tried]) -> None:
    """Refused for the reason that stands beside it, at no loss, and the honest agent beside it buys what it may."""
    found = tried[name]
    assert (found.refused, found.stolen, found.honest) == (found.expected, 0, True)


def test_there_are_enough_of_them(mandate_scene: MandateStage) -> None:
    """The list cannot shrink unseen; and an attack that takes something would be told so."""
    assert len(CHAIN_ATTACKS) >= 40
    signed = mandate_scene.signed()
    before = mandate_scene.wealth(signed.mandate)
    mandate_scene.buy(signed)
    assert before - mandate_scene.wealth(signed.mandate) > 0
    assert isinstance(mandate_scene.market, Market)
    assert Path(__file__).is_file()
