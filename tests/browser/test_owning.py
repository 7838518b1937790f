"""The owner's console: putting on sale, closing, answering, getting paid; and jobs that end badly."""

from __future__ import annotations

from decimal import Decimal

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from app.chain.wallet.account import Account
from app.protocol.market.entities import Approval, JobState
from tests.browser.accessibility import violations
from tests.browser.acting import follow, newcomer, order
from tests.browser.conftest import Arrive, Person
from tests.browser.injected import Wallet
from tests.support.market import BITS, DOLLAR, HOUR
from tests.support.web import MarketNode

pytestmark = pytest.mark.chromium
SLOWDOWN = 8  # times, of a throttled processor


def test_an_owner_puts_a_dataset_on_sale_and_closes_it(person: Person, scene: MarketNode) -> None:
    """Terms are checked at their fields, one transaction makes the offer as typed, another closes it."""
    visitor, wallet = person(scene.stage.owner)
    page = visitor.page("/owner")
    page.get_by_role("link", name="Open my console").click()
    page.get_by_role("link", name="New offer").click()
    page.get_by_label("A license (tUSD)").fill("12.5.0")
    page.get_by_label("Jobs", exact=True).fill("0")
    page.get_by_role("button", name="Make the offer").click()
    expect(page.locator("#price_license-wrong")).to_have_text("Write an amount such as 25 or 12.50.")
    expect(page.locator("#max_jobs-wrong")).to_contain_text("Write a whole number from 1")
    page.get_by_label("Each row (tUSD)").fill("20,000,000,000,000")
    page.get_by_label("Rows in all").fill("1,099,511,627,776")
    page.get_by_role("button", name="Make the offer").click()
    expect(page.locator("#price_row-wrong")).to_have_text("Ask for 18,446,744,073,709.551615 tUSD at most.")
    expect(page.locator("#max_rows-wrong")).to_have_text("Write a whole number from 1 to 1,099,511,627,775.")
    expect(page.get_by_label("A license (tUSD)")).to_have_value("12.5.0")
    page.get_by_label("A license (tUSD)").fill("12.50")
    page.get_by_label("Jobs", exact=True).fill("7")
    page.get_by_label("Each row (tUSD)").fill("0.01")
    page.get_by_label("Rows in all").fill("10,000")
    wallet.declines.add("eth_sendTransaction")
    page.get_by_role("button", name="Make the offer").click()
    expect(page.get_by_text("You declined to sign.")).to_be_visible()
    wallet.declines.clear()
    page.get_by_role("button", name="Make the offer").click()
    page.wait_for_url("**/offers/*")
    number = scene.market.offer_count()
    made = scene.market.offer(number)
    assert (made.price_license, made.price_row, made.max_jobs, made.duration) == (12_500_000, 10_000, 7, 30 * 24 * HOUR)
    page.goto(f"/owners/{scene.stage.owner.address}")
    page.get_by_role("button", name=f"Close offer {number}").click()
    dialog = page.get_by_role("dialog", name=f"Close offer {number}?")
    expect(dialog).to_contain_text("a closed offer cannot be opened again")
    dialog.get_by_role("button", name="Go back").click()
    assert scene.market.offer(number).active
    page.get_by_role("button", name=f"Close offer {number}").click()
    dialog.get_by_role("button", name="Close it").click()
    expect(page.get_by_text("Done: one transaction")).to_be_visible()
    expect(page.get_by_role("button", name=f"Close offer {number}")).to_have_count(0)
    assert not scene.market.offer(number).active


def test_somebody_else_cannot_put_it_on_sale(person: Person, scene: MarketNode) -> None:
    """A wallet with another account is told which account this needs."""
    visitor, wallet = person(scene.stage.buyer)
    page = visitor.page(f"/datasets/{scene.stage.dataset}/offer")
    page.get_by_role("button", name="Make the offer").click()
    expect(page.get_by_text("This needs the account")).to_be_visible()
    assert "eth_sendTransaction" not in wallet.asked


@pytest.fixture(scope="module")
def by_hand(scene: MarketNode) -> int:
    """An offer whose jobs wait for the owner's word."""
    policy = scene.world.manifest.policy.model_copy(update={"approval": "manual"})
    scene.store.put(policy.to_bytes())
    return scene.market.create_offer(
        scene.stage.owner, scene.stage.dataset, price_license=DOLLAR, price_job=DOLLAR, price_row=1, max_jobs=10,
        max_rows=10_000, duration=24 * 30 * HOUR, policy=policy.digest, **BITS,
    ).value  # fmt: skip


