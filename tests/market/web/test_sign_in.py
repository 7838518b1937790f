"""Signing in: what a message must say, and what attackers try."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.chain.wallet.account import Account
from app.chain.wallet.envelope import to_address
from app.market.web.auth import siwe
from app.market.web.errors.refusals import SignInRefused
from app.protocol.errors import BadInput
from tests.market.web.wallet import deploy_wallet
from tests.support.web import ORIGIN, SETTINGS, STRANGER, ApiClient, MarketNode, api_client

NOW = 1_800_000_000
HERE: dict[str, Any] = {"origin": ORIGIN, "chain_id": 0xDA2C00, "now": float(NOW)}


def message(**changes: str) -> str:
    """A good message, with some lines changed."""
    lines = siwe.compose(ORIGIN, STRANGER.address, 0xDA2C00, "a" * 32, NOW, NOW + 300).split("\n")
    for name, value in changes.items():
        field = f"{name.replace('_', ' ')}: "
        lines = [field + value if line.startswith(field) else line for line in lines]
    return "\n".join(lines)


def challenge(browser: ApiClient, account: Account = STRANGER) -> str:
    """A fresh message from the node."""
    answer = browser.client.post("/v1/session/challenge", json={"address": account.address})
    return str(answer.json()["message"])


def sign_in(browser: ApiClient, text: str, signer: Account = STRANGER, signature: str = "") -> tuple[int, str]:
    """Status and code of a sign-in."""
    signature = signature or "0x" + signer.sign_text(text)
    answer = browser.client.post("/v1/session", json={"message": text, "signature": signature})
    return answer.status_code, answer.json().get("code", "")


def test_a_message_reads_back() -> None:
    """What the node composes, its parser reads."""
    said = siwe.parse(message())
    assert (said.domain, said.address, said.chain_id) == ("testserver", STRANGER.address, 0xDA2C00)
    assert (said.issued_at, said.expires_at, said.nonce) == (NOW, NOW + 300, "a" * 32)
    siwe.check(said, **HERE)


def test_everything_that_the_standard_allows_is_read() -> None:
    """Scheme, no statement, Not Before, Request ID and resources have their places."""
    text = (
        message()
        .replace("testserver wants", "http://testserver wants")
        .replace(f"\n\n{siwe.STATEMENT}\n\n", "\n\n\n")
        .replace("Issued At: 2027-01-15T08:00:00Z", "Issued At: 2027-01-15T09:00:00.25+01:00")
        + "\nNot Before: 2027-01-15T08:00:00Z\nRequest ID: 7\nResources:\n- ipfs://x\n- https://y"
    )
    said = siwe.parse(text)
    assert (said.scheme, said.statement, said.request_id) == ("http", "", "7")
    assert (said.issued_at, said.resources) == (NOW + 0.25, ("ipfs://x", "https://y"))
    siwe.check(said, **HERE)


BROKEN: dict[str, Callable[[str], str]] = {
    "empty": lambda _: "",
    "other head": lambda text: text.replace("wants you", "asks you"),
    "a line too many": lambda text: text + "\nTip: 5",
    "a blank end": lambda text: text + "\n",
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "fields in another order": lambda text: text.replace(
        "Version: 1\nChain ID: 14298112", "Chain ID: 14298112\nVersion: 1"
    ),
    "no nonce": lambda text: text.replace("Nonce: " + "a" * 32 + "\n", ""),
    "short nonce": lambda _: message(Nonce="a" * 7),
    "version 2": lambda _: message(Version="2"),
    "hex chain": lambda _: message(Chain_ID="0xda2c00"),
    "address with a space": lambda text: text.replace(STRANGER.address, STRANGER.address + " "),
    "no such day": lambda _: message(Issued_At="2027-02-30T08:00:00Z"),
    "time without zone": lambda _: message(Issued_At="2027-01-15T08:00:00"),
    "two statements": lambda text: text.replace(siwe.STATEMENT, siwe.STATEMENT + "\nAnd more"),
    "writing turned around": lambda text: text.replace("Darkroom", "Dark\u202eroom"),
    "too long": lambda text: text + "\nResources:" + "\n- x" * 2000,
    "too many resources": lambda text: text + "\nResources:" + "\n- x" * 21,
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_message_of_another_form_is_refused(how: str) -> None:
    """The parser takes the standard's form and nothing beside it."""
    with pytest.raises(SignInRefused):
        siwe.parse(BROKEN[how](message()))


WRONG = {
    "other domain": lambda: message().replace("testserver wants", "evil.example wants"),
    "domain with another port": lambda: message().replace("testserver wants", "testserver:81 wants"),
    "user before the domain": lambda: message().replace("testserver wants", "testserver@evil.example wants"),
    "other scheme": lambda: message().replace("testserver wants", "https://testserver wants"),
    "other site's URI": lambda: message(URI="http://evil.example/"),
    "other port's URI": lambda: message(URI="http://testserver:81/"),
    "URI that is none": lambda: message(URI="http://[testserver/"),
    "other chain": lambda: message(Chain_ID="1"),
    "expired": lambda: message(Expiration_Time="2027-01-15T08:00:00Z"),
    "no expiration": lambda: "\n".join(message().split("\n")[:-1]),
    "late expiration": lambda: message(Expiration_Time="2027-01-17T08:00:00Z"),
    "from the future": lambda: message(Issued_At="2027-01-15T08:05:00Z", Expiration_Time="2027-01-15T08:09:00Z"),
    "old": lambda: message(Issued_At="2027-01-15T07:40:00Z"),
    "not valid yet": lambda: message() + "\nNot Before: 2027-01-15T08:00:01Z",
}


