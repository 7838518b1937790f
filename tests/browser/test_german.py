"""The pages in German, with their scripts: no English where a script speaks, and nothing wider than a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import CLIPPED, MISSHAPEN, NARROW, STICKING_OUT
from tests.browser.conftest import Arrive
from tests.support.english import english_in
from tests.support.web import MarketNode

pytestmark = pytest.mark.chromium


def test_a_visitor_reads_german_on_a_phone(arrive: Arrive, scene: MarketNode) -> None:
    """What scripts write is German too, German words fit, and amounts that are typed are read as German writes them."""
    stage = scene.stage
    page = arrive(locale="de-DE", viewport={"width": NARROW, "height": 800}).context.new_page()
    wide, left = [], []
    for path in (
        "/", f"/datasets/{stage.dataset}", f"/datasets/{stage.dataset}/run", f"/datasets/{stage.dataset}/offer",
        f"/offers/{scene.offer}", f"/licenses/{scene.license}", f"/jobs/{scene.settled}",
        f"/jobs/{scene.computed}/reveals", "/jobs", f"/accounts/{stage.buyer.address}",
        f"/jobs/{scene.settled}/audit", f"/owners/{stage.owner.address}", "/network", "/wallet",
    ):  # fmt: skip
        page.goto(path)
        page.wait_for_timeout(200)
        for rule in (STICKING_OUT, CLIPPED, MISSHAPEN):
            wide += [f"{path}: {each}" for each in page.evaluate(rule)]
        if page.evaluate("document.documentElement.scrollWidth") > NARROW:
            wide.append(path)
        left += [f"{path}: {each}" for each in english_in(page.inner_text("body"))]
    assert wide == []
    assert left == []

    page.get_by_role("button", name="Demo-Wallet").click()
    page.get_by_text("Verbunden", exact=True).wait_for()
    page.get_by_role("button", name="Schlüssel erzeugen").click()
    expect(page.get_by_role("dialog")).to_contain_text("Mindestens 8 Zeichen")
    assert english_in(page.inner_text("body")) == []

    page.goto(f"/jobs/{scene.settled}/audit")
    page.get_by_role("button", name="Jetzt prüfen").click()
    expect(page.locator("[data-summary]")).to_contain_text("Tatsachen bestätigt", timeout=20_000)
    assert english_in(page.inner_text("body")) == []

    page.goto(f"/datasets/{stage.dataset}/offer")
    price = page.locator("#price_license")
    price.fill("12,5x")
    page.get_by_role("button", name="Angebot machen").click()
    expect(page.locator("#price_license-wrong")).to_have_text("Schreiben Sie einen Betrag, etwa 25 oder 12,50.")

    page.goto("/")
    page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_role("heading", level=1)).to_have_text("Run your model on data you will never see")


def test_typed_amounts_are_never_a_hundred_times_as_much(arrive: Arrive) -> None:
    """As the server reads them: a separator stands between thousands, or it is the fraction's."""
    for locale, read in (
        ("en-GB", ["12.50", "12.50", "1000", "1.000"]),
        ("de-DE", ["12.50", "12.50", "1.000", "1000"]),
    ):
        page = arrive(locale=locale).page("/")
        address = page.locator('link[rel="modulepreload"][href$="language.js"]').get_attribute("href")
        numbers = page.evaluate(
            "async address => { const { plainNumber } = await import(address);"
            " return ['12.50', '12,50', '1,000', '1.000'].map(plainNumber); }",
            address,
        )
        assert numbers == read
