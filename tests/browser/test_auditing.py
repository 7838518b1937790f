"""The audit page: facts, what a browser re-checks, and what it does with a lie."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.api.scene import Scene
from tests.browser.conftest import Arrive, Person

pytestmark = pytest.mark.browser


def test_an_auditor_confirms_every_fact_through_their_own_wallet(person: Person, scene: Scene) -> None:
    """Digests, transactions, documents and the custodian's signature are all re-checked, and all hold."""
    visitor, _ = person(scene.stage.buyer)
    page = visitor.page(f"/jobs/{scene.settled}/audit")
    facts = page.locator("#facts tbody tr").count()
    assert facts > 8
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text(f"{facts} of {facts} facts confirmed through your wallet")).to_be_visible()
    expect(page.get_by_text("signature is the custodian's")).to_be_visible()
    expect(page.get_by_text(f"darkroom audit {scene.settled}")).to_be_visible()


def test_an_auditor_sees_a_lie(arrive: Arrive, scene: Scene) -> None:
    """Bytes that are not those that the chain names are marked wrong, and the page says how many."""
    page = arrive().page(f"/jobs/{scene.settled}/audit")

    def forge(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.body().replace(b'"rows":40', b'"rows":41'))

    page.route("**/v1/blobs/**", forge)
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("facts are wrong")).to_be_visible()
    expect(page.get_by_text("the bytes have another digest").first).to_be_visible()


def test_an_auditor_sees_a_node_that_invents_a_transaction(arrive: Arrive, scene: Scene) -> None:
    """A receipt without the digest that the page claims is not believed."""
    page = arrive().page(f"/jobs/{scene.settled}/audit")

    def empty(route: Route) -> None:
        answer = route.fetch()
        told: dict[str, Any] = answer.json()
        if told.get("result") and "logs" in told["result"]:
            told["result"]["logs"] = []
        route.fulfill(response=answer, json=told)

    page.route("**/v1/rpc", empty)
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("its transaction says nothing of this market").first).to_be_visible()


def test_what_is_out_of_reach_is_not_called_wrong(arrive: Arrive, scene: Scene) -> None:
    """An object that no store gives is out of reach: neither confirmed nor wrong."""
    page = arrive().page(f"/jobs/{scene.settled}/audit")
    page.route("**/v1/blobs/**", lambda route: route.abort())
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("Out of reach").first).to_be_visible()
    expect(page.get_by_text("facts are wrong")).to_have_count(0)
