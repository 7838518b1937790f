"""A served market for clients: the API tests' scene, its server, and a home set up for its chain and store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.cli.main import run
from app.client.buyer import Buyer
from app.home.home import Home
from app.home.network import Network, NodeConfig, write_config
from tests.support.serving import serve
from tests.support.web import MarketNode, scene

__all__ = ["scene"]

Run = Callable[..., tuple[int, Any, str]]
PASSPHRASE = "correct horse 41"


@pytest.fixture(scope="module")
def served(scene: MarketNode) -> Iterator[str]:
    """The address of a node over the scene."""
    with serve(scene) as (origin, _, _):
        yield origin


@pytest.fixture
def home(scene: MarketNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home on the scene's network, and no node in sight."""
    made = Home(tmp_path / "home")
    write_config(
        made,
        NodeConfig(
            chain=f"embedded:{scene.folder}/chain.sqlite",
            deployment=f"{scene.folder}/deployment.json",
            store=f"folder:{scene.folder}/store",
        ),
    )
    monkeypatch.setenv("DARKROOM_HOME", str(made.root))
    monkeypatch.delenv("DARKROOM_NODE", raising=False)
    return made


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
