"""What others do on the chain while a visitor looks: executors, time."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

from app.chain.wallet.account import Account
from fhe.circuit.codec import encode
from tests.support.custody import BUYER_PUBLIC, linear_circuit
from tests.support.web import MarketNode

DOLLAR = 10**6
ETHER = 10**18
NOT_YET = 404


def newcomer(scene: MarketNode) -> Account:
    """Somebody new, with gas and a hundred dollars, who never approved anything."""
    account = Account.generate()
    scene.chain.fund(account.address, ETHER)
    scene.market.faucet(account, 100 * DOLLAR)
    return account


def order(scene: MarketNode, buyer: Account, license: int) -> int:
    """A job that a newcomer opens on the scene's circuit; its id."""
    return scene.stage.open(
        buyer=buyer, license=license, circuit=scene.circuit, rows=40, sealing_key=BUYER_PUBLIC, units=1
    )


def follow(page: Page, path: str) -> None:
    """Go to a page that the index shows in a moment."""
    answer = page.goto(path)
    while answer is not None and answer.status == NOT_YET:
        page.wait_for_timeout(100)
        answer = page.goto(path)


SPREAD = [3, 5, -7, 11, 13, -17, 19, 23]


def circuit_file(folder: Path, weights: list[int]) -> Path:
    """A circuit as a buyer has it."""
    path = folder / "model.circuit"
    path.write_bytes(encode(linear_circuit([weights])))
    return path


def sign(page: Page) -> None:
    """Say yes to what the demo wallet shows."""
    page.get_by_role("dialog").get_by_role("button", name="Sign", exact=True).click()


def make_key(page: Page) -> bytes:
    """Make a sealing key in the dialog; its recovery file."""
    page.get_by_label("Passphrase for the recovery file").fill("correct horse battery")
    page.get_by_label("Again").fill("correct horse battery")
    with page.expect_download() as handed:
        page.get_by_role("button", name="Make the key").click()
    data = Path(handed.value.path()).read_bytes()
    assert "quiet" not in page.get_by_role("dialog").inner_text().split(), "a button's kind is no word"
    page.get_by_role("button", name="I have saved it").click()
    return data
