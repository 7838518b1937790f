"""Versions over HTTP: the list of the API, and the page that shows it without scripts."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from fastapi.testclient import TestClient

from app.chain.market import Market
from app.market.db.database import Database
from app.market.indexer.indexer import Indexer
from app.market.queries import dataset as card
from app.market.web.pages import dataset as page
from app.protocol.data.manifest import write_manifest
from app.storage.folder import BlockStore
from tests.support.documents import manifest, terms
from tests.support.market import MarketOnChain
from tests.support.site import application

ORIGIN = "http://testserver"


@dataclass
class Parts:
    """What the site stands on."""

    market: Market
    store: BlockStore
    database: Database


def test_versions_are_listed_and_shown(
    stage: MarketOnChain, sqlite: Database, store: BlockStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with what it changed, in pages; names of columns are text on the page, whatever they hold."""
    made = [manifest("Harbour", rows=1000 + 10 * number) for number in range(page.SHOWN_VERSIONS + 1)]
    made.append(manifest("Harbour", rows=made[-1].table.rows, columns=("age", "<b>wage</b>")))
    for each in made:
        store.put(write_manifest(each))
    number = stage.market.publish_dataset(stage.owner, **terms(made[0])).value
    for each in made[1:]:
        stage.market.new_version(stage.owner, number, **terms(each))
    Indexer(stage.market, store, sqlite).sync()
    with TestClient(application(Parts(stage.market, store, sqlite), ORIGIN), base_url=ORIGIN) as client:
        answer = client.get(f"/v1/datasets/{number}/versions?limit=1").json()
        (last,) = answer["items"]
        assert last["change"]["columns_added"] == {"count": 1, "names": ["<b>wage</b>"]}
        following = client.get(f"/v1/datasets/{number}/versions?limit=1&after={answer['next']}").json()["items"]
        assert following[0]["change"]["words"] == ["10 rows more", "2 of 2 files kept"]
        monkeypatch.setattr(card, "MOST", 2)  # versions on the card itself
        assert client.get(f"/v1/datasets/{number}/croissant?version=1").content == write_manifest(made[0])
        assert client.get(f"/v1/datasets/{number}/croissant?version=99").status_code == 404
        assert client.get(f"/v1/datasets/{number}/versions?after=nonsense").status_code == 422
        shown = client.get(f"/datasets/{number}").text
        assert "new column &lt;b&gt;wage&lt;/b&gt;; without column income; 1 of 2 files kept" in shown
        assert "the first version" not in shown
        rest = shown.partition('rel="next"')[0].rpartition('href="')[2].partition("#versions")[0]
        assert "the first version" in client.get(rest.replace("&amp;", "&")).text
