"""The whole way on a node of one's own: `darkroom up`, a browser with nothing in it, both sides, an opened result."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect

from app.client.dataset import Dataset
from app.demo import table as tables
from app.demo.table import OUTCOMES
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
CLICKS = 12  # from the catalogue to an opened result
COUNT = """addEventListener("click", ({ isTrusted }) => {
    localStorage.clicks = Number(localStorage.clicks ?? 0) + Number(isTrusted); }, true);"""
RELEASE = 90_000  # milliseconds for two executors and the custodian on a busy machine


def test_a_newcomer_clicks_from_the_catalogue_to_an_opened_result(opened: Browser, tmp_path: Path) -> None:
    """In one sheet: demo wallet, test money, key, license, job; the result opens after twelve clicks at most.

    Then once more under the offer whose owner approves, with Back, a reload and a second tab at every step: no page is
    untrue, nothing is paid twice. The custodian of `darkroom up` releases; what opens are the clear model's labels.
    """
    home = tmp_path / "home"
    node = RunningNode(home)
    try:
        node.said("sample", "part-ended", code=0)
        url = node.wait(lambda event: event.get("service") == "web" and event.get("event") == "ready")
        visitor = Visitor.arrive(opened, str(url.get("address") or url.get("url")))
        visitor.context.add_init_script(COUNT)
        page = visitor.page("/")
        recovery = _buy_and_run(page)
        number = int(page.url.rsplit("/", 1)[1])
        page.get_by_role("link", name="Open the result").click(timeout=RELEASE)
        expect(page.get_by_text("Opened, and it is this job's result")).to_be_visible()
        assert int(page.evaluate("localStorage.clicks")) <= CLICKS
        frames = [pl.read_csv(io.BytesIO(_saved(page, "CSV"))), pl.read_parquet(io.BytesIO(_saved(page, "Parquet")))]
        assert frames[0].equals(frames[1])
        clear = _in_the_clear(home)
        assert np.array_equal(frames[0]["label"].to_numpy(), clear)
        assert frames[0]["class"].to_list() == [OUTCOMES[label] for label in clear.tolist()]
        assert [row["class"] for row in json.loads(_saved(page, "JSON"))["rows"]] == frames[0]["class"].to_list()
        summary = page.get_by_role("region", name="In short")
        expect(summary).to_contain_text(f"benign{np.count_nonzero(clear)} of {len(clear)}")
        file = tmp_path / "recovery.key"
        file.write_bytes(recovery)
        market = Network.open(Home(home)).market
        assert SealingKey.load(file, "correct horse battery").public.hex() == market.job(number).sealing_key
        _as_the_page_says(page, home)
        _run_disturbed(visitor)
        page = visitor.context.pages[-1]
        assert (market.license_count(), market.job_count()) == (2, number + 1)
        _approve(page, number + 1, home / FOLDER / OWNER_FILE)
        page.get_by_role("link", name="Open the result").click(timeout=RELEASE)
        expect(page.get_by_text("Opened, and it is this job's result")).to_be_visible()
        assert visitor.faults == []
        visitor.context.close()
    finally:
        node.stop()


def _as_the_page_says(page: Page, home: Path) -> None:
    """What the dataset's page gives to copy runs as it stands, from a program, a terminal and curl."""
    page.goto("/datasets/1")
    said = page.locator("#use pre").all_inner_texts()
    python, command, curl = (text.strip() for text in said)
    tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    settings = os.environ | {"DARKROOM_HOME": str(home), "PATH": tools}
    for program in ([sys.executable, "-c", python], ["sh", "-ec", command], ["sh", "-ec", curl]):
        done = subprocess.run(program, env=settings, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, (program, done.stderr[-2000:])
        assert "mean radius" in done.stdout or '"price_license"' in done.stdout, program


def _choose(page: Page, approval: str) -> None:
    """From the catalogue to the sheet, under the offer with this approval."""
    page.get_by_role("link", name="Breast cancer").click()
    card = page.locator(".panel").filter(has_text=approval).filter(has=page.get_by_role("link", name="Run a model"))
    card.get_by_role("link", name="Run a model").click()
    expect(page.get_by_role("button", name="Sample: Logistic regression")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text("This job fits the policy")).to_be_visible()


def _buy_and_run(page: Page) -> bytes:
    """Everything in the sheet, from a browser with nothing in it; the sealing key's recovery file."""
    _choose(page, "none by hand")
    page.get_by_role("button", name="Buy and run").click()
    page.get_by_role("button", name="Demo wallet").click()
    sign(page)  # the test money
    recovery = make_key(page)
    for _ in range(4):  # the license's permit and purchase, the job's permit and order
        sign(page)
    page.wait_for_url("**/jobs/*")
    return recovery


def _run_disturbed(visitor: Visitor) -> None:
    """The same under the offer whose owner approves, with everything that people do to pages meanwhile."""
    page = visitor.page("/")
    _choose(page, "by the owner")
    page.go_back()
    expect(page.get_by_role("link", name="Run a model").first).to_be_visible()
    page.go_forward()
    run = page.get_by_role("button", name="Buy and run")
    for _ in range(2):  # a reload before anything was sent shows the sheet, with its price
        expect(page.get_by_text("This job fits the policy")).to_be_visible()
        run.click()
        expect(page.get_by_role("dialog")).to_contain_text("the contract of licenses")
        page.reload()
    run.click()
    sign(page)
    sign(page)
    expect(page.get_by_role("dialog")).to_contain_text("the contract of jobs")
    other = visitor.page(page.url)
    for each in (page, other):  # the license that was bought is used, and not bought again
        each.reload()
        expect(each.get_by_label("Under")).to_have_value(re.compile("license-2"))
        expect(each.get_by_text("in escrow until the result is released")).to_be_visible()
    page.bring_to_front()
    run.click()
    sign(page)
    expect(page.get_by_role("dialog", name="Demo wallet: send this transaction?")).to_be_visible()
    page.reload()
    for each in (other, page):
        expect(each.get_by_text("An order waits for your signature")).to_be_visible()
    page.get_by_role("button", name="Begin anew").click()
    page.get_by_role("dialog").get_by_role("button", name="Begin anew").click()
    run.click()
    sign(page)
    sign(page)
    page.wait_for_url("**/jobs/*")
    other.close()


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
    approve = page.get_by_role("button", name=f"Approve job {job}")
    expect(approve).to_be_visible(timeout=RELEASE)  # the console hears of it as the job's own page does, when it can
    approve.click()
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