def asked(scene: MarketNode, offer: int) -> tuple[Account, int]:
    """A buyer and their computed job, which waits for the owner's word."""
    buyer = newcomer(scene)
    job = order(scene, buyer, scene.market.buy_license(buyer, offer).value)
    scene.stage.execute(scene.store, job, scene.market.draw(buyer, job).value)
    return buyer, job


def at_console(person: Person, account: Account, owner: str, job: int) -> tuple[Page, Wallet, Locator]:
    """Somebody at an owner's console, once the index has a job; what stands there about it."""
    visitor, wallet = person(account)
    page = visitor.page("/jobs")
    follow(page, f"/jobs/{job}")
    expect(page.get_by_text("The owner has to approve the job").first).to_be_visible()
    page.goto(f"/owners/{owner}")
    return page, wallet, page.get_by_role("article").filter(has_text=f"Job {job} on")


def test_an_owner_approves_a_release_and_the_buyer_has_it(person: Person, scene: MarketNode, by_hand: int) -> None:
    """The console says what it would reveal and what each word means; one transaction; the custodian then releases."""
    buyer, job = asked(scene, by_hand)
    scene.agent().step()
    assert scene.market.job(job).state is JobState.COMPUTED
    page, wallet, waiting = at_console(person, scene.stage.owner, scene.stage.owner.address, job)
    expect(waiting).to_contain_text("Answer within")
    expect(waiting).to_contain_text("Told about a person so far")
    expect(waiting).to_contain_text("you earn 1.00004 tUSD")
    waiting.get_by_text("What exactly it would reveal").click()
    expect(waiting).to_contain_text("Nothing new: the same was asked before")  # by the job that is settled
    assert violations(page) == []
    waiting.get_by_role("button", name=f"Approve job {job}").click()
    dialog = page.get_by_role("dialog", name=f"Approve job {job}?")
    expect(dialog).to_contain_text("What is released cannot be called back")
    assert "eth_sendTransaction" not in wallet.asked
    dialog.get_by_role("button", name="Approve").click()
    expect(waiting).to_contain_text("You approved it: your custodian goes on")
    assert wallet.asked.count("eth_sendTransaction") == 1
    assert scene.market.job(job).approval is Approval.APPROVED
    scene.agent().step()
    assert scene.market.job(job).state is JobState.SETTLED
    theirs, _ = person(buyer)
    page = theirs.page(f"/jobs/{job}")
    expect(page.get_by_text("The dataset's owner approved the job.")).to_be_visible()
    expect(page.get_by_role("link", name="Open the result")).to_be_visible()


def refreshed(page: Page) -> None:
    """The job's live part loads again, as it does after each event of the chain."""
    page.evaluate("document.querySelector('#live').dataset.old = '1'")
    page.evaluate("document.body.dispatchEvent(new Event('job-changed'))")
    expect(page.locator("#live:not([data-old])")).to_be_visible()


