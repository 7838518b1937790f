"""The wallet page: keys, the demo wallet's accounts, sessions and tokens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.market.web.auth.sessions import SCOPE_WORDS
from tests.browser.accessibility import violations
from tests.browser.acting import SPREAD, circuit_file, sign
from tests.browser.conftest import Arrive, Person
from tests.browser.injected import NAME
from tests.support.web import MarketNode

pytestmark = pytest.mark.chromium


def test_a_keys_dialogs_tell_what_is_wrong_at_the_field(arrive: Arrive, tmp_path: Path) -> None:
    """A short passphrase, two that differ, no file and a file that is none are told in place; the rest stays."""
    page = arrive().page("/wallet")
    page.get_by_role("button", name="Make a key").click()
    first, again = page.get_by_label("Passphrase for the recovery file"), page.get_by_label("Again")
    first.fill("short")
    page.get_by_role("button", name="Make the key").click()
    expect(page.locator("#passphrase-wrong")).to_have_text("Use at least 8 characters.")
    expect(first).to_be_focused()
    first.fill("correct horse battery")
    again.fill("correct horse")
    page.get_by_role("button", name="Make the key").click()
    expect(page.locator("#passphrase-wrong")).to_be_hidden()
    expect(page.locator("#again-wrong")).to_have_text("The two passphrases differ.")
    expect(first).to_have_value("correct horse battery")
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Import a recovery file").click()
    page.get_by_label("Its passphrase").fill("correct horse battery")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.locator("#recovery-wrong")).to_have_text("Choose the recovery file.")
    for data in (b"not a key", bytes(1 << 20)):
        (tmp_path / "other.key").write_bytes(data)
        page.get_by_label("Recovery file", exact=True).set_input_files(tmp_path / "other.key")
        page.get_by_role("button", name="Import", exact=True).click()
        expect(page.locator("#recovery-wrong")).to_contain_text("This is not a recovery file, or it is damaged.")
    expect(page.get_by_label("Its passphrase")).to_have_value("correct horse battery")


def test_the_demo_wallet_buys_with_play_money(arrive: Arrive, scene: MarketNode) -> None:
    """A visitor with no extension makes a wallet in the page, gets test money and buys."""
    page = arrive().page("/wallet")
    page.get_by_role("button", name="Demo wallet").click()
    page.get_by_role("button", name="Get test money").click()
    dialog = page.get_by_role("dialog", name="Demo wallet: send this transaction?")
    expect(dialog).to_contain_text("Mint 1,000.00 tUSD of test money")
    assert violations(page) == []
    sign(page)
    expect(page.get_by_text("of play money arrived")).to_be_visible()
    page.goto(f"/offers/{scene.offer}")
    page.get_by_role("button", name="Buy for").click()
    dialog = page.get_by_role("dialog", name="Demo wallet: sign this permit?")
    expect(dialog).to_contain_text("1.00 tUSD")
    expect(dialog).to_contain_text("the contract of licenses")
    dialog.get_by_role("button", name="Decline").click()
    expect(page.get_by_text("You declined to sign.")).to_be_visible()
    page.get_by_role("button", name="Buy for").click()
    sign(page)
    expect(page.get_by_role("dialog")).to_contain_text(f"Buy a license from offer {scene.offer}")
    sign(page)
    page.wait_for_url("**/licenses/*")
    bought = scene.market.license(scene.market.license_count())
    expect(page.locator("[data-account]")).to_have_attribute("href", f"/accounts/{bought.buyer}")


def test_signing_in_makes_and_revokes_tokens(person: Person, scene: MarketNode, tmp_path: Path) -> None:
    """The wallet signs a message, and the page then makes an API token, shows it once, and revokes it."""
    visitor, _ = person(scene.stage.buyer)
    page = visitor.page("/wallet")
    page.get_by_role("button", name="Sign in with the wallet").click()
    expect(page.get_by_text("Signed in", exact=True)).to_be_visible()
    page.get_by_role("button", name="New token").click()
    page.get_by_label("read my licenses, jobs and money").uncheck()
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("#token-name-wrong")).to_contain_text("Say what it is for")
    expect(page.locator("#scopes-wrong")).to_have_text("Let it do one thing at least.")
    assert violations(page) == []
    for words in SCOPE_WORDS.values():  # the node takes every scope that its page offers
        page.get_by_label(words).check()
    expect(page.get_by_role("dialog").get_by_role("checkbox")).to_have_count(len(SCOPE_WORDS))
    page.get_by_label("What it is for").fill("nightly scoring")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("dialog code")).to_contain_text("drk_")
    page.keyboard.press("Escape")  # as good as the button: the token is made
    expect(page.get_by_text("nightly scoring")).to_be_visible()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("nightly scoring")).to_have_count(0)
    page.goto(f"/licenses/{scene.license}/job")  # a page that was just loaded works in the session too
    page.get_by_label("Circuit file").set_input_files(circuit_file(tmp_path, SPREAD))
    expect(page.get_by_role("heading", name="What the result says about each person")).to_be_visible()
    page.goto("/wallet")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in with the wallet")).to_be_visible()
    assert NAME in page.locator("#wallet-page").inner_text()


def test_a_sign_in_that_is_over_is_told_in_words(person: Person, scene: MarketNode) -> None:
    """Who was signed out meanwhile reads that, with a way to go on, and no route of the API."""
    visitor, _ = person(scene.stage.buyer)
    page = visitor.page("/wallet")
    page.get_by_role("button", name="Sign in with the wallet").click()
    expect(page.get_by_text("Signed in", exact=True)).to_be_visible()
    visitor.context.clear_cookies()
    page.get_by_role("button", name="New token").click()
    page.get_by_label("What it is for").fill("nightly scoring")
    page.get_by_role("button", name="Make it").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("You are not signed in any more: a sign-in lasts 12 hours.")
    assert "POST" not in dialog.inner_text()
    expect(dialog.get_by_label("What it is for")).to_have_value("nightly scoring")
    dialog.get_by_role("link", name="Sign in.").click()
    page.get_by_role("button", name="Sign in with the wallet").click()
    expect(page.get_by_text("Signed in", exact=True)).to_be_visible()


def test_test_accounts_travel_as_files(arrive: Arrive, scene: MarketNode, tmp_path: Path) -> None:
    """The demo wallet signs with one of several accounts; a file that it or a node wrote brings one elsewhere."""
    page = arrive().page("/wallet")
    page.get_by_role("button", name="Demo wallet").click()
    page.get_by_role("button", name="New account").click()
    expect(page.locator("[data-demo-accounts] li")).to_have_count(2)
    with page.expect_download() as handed:
        page.get_by_role("button", name="Save as a file").click()
    saved = Path(handed.value.path()).read_bytes()
    mine = json.loads(saved)["address"]
    assert "Test money only" in json.loads(saved)["note"]
    other = arrive()
    page = other.page("/wallet")
    page.get_by_role("button", name="Demo wallet").click()
    _bring(page, tmp_path, saved)
    expect(page.locator("[data-account]")).to_have_attribute("href", f"/accounts/{mine}")
    owner = scene.stage.owner
    _bring(page, tmp_path, owner.test_account(scene.market.chain_id, "the owner"))
    expect(page.locator("[data-account]")).to_have_attribute("href", f"/accounts/{owner.address}")
    expect(page.get_by_role("listitem").filter(has_text="the owner")).to_contain_text("Signs now")
    page.get_by_role("button", name=f"Use {mine[:8]}").click()
    expect(page.get_by_role("listitem").filter(has_text=mine[-4:])).to_contain_text("Signs now")
    page.reload()
    expect(page.get_by_role("listitem").filter(has_text=mine[-4:])).to_contain_text("Signs now")
    assert violations(page) == []


def test_a_file_that_is_no_test_account_is_refused_at_its_field(
    arrive: Arrive, scene: MarketNode, tmp_path: Path
) -> None:
    """No file, another file, another chain's, another address's key: each is told, and the wallet keeps its account."""
    page = arrive().page("/wallet")
    page.get_by_role("button", name="Demo wallet").click()
    account, chain = scene.stage.owner, scene.market.chain_id
    page.get_by_role("button", name="Import a file").click()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.locator("#account-file-wrong")).to_have_text("Choose the file of a test account.")
    good = json.loads(account.test_account(chain, ""))
    for data, told in (
        (b"\x00" * 9000, "This is not the file of a test account."),
        (b"[]", "This is not the file of a test account."),
        (account.test_account(chain + 1, ""), f"This account is of the chain {chain + 1}"),
        (json.dumps(good | {"address": scene.stage.buyer.address}).encode(), "key is not that of its address"),
        (json.dumps(good | {"key": "0x" + "00" * 32}).encode(), "key is not that of its address"),
    ):
        (tmp_path / "account.json").write_bytes(data)
        page.get_by_label("Account file").set_input_files(tmp_path / "account.json")
        page.get_by_role("button", name="Import", exact=True).click()
        expect(page.locator("#account-file-wrong")).to_contain_text(told)
    assert violations(page) == []
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("[data-demo-accounts] li")).to_have_count(1)


def _bring(page: Page, folder: Path, data: bytes) -> None:
    (folder / "account.json").write_bytes(data)
    page.get_by_role("button", name="Import a file").click()
    page.get_by_label("Account file").set_input_files(folder / "account.json")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
