"""Pages in another language: which, whole, with its numbers and its markup, and nothing of it where programs read."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.market.web import pages
from app.market.web.app import create_app
from app.market.web.dependencies.state import Dependencies
from app.market.web.language.catalogue import translation
from app.market.web.language.choice import chosen
from app.market.web.language.numerals import plain
from tests.support.english import english_in, stuck
from tests.support.tour import tour
from tests.support.web import SETTINGS, MarketNode

GERMAN = {"accept-language": "de-AT,de;q=0.9,en;q=0.5"}
# Texts that are the same in both: names, numbers, code, and words that German has from English.
NAMES = re.compile(
    r"[\W\d_]*|[\W\d]*(h|min|UTC)?[\W\d]*(h|min|UTC)?[\W\d]*|0x[\w…]+|\w{4,12}…\w{4,12}|[0-9a-f]{64}|baf\w+|“\w+”|"
    r"[a-z]\d+(, [a-z]\d+)*"
    r"|[A-Z][a-z]+([A-Z]\w*)+|[a-z]+(-[a-z]+)*|.* · Darkroom|\(in tUSD\)|curl|SELECT .*|CC0-1.0|\d+ \w+ UTC"
)
SAME = {
    "Darkroom", "Wallet", "Scores", "API", "Python", "Manifest", "Croissant JSON-LD", "Version", "Status", "Index",
    "Bootstraps", "Block", "Gas", "Code",
    "one-vs-rest",
}  # fmt: skip
QUIET = {"code", "pre", "q", "script", "style"}
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr", "path", "rect", "line"}


class Page(HTMLParser):
    """A page's tags, and what people read in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.source = text
        self.tags: Counter[str] = Counter()
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Attributes that are read aloud are read too."""
        self.tags[tag] += 1
        if tag not in VOID:
            self._open.append("code" if ("lang", "en") in attrs else tag)
        spoken = (
            "aria-label",
            "title",
            "placeholder",
            "alt",
            "data-label",
            "data-title",
            "data-yes",
            "data-known",
            "data-held",
        )
        self.texts += [value or "" for name, value in attrs if name in spoken]

    def handle_endtag(self, tag: str) -> None:
        """Its last opening is closed."""
        if tag not in VOID and self._open:
            self._open.pop()

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
    """No text is as in English but names, no word of English stands in one, and the tags are those of the English page.

    In neither language does a sentence begin where another ends, without a space. Caches are told what a page is, and
    by what it was chosen.
    """
    left: list[str] = []
    torn: list[str] = []
    together: list[str] = []
    for path in tour(scene):
        scene.indexer.sync()  # an index that nobody drives for a minute is told on each page
        there, here = site.get(path), site.get(path, headers=GERMAN)
        assert here.status_code == there.status_code
        assert '<html lang="de">' in here.text
        assert '<html lang="en">' in there.text
        assert (here.headers["content-language"], there.headers["content-language"]) == ("de", "en")
        assert {"accept-language", "cookie"} <= {each.strip() for each in here.headers["vary"].lower().split(",")}
        english, german = Page(there.text), Page(here.text)
        same = {text for text in german.texts if text in english.texts and not NAMES.fullmatch(text)} - SAME
        mixed = {text for text in german.texts if english_in(text)}
        left += [f"{path}: {text}" for text in same | mixed]
        together += [f"{path}: {text}" for text in (*stuck(english.source), *stuck(german.source))]
        shared = (german.tags - english.tags) + (english.tags - german.tags)
        torn += [f"{path}: {tag}" for tag in shared if tag != "meta"]
    assert left == []
    assert torn == []
    assert together == []


def test_numbers_dates_and_money_are_the_language_s(site: TestClient, scene: MarketNode) -> None:
    """Separators by the language, plural forms by the number."""
    text = " ".join(site.get(f"/offers/{scene.offer}", headers=GERMAN).text.split())
    assert "insgesamt 1.000.000 Zeilen" in text
    assert "Für 1,00 tUSD kaufen" in text
    assert "1 Datensatz" in (home := site.get("/", headers=GERMAN).text)
    assert "0 Datensätze" in site.get("/?q=zzz", headers=GERMAN).text
    assert "128,0 KiB" in home
    assert re.search(
        r"aktualisiert am \d+\. \w+\.? \d{4}", site.get(f"/datasets/{scene.stage.dataset}", headers=GERMAN).text
    )


def test_a_choice_is_kept_and_leads_back(site: TestClient) -> None:
    """The link at a page's foot puts a cookie that scripts cannot read, and goes to no other site."""
    link = re.search(r'href="(/language/de\?to=[^"]*)"', site.get("/jobs?state=failed").text)
    assert link
    went = site.get(link[1].replace("&amp;", "&"), follow_redirects=False)
    assert (went.status_code, went.headers["location"]) == (303, "/jobs?state=failed")
    assert "httponly" in went.headers["set-cookie"].lower()
    assert "samesite=lax" in went.headers["set-cookie"].lower()
    assert '<html lang="de">' in site.get("/jobs").text
    assert '<html lang="de">' in site.get("/jobs", headers={"accept-language": "en"}).text
    for away in ("//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example", "javascript:1", ""):
        assert site.get("/language/en", params={"to": away}, follow_redirects=False).headers["location"] == "/"
    assert site.get("/language/xx").status_code == 404
    site.cookies.clear()


