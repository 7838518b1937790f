"""What others do on the chain while a visitor looks: executors, time."""

from __future__ import annotations

from collections.abc import Sequence

from playwright.sync_api import Page

from app.chain.wallet.account import Account
from app.execution.execute import execute
from app.execution.inputs import load_job_inputs
from tests.support.custody import BUYER_PUBLIC
from tests.support.web import Scene

DOLLAR = 10**6
ETHER = 10**18
NOT_YET = 404


def newcomer(scene: Scene) -> Account:
    """Somebody new, with gas and a hundred dollars, who never approved anything."""
    account = Account.generate()
    scene.chain.fund(account.address, ETHER)
    scene.market.faucet(account, 100 * DOLLAR)
    return account


def compute(scene: Scene, job: int, drawn: Sequence[str]) -> None:
    """The drawn executors evaluate, commit and reveal."""
    done = execute(load_job_inputs(scene.market, scene.store, job), scene.store, threads=1)
    scene.store.put(done.receipt.to_bytes())
    scene.store.put(done.output)
    scene.stage.answer(job, drawn, done.receipt.digest)


def order(scene: Scene, buyer: Account, license: int) -> int:
    """A job that a newcomer opens on the scene's circuit; its id."""
    sent = scene.market.open_job(
        buyer, license, circuit=scene.circuit, first_row=0, rows=40, sealing_key=BUYER_PUBLIC, units=1, replicas=2,
        max_fee=6000,
    )  # fmt: skip
    return sent.value


def follow(page: Page, path: str) -> None:
    """Go to a page that the index shows in a moment."""
    answer = page.goto(path)
    while answer is not None and answer.status == NOT_YET:
        page.wait_for_timeout(100)
        answer = page.goto(path)
