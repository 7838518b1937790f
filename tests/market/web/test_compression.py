"""What travels compressed: pages and their files do, answers that may hold a secret and streams do not."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from fastapi.testclient import TestClient

from app.market.web import pages
from app.market.web.app import create_app
from app.market.web.dependencies.state import Dependencies
from app.market.web.pages.assets import Assets
from tests.support.serving import serve
from tests.support.web import SETTINGS, Answer, ApiClient, MarketNode

GZIP = {"accept-encoding": "gzip"}
PLAIN = {"accept-encoding": "identity"}


@pytest.fixture
def site(scene: MarketNode) -> Iterator[TestClient]:
    """The API with the pages over it."""
    app = create_app(SETTINGS, Dependencies(scene.market, scene.store, scene.database), extensions=[pages.install])
    with TestClient(app, base_url=SETTINGS.origin) as client:
        yield client


def compressed(answer: Answer) -> bool:
    """Whether this answer came compressed."""
    if answer.headers.get("content-encoding") is None:
        return False
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < len(answer.content)
    return True


@pytest.mark.parametrize("path", ["/", "/no-such-page"])
def test_pages_are_compressed_for_who_can_read_it(site: TestClient, path: str) -> None:
    """A page, an error's too, is the same compressed and plain, and caches keep the two apart."""
    number = {"x-request-id": "one"}  # an error's page shows it
    small, large = site.get(path, headers=GZIP | number), site.get(path, headers=PLAIN | number)
    assert compressed(small)
    assert not compressed(large)
    assert small.text == large.text
    assert "accept-encoding" in small.headers["vary"].lower()
    assert "accept-encoding" in large.headers["vary"].lower()


def test_static_files_are_compressed_and_keep_their_integrity(site: TestClient) -> None:
    """A script comes compressed, to be kept for a year, and is byte for byte the file that pages pin."""
    assets = Assets()
    url = assets.url("page.js")
    answer = site.get(url, headers=GZIP)
    assert compressed(answer)
    assert "immutable" in answer.headers["cache-control"]
    asset = assets.find(*url.removeprefix("/static/").split("/", 1))
    assert asset is not None
    assert answer.content == asset.data


def test_answers_of_the_api_are_never_compressed(site: TestClient, scene: MarketNode) -> None:
    """Secrets stand in them beside what the asker chose, so that their compressed length would tell (BREACH)."""
    browser = ApiClient(site, scene)
    browser.sign_in(scene.stage.buyer)
    for path in ("/v1/session", "/v1/openapi.json", "/v1/datasets", "/v1/no-such-thing"):
        answer = site.get(path, headers=GZIP)
        assert not compressed(answer)
    assert len(site.get("/v1/openapi.json").content) > 10_000


def test_streams_pass_as_they_are(scene: MarketNode) -> None:
    """An event reaches its reader at once, in the clear, also through a site that compresses its pages."""
    with (
        serve(scene, extensions=[pages.install]) as (origin, _, _app),
        httpx.stream("GET", f"{origin}/v1/events", headers=GZIP, timeout=10.0) as answer,
    ):
        assert answer.status_code == 200
        assert "content-encoding" not in answer.headers
        assert next(answer.iter_raw())
