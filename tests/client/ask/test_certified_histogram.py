"""Certified means and a histogram, from the owner's command to anybody's audit, on a table with bins."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.client.certificate import Certificate, certificate, certified
from app.market.web import pages
from app.protocol.data.manifest import Manifest
from app.protocol.market.receipt import OutputPolicy
from app.seal.keys import everybody
from tests.client.conftest import Run
from tests.support.certificates import sells
from tests.support.custody import EDGES, EncryptedDataset
from tests.support.policies import roomy
from tests.support.regression import settle
from tests.support.web import SETTINGS, MarketNode, build_node


class WithBins(EncryptedDataset):
    """The usual small table under the reference profile, with the bins of each column besides."""

    def _publish(self, policy: OutputPolicy) -> Manifest:
        self.bins = True
        return super()._publish(policy)


@pytest.fixture(name="scene")
def scene_with_bins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MarketNode]:
    """A node of the test's own."""
    folder = tmp_path_factory.mktemp("node")
    made = build_node(folder, WithBins(folder, policy=roomy()))
    yield made
    made.database.close()
    made.chain.close()


def settled(scene: MarketNode, call: Any) -> Any:
    """What a command answers, while executors and custodian settle each job that it orders."""
    before, found = scene.market.job_count(), []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    while thread.is_alive():
        thread.join(0.05)
        while scene.market.job_count() > before:
            before += 1
            settle(scene, before)
    return found[0]


def test_an_owner_certifies_and_anyone_audits(scene: MarketNode, darkroom: Run, tmp_path: Path) -> None:
    """Means and a histogram, ordered with a bound, opened by everybody, shown on card and page with what they prove,
    audited from public records.
    """
    offer = sells(scene)
    assert darkroom("dataset", "certificate", "1", "--json")[1] == []
    assert darkroom("audit", "--certificate", "1", "--json")[1]["error"]["code"] == "not-found"
    words = ("dataset", "certify", "1", "--offer", str(offer), "--column", "c2", "--yes", "--json")
    assert darkroom(*words, "--max-price", "0.5")[1]["error"]["code"] == "not-allowed"
    assert darkroom(*words, "--column", "c9", "--max-price", "9")[1]["error"]["code"] == "bad-query"
    before = scene.market.job_count()
    code, made, _ = settled(scene, lambda: darkroom(*words, "--max-price", "30"))
    assert code == 0, made
    averages, histogram = made["answers"]
    assert averages["question"].startswith("SELECT avg(c0), avg(c1)")
    assert histogram["question"] == "SELECT histogram(c2) FROM data"
    assert made["bits"] == pytest.approx(2 * 0.721348)
    document = certificate(scene.market, scene.store, 1)
    assert document.digest == made["certificate"]
    (said, cells), (receipt, _) = document.answers, document.receipts
    job = scene.market.job(said.job)
    assert (job.receipt, job.buyer) == (receipt.digest, scene.stage.owner.address)
    assert job.sealing_key == everybody().public.hex()
    sums = scene.world.codes.astype(np.int64).sum(axis=0)
    assert np.abs(np.array(said.values) - sums).max() < 12 * said.noise_scale_milli / 1000
    counts = np.bincount(np.digitize(scene.world.codes[:, 2], EDGES), minlength=len(EDGES) + 1)
    figures, bars = certified(scene.market, scene.store, 1)
    shown_counts = [row["histogram_c2"] for row in bars.answer.to_dicts()]
    assert np.abs(np.array(shown_counts) - counts).max() < 12 * cells.noise_scale_milli / 1000
    assert [row["c2"] for row in bars.answer.to_dicts()][:2] == ["< 32", "[32, 64)"]
    assert figures.answer.to_dicts()[0]["avg_c3"] == pytest.approx(said.values[3] / 60)
    code, shown, _ = darkroom("dataset", "show", "1", "--json")
    assert [each["job"] for each in shown["certified"]] == [averages["job"], histogram["job"]]
    assert "decrypted by the owner, not provable" in shown["certified"][0]["means"]
    assert "the owner's word" in darkroom("dataset", "show", "1")[1]
    out = tmp_path / "certificate.json"
    assert darkroom("dataset", "certificate", "1", "--out", str(out), "--json")[0] == 0
    assert Certificate.from_bytes(out.read_bytes()) == document
    code, audit, _ = darkroom("audit", "--certificate", "1", "--json")
    assert (code, audit["confirmed"], len(audit["answers"])) == (0, True, 2)
    assert all(each["audit"]["complete"] for each in audit["answers"])
    spent = darkroom("audit", "--budget", "1", "--json")[1]["spent"]
    assert spent >= 2 * 721_347
    again = darkroom(*words, "--max-price", "30")[1]  # goes on where it was: nothing is ordered twice
    assert "certificate" in again, again
    assert again["certificate"] == made["certificate"]
    assert scene.market.job_count() == before + 2
    scene.indexer.sync()
    with TestClient(scene.app(extensions=[pages.install]), base_url=SETTINGS.origin) as client:
        listed = client.get("/v1/datasets/1/certificate").json()["items"]
        assert [each["question"] for each in listed] == [averages["question"], histogram["question"]]
        assert len(listed[1]["table"]) == len(EDGES) + 1
        page = client.get("/datasets/1").text
    assert histogram["question"] in page
    assert "decrypted by the owner, not provable" in page
