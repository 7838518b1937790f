"""Reading without scripts, reading by everyone (axe), and what every page keeps: policy, width, weight."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from app.market.web.pages.assets import Assets
from app.market.web.pages.site import HTMX
from tests.browser.accessibility import NARROW, SHIFTS, STILL, unusable, violations
from tests.browser.conftest import Arrive, Person
from tests.browser.tour import tabs
from tests.support.tour import tour
from tests.support.web import MarketNode

pytestmark = pytest.mark.chromium


def test_every_page_is_usable_by_everyone(arrive: Arrive, scene: MarketNode) -> None:
    """No page has a serious or critical finding of axe, in either theme; nothing is wider than its place or a phone,
    or moves while a page loads.
    """
    page = arrive(viewport={"width": NARROW, "height": 800}).context.new_page()
    assert unusable(page, [*tour(scene), *tabs(scene)], wait=100) == []


def test_the_quote_and_the_dialogs_are_usable_by_everyone(person: Person, scene: MarketNode) -> None:
    """What scripts add to a page is as usable as the page."""
    visitor, _ = person(scene.stage.buyer)
    page = visitor.page("/wallet")
    page.get_by_role("button", name="Make a key").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Import a recovery file").click()
    assert violations(page) == []


def test_without_scripts_the_market_can_be_read(arrive: Arrive, scene: MarketNode) -> None:
    """Catalogue, dataset and audit read in full with scripts off; search and filters work as a plain form."""
    page = arrive(java_script_enabled=False).page("/")
    page.get_by_role("searchbox").fill("nothing like this")
    page.get_by_role("button", name="Search").click()
    assert "Nothing fits all of that" in page.inner_text("main")
    page.get_by_role("link", name="Clear everything").click()
    page.get_by_role("link", name="test", exact=True).click()
    tabs = page.get_by_role("navigation", name="On this page")
    assert "Use this dataset" in page.inner_text("main")
    for tab, words in (("What it reveals", "What a job may reveal"), ("Data", "c0"), ("Offers", "Offers side by side"),
                       ("Asked before", "What was asked before"), ("Record", "Provenance")):  # fmt: skip
        tabs.get_by_role("link", name=tab).click()
        text = page.inner_text("main")
        assert words in text
        assert "Use this dataset" not in text, tab
    page.go_back()
    assert "What was asked before" in page.inner_text("main")
    page.goto(f"/jobs/{scene.settled}")  # other tests open jobs, so that the dataset's page need not list this one
    page.get_by_role("link", name="Audit this job").click()
    page.locator("#facts summary").last.click()
    text = page.inner_text("main")
    assert f"darkroom audit {scene.settled}" in text
    assert "The custodian released this sealed result" in text
    assert not page.locator("[data-verdict]").first.is_visible()
    page.goto(f"/offers/{scene.offer}")
    assert f"darkroom license buy {scene.offer}" in page.inner_text("main")


def test_a_filter_that_cannot_be_read_is_told_and_kept(arrive: Arrive) -> None:
    """A wrong number is named at its field, stays in it, and the rest of the search is answered."""
    page = arrive(java_script_enabled=False).page("/?rows_min=many&price_max=-3")
    fields = page.locator("#rows_min, #price_max")
    assert [fields.nth(at).get_attribute("value") for at in range(2)] == ["many", "-3"]
    assert page.locator("#rows_min-wrong").inner_text() == "Write a whole number, such as 10000."
    assert "1 dataset" in page.inner_text("#results")


def test_search_follows_typing_and_the_address(arrive: Arrive) -> None:
    """With scripts the results follow what is typed, the address with them, and focus stays in the field."""
    page = arrive().page("/")
    field = page.get_by_role("searchbox")
    field.press_sequentially("zzz")
    expect(page.get_by_text("Nothing fits all of that")).to_be_visible()
    assert "q=zzz" in page.url
    expect(field).to_be_focused()
    field.fill("te")
    expect(page.get_by_role("link", name="test", exact=True)).to_be_visible()


def test_the_keyboard_reaches_everything(arrive: Arrive, scene: MarketNode) -> None:
    """The first stop skips the menu; a license is bought from the keyboard alone as far as the wallet's absence."""
    page = arrive().page(f"/offers/{scene.offer}")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.get_by_role("button", name="Buy for").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("No wallet is connected.")).to_be_visible()


def test_the_theme_is_chosen_and_kept(arrive: Arrive) -> None:
    """The switch turns the theme over, and the next page comes in it."""
    page = arrive(color_scheme="light").page("/")
    page.get_by_role("button", name="Switch between light and dark").click()
    page.goto("/network")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 14, 13)"


def test_nothing_moves_while_a_wide_page_loads(arrive: Arrive, scene: MarketNode) -> None:
    """The layout shift of the pages that people open first stays below what anyone notices; on phones, of every page
    (`unusable`).
    """
    page = arrive().context.new_page()
    page.add_init_script(SHIFTS)
    for path in ("/", f"/datasets/{scene.stage.dataset}", f"/offers/{scene.offer}", f"/jobs/{scene.settled}"):
        page.goto(path)
        page.wait_for_timeout(400)
        assert page.evaluate("window.shifted") < STILL, path


def test_scripts_of_other_origins_and_inline_ones_do_not_run(arrive: Arrive) -> None:
    """The policy allows this node's own files only, and no text becomes script."""
    visitor = arrive()
    page = visitor.page("/")
    header = page.request.get("/").headers["content-security-policy"]
    assert "script-src 'self'" in header
    assert "unsafe" not in header
    page.evaluate("() => { const s = document.createElement('div'); s.setAttribute('onclick', 'window.ran = 1');"
                  " document.body.append(s); s.click(); }")  # fmt: skip
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in fault for fault in visitor.faults)
    visitor.faults.clear()


def test_all_scripts_together_are_light() -> None:
    """Everything that any page can load is at most 150 kB as it travels, compressed."""
    assets = Assets()
    scripts = [name for name in assets.names() if name.endswith(".js")]
    assert {"page.js", HTMX} <= set(scripts)
    assert sum(assets.size(name) for name in scripts) <= 150_000


def test_one_font_is_shipped_and_used(arrive: Arrive) -> None:
    """It comes from this node, with its license, and a page that has it in time is written in it."""
    page = arrive().context.new_page()
    page.goto("/")
    page.evaluate("() => document.fonts.ready")
    page.goto("/network")  # by now it is in the browser's cache
    page.evaluate("() => document.fonts.ready")
    assert page.evaluate("document.fonts.check('16px \"Atkinson Hyperlegible Next\"')")
    sent = page.request.get(str(page.locator('link[rel="preload"][as="font"]').get_attribute("href")))
    assert sent.headers["content-type"] == "font/woff2"
    assert len(sent.body()) < 40_000
    assets = Assets()
    licenses = assets.find(assets.version, "vendor/LICENSES.txt")
    assert licenses is not None
    assert b"SIL Open Font License" in licenses.data