def held_back(page: Page, pattern: str) -> list[Route]:
    """The requests to some address, which wait here until they are continued."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(pattern, hold)
    return held


def test_what_an_action_said_and_its_button_outlive_a_refresh(person: Person, scene: MarketNode, by_hand: int) -> None:
    """While it is under way its button stays off and its words stay; so does what it said at its end, and the focus."""
    _, job = asked(scene, by_hand)
    page, wallet, _ = at_console(person, scene.stage.owner, scene.stage.owner.address, job)
    page.goto(f"/jobs/{job}")
    refuse = page.get_by_role("button", name=f"Refuse job {job}")
    wallet.declines.add("eth_sendTransaction")
    held = held_back(page, "**/v1/transactions/deny-job")
    page.get_by_text("From a terminal").first.click()
    refuse.click()
    expect(page.get_by_text("Preparing it.")).to_be_visible()
    refreshed(page)
    expect(page.get_by_text("Preparing it.")).to_be_visible()
    expect(refuse).to_be_disabled()
    expect(page.get_by_text(f"darkroom custodian refuse {job}").first).to_be_visible()
    held.pop().continue_()
    page.get_by_role("dialog").get_by_role("button", name="Refuse").click()
    expect(page.get_by_text("You declined to sign.")).to_be_visible()
    refuse.focus()
    refreshed(page)
    expect(page.get_by_text("You declined to sign.")).to_be_visible()
    expect(refuse).to_be_focused()
    assert scene.market.job(job).approval is Approval.NONE


def test_why_an_action_failed_outlives_its_button(person: Person, scene: MarketNode) -> None:
    """Whoever was slower with a draw is told so, though the part that came meanwhile has no such button any more."""
    buyer = newcomer(scene)
    job = order(scene, buyer, scene.market.buy_license(buyer, scene.offer).value)
    visitor, _ = person(newcomer(scene))
    page = visitor.page("/jobs")
    follow(page, f"/jobs/{job}")
    held = held_back(page, "**/v1/transactions/draw-job")
    draw = page.get_by_role("button", name="Draw the executors")
    draw.click()
    expect(page.get_by_text("Waiting for your wallet.")).to_be_visible()
    scene.market.draw(buyer, job)
    expect(page.get_by_text("2 executors drawn at random.")).to_be_visible()
    expect(draw).to_have_count(0)
    held.pop().continue_()
    expect(page.locator("main .notice.bad")).to_be_visible()
    assert violations(page) == []


def test_an_owner_refuses_a_release_and_the_buyer_sees_why(person: Person, scene: MarketNode, by_hand: int) -> None:
    """On the job's own page, after a signature that was declined and lost nothing; the price is the buyer's again.

    The processor is slow, so that the page loads its live part again while the owner acts.
    """
    buyer, job = asked(scene, by_hand)
    page, wallet, _ = at_console(person, scene.stage.owner, scene.stage.owner.address, job)
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
    page.goto(f"/jobs/{job}")
    refuse = page.get_by_role("button", name=f"Refuse job {job}")
    wallet.declines.add("eth_sendTransaction")
    refuse.click()
    page.get_by_role("dialog").get_by_role("button", name="Refuse").click()
    expect(page.get_by_text("You declined to sign.")).to_be_visible()
    assert scene.market.job(job).approval is Approval.NONE
    wallet.declines.clear()
    refuse.click()
    page.get_by_role("dialog").get_by_role("button", name="Refuse").click()
    expect(page.get_by_text("The dataset's owner denied the job")).to_be_visible()
    expect(refuse).to_have_count(0)
    assert scene.market.job(job).approval is Approval.DENIED
    scene.agent().step()
    theirs, _ = person(buyer)
    page = theirs.page(f"/jobs/{job}")
    expect(page.get_by_text("did not approve it")).to_be_visible()
    assert scene.market.claims(buyer.address)["JobMarket"] >= scene.market.job(job).price


def test_nobody_else_says_the_owners_word(person: Person, scene: MarketNode, by_hand: int) -> None:
    """The job's page and the console offer it to the owner alone; others are told that they look at the public side."""
    buyer, job = asked(scene, by_hand)
    page, wallet, waiting = at_console(person, buyer, scene.stage.owner.address, job)
    expect(page.get_by_text("What everybody may see of it.")).to_be_visible()
    expect(waiting).to_contain_text("If you approve")
    buttons = page.get_by_role("main").get_by_role("button")
    for name in (f"Approve job {job}", "Withdraw", "Close", "Put down"):
        expect(buttons.filter(has_text=name)).to_have_count(0)
    expect(page.get_by_role("link", name="New offer")).to_have_count(0)
    page.goto(f"/jobs/{job}")
    expect(page.locator("[data-account-name]")).to_contain_text("0x")
    expect(page.get_by_role("button", name=f"Approve job {job}")).to_have_count(0)
    assert "eth_sendTransaction" not in wallet.asked
    assert scene.market.job(job).approval is Approval.NONE


