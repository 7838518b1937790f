"""Every state that a page can be in says what happened, who acts next, where the money is and what to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.chain.market import Market
from app.chain.rpc.node import AnvilNode, connect
from app.market.db.database import Database
from app.market.db.tables import SyncStateRow
from app.market.indexer.indexer import Indexer
from app.market.queries.jobs import job
from app.market.web.dependencies.state import Dependencies
from app.market.web.pages.escrow import escrow_breakdown
from app.market.web.pages.freshness import trouble
from app.protocol.market.entities import JobState
from app.storage.folder import BlockStore
from tests.browser import states
from tests.browser.accessibility import NARROW, unusable, violations
from tests.browser.acting import follow
from tests.browser.conftest import Visit
from tests.browser.states import States
from tests.browser.tour import troubles
from tests.support.english import english_in, stuck
from tests.support.market import open_market, set_stage
from tests.support.site import Site, serve

pytestmark = pytest.mark.chromium

# state: what its page says
JOBS = {
    "open": [
        "Anyone may draw executors once block", "Deadline:", "1.016 tUSD is in escrow: 1.01 tUSD for the owner",
        "If nobody draws in time, the buyer gets all of it back", "Nothing: this page follows the chain.",
    ],
    "assigned": [
        "Executors are computing", "2 executors have each still to compute and commit", "Deadline:",
        "Nobody is paid before they agree; who stays silent loses a stake.",
    ],
    "committed": ["One executor has still to compute and commit", "1.016 tUSD is in escrow"],
    "revealing": ["One executor has still to reveal which result it computed", "1.016 tUSD is in escrow"],
    "disputed": [
        "No agreement yet: more executors are drawn", "until 2 equal receipts are there",
        "Anyone may draw more executors", "the buyer gets all of it back, and the license its job",
    ],
    "contested": [
        "The custodian contests the result: others are drawn", "1.016 tUSD is in escrow",
        "computed another result than the executors agreed on", "If nobody draws in time, the first result stands",
    ],
    "computed": [
        "Computed; the custodian decides", "custodian verifies the result, then releases or refuses", "Deadline:",
        "1.016 tUSD is in escrow; the executors are paid out of it when the job ends", "darkroom custodian serve",
    ],
    "being judged": [
        "A contract judges a result", "1.016 tUSD is in escrow", "the agents of the two play by themselves",
        "revealed is said to be wrong by", "moves next, until", "At stake",
    ],
    "approved": ["Computed; the custodian decides", "The owner approved its release.", "1.016 tUSD is in escrow"],
    "denied": [
        "The owner refused; the custodian will say so", "The owner refused its release.", "which refunds the price",
        "1.016 tUSD is in escrow",
    ],
    "for the owner to approve": [
        "Computed; the owner has to approve it", "leaves each release to its owner", "The owner has to approve the job",
        "If the dataset is yours, say yes or no", "Waiting for the owner",
    ],
    "open too long": [
        "Nobody drew executors in time", "The deadline passed", "End the wait: anyone may", "darkroom job expire",
    ],
    "assigned too long": ["An executor missed its deadline", "the silent lose their stake", "End the wait: anyone may"],
    "disputed too long": ["Nobody drew more executors in time", "1.016 tUSD is in escrow", "End the wait: anyone may"],
    "computed too long": [
        "The custodian missed its deadline", "its bond refunds the fees", "1.016 tUSD is in escrow",
        "or the deadline passes, it goes back to the buyer",
    ],
    "expired by the draw": [
        "nothing was computed", "Nobody: the job is over.", "1.016 tUSD went back to the buyer",
        "everything that was paid", "The license has its job and its rows back.",
    ],
    "expired by the custodian": [
        "neither released the result nor refused", "1.016 tUSD went back to the buyer",
        "0.006 tUSD is out of the custodian's bond", "The executors have 0.006 tUSD.",
    ],
    "failed": [
        "The executors could not agree", "there were not 2 equal receipts", "1.016 tUSD went back to the buyer",
        "No executor was paid.", "Order again: other executors are drawn.",
    ],
    "refused": [
        "The owner's policy refused this release", "No more independent linear forms", "went back to the buyer",
        "the license's use stays used", "change the model or the rows",
    ],
    "settled after an executor stayed silent": [
        "The result is out", "1.01 tUSD for the owner, 0.006 tUSD for the executors.",
        "100.00 tUSD more that executors lost is burned.", "Open the result",
    ],
    "settled after a contest": [
        "The result is out", "1.01 tUSD for the owner, 0.009 tUSD for the executors.",
        "0.003 tUSD of what executors get are the stakes of liars.", "199.997 tUSD more that executors lost is burned.",
    ],
}  # fmt: skip
OTHERS = {
    "withdrawn dataset": ["The owner withdrew this dataset", "nobody, not even the owner, can decrypt", "Not on sale"],
    "unavailable dataset": ["No store in reach has this dataset's description", "must serve them again", "do not buy"],
    "invalid dataset": ["contradicts the chain", "Only the owner can correct it", "Do not buy from it"],
    "offer of a withdrawn dataset": ["This offer is closed", "The owner withdrew the dataset."],
    "closed offer": [
        "This offer is closed",
        "The owner stopped selling from it.",
        "Answers that say 100 bits about a person at most",
        "One license is told at most 100 bits about a person",
    ],
    "sold-out offer": ["This offer is sold out", "All its licenses are sold", "None is left."],
    "revoked license": ["The owner took this license back", "to withdraw"],
    "expired license": ["This license is over", "Finished results still open."],
    "used-up license": ["This license is used up", "Buy another", "of 100 bits at most"],
    "slashed provider": ["Its bond is too small to be drawn", "100.00 tUSD of it was lost", "1 missed deadline"],
    "silent provider": ["No sign of life lately", "drawn for no job"],
    "leaving provider": ["This provider is leaving", "Its bond answers for them until"],
}


def missing(page: Page, path: str, words: list[str]) -> list[str]:
    """Which of these words a page does not say to somebody without scripts."""
    page.goto(path)
    said = " ".join(page.inner_text("main").split())
    together = [f"{path}: without a space: {each}" for each in stuck(page.inner_html("main"))]
    return [f"{path}: {each}" for each in words if each not in said] + together


def test_every_state_of_a_job_is_told(here: Site, world: States, visit: Visit) -> None:
    """What happened, who acts next, where the money is and what to do stand on a job's page, and on its result's."""
    page = visit(here, java_script_enabled=False)
    found: list[str] = []
    for state, words in JOBS.items():
        found += missing(page, world.at[state], [*words, "What happened", "Who acts next", "The money", "What to do"])
    for state in ("open", "failed", "computed too long"):
        shown = [each for each in JOBS[state] if "darkroom job" not in each]
        found += missing(page, f"{world.at[state]}/result", shown)
    assert found == []


def test_the_money_of_every_job_adds_up(world: States) -> None:
    """What buyer, custodian and liars put in is what escrow, owner, executors and buyer have."""
    with world.database.session() as session:
        for path in (world.at[state] for state in JOBS):
            number = int(path.rpartition("/")[2])
            found, record = escrow_breakdown(job(session, number, now=0)), world.market.job(number)
            had = found.held + found.owner + found.executors + found.buyer
            assert found.paid + found.penalty + found.stakes == had
            assert (found.held > 0) is (not record.state.terminal)
            assert (found.owner > 0) is (record.state is JobState.SETTLED)


def test_every_other_state_is_told(here: Site, world: States, visit: Visit) -> None:
    """Datasets, offers, licenses and providers in trouble say so in words, and what it means."""
    page = visit(here, java_script_enabled=False)
    found: list[str] = []
    for state, words in OTHERS.items():
        found += missing(page, world.at[state], words)
    assert found == []


def test_every_state_is_told_in_german(here: Site, world: States, visit: Visit) -> None:
    """Troubles have many sentences of their own, which rules and the index make: none is left in English."""
    page = visit(here, locale="de-DE")
    left: list[str] = []
    for path in troubles(world):
        page.goto(path)
        left += [f"{path}: {each}" for each in english_in(page.inner_text("main"))]
        left += [f"{path}: {each}" for each in stuck(page.inner_html("main"))]
    assert [each for each in left if not each.endswith(": Made for a test.")] == []


def test_a_result_that_no_store_has_is_out_of_reach(here: Site, world: States, visit: Visit) -> None:
    """The page says that the block is missing and what to do, and does not call the result wrong."""
    page = visit(here)
    page.goto(f"{world.at['settled out of reach']}/result")
    expect(page.get_by_text("is not in this store")).to_be_visible()
    expect(page.get_by_text("Fetch it from a node that has it, then try again.")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_every_state_is_usable_by_everyone(here: Site, world: States, visit: Visit) -> None:
    """No state has a serious or critical finding of axe, in either theme, and none is wider than a small phone."""
    page = visit(here, viewport={"width": NARROW, "height": 800})
    assert unusable(page, troubles(world)) == []


def test_an_empty_market_says_how_to_begin(tmp_path: Path, visit: Visit) -> None:
    """Without any dataset, job or provider each list says so, and what comes next."""
    world = states.empty(tmp_path / "empty")
    with serve(world) as site:
        page = visit(site)
        found = missing(page, "/", ["Nothing is on offer here yet", "Sell data", "0 datasets"])
        found += missing(page, "/jobs", ["No such jobs", "Find a dataset"])
        found += missing(page, "/network", ["No providers yet", "darkroom provider bond"])
        assert found + violations(page) == []
    world.close()


def test_a_node_that_has_not_begun_says_so(tmp_path: Path, visit: Visit) -> None:
    """Before the index was begun there is no error but a wait, with the status that tells programs to come again."""
    world = states.bare(tmp_path / "bare")
    world.database.migrate()
    with serve(world, follow=False) as site:
        page = visit(site)
        answer = page.goto("/")
        assert answer is not None
        assert answer.status == 503
        assert missing(page, "/", ["This node is just starting", "in a few seconds", "Try again"]) == []
        assert violations(page) == []
    world.close()


def test_a_node_that_lost_the_chain_says_how_old_its_pages_are(tmp_path: Path, visit: Visit) -> None:
    """When its chain node is gone the pages go on, and each says as of which block it is, and that money is safe."""
    world = states.empty(tmp_path / "lost")
    with serve(world, follow=False) as chain:  # its JSON-RPC is the other node's chain
        far = Market.open(connect(f"{chain.origin}/v1/rpc"), world.folder / "deployment.json")
        with serve(replace(world, market=far)) as site:
            page = visit(site)
            assert missing(page, "/", ["Nothing is on offer here yet"]) == []
            assert "cannot follow" not in page.inner_text("main")
            chain.stop()
            deadline = time.monotonic() + 20
            while missing(page, "/jobs", ["This node cannot follow the chain"]):
                assert time.monotonic() < deadline
                time.sleep(0.2)
            words = ["What you see is as of block", "Money and records are safe", "It tries again by itself."]
            assert missing(page, "/network", words) + violations(page) == []
            chain.start()
    world.close()


def test_a_node_whose_index_sleeps_says_since_when(tmp_path: Path, visit: Visit) -> None:
    """An index that nobody drives any more is told on every page."""
    world = states.bare(tmp_path / "asleep")
    Indexer(world.market, world.store, world.database, clock=lambda: int(time.time()) - 3600).sync()
    with serve(world, follow=False) as site:
        page = visit(site)
        words = ["This node has stopped following the chain", "looked at the chain 1 h ago", "as of block"]
        assert missing(page, "/", words) == []
    world.close()


def test_an_index_that_is_behind_is_told_by_how_much() -> None:
    """A few blocks are nothing; more are told; a healthy index says nothing."""
    place = SyncStateRow(chain_id=1, market="", addresses="", rules="", start=0, height=10, head=12, seen_at=1000)
    assert trouble(place, 1000) is None
    place.head = 20
    found = trouble(place, 1000)
    assert found is not None
    assert "It is 10 blocks behind" in found.words
    assert "as of block 10" in found.words


@pytest.mark.anvil
def test_a_job_whose_blocks_were_taken_back_says_so(
    visit: Visit, start_anvil: Callable[[], AnvilNode], tmp_path: Path
) -> None:
    """When the chain takes blocks back, an open page says that, and shows what the chain says now."""
    node = start_anvil()
    stage = set_stage(open_market(node, tmp_path / "deployment.json"))
    job, snapshot = stage.open("shaken"), node.request("evm_snapshot")
    stage.draw(job)
    database = Database(f"sqlite:///{tmp_path}/index.sqlite")
    with serve(Dependencies(stage.market, BlockStore(tmp_path / "store"), database)) as site:
        page = visit(site)
        follow(page, f"/jobs/{job}")
        expect(page.get_by_text("Executors are computing")).to_be_visible()
        expect(page.get_by_text("live", exact=True)).to_be_visible()
        assert node.request("evm_revert", snapshot) is True
        node.mine(4)
        expect(page.get_by_text("The chain took back some blocks").first).to_be_visible()
        expect(page.locator("#live").get_by_text("Anyone may draw executors")).to_be_visible()
        expect(page.get_by_text("What you see now is what the chain says now.")).to_be_visible()
        assert violations(page) == []
    database.close()
