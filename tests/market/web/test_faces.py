"""Small pictures of addresses, and what an account is said to be."""

from __future__ import annotations

import re

from fastapi.testclient import TestClient

from app.chain.address import eip55
from app.market.queries.standing import part_taken
from app.market.web import pages
from app.market.web.app import create_app
from app.market.web.dependencies.state import Dependencies
from app.market.web.pages.identicon import HUES, identicon
from tests.support.web import SETTINGS, MarketNode


def test_a_picture_is_the_addresss_and_mirrored() -> None:
    """The same for every way to write it; of a thousand addresses hardly two are alike; left and right are."""
    address = eip55("0x" + "ab" * 20)
    assert identicon(address) == identicon(address.lower()) == identicon(address.upper())
    many = {identicon(f"0x{number:040x}") for number in range(1000)}
    assert len(many) > 990
    for each in list(many)[:50]:
        squares = {(int(x), int(y)) for x, y in re.findall(r"M(\d) (\d)h1v1h-1z", each.path)}
        assert squares == {(4 - x, y) for x, y in squares}
        assert each.hue in {step * (360 // HUES) for step in range(HUES)}


def test_a_page_names_what_an_account_is(scene: MarketNode) -> None:
    """Owner of so many datasets, buyer of so many licenses, provider; an account that did nothing is nothing."""
    stage = scene.stage
    with scene.database.session() as session:
        owner, buyer = part_taken(session, stage.owner.address), part_taken(session, stage.buyer.address)
        provider = part_taken(session, stage.providers[0].address)
        nobody = part_taken(session, "0x" + "11" * 20)
    assert (owner.datasets, owner.provider) == (sum(not each.tombstoned for each in scene.market.datasets()), False)
    assert buyer.licenses == len(list(scene.market.licenses(buyer=stage.buyer.address)))
    assert provider.provider
    assert (nobody.datasets, nobody.licenses, nobody.provider) == (0, 0, False)
    app = create_app(SETTINGS, Dependencies(scene.market, scene.store, scene.database), extensions=[pages.install])
    with TestClient(app, base_url=SETTINGS.origin) as client:
        page = client.get(f"/accounts/{stage.owner.address}").text
        other = client.get("/accounts/0x" + "11" * 20).text
    assert 'class="face"' in page
    assert re.search(r"owner of \d+ dataset", page)
    assert "owner of" not in other
