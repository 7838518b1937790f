"""One node for all tests of the API, and clients of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.web import Browser, Scene, browse, scene

__all__ = ["scene"]


@pytest.fixture
def browser(scene: Scene) -> Iterator[Browser]:
    """Somebody who is not signed in."""
    with browse(scene) as opened:
        yield opened


@pytest.fixture
def buyer(scene: Scene) -> Iterator[Browser]:
    """The signed-in buyer."""
    with browse(scene) as opened:
        opened.sign_in(scene.stage.buyer)
        yield opened
