"""The API tests' market with a real dataset on it, met through the public face."""

from __future__ import annotations

import pytest

import darkroom
from app.home.home import Home
from tests.support.homes import PASSPHRASE, home, served
from tests.support.web import MarketNode, scene

__all__ = ["home", "scene", "served"]


@pytest.fixture
def market(scene: MarketNode, home: Home, monkeypatch: pytest.MonkeyPatch) -> darkroom.Market:
    """The scene's market as its buyer sees it, on a machine that also has its owner."""
    monkeypatch.setenv("DARKROOM_PASSPHRASE", PASSPHRASE)
    for name, account in (("buyer", scene.stage.buyer), ("owner", scene.stage.owner)):
        account.save(home.actor(name, create=True).path("account.json"), PASSPHRASE, light=True)
    return darkroom.connect(home.root)
