"""One Chromium and one site for all tests; each visitor has a fresh profile, and no unseen fault is let pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from app.chain.wallet.account import Account
from tests.browser import states
from tests.browser.chromium import Visitor, chromium
from tests.browser.injected import NAME, Wallet
from tests.support.anvil import start_anvil
from tests.support.site import Site, serve
from tests.support.web import MarketNode, scene

__all__ = ["scene", "start_anvil"]

Arrive = Callable[..., Visitor]
Visit = Callable[..., Page]
Person = Callable[[Account], tuple[Visitor, Wallet]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here that opens a browser carries its marker."""
    for item in items:
        if "opened" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.chromium)


@pytest.fixture(scope="session")
def opened() -> Iterator[Browser]:
    """Chromium."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def site(scene: MarketNode) -> Iterator[Site]:
    """The pages over it."""
    with serve(scene) as served:
        yield served


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[states.States]:
    """A market where everything has gone wrong once; only read."""
    made = states.build(tmp_path_factory.mktemp("states"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def here(world: states.States) -> Iterator[Site]:
    """Its pages."""
    with serve(world) as served:
        yield served


@pytest.fixture
def visit(opened: Browser) -> Iterator[Visit]:
    """Readers of any site; at the end none may have met a violated policy or an error that nobody was told of."""
    visitors: list[Visitor] = []

    def come(site: Site, **settings: Any) -> Page:
        visitors.append(Visitor.arrive(opened, site.origin, **settings))
        return visitors[-1].context.new_page()

    yield come
    for visitor in visitors:
        visitor.context.close()
    assert [fault for visitor in visitors for fault in visitor.faults] == []


@pytest.fixture
def arrive(opened: Browser, site: Site) -> Iterator[Arrive]:
    """New visitors; at the end none may have met a violated policy or an error that nobody was told of."""
    visitors: list[Visitor] = []

    def come(wallet: Wallet | None = None, **settings: Any) -> Visitor:
        visitor = Visitor.arrive(opened, site.origin, **settings)
        visitors.append(visitor)
        if wallet is not None:
            wallet.install(visitor.context)
        return visitor

    yield come
    for visitor in visitors:
        for page in visitor.context.pages:
            page.unroute_all(behavior="ignoreErrors")
        visitor.context.close()
    assert [fault for visitor in visitors for fault in visitor.faults] == []


@pytest.fixture
def person(arrive: Arrive, scene: MarketNode) -> Person:
    """Somebody with an account in an extension, connected to the site."""

    def come(account: Account) -> tuple[Visitor, Wallet]:
        wallet = Wallet(scene.market, account)
        visitor = arrive(wallet)
        page = visitor.page("/wallet")
        page.get_by_role("button", name=NAME).click()
        page.get_by_text("Connected", exact=True).wait_for()
        page.close()
        return visitor, wallet

    return come
