"""The API tests' market with a real dataset on it, met through the public face."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import darkroom
from app.home.home import Home
from tests.support.homes import PASSPHRASE, home, served
from tests.support.web import MarketNode, opened_node

__all__ = ["home", "served"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MarketNode]:
    """A market for these tests alone, since what is told of its persons can be told once."""
    yield from opened_node(tmp_path_factory)


@pytest.fixture
def market(scene: MarketNode, home: Home, monkeypatch: pytest.MonkeyPatch) -> darkroom.Market:
    """The scene's market as its buyer sees it, on a machine that also has its owner."""
    monkeypatch.setenv("DARKROOM_PASSPHRASE", PASSPHRASE)
    for name, account in (("buyer", scene.stage.buyer), ("owner", scene.stage.owner)):
        account.save(home.actor(name, create=True).path("account.json"), PASSPHRASE, light=True)
    return darkroom.connect(home.root)
