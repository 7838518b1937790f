"""One node for all tests of the API, and clients of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.web import Browser, Scene, browse, build


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The node's parts, made once."""
    made = build(tmp_path_factory.mktemp("node"))
    yield made
    made.database.close()
    made.chain.close()


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
