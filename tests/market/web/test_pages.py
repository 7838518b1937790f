"""Pages as they are sent, without a browser."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.market.queries.jobs import job
from app.market.web import pages
from app.market.web.app import create_app
from app.market.web.dependencies.state import Dependencies
from app.market.web.pages.assets import Assets
from app.market.web.pages.formatting import span
from app.market.web.pages.jobs import track
from app.protocol.market.receipt import OutputPolicy
from tests.support.market import BITS, DOLLAR, HOUR
from tests.support.policies import roomy
from tests.support.tour import tour
from tests.support.web import SETTINGS, MarketNode

MONTH = 30 * 24 * HOUR


@pytest.fixture(scope="module")
def site(scene: MarketNode) -> Iterator[TestClient]:
    """The pages over the scene."""
    app = create_app(SETTINGS, Dependencies(scene.market, scene.store, scene.database), extensions=[pages.install])
    with TestClient(app, base_url=SETTINGS.origin) as client:
        yield client


def words(text: str) -> str:
    """A page's text, whose template's lines may end anywhere."""
    return " ".join(text.split())


@pytest.mark.parametrize("path", ["/owners/0x123", "/accounts/me", "/providers/0x" + "aB" * 20])
def test_an_address_that_is_none_is_no_form_that_was_filled_in_wrongly(site: TestClient, path: str) -> None:
    """A page's address that names nothing is a page that is not there, in words; to a program it stays a field."""
    answer = site.get(path)
    assert answer.status_code == 404
    assert "Page not found" in words(answer.text)
    assert f"{path.rsplit('/', 1)[1]} is not the address of an account." in answer.text
    assert "0x and 40 hexadecimal digits" in answer.text
    assert site.get("/v1/accounts/0x123").status_code == 422


@pytest.mark.parametrize("path", ["/datasets/0", "/jobs/abc", "/licenses/-1/job"])
def test_a_number_that_is_none_is_not_found(site: TestClient, path: str) -> None:
    """So is one that no dataset, job or license can have."""
    answer = site.get(path)
    assert answer.status_code == 404
    assert "is not a number of anything here" in answer.text


def test_a_first_paint_waits_for_little(site: TestClient, scene: MarketNode) -> None:
    """Before a browser paints any page it has to have the page, one style sheet and one small script: what a phone
    on a slow line loads in a few round trips. Everything else comes later, or beside. German pages are the longest.
    """
    assets = Assets()
    for path in tour(scene):
        page = site.get(path, headers={"Accept-Language": "de"}).text
        head = page[: page.index("</head>")]
        scripts = [each for each in re.findall(r"<script[^>]*>", head) if not re.search(r"\bdefer\b|\bmodule\b", each)]
        blocking = [*re.findall(r'<link rel="stylesheet"[^>]*>', head), *scripts]
        names = [found[1] for each in blocking if (found := re.search(r'="/static/\w+/([^"]+)"', each))]
        assert (len(blocking), names) == (2, ["darkroom.css", "boot.js"]), path
        assert "<style" not in page, path
        assert len(gzip.compress(page.encode())) + sum(assets.size(name) for name in names) < 32_000, path


def test_a_transaction_has_a_page(site: TestClient, scene: MarketNode) -> None:
    """Who sent it, its block, its events with links to what they are about; what no block has is not found."""
    sent = scene.market.buy_license(scene.stage.buyer, scene.offer)
    text = words(site.get(f"/transactions/{sent.tx}").text)
    assert "This node's index does not have it yet" in text.replace("&#39;", "'")
    scene.indexer.sync()
    text = words(site.get(f"/transactions/{sent.tx}").text)
    assert "does not have it yet" not in text
    assert "In a block" in text
    assert "LicenseBought" in text
    assert f'href="/licenses/{sent.value}"' in text
    assert f'href="/accounts/{scene.stage.buyer.address}"' in text
    assert "LicenseMarket" in text
    assert f'href="/accounts/{scene.market.addresses["LicenseMarket"]}"' in text
    assert "<dd>1.00 tUSD</dd>" in text
    assert re.search(r'<dt lang="en">valid until</dt> <dd>\d+ \w{3} \d{4}, \d\d:\d\d UTC</dd>', text)
    assert f'href="/transactions/{sent.tx}"' in site.get(f"/licenses/{sent.value}").text
    assert site.get("/transactions/0x" + "0" * 64).status_code == 404
    assert "is not the hash of a transaction" in site.get("/transactions/0x12").text


def test_a_transactions_digests_lead_to_their_documents(site: TestClient, scene: MarketNode) -> None:
    """The circuit that was ordered, the receipt that was agreed on, the decision and what was sealed."""
    job = scene.market.job(scene.settled)
    order, end = (scene.market.events(block, block) for block in (job.opened_block, job.closed_block))
    (opened,) = [each for each in order if each.name == "JobOpened"]
    (released,) = [each for each in end if each.name == "JobReleased"]
    assert f'href="/circuits/{job.circuit}"' in site.get(f"/transactions/{opened.tx}").text
    page = site.get(f"/transactions/{released.tx}").text
    linked = re.findall(r'href="(/v1/documents/[0-9a-f]{64})"', page)
    assert linked
    assert [site.get(each).status_code for each in linked] == [200] * len(linked)


