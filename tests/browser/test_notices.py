"""What a page says by itself of jobs that end while the visitor is elsewhere on the site."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from app.protocol.policy.reasons import Reason
from tests.browser.acting import newcomer, order
from tests.browser.conftest import Person
from tests.support.market import digest
from tests.support.web import MarketNode

pytestmark = pytest.mark.chromium
LOOK = "document.dispatchEvent(new Event('visibilitychange'))"


def test_jobs_that_end_are_told_on_every_page(person: Person, scene: MarketNode) -> None:
    """A result, and an end without one, are links in a corner of any page, also of one that was opened meanwhile; each
    is told once and goes when it is closed. Others' jobs, and those that ended before, are not told.
    """
    buyer = newcomer(scene)
    license = scene.market.buy_license(buyer, scene.offer).value
    before = order(scene, buyer, license)
    scene.stage.execute(scene.store, before)
    scene.stage.release(before)
    told, refused = (scene.stage.execute(scene.store, order(scene, buyer, license)) for _ in range(2))
    visitor, _ = person(buyer)
    page = visitor.page("/network")
    page.wait_for_function("wanted => (localStorage['darkroom.running'] ?? '').includes(wanted)", arg=str(told))
    corner = page.locator(".told")
    scene.stage.release(told)
    scene.market.refuse(scene.stage.owner, refused, reason=Reason.NOT_APPROVED.value, decision=digest("no"))
    page.goto("/jobs")
    while corner.count() < 2:
        page.evaluate(LOOK)
        page.wait_for_timeout(100)
    expect(page.get_by_role("link", name=f"Job {told}: the result is there")).to_have_attribute("href", f"/jobs/{told}")
    expect(page.get_by_role("link", name=f"Job {refused} ended without a result")).to_be_visible()
    page.get_by_role("button", name="Close").first.click()
    expect(corner).to_have_count(1)
    page.goto("/network")
    with page.expect_response("**/v1/jobs?buyer=*"):
        page.evaluate(LOOK)
    expect(corner).to_have_count(0)
