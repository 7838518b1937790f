"""One node for all tests of the API, and clients of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.web import ApiClient, MarketNode, api_client, scene

__all__ = ["scene"]


@pytest.fixture
def browser(scene: MarketNode) -> Iterator[ApiClient]:
    """Somebody who is not signed in."""
    with api_client(scene) as opened:
        yield opened


@pytest.fixture
def buyer(scene: MarketNode) -> Iterator[ApiClient]:
    """The signed-in buyer."""
    with api_client(scene) as opened:
        opened.sign_in(scene.stage.buyer)
        yield opened
