"""The whole way on a node of one's own: `darkroom up`, a browser with nothing in it, both sides, an opened result."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect

from app.client.dataset import Dataset
from app.demo import table as tables
from app.home.home import Home
from app.home.network import Network
from app.node.sample import FOLDER, OWNER_FILE, model_file
from app.protocol.vocabulary import Encoding
from app.seal.keys import SealingKey
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.circuit.codec import decode
from ingestion.codes import affine_codes, find
from tests.browser.acting import make_key, sign
from tests.browser.chromium import Visitor
from tests.support.running_node import RunningNode

pytestmark = pytest.mark.chromium
RELEASE = 90_000  # milliseconds for two executors and the custodian on a busy machine


def test_a_newcomer_clicks_from_the_catalogue_to_an_opened_result(opened: Browser, tmp_path: Path) -> None:
    """Demo wallet, license, a model at hand, key, job; then as the owner: approve; as the buyer again: the result.

    The custodian of `darkroom up` waits for the word and releases after it; what opens are the clear model's labels.
    """
    home = tmp_path / "home"
    node = RunningNode(home)
    try:
        node.said("sample", "part-ended", code=0)
        url = node.wait(lambda event: event.get("service") == "web" and event.get("event") == "ready")
        visitor = Visitor.arrive(opened, str(url.get("address") or url.get("url")))
        page = visitor.page("/")
        _buy(page)
        recovery = _order(page)
        number = int(page.url.rsplit("/", 1)[1])
        _approve(page, number, home / FOLDER / OWNER_FILE)
        page.get_by_role("link", name="Open the result").click(timeout=RELEASE)
        expect(page.get_by_text("Opened, and it is this job's result")).to_be_visible()
        frames = [pl.read_csv(io.BytesIO(_saved(page, "CSV"))), pl.read_parquet(io.BytesIO(_saved(page, "Parquet")))]
        assert frames[0].equals(frames[1])
        assert np.array_equal(frames[0]["label"].to_numpy(), _in_the_clear(home))
        file = tmp_path / "recovery.key"
        file.write_bytes(recovery)
        job = Network.open(Home(home)).market.job(number)
        assert SealingKey.load(file, "correct horse battery").public.hex() == job.sealing_key
        assert visitor.faults == []
        visitor.context.close()
    finally:
        node.stop()


def _buy(page: Page) -> None:
    page.get_by_role("link", name="Breast cancer").click()
    page.get_by_role("link", name="See terms and buy").first.click()
    expect(page.get_by_text("the owner then approves each release by hand")).to_be_visible()
    page.get_by_role("button", name="Buy for").click()
    page.get_by_role("button", name="Demo wallet").click()
    page.get_by_role("button", name="Get test money").click()
    for _ in range(3):  # the money, the permit, the purchase
        sign(page)
    page.wait_for_url("**/licenses/*")


def _order(page: Page) -> bytes:
    page.get_by_role("link", name="New job").click()
    page.get_by_role("button", name="Sample: Logistic regression").click()
    expect(page.get_by_text("This job fits the policy")).to_be_visible()
    page.get_by_role("button", name="Sign and open the job").click()
    recovery = make_key(page)
    for _ in range(2):  # the permit, the job
        sign(page)
    page.wait_for_url("**/jobs/*")
    return recovery


def _approve(page: Page, job: int, account: Path) -> None:
    """Stand on the other side with the sample owner's account, and come back to the job's page."""
    expect(page.get_by_text("The owner has to approve the job").first).to_be_visible(timeout=RELEASE)
    page.goto("/wallet")
    page.get_by_role("button", name="Import a file").click()
    page.get_by_label("Account file").set_input_files(account)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("listitem").filter(has_text="the sample's owner")).to_contain_text("Signs now")
    page.get_by_role("link", name="Sell data").click()
    page.get_by_role("link", name="Open my console").click()
    page.get_by_role("button", name=f"Approve job {job}").click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    sign(page)
    expect(page.get_by_role("button", name=f"Approve job {job}")).to_have_count(0)
    page.goto(f"/jobs/{job}")


def _saved(page: Page, form: str) -> bytes:
    with page.expect_download() as handed:
        page.get_by_role("button", name=f"Download {form}").click()
    return Path(handed.value.path()).read_bytes()


def _in_the_clear(home: Path) -> npt.NDArray[Any]:
    """The model on the owner's rows, which only this test can see."""
    file = model_file(home / FOLDER, 1, "logistic-regression")
    circuit, dataset = decode(file.read_bytes()), Dataset.open(Network.open(Home(home)), 1)
    halves = tables.load()
    codes: dict[tuple[str, Encoding], npt.NDArray[np.int64]] = {
        (name, "affine"): affine_codes(find(dataset.codebook, name), halves.owner[:, at].astype(np.float64))
        for at, name in enumerate(halves.columns)
    }
    return np.asarray(circuit.readout.label(evaluate_clear(circuit, gather_inputs(circuit, codes)).T)[0])
