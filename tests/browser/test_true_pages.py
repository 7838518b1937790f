"""Back, reload and a second tab leave pages that are true, also where the browser keeps pages in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.acting import follow, newcomer, order, sign
from tests.browser.chromium import Visitor, launch
from tests.browser.conftest import Arrive, Person
from tests.support.site import Site
from tests.support.web import MarketNode

pytestmark = pytest.mark.chromium


@pytest.fixture
def remembering(opened: Browser, site: Site) -> Iterator[Visitor]:
    """Somebody whose browser keeps the pages that were left, to bring them back whole, as people's do."""
    browser = launch(opened.browser_type, back_forward_cache=True)
    visitor = Visitor.arrive(browser, site.origin)
    yield visitor
    browser.close()
    assert visitor.faults == []


def _nothing_stale(page: Page, scene: MarketNode) -> None:
    """A wallet is connected and a job goes on after a page was left; Back shows both."""
    job = scene.open(scene.circuit)
    page.goto(f"/offers/{scene.offer}")
    page.get_by_role("button", name="Buy for").click()
    expect(page.get_by_text("No wallet is connected.")).to_be_visible()
    page.get_by_role("link", name="About wallets").click()
    page.get_by_role("button", name="Demo wallet").click()
    expect(page.get_by_text("Connected", exact=True)).to_be_visible()
    page.go_back()
    expect(page.locator("[data-account-name]")).to_contain_text("0x")
    expect(page.get_by_text("No wallet is connected.")).to_have_count(0)
    follow(page, f"/jobs/{job}")
    expect(page.get_by_text("Waiting for executors").first).to_be_visible()
    page.get_by_role("link", name="Sell data").click()
    page.wait_for_url("**/owner")
    scene.go_on(job)
    scene.agent().step()
    page.wait_for_timeout(600)  # until the index has it
    page.go_back()
    expect(page.get_by_text("The result is out")).to_be_visible()


def test_back_brings_no_dead_page(arrive: Arrive, scene: MarketNode) -> None:
    """Where the browser loads a page again on Back, it does not take it from its cache."""
    _nothing_stale(arrive().context.new_page(), scene)


def test_back_brings_no_dead_page_out_of_memory(remembering: Visitor, scene: MarketNode) -> None:
    """Where it keeps whole pages, one that comes back is loaded again."""
    page = remembering.context.new_page()
    page.goto("/network")
    page.evaluate("() => addEventListener('pagehide', event => { sessionStorage.kept ??= String(event.persisted); })")
    page.get_by_role("link", name="Jobs", exact=True).click()
    page.wait_for_url("**/jobs")
    page.go_back()
    page.wait_for_url("**/network")
    entry = page.evaluate("() => [sessionStorage.kept, performance.getEntriesByType('navigation')[0].type]")
    assert entry in (["true", "reload"], ["false", "back_forward"]), entry
    _nothing_stale(page, scene)


def test_tabs_agree_about_the_account(arrive: Arrive) -> None:
    """Connecting, another account and disconnecting in one tab are seen in all."""
    visitor = arrive()
    first, second = visitor.page("/wallet"), visitor.page("/jobs")
    here, there = (page.locator("[data-account]") for page in (first, second))
    expect(there).to_have_attribute("href", "/wallet")
    first.get_by_role("button", name="Demo wallet").click()
    expect(here).not_to_have_attribute("href", "/wallet")
    expect(there).to_have_attribute("href", str(here.get_attribute("href")))
    before = str(here.get_attribute("href"))
    first.get_by_role("button", name="New account").click()
    expect(here).not_to_have_attribute("href", before)
    expect(there).to_have_attribute("href", str(here.get_attribute("href")))
    first.get_by_role("button", name="Disconnect").click()
    expect(there).to_have_attribute("href", "/wallet")


def test_a_reload_after_paying_invites_nobody_to_pay_again(person: Person, scene: MarketNode) -> None:
    """The page that is loaded again, and another tab of it, tell of the purchase in place of its form."""
    visitor, _ = person(newcomer(scene))
    before = scene.market.license_count()
    page = visitor.page(f"/offers/{scene.offer}")
    page.route("**/v1/transactions/0x*", lambda _: None)  # what the page asks for after the receipt is never answered
    page.get_by_role("button", name="Buy for").click()
    expect(page.get_by_text("One transaction")).to_be_visible()
    with page.expect_request("**/v1/transactions/0x*"):
        pass
    other = visitor.page(f"/offers/{scene.offer}")
    page.unroute_all(behavior="ignoreErrors")
    page.reload()
    for each in (other, page):
        expect(each.get_by_text(f"Your order went through: license {before + 1}")).to_be_visible()
        expect(each.get_by_role("button", name="Buy for")).to_have_count(0)
    assert scene.market.license_count() == before + 1
    there = page.get_by_role("link", name=f"Open license {before + 1}")
    expect(there).to_have_attribute("href", f"/licenses/{before + 1}")
    other.get_by_role("button", name="Order another").click()
    expect(other.get_by_role("button", name="Buy for")).to_be_visible()


def test_a_reload_while_the_wallet_asks_is_told(arrive: Arrive, scene: MarketNode) -> None:
    """Nobody knows then whether it was signed: the page says so, waits, and begins anew when the visitor wants."""
    page = arrive().page(f"/offers/{scene.offer}")
    page.get_by_role("button", name="Buy for").click()
    page.get_by_role("button", name="Demo wallet").click()
    sign(page)  # the test money
    sign(page)
    expect(page.get_by_role("dialog", name="Demo wallet: send this transaction?")).to_contain_text("Buy a license")
    before = scene.market.license_count()
    page.reload()
    expect(page.get_by_text("An order waits for your signature")).to_be_visible()
    expect(page.get_by_role("button", name="Buy for")).to_have_count(0)
    page.get_by_role("button", name="Begin anew").click()
    page.get_by_role("dialog").get_by_role("button", name="Begin anew").click()
    page.get_by_role("button", name="Buy for").click()
    sign(page)
    sign(page)
    page.wait_for_url("**/licenses/*")
    assert scene.market.license_count() == before + 1


def test_a_job_that_was_sent_is_not_sent_again(person: Person, scene: MarketNode) -> None:
    """The form of a job, loaded again after its order went out, shows the job and no blank form."""
    buyer = newcomer(scene)
    license = scene.market.buy_license(buyer, scene.offer).value
    visitor, _ = person(buyer)
    page = visitor.page("/jobs")
    follow(page, f"/licenses/{license}/job")
    job = order(scene, buyer, license)  # what the wallet sent, whose hash this page never learned
    page.evaluate(
        """([path, look]) => localStorage.setItem("darkroom.sent", JSON.stringify([{ id: "1", path, what: "open-job",
            at: Date.now(), look, before: 0, goes: "/jobs/", tx: "", made: 0 }]))""",
        [f"/licenses/{license}/job", f"/v1/jobs?license={license}&limit=1"],
    )
    page.reload()
    expect(page.get_by_text(f"Your order went through: job {job}")).to_be_visible()
    expect(page.get_by_label("Circuit file")).to_have_count(1)
    expect(page.get_by_label("Circuit file")).to_be_hidden()