def test_programs_read_english(site: TestClient) -> None:
    """Whatever language a browser asks for; a page's own script names the page's, and caches are told so."""
    plain = site.get("/v1/datasets/77", headers=GERMAN)
    assert plain.json()["detail"] == "There is no dataset 77 in the index."
    assert "content-language" not in plain.headers
    asked = site.get("/v1/datasets/77", headers={"darkroom-language": "de"})
    assert asked.json()["detail"] == "Im Index gibt es keinen Datensatz 77."
    assert asked.json()["code"] == "not-found"
    assert "darkroom-language" in asked.headers["vary"].lower()
    assert site.get("/v1/datasets/77", headers={"darkroom-language": "xx"}).json() | {
        "instance": ""
    } == plain.json() | {"instance": ""}


BAD: tuple[Any, ...] = (
    {}, [], "x", {"account": 5, "nope": 1, "offer": "x", "job": 1.5}, {"account": "0x12", "offer": 0, "job": None},
    {"account": "0xff00000000000000000000000000000000000f00", "offers": [1] * 21, "offer": 1 << 60, "job": "9" * 5000},
    {"price_license": -1, "beneficiaries": 7, "days": "x", "max_jobs": True, "approve": "x", "policy": "z" * 64},
)  # fmt: skip


def test_what_is_wrong_with_a_field_is_said_in_the_page_s_language(site: TestClient) -> None:
    """Programs read pydantic's sentences; a page's own script reads the same in its visitor's language."""
    asked: list[tuple[str, Any]] = [
        ("/v1/jobs?limit=x&state=zzz", None),
        ("/v1/jobs?nope=1", None),
        ("/v1/datasets?limit=0", None),
    ]
    orders = ("buy-license", "create-offer", "draw-job", "withdraw", "settle-license", "publish")
    asked += [(f"/v1/transactions/{name}", body) for body in BAD for name in orders]
    told: dict[str, str] = {}
    for path, body in asked:
        way: dict[str, Any] = {"method": "GET" if body is None else "POST", "url": path, "json": body}
        english, german = site.request(**way), site.request(**way, headers={"darkroom-language": "de"})
        assert english.status_code == german.status_code == 422, (path, body, english.text)
        here, there = german.json()["errors"], english.json()["errors"]
        assert [each["field"] for each in here] == [each["field"] for each in there]
        told |= {each["message"]: said["message"] for each, said in zip(there, here, strict=True)}
    assert len(told) >= 12
    assert {before for before, after in told.items() if before == after or english_in(after)} == set()
    assert told["Field required"] == "Dieses Feld fehlt"


def test_scripts_bring_their_words(site: TestClient) -> None:
    """A German page carries the messages of its own modules; an English one carries none."""
    brought = re.search(r'<meta name="messages" content="([^"]*)">', site.get("/wallet", headers=GERMAN).text)
    assert brought
    words = json.loads(unescape(brought[1]))
    assert words["Remove this key?"] == "Diesen Schlüssel entfernen?"
    assert "The answer" not in words
    assert 'name="messages"' not in site.get("/wallet").text


@pytest.mark.parametrize(
    ("said", "german"),
    [
        ("There is no dataset 7 in the index.", "Im Index gibt es keinen Datensatz 7."),
        ("What you see is as of block 1,200.", "Was Sie sehen, ist der Stand von Block 1.200."),
        (
            "Its index looked at the chain 5 h 12 min ago, at 2 Nov 2026, 10:05 UTC.",
            "Sein Index sah zuletzt vor 5 h 12 min nach der Blockchain, am 2. Nov. 2026, 10:05 UTC.",
        ),
        (
            "What you see is as of block 7. It tries again by itself. There is nothing to see yet.",
            "Was Sie sehen, ist der Stand von Block 7. It tries again by itself. Noch gibt es nichts zu sehen.",
        ),
        ("2 executors drawn at random.", "2 Ausführende zufällig ausgelost."),
        ("1 executor drawn at random.", "1 Ausführender zufällig ausgelost."),
        ("at most 10.00 tUSD", "höchstens 10,00 tUSD"),
        ("License for Released", "Lizenz für Released"),
        ("License for 10 to 20", "Lizenz für 10 to 20"),
        ("Go to Rome", "Go to Rome"),
        ("", ""),
        ("x" * 10_000, "x" * 10_000),
    ],
)
def test_a_sentence_is_known_by_what_stands_around_its_values(said: str, german: str) -> None:
    """Values stay, numbers and dates are written anew, and nothing that somebody chose becomes a word of ours."""
    assert translation("de").sentences.say(said) == german
    assert translation("en").sentences.say(said) == said


@pytest.mark.parametrize(
    ("typed", "english", "german"),
    [
        ("12.50", "12.50", "12.50"), ("12,50", "12.50", "12.50"), ("1,000", "1000", "1.000"),
        ("1.000", "1.000", "1000"), ("1,234.5", "1234.5", None), ("1.234,5", None, "1234.5"),
        ("0.001", "0.001", "0.001"), ("1 000", "1000", "1000"), ("1,00,000", None, None), ("-1", None, None),
        ("1e3", None, None), ("", None, None), ("\u0663", None, None),
    ],
)  # fmt: skip
def test_a_comma_never_makes_an_amount_a_hundred_times_as_much(
    typed: str, english: str | None, german: str | None
) -> None:
    """A separator counts as one only where thousands have it; 12,50 was read as 1250."""
    for language, number in (("en", english), ("de", german)):
        if number is None:
            with pytest.raises(ValueError, match="no number"):
                plain(typed, language)
        else:
            assert plain(typed, language) == number


def test_what_visitors_write_is_looked_up_in_linear_time() -> None:
    """A sentence that nearly is one, again and again: a matcher that goes back would take for ever."""
    book = translation("de").sentences
    for piece in ("1. ", "There is no ", " of ", "License {id} has ", ": ", "Its index looked at the chain x ago, at "):
        text = piece * (1_900 // len(piece))
        assert isinstance(book.say(text), str)
