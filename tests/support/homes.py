"""A served market for clients: the node's scene, its server, and a home set up for its chain and store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.home.config import NodeConfig, write_config
from app.home.home import Home
from tests.support.serving import serve
from tests.support.web import MarketNode

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