@pytest.mark.parametrize("how", WRONG)
def test_a_message_for_another_place_or_time_is_refused(how: str) -> None:
    """Domain, URI, chain and every time are held to this site and this moment."""
    with pytest.raises(SignInRefused):
        siwe.check(siwe.parse(WRONG[how]()), **HERE)


@given(st.text(max_size=300), st.integers(0, 400), st.integers(0, 40))
def test_no_text_breaks_the_parser(noise: str, at: int, cut: int) -> None:
    """Whatever is put into a message, it is read or refused."""
    text = message()
    with suppress(SignInRefused):
        said = siwe.parse(text[:at] + noise + text[at + cut :])
        assert said.nonce.isalnum()


def test_signing_in_and_out(scene: MarketNode, browser: ApiClient) -> None:
    """The cookie is for this site's own pages alone, and is nothing after signing out."""
    browser.sign_in(STRANGER)
    assert browser.client.get("/v1/session").json()["address"] == STRANGER.address
    secret = browser.client.cookies["darkroom"]
    assert browser.client.delete("/v1/session").status_code == 204
    assert browser.client.get("/v1/session").json()["signed_in"] is False
    browser.client.cookies.set("darkroom", secret)
    assert browser.client.get("/v1/session").json()["signed_in"] is False


@pytest.mark.parametrize("origin", ["http://testserver", "https://node.example"])
def test_the_cookie_is_guarded(scene: MarketNode, origin: str) -> None:
    """HttpOnly and SameSite=Strict always; over TLS also Secure and bound to the host."""
    settings = SETTINGS.model_copy(update={"origin": origin})
    with api_client(scene, settings) as browser:
        text = challenge(browser)
        answer = browser.client.post(
            "/v1/session", json={"message": text, "signature": "0x" + STRANGER.sign_text(text)}
        )
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert ("Secure" in cookie) is (origin.startswith("https"))
        assert cookie.startswith("__Host-darkroom=" if origin.startswith("https") else "darkroom=")
        assert answer.headers["cache-control"] == "no-store"


def test_a_sign_in_works_once(browser: ApiClient) -> None:
    """The same message and signature a second time are a replay."""
    text = challenge(browser)
    assert sign_in(browser, text)[0] == 201
    assert sign_in(browser, text) == (403, "sign-in-refused")


def test_a_nonce_must_be_the_nodes_own(browser: ApiClient) -> None:
    """A message that is right in every word but its nonce is refused."""
    assert sign_in(browser, message()) == (403, "sign-in-refused")


def test_a_failed_signature_uses_the_nonce_up(browser: ApiClient) -> None:
    """Nobody gets a second try at the same message."""
    text = challenge(browser)
    assert sign_in(browser, text, signature="0x" + "11" * 65) == (403, "sign-in-refused")
    assert sign_in(browser, text) == (403, "sign-in-refused")


def test_another_accounts_signature_is_refused(scene: MarketNode, browser: ApiClient) -> None:
    """One signs in as oneself."""
    assert sign_in(browser, challenge(browser), scene.stage.buyer) == (403, "sign-in-refused")


def test_a_wrong_checksum_is_refused(browser: ApiClient) -> None:
    """An address whose mixed case is no EIP-55 checksum was mistyped."""
    text = challenge(browser).replace(STRANGER.address, STRANGER.address.swapcase().replace("0X", "0x"))
    assert sign_in(browser, text)[0] == 422


def test_five_minutes_are_all(scene: MarketNode, browser: ApiClient) -> None:
    """A message that waited too long for its signature is refused, and so is a session after its time."""
    text = challenge(browser)
    began = scene.time[0]
    try:
        scene.time[0] = began + 300
        assert sign_in(browser, text) == (403, "sign-in-refused")
        browser.sign_in(STRANGER)
        scene.time[0] += 12 * 3600
        assert browser.client.get("/v1/session").json()["signed_in"] is False
    finally:
        scene.time[0] = began


@pytest.fixture(scope="module")
def wallet(scene: MarketNode) -> str:
    """A contract account that calls everything its own that the stranger signed."""
    return deploy_wallet(scene.chain, STRANGER)


def test_a_contract_account_signs_in(scene: MarketNode, browser: ApiClient, wallet: str) -> None:
    """ERC-1271: the contract's word counts, for what its owner signed and for nothing else."""
    text = str(browser.client.post("/v1/session/challenge", json={"address": wallet}).json()["message"])
    assert sign_in(browser, text, scene.stage.buyer) == (403, "sign-in-refused")
    text = str(browser.client.post("/v1/session/challenge", json={"address": wallet}).json()["message"])
    assert sign_in(browser, text, STRANGER)[0] == 201
    assert browser.client.get("/v1/session").json()["address"] == wallet


def test_a_contract_that_does_not_answer_is_no_account(scene: MarketNode, browser: ApiClient) -> None:
    """A contract without isValidSignature vouches for nothing."""
    token = scene.market.addresses["TestUSD"]
    text = str(browser.client.post("/v1/session/challenge", json={"address": token}).json()["message"])
    assert sign_in(browser, text, STRANGER) == (403, "sign-in-refused")


def test_an_address_of_one_case_has_no_checksum_to_hold() -> None:
    """Wallets that write lower case are served; a wrong mixed case is not."""
    assert to_address(STRANGER.address.lower()) == STRANGER.address
    with pytest.raises(BadInput):
        to_address(STRANGER.address[:-1] + ("A" if STRANGER.address[-1] != "A" else "B"))
