"""A served market for clients: the API tests' scene, its server, and a home set up for its chain and store."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from app.cli.main import run
from app.client.buyer import Buyer
from app.home.home import Home
from app.home.network import Network
from tests.support.homes import PASSPHRASE, home, served
from tests.support.web import MarketNode, scene

__all__ = ["home", "scene", "served"]

Run = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def darkroom(home: Home, scene: MarketNode, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in a home that holds the scene's buyer and owner: exit code, stdout as JSON or text, stderr."""
    monkeypatch.setenv("DARKROOM_PASSPHRASE", PASSPHRASE)
    for name, account in (("buyer", scene.stage.buyer), ("owner", scene.stage.owner)):
        account.save(home.actor(name, create=True).path("account.json"), PASSPHRASE, light=True)

    def call(*words: str) -> tuple[int, Any, str]:
        code = run(list(words))
        out, err = capsys.readouterr()
        return code, json.loads(out) if "--json" in words and out else out, err

    return call


@pytest.fixture
def buyer(scene: MarketNode, home: Home) -> Buyer:
    """The scene's buyer, on a machine of their own."""
    return Buyer(Network.open(home), home.actor("buyer", create=True), scene.stage.buyer)