def test_every_address_on_a_page_leads_to_its_account(site: TestClient, scene: MarketNode) -> None:
    """Whoever's it is, contracts included; a page's own address is where it leads already."""
    for path in tour(scene):
        named = set(re.findall(r'<span title="(0x[0-9a-fA-F]{40})">', site.get(path).text))
        assert [each for each in named if each not in path] == [], path
    jobs = scene.market.addresses["JobMarket"]
    assert f'href="/accounts/{jobs}"' in site.get("/network").text
    assert "contract of this market: JobMarket" in words(site.get(f"/accounts/{jobs}").text)


def test_a_block_has_a_page(site: TestClient, scene: MarketNode) -> None:
    """Its time, its neighbours, its transactions that concern the market; pages that name a block lead there."""
    sent = scene.market.buy_license(scene.stage.buyer, scene.offer)
    scene.indexer.sync()
    number = scene.market.node.receipt(sent.tx).block
    assert f'href="/blocks/{number}"' in site.get(f"/transactions/{sent.tx}").text
    text = words(site.get(f"/blocks/{number}").text)
    assert scene.market.node.block(number).hash in text
    assert f'href="/transactions/{sent.tx}"' in text
    assert "LicenseBought" in text
    assert f'href="/blocks/{number - 1}"' in text
    assert f'href="/blocks/{number}"' in site.get(f"/search?q=block+{number}").text
    job_page = site.get(f"/jobs/{scene.settled}").text
    assert re.search(r'href="/blocks/\d+"', job_page)
    for digest in (scene.circuit, scene.market.job(scene.settled).sealed):
        link = next(each for each in re.findall(r'href="(/[^"]*)"', job_page) if digest in each)
        assert site.get(link).status_code == 200, link
    assert site.get(f"/blocks/{scene.market.block_number + 1}").status_code == 404
    for bad in ("-1", "x", str(1 << 60)):
        assert site.get(f"/blocks/{bad}").status_code == 404, bad


def test_no_browser_keeps_a_page(site: TestClient) -> None:
    """What Back would show from a cache is true no more; files that never change stay."""
    answer = site.get("/")
    assert answer.headers["cache-control"] == "no-store"
    (style,) = [each for each in answer.text.split('"') if each.startswith("/static/") and each.endswith(".css")]
    assert "immutable" in site.get(style).headers["cache-control"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 seconds"), (59, "59 seconds"), (60, "1 min"), (3_599, "1 h"), (HOUR, "1 h"),
        (5 * HOUR + 720, "5 h 12 min"),
        (24 * HOUR - 20, "1 day"), (26 * HOUR, "1 day 2 h"), (MONTH, "30 days"), (MONTH - 5, "30 days"),
        (MONTH - HOUR, "29 days 23 h"), (-5, "0 seconds"),
    ],
)  # fmt: skip
def test_a_span_is_what_people_read(seconds: int, said: str) -> None:
    """Two units, to the nearest: a license that was just bought for thirty days says thirty."""
    assert span(seconds) == said


def test_the_stepper_marks_what_is_reached(scene: MarketNode) -> None:
    """A stage is called done when it is; what goes on is called so; what is to come is not marked."""
    with scene.database.session() as session:
        detail = job(session, scene.computed, now=0)
    shown = {}
    for state in ("open", "assigned", "computed", "settled"):
        at = detail.model_copy(update={"job": detail.job.model_copy(update={"state": state})})
        shown[state] = [f"{name}:{now}" for name, now in track(at)]
    assert shown == {
        "open": ["Ordered:now", "Computed:later", "Checked:later", "Released:later"],
        "assigned": ["Ordered:done", "Computing:now", "Checked:later", "Released:later"],
        "computed": ["Ordered:done", "Computed:done", "Being checked:now", "Released:later"],
        "settled": ["Ordered:done", "Computed:done", "Checked:done", "Released:done"],
    }


def test_a_job_says_how_long_it_runs_and_how_long_others_took(site: TestClient, scene: MarketNode) -> None:
    """The time since it was ordered, and the median of the latest that were released; one that is over, how long."""
    over = words(site.get(f"/jobs/{scene.settled}").text)
    assert re.search(r"over since .{10,200}, after (\d+ (seconds|second|min|h))", over)
    running = words(site.get(f"/jobs/{scene.computed}").text)
    assert re.search(r"for \d+ (seconds|second|min|h|days).{0,20}; the latest on this dataset took \d+ ", running)


def test_approval_is_told_at_each_offer(site: TestClient, scene: MarketNode) -> None:
    """Where one offer's jobs wait for the owner and another's do not, the dataset says so, and each card which."""
    by_hand: OutputPolicy = roomy(approval="manual")
    scene.store.put(by_hand.to_bytes())
    scene.market.create_offer(
        scene.stage.owner, scene.stage.dataset, price_license=1, price_job=DOLLAR, price_row=1, max_jobs=9,
        max_rows=999, duration=MONTH, policy=by_hand.digest, **BITS | {"licenses": 1},
    )  # fmt: skip
    scene.indexer.sync()
    text = words(site.get(f"/datasets/{scene.stage.dataset}").text)
    assert "releases need no approval by hand" not in text
    assert "is told at each offer" in text
    assert text.count("<dt>Approval</dt><dd>by the owner, each release</dd>") == 1
    assert "<dt>Approval</dt><dd>none by hand</dd>" in text
