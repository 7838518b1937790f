"""Choosing in the catalogue: counts beside filters, addresses, what is wrong, and what to drop."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import violations
from tests.browser.conftest import Arrive, Person, Visit
from tests.support.site import Site
from tests.support.web import MarketNode

pytestmark = pytest.mark.chromium


def total(page: Page) -> str:
    """How many datasets the page says it found."""
    return page.locator("#results-title").inner_text()


def test_filters_work_as_links_and_boxes_without_scripts(visit: Visit, here: Site) -> None:
    """Each filter has its count beside it, and choosing it finds as many; the address keeps what is chosen."""
    page = visit(here, java_script_enabled=False)
    page.goto("/?offered=1")
    assert total(page) == "2 datasets found"
    assert page.locator("#count-trees").inner_text().split()[0] == "1"
    assert page.locator("#count-linear").inner_text().split()[0] == "2"
    page.get_by_label("Trees and forests").check()
    page.get_by_role("button", name="Search").click()
    assert total(page) == "1 dataset found"
    assert "class=trees" in page.url
    assert page.get_by_label("Trees and forests").is_checked()
    page.get_by_role("link", name=re.compile("^Trees and forests.*Take this filter away")).click()
    assert total(page) == "2 datasets found"
    page.get_by_role("link", name=re.compile("^10,000 or more 1 dataset")).click()
    assert total(page) == "1 dataset found"
    assert page.locator("#rows_min").input_value() == "10000"
    page.get_by_role("link", name="Clear filters").click()
    assert page.url == f"{here.origin}/"


def test_an_empty_search_says_which_filter_to_drop(visit: Visit, here: Site) -> None:
    """Where nothing fits, each filter that alone keeps something away is named, with what it would free."""
    page = visit(here, java_script_enabled=False)
    page.goto("/?class=trees&rows_min=50000&sort=rows")
    said = page.inner_text("#results")
    assert "Nothing fits all of that" in said
    assert "Without Rows: 50,000 or more: " in said
    page.get_by_role("link", name="Without Trees and forests").click()
    assert total(page) == "1 dataset found"
    assert "sort=rows" in page.url
    page.goto("/?q=zzz&rows_min=999999999")
    assert "No single filter is to blame" in page.inner_text("#results")


def test_filters_follow_at_once_with_scripts(visit: Visit, here: Site) -> None:
    """With scripts a box is enough: results, counts and address follow, without empty fields in the address."""
    page = visit(here)
    page.goto("/")
    page.get_by_label("On sale now").check()
    expect(page.locator("#results-title")).to_have_text("2 datasets found")
    assert page.url == f"{here.origin}/?offered=1&sort=newest"
    expect(page.locator("#count-trees")).to_contain_text("1")
    expect(page.get_by_label("On sale now")).to_be_focused()
    page.locator("#rows_min").fill("20000")
    page.keyboard.press("Tab")
    expect(page.locator("#results-title")).to_have_text("1 dataset found")
    expect(page.locator("#count-trees")).to_contain_text("0")
    page.go_back()
    expect(page.locator("#results-title")).to_have_text("2 datasets found")


def test_what_is_typed_wrong_is_told_at_its_field_and_kept(visit: Visit, here: Site) -> None:
    """A number that is none is told where it stands while the rest is searched, and nothing typed is lost."""
    page = visit(here)
    page.goto("/")
    page.get_by_role("searchbox").fill("household")
    page.locator("#price_max").fill("a few")
    page.locator("#rows_min").click()
    expect(page.locator("#price_max-wrong")).to_have_text("Write an amount such as 25 or 12.50.")
    expect(page.locator("#price_max")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#price_max")).to_have_value("a few")
    expect(page.locator("#results-title")).to_have_text("1 dataset found")
    page.locator("#price_max").fill("12.50")
    page.locator("#rows_min").click()
    expect(page.locator("#price_max-wrong")).to_be_hidden()
    expect(page.locator("#price_max")).not_to_have_attribute("aria-invalid", "true")


def test_anything_is_found_from_anywhere(arrive: Arrive, scene: MarketNode) -> None:
    """Ctrl-K opens the search over everything: a misspelt title, then a job by its number, by keys alone."""
    page = arrive().page("/network")
    page.keyboard.press("Control+k")
    field = page.get_by_role("searchbox", name="Search everything")
    expect(field).to_be_focused()
    page.keyboard.type("tesst")
    dialog = page.get_by_role("dialog", name="Search")
    expect(dialog.get_by_role("link").filter(has_text="test")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Control+a")
    page.keyboard.type(f"job {scene.settled}")
    expect(dialog.get_by_role("link").filter(has_text=f"Job {scene.settled}")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/jobs/{scene.settled}")


def test_the_first_visits_list_ticks_itself(person: Person, scene: MarketNode) -> None:
    """A buyer who holds a license and ordered jobs sees that done, and what is left; with a filter the list is gone."""
    visitor, _ = person(scene.stage.buyer)
    page = visitor.page("/")
    steps = page.locator("#first-steps > li")
    expect(steps.nth(3)).to_have_attribute("data-now", "done")
    assert [steps.nth(at).get_attribute("data-now") for at in range(5)] == ["done", "done", "done", "done", ""]
    page.goto("/?q=test")
    expect(page.locator("#first-steps")).to_have_count(0)
