"""A served market for agents: the API tests' scene, its server, and a desk on a home of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.home.home import Home
from app.home.network import Network
from app.mcp.desk import Desk
from tests.support.homes import home, served
from tests.support.mandated import MandatedAgent, mandated
from tests.support.web import MarketNode, scene

__all__ = ["home", "scene", "served"]


@pytest.fixture
def desk(home: Home, served: str) -> Iterator[Desk]:
    """A desk without a wallet."""
    made = Desk(home, Network.open(home), node=served)
    yield made
    made.close()


@pytest.fixture
def agent(scene: MarketNode, home: Home, served: str) -> MandatedAgent:
    """An agent's machine, and whoever signs mandates for it."""
    return mandated(scene, home, served)
