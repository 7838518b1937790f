"""Pages in another language: which, whole, with its numbers and its markup, and nothing of it where programs read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from fastapi.testclient import TestClient

from app.market.web import pages
from app.market.web.app import create_app
from app.market.web.dependencies.state import Dependencies
from app.market.web.language.catalogue import translation
from app.market.web.language.choice import chosen
from app.market.web.pages.site import Site
from tests.browser.tour import tour
from tests.support.web import SETTINGS, MarketNode

GERMAN = {"accept-language": "de-AT,de;q=0.9,en;q=0.5"}
ENGLISH_WORDS = re.compile(
    r"\b(the|of|and|is|are|this|that|with|for|from|by|not|to|it|its|you|your|has|have|or|at|be|on|no|only|each|one)\b"
)
QUIET = {"code", "pre", "script", "style"}
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr", "path", "rect", "line"}


class Page(HTMLParser):
    """A page's tags, and what people read in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Attributes that are read aloud are read too."""
        self.tags[tag] += 1
        if tag not in VOID:
            self._open.append(tag)
        spoken = ("aria-label", "title", "placeholder", "alt", "data-label", "data-title", "data-yes")
        self.texts += [value or "" for name, value in attrs if name in spoken]

    def handle_endtag(self, tag: str) -> None:
        """Its last opening is closed."""
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        """Code says what it says in every language."""
        if not QUIET & set(self._open) and data.strip():
            self.texts.append(" ".join(data.split()))


@pytest.fixture(scope="module")
def site(scene: MarketNode) -> Iterator[TestClient]:
    """The pages over the scene."""
    app = create_app(SETTINGS, Dependencies(scene.market, scene.store, scene.database), extensions=[pages.install])
    with TestClient(app, base_url=SETTINGS.origin) as client:
        yield client


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [
        ("", "", "en"), ("", "de", "de"), ("", "de-CH", "de"), ("", "en-GB,de;q=0.8", "en"), ("", "fr,de;q=0.3", "de"),
        ("", "de;q=0", "en"), ("", "fr", "en"), ("en", "de", "en"), ("de", "en", "de"), ("xx", "de", "de"),
        ("", "DE", "de"), ("", ";;q=,,de;q=2", "en"), ("", "de;q=nan", "en"), ("", "x" * 9_000, "en"),
    ],
)  # fmt: skip
def test_a_choice_wins_else_the_browser_s_best(cookie: str, accepted: str, language: str) -> None:
    """A header that is none chooses nothing."""
    assert chosen(cookie, accepted) == language


def test_every_page_is_german_throughout(site: TestClient, scene: MarketNode) -> None:
    """No sentence of English is left, the tags are those of the English page, and caches are told what it is."""
    left, torn = [], []
    for path in tour(scene):
        there, here = site.get(path), site.get(path, headers=GERMAN)
        assert here.status_code == there.status_code
        assert '<html lang="de">' in here.text and '<html lang="en">' in there.text
        assert here.headers["content-language"] == "de"
        assert {"accept-language", "cookie"} <= {each.strip() for each in here.headers["vary"].lower().split(",")}
        english, german = Page(there.text), Page(here.text)
        left += [f"{path}: {text}" for text in german.texts if len(set(ENGLISH_WORDS.findall(text))) > 1]
        shared = (german.tags - english.tags) + (english.tags - german.tags)
        torn += [f"{path}: {tag}" for tag in shared if tag != "meta"]
    assert left == []
    assert torn == []
