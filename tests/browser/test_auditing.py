"""The audit page: facts, what a browser re-checks, and what it does with a lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from sqlmodel import col, select

from app.market.db.tables import DatasetRow, EventRow
from app.protocol.ids import Digest
from app.storage.cid import digest_to_cid
from tests.browser.conftest import Arrive, Person, Visit
from tests.browser.states import States
from tests.support.market import digest
from tests.support.site import Site
from tests.support.web import MarketNode

pytestmark = pytest.mark.chromium


def test_an_auditor_confirms_every_fact_through_their_own_wallet(person: Person, scene: MarketNode) -> None:
    """Digests, transactions, documents and the custodian's signature are all re-checked, and all hold."""
    visitor, _ = person(scene.stage.buyer)
    page = visitor.page(f"/jobs/{scene.settled}/audit")
    facts = page.locator("#facts tbody tr").count()
    assert facts > 8
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text(f"{facts} of {facts} facts confirmed through your wallet")).to_be_visible()
    steps = page.locator("#facts > li")
    expect(steps).to_have_count(7)
    expect(steps.locator("[data-chapter]").get_by_text("Confirmed")).to_have_count(7)
    steps.nth(5).locator("summary").click()
    expect(page.get_by_text("signature is the custodian's")).to_be_visible()
    expect(page.get_by_text(f"darkroom audit {scene.settled}")).to_be_visible()


def test_an_auditor_sees_a_lie(arrive: Arrive, scene: MarketNode) -> None:
    """Bytes that are not those that the chain names are marked wrong, and the page says how many."""
    page = arrive().page(f"/jobs/{scene.settled}/audit")

    def forge(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.body().replace(b'"rows":40', b'"rows":41'))

    page.route("**/v1/blobs/**", forge)
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("facts are wrong")).to_be_visible()
    expect(page.get_by_text("the bytes have another digest").first).to_be_visible()


def test_an_auditor_sees_a_node_that_invents_a_transaction(arrive: Arrive, scene: MarketNode) -> None:
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
    expect(page.get_by_text("its transaction says nothing of the kind about this job").first).to_be_visible()


def test_a_result_whose_bytes_were_changed_is_refused(arrive: Arrive, scene: MarketNode) -> None:
    """A sealed result with one other byte is not the one that its document names, before any key is asked for."""
    page = arrive().context.new_page()

    def forge(route: Route) -> None:
        answer = route.fetch()
        body = answer.body()
        route.fulfill(response=answer, body=body[:-1] + bytes([body[-1] ^ 1]))

    page.route("**/v1/blobs/**", forge)
    page.goto(f"/jobs/{scene.settled}/result")
    expect(page.get_by_text("its bytes are not those that it names")).to_be_visible()


def test_what_is_out_of_reach_is_not_called_wrong(arrive: Arrive, scene: MarketNode) -> None:
    """An object that no store gives is out of reach: neither confirmed nor wrong."""
    page = arrive().page(f"/jobs/{scene.settled}/audit")
    page.route("**/v1/blobs/**", lambda route: route.abort())
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("Out of reach").first).to_be_visible()
    expect(page.get_by_text("facts are wrong")).to_have_count(0)


def verdict(page: Page, claim: str) -> str:
    """What the browser found about a claim."""
    row = page.locator("#facts tbody tr").filter(has_text=claim)
    return row.locator("[data-verdict]").first.text_content() or ""  # also of facts that are folded


def checked(page: Page, path: str) -> None:
    """Open an audit and have it checked to the end."""
    page.goto(f"{path}/audit")
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("[data-summary]")).to_contain_text("confirmed")


def test_a_damaged_block_in_the_store_fails_its_fact(visit: Visit, here: Site, world: States) -> None:
    """A block whose bytes are no longer those of its name is shown as wrong, and only that fact."""
    with world.database.session() as session:
        cid = digest_to_cid(Digest(session.get_one(DatasetRow, 1).manifest))
    block: Path = world.folder / "store" / cid[-2:] / cid
    right = block.read_bytes()
    page = visit(here)
    block.write_bytes(right.replace(b"Household", b"Hausehold"))
    try:
        checked(page, world.at["refused"])
    finally:
        block.write_bytes(right)
    assert "Wrong" in verdict(page, "The dataset's manifest")
    assert "does not hash to it" in verdict(page, "The dataset's manifest")
    assert "Confirmed" in verdict(page, "The root over all of the dataset's ciphertexts")
    expect(page.locator("[data-summary]")).to_contain_text("1 fact is wrong")
    checked(page, world.at["refused"])
    assert "Confirmed" in verdict(page, "The dataset's manifest")


def rewrite(world: States, event: EventRow, **changes: str) -> None:
    """Change what a node's database says of an event, between two writes of the index that follows the chain."""
    with world.database.writing() as session:
        row = session.get_one(EventRow, (event.block, event.log_index))
        for name, value in changes.items():
            setattr(row, name, value)
        session.add(row)


def test_a_node_whose_database_lies_is_caught_by_the_chain(visit: Visit, here: Site, world: States) -> None:
    """A digest, an account and a fact that the node made up are not in the transactions that it names for them."""
    path = world.at["refused"]
    page = visit(here)
    with world.database.session() as session:
        mine = select(EventRow).where(EventRow.job == int(path.rpartition("/")[2])).order_by(col(EventRow.block))
        events = {event.name: event for event in session.exec(mine)}
    lies = {"JobComputed": {"receipt": digest("a lie")}, "Revealed": {"provider": "0x" + "11" * 20}}
    try:
        for name, lie in lies.items():
            rewrite(world, events[name], args=json.dumps(json.loads(events[name].args) | lie))
        checked(page, path)
    finally:
        for name in lies:
            rewrite(world, events[name], args=events[name].args)
    assert "its transaction does not name this digest" in verdict(page, "Enough executors agree on this receipt")
    assert "its transaction names somebody else" in page.inner_text("#facts")
    expect(page.locator("[data-summary]")).to_contain_text("2 facts are wrong")


def test_an_owners_word_that_was_never_given_is_caught(visit: Visit, here: Site, world: States) -> None:
    """A node that calls another event an owner's approval is told by the transaction itself."""
    path = world.at["computed"]
    with world.database.session() as session:
        mine = select(EventRow).where(EventRow.job == int(path.rpartition("/")[2]), EventRow.name == "JobAssigned")
        event = session.exec(mine).one()
        owner = session.get_one(DatasetRow, 1).owner
    page = visit(here)
    try:
        rewrite(world, event, name="JobApproved", args=json.dumps({"owner": owner}))
        checked(page, path)
    finally:
        rewrite(world, event, name="JobAssigned", args=event.args)
    said = verdict(page, "The dataset's owner approved the release")
    assert "its transaction says nothing of the kind about this job" in said