def test_an_owner_withdraws_what_was_earned(person: Person, scene: MarketNode) -> None:
    """Sales are shared out and paid: a list, announced; one that stops half-way says what went; receipts in the end."""
    scene.market.buy_license(newcomer(scene), scene.offer)
    visitor, wallet = person(scene.stage.owner)
    before = scene.market.balance(scene.stage.owner.address)
    page = visitor.page("/jobs")
    page.wait_for_timeout(600)  # until the index has the sale
    page.goto(f"/owners/{scene.stage.owner.address}")
    page.get_by_role("button", name="Withdraw").click()
    dialog = page.get_by_role("dialog", name="Sign these?")
    expect(dialog).to_contain_text(f"Share out what offer {scene.offer} has earned")
    assert violations(page) == []
    listed = dialog.get_by_role("listitem").count()
    assert (listed > 1, "eth_sendTransaction" in wallet.asked) == (True, False)
    wallet.patience = listed - 1
    dialog.get_by_role("button", name="Sign them").click()
    expect(page.get_by_text("You declined to sign.")).to_be_visible()
    expect(page.get_by_text(f"{listed - 1} of {listed} went through and stay so.")).to_be_visible()
    wallet.patience = None
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("Done: one transaction")).to_be_visible()  # the rest
    expect(page.get_by_text("Refunds, fees and shares of sales collect here.")).to_be_visible()
    assert scene.market.balance(scene.stage.owner.address) > before


def _revoking(person: Person, scene: MarketNode, license: int) -> tuple[Page, Wallet]:
    """The owner, come from the console to a license's page, with the dialog about taking it back open."""
    visitor, wallet = person(scene.stage.owner)
    page = visitor.page("/jobs")
    follow(page, f"/licenses/{license}")
    page.goto(f"/owners/{scene.stage.owner.address}")
    page.get_by_role("link", name=f"License {license}", exact=True).click()
    page.get_by_role("button", name="Take the license back").click()
    return page, wallet


def test_an_owner_takes_a_license_back_and_pays_the_refund(person: Person, scene: MarketNode) -> None:
    """The dialog names the refund that is then signed: leave for exactly that, and the revocation; the page says so."""
    buyer, market = newcomer(scene), scene.market
    license = market.buy_license(buyer, scene.offer).value
    market.approve(scene.stage.owner, "LicenseMarket", 0)
    before = market.balance(scene.stage.owner.address)
    page, wallet = _revoking(person, scene, license)
    dialog = page.get_by_role("dialog", name=f"Take license {license} back?")
    expect(dialog).to_contain_text("This cannot be undone.")
    told = dialog.locator("[data-amount]").inner_text()
    dialog.get_by_role("button", name="Go back").click()
    expect(page.get_by_role("button", name="Take the license back")).to_be_enabled()
    assert "eth_sendTransaction" not in wallet.asked
    page.get_by_role("button", name="Take the license back").click()
    dialog.get_by_role("button", name="Take it back").click()
    expect(page.get_by_text("The owner took this license back")).to_be_visible()
    assert market.license(license).revoked
    assert wallet.asked.count("eth_sendTransaction") == 2
    refund = market.claims(buyer.address)["LicenseMarket"]
    assert before - market.balance(scene.stage.owner.address) == refund
    assert Decimal(told.split()[0]) * DOLLAR >= refund > 0
    assert market.allowance(scene.stage.owner.address, "LicenseMarket") < DOLLAR // 100
    expect(page.get_by_role("link", name="New job")).to_have_count(0)
    expect(page.get_by_text("It was never used.")).to_be_visible()


def test_only_the_owner_is_offered_to_take_a_license_back(person: Person, scene: MarketNode) -> None:
    """Its buyer sees no such button; a declined signature takes nothing back, and the owner can start again."""
    license = scene.market.buy_license(newcomer(scene), scene.offer).value
    scene.market.approve(scene.stage.owner, "LicenseMarket", 100 * DOLLAR)
    page, wallet = _revoking(person, scene, license)
    wallet.declines.add("eth_sendTransaction")
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_text("You declined to sign.")).to_be_visible()
    assert not scene.market.license(license).revoked
    expect(page.get_by_role("button", name="Take the license back")).to_be_enabled()
    other, _ = person(scene.stage.buyer)
    page = other.page(f"/licenses/{license}")
    expect(page.locator("[data-account-name]")).to_contain_text("0x")
    expect(page.get_by_role("button", name="Take the license back")).to_have_count(0)


def test_a_refusal_says_why_and_where_the_money_is(arrive: Arrive, scene: MarketNode) -> None:
    """A refused job gives the reason in words, and its result page says that there is none."""
    page = arrive().page(f"/jobs/{scene.refused}")
    expect(page.get_by_text("The owner's policy refused this release")).to_be_visible()
    expect(page.get_by_text("concentration").first).to_be_visible()
    page.goto(f"/jobs/{scene.refused}/result")
    expect(page.get_by_text("the job ended without one")).to_be_visible()


def test_anyone_draws_the_executors_of_a_job(person: Person, scene: MarketNode) -> None:
    """A job that waits for its draw offers it; somebody who is no party to it sends the transaction, and it goes on."""
    buyer = newcomer(scene)
    job = order(scene, buyer, scene.market.buy_license(buyer, scene.offer).value)
    visitor, _ = person(newcomer(scene))
    page = visitor.page("/jobs")
    follow(page, f"/jobs/{job}")
    page.get_by_role("button", name="Draw the executors").click()
    expect(page.get_by_text("2 executors drawn at random.")).to_be_visible()
    expect(page.get_by_role("button", name="Draw the executors")).to_have_count(0)
    assert scene.market.job(job).state is JobState.ASSIGNED


def test_an_overdue_job_is_ended_by_the_buyer_who_withdraws(person: Person, scene: MarketNode) -> None:
    """When nobody draws in time, the page says so, ends the wait by a transaction, and the refund is withdrawn."""
    buyer = newcomer(scene)
    license = scene.market.buy_license(buyer, scene.offer).value
    job = order(scene, buyer, license)
    scene.chain.advance(2 * HOUR)
    for provider in scene.stage.providers:
        scene.market.heartbeat(provider)
    visitor, _ = person(buyer)
    page = visitor.page("/jobs")
    follow(page, f"/jobs/{job}")
    expect(page.get_by_text("The deadline passed")).to_be_visible()
    page.get_by_role("button", name="End the wait").click()
    expect(page.get_by_text("so nothing was computed")).to_be_visible()
    before = scene.market.balance(buyer.address)
    page.goto(f"/accounts/{buyer.address}")
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("Refunds, fees and shares of sales collect here.")).to_be_visible()
    assert scene.market.balance(buyer.address) > before


def test_an_owner_puts_down_and_takes_back_the_custodians_bond(person: Person, scene: MarketNode) -> None:
    """A console says what answers for the custodian; amounts are checked at their field and signed as typed."""
    visitor, wallet = person(scene.stage.owner)
    page, before = visitor.page(f"/owners/{scene.stage.owner.address}"), scene.market.custody(1)
    page.get_by_text("Your custodian's bond:").first.click()
    field = page.locator("#bond-1")
    field.fill("a lot")
    page.get_by_role("button", name="Put down for dataset 1").click()
    expect(page.locator("#bond-1-wrong")).to_have_text("Write an amount such as 25 or 12.50.")
    field.fill("12.50")
    wallet.declines.add("eth_sendTransaction")
    page.get_by_role("button", name="Put down for dataset 1").click()
    expect(page.get_by_text("You declined to sign.")).to_be_visible()
    wallet.declines.clear()
    page.get_by_role("button", name="Put down for dataset 1").click()
    expect(page.locator("#bond-1")).to_have_value("")  # the page came anew
    assert scene.market.custody(1).bond == before.bond + 12_500_000
    page.get_by_text("Your custodian's bond:").first.click()
    page.locator("#bond-1").fill("12.50")
    page.get_by_role("button", name="Take back for dataset 1").click()
    expect(page.locator("#bond-1")).to_have_value("")  # the page came anew
    assert scene.market.custody(1).bond == before.bond


def test_an_owner_settles_a_license_that_is_over(person: Person, scene: MarketNode) -> None:
    """What a license was not told is for sale again once its seller says on the chain what it was told."""
    stage = scene.stage
    held = scene.market.buy_license(stage.buyer, scene.offer).value
    scene.market.revoke_license(stage.owner, held)
    visitor, _ = person(stage.owner)
    page = visitor.page(f"/licenses/{held}")
    page.get_by_role("button", name="Settle the license").click()
    page.get_by_role("dialog").get_by_role("button", name="Settle it").click()
    expect(page.get_by_role("heading", name="Settled")).to_be_visible()
    assert scene.market.license(held).settled
    expect(page.get_by_role("button", name="Settle the license")).to_have_count(0)
