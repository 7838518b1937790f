"""Bytes by name: verified, cacheable, bounded; and publishing small documents."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Any

import pytest

from app.market.web.background.audits import AuditQueue
from app.market.web.errors.refusals import Busy
from app.protocol.documents import sha256
from app.protocol.errors import NotFound
from app.protocol.ids import Digest
from app.protocol.market.receipt import OutputPolicy, SealedResult
from app.storage.cid import digest_to_cid
from fhe.circuit.codec import encode
from tests.support.custody import linear_circuit
from tests.support.web import SETTINGS, ApiClient, MarketNode, api_client

FOREVER = "public, max-age=31536000, immutable"


@pytest.fixture(scope="module")
def large(scene: MarketNode) -> tuple[str, bytes]:
    """An object of several blocks."""
    data = bytes(range(256)) * 10_000
    return scene.store.put(data), data


def test_a_manifest_comes_as_it_was_published(scene: MarketNode, browser: ApiClient) -> None:
    """Its bytes hash to the digest on chain; an older version stays readable under its number."""
    digest = scene.market.dataset(1).manifest
    answer = browser.client.get("/v1/datasets/1/croissant")
    assert hashlib.sha256(answer.content).hexdigest() == digest
    assert (answer.headers["etag"], answer.headers["cache-control"]) == (f'"{digest}"', "no-cache")
    assert answer.headers["content-type"] == "application/ld+json"
    again = browser.client.get("/v1/datasets/1/croissant", headers={"if-none-match": f'W/"{digest}", "x"'})
    assert (again.status_code, again.content) == (304, b"")
    assert browser.client.get("/v1/datasets/1/croissant?version=2").headers["cache-control"] == FOREVER
    assert browser.client.get("/v1/datasets/1/croissant?version=9").status_code == 404


def test_documents_of_a_job(scene: MarketNode, browser: ApiClient) -> None:
    """Decision, result and receipts are the very bytes that the chain names; before they exist they are 404."""
    job = scene.market.job(scene.settled)
    for name, digest in (("decision", job.decision), ("result", job.sealed)):
        answer = browser.client.get(f"/v1/jobs/{job.id}/{name}")
        assert sha256(answer.content) == digest
        assert answer.headers["cache-control"] == FOREVER
        assert browser.client.get(f"/v1/jobs/{scene.computed}/{name}").json()["code"] == "not-found"
    sealed = SealedResult.from_bytes(browser.client.get(f"/v1/jobs/{job.id}/result").content)
    blob = browser.client.get(f"/v1/blobs/{sealed.ciphertext_cid}")
    assert len(blob.content) == sealed.ciphertext_bytes
    receipts = browser.client.get(f"/v1/jobs/{job.id}/receipts").json()["receipts"]
    assert [each["agreed"] for each in receipts] == [True, True]
    assert receipts[0]["receipt"]["manifest"] == scene.market.dataset(1).manifest


def test_a_receipt_that_no_store_has_is_said_to_be_missing(scene: MarketNode, browser: ApiClient) -> None:
    """The list is whole even where documents are not."""
    job = scene.open(scene.circuit)
    scene.stage.answer(job, scene.market.draw(scene.stage.buyer, job).value, "ab" * 32)
    scene.indexer.sync()
    receipts = browser.client.get(f"/v1/jobs/{job}/receipts").json()["receipts"]
    assert [(each["receipt"], bool(each["problem"])) for each in receipts] == [(None, True)] * 2


def test_a_blob_of_many_blocks(browser: ApiClient, large: tuple[str, bytes]) -> None:
    """It comes whole, named by its CID, never to change, and never as something a browser would run."""
    cid, data = large
    answer = browser.client.get(f"/v1/blobs/{cid}")
    assert answer.content == data
    assert answer.headers["cache-control"] == FOREVER
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert browser.client.get(f"/v1/blobs/{cid}", headers={"if-none-match": f'"{cid}"'}).status_code == 304


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-", 5, 2_560_000),
        ("bytes=-7", 2_559_993, 2_560_000),
        ("bytes=1048570-2097160", 1_048_570, 2_097_161),
        ("bytes=2559999-9999999", 2_559_999, 2_560_000),
    ],
)
def test_a_part_of_a_blob(browser: ApiClient, large: tuple[str, bytes], asked: str, start: int, stop: int) -> None:
    """One range of bytes, as RFC 9110 says."""
    cid, data = large
    answer = browser.client.get(f"/v1/blobs/{cid}", headers={"range": asked})
    assert (answer.status_code, answer.content) == (206, data[start:stop])
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(data)}"


def test_ranges_that_are_none(browser: ApiClient, large: tuple[str, bytes]) -> None:
    """Outside is 416; what is not understood is ignored."""
    cid, data = large
    for asked in ("bytes=2560000-", "bytes=5-4", "bytes=-0"):
        assert browser.client.get(f"/v1/blobs/{cid}", headers={"range": asked}).status_code == 416, asked
    for asked in ("bytes=0-1,5-6", "rows=0-1", "bytes=a-b"):
        assert browser.client.get(f"/v1/blobs/{cid}", headers={"range": asked}).content == data


def test_a_damaged_block_is_never_served(scene: MarketNode, browser: ApiClient) -> None:
    """What does not hash to its name is a bad gateway's answer, not content."""
    cid = scene.store.put(b"right")
    file = scene.folder / "store" / cid[-2:] / cid
    file.write_bytes(b"wrong")
    answer = browser.client.get(f"/v1/blobs/{cid}")
    assert (answer.status_code, answer.json()["code"]) == (502, "bad-block")


def test_names_that_name_nothing(scene: MarketNode, browser: ApiClient, large: tuple[str, bytes]) -> None:
    """Unknown, malformed and oversized."""
    unknown = digest_to_cid(Digest("ab" * 32))
    assert browser.client.get(f"/v1/blobs/{unknown}").status_code == 404
    assert browser.client.get(f"/v1/blobs/{unknown.upper()}").status_code == 422
    assert browser.client.get("/v1/blobs/b" + "7" * 58).status_code == 422
    assert browser.client.get(f"/v1/documents/{'ab' * 32}").status_code == 404
    scene.store.put(b"no json")
    assert browser.client.get(f"/v1/documents/{sha256(b'no json')}").json()["code"] == "bad-document"
    with api_client(scene, SETTINGS.model_copy(update={"max_blob": 1000})) as small:
        assert small.client.get(f"/v1/blobs/{large[0]}").status_code == 413
        assert small.client.get(f"/v1/blobs/{large[0]}", headers={"range": "bytes=0-999"}).status_code == 206


def test_publishing_a_circuit_and_a_policy(scene: MarketNode, buyer: ApiClient) -> None:
    """What is published is checked, canonical, and readable by its digest from then on."""
    data = encode(linear_circuit([[2, 7, 1, 8, 2, 8, 1, 8]]))
    made = buyer.client.post("/v1/circuits", content=data)
    assert (made.status_code, made.json()["digest"]) == (201, sha256(data))
    assert buyer.client.get(made.headers["location"]).content == data
    assert buyer.client.post("/v1/circuits", content=data.replace(b'"width":27', b'"width":99')).status_code == 422
    made = buyer.client.post("/v1/policies", json={"release": "label", "circuits": ["linear"]})
    policy = OutputPolicy(release="label", circuits=("linear",))
    assert made.json()["digest"] == policy.digest
    wrong: tuple[Any, ...] = ({"release": "everything"}, {"colour": 1}, {"score_step": 0}, [])
    for bad in wrong:
        assert buyer.client.post("/v1/policies", json=bad).status_code == 422, bad
    assert buyer.client.post("/v1/policies", content=b'{"max_concentration": 1e400}').status_code == 422


def test_a_quote_says_what_it_costs_and_what_would_be_refused(scene: MarketNode, browser: ApiClient) -> None:
    """Work, price and the custodian's verdict are those that come true on chain."""
    path = f"/v1/datasets/1/quotes?offer={scene.offer}&rows=40"
    good = browser.client.post(path, content=encode(linear_circuit([[17, -4, 9, 30, 2, 8, -11, 5]]))).json()
    assert (good["runs"], good["allowed"], good["reason"]) == (True, True, "")
    assert good["circuit"]["digest"] == scene.circuit
    price = good["price"]
    assert int(price["job_total"]) == int(price["price_job"]) + int(price["price_rows"]) + int(price["max_fee"])
    assert price["fixed_fees"] == "2000"  # of two executors
    assert int(price["price_rows"]) == 40
    assert good["log2_failure"] < -100
    bad = browser.client.post(path, content=encode(linear_circuit([[7]]))).json()
    assert (bad["allowed"], bad["reason"]) == (False, scene.market.job(scene.refused).reason)
    far = browser.client.post(path.replace("rows=40", "rows=4000"), content=encode(linear_circuit([[7]]))).json()
    assert far["code"] == "rows-outside-dataset"
    alone = browser.client.post("/v1/datasets/1/quotes?replicas=5", content=encode(linear_circuit([[7]]))).json()
    assert (alone["price"], alone["price_problem"]) == (None, "No offer was named.")
    crowd = browser.client.get(f"/v1/datasets/1/quotes/{scene.circuit}?offer={scene.offer}&replicas=5").json()
    assert int(crowd["price"]["max_fee"]) > int(price["max_fee"])  # what is asked is told, also when too few can
    assert crowd["price_problem"]
    assert (crowd["ready"], crowd["problems"][0]["code"]) == (False, "unavailable")
    assert (good["ready"], good["problems"]) == (True, [])


def test_a_quote_under_another_datasets_offer_is_refused(scene: MarketNode, browser: ApiClient) -> None:
    """Offer, dataset and circuit belong together."""
    assert browser.client.get(f"/v1/datasets/99/quotes/{scene.circuit}").status_code == 404
    unknown = browser.client.get(f"/v1/datasets/1/quotes/{scene.circuit}?offer=1")  # its policy is in no store
    assert unknown.json()["code"] == "not-found"
    other = encode(linear_circuit([[7]], bins=True))
    assert browser.client.post("/v1/datasets/1/quotes", content=other).json()["code"] == "bad-model"


def test_an_audit_is_run_once_and_told(scene: MarketNode, buyer: ApiClient) -> None:
    """The node recomputes a job in its own time; asking again for a job that is over gives the same run."""
    asked = buyer.client.post(f"/v1/jobs/{scene.settled}/audits")
    assert asked.status_code == 202
    end = time.monotonic() + 20
    while (told := buyer.client.get(asked.headers["location"]).json())["state"] in ("queued", "running"):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert told["state"] == "done"
    assert told["result"]["confirmed"] is True
    assert told["result"]["complete"] is True
    assert len(told["result"]["checks"]) > 8
    assert buyer.client.post(f"/v1/jobs/{scene.settled}/audits").json()["id"] == told["id"]


def test_a_job_above_the_limit_is_not_audited_here(scene: MarketNode) -> None:
    """Whoever wants it runs it themselves, and is told how."""
    with api_client(scene, SETTINGS.model_copy(update={"audit_units": 0})) as browser:
        browser.sign_in(scene.stage.buyer)
        answer = browser.client.post(f"/v1/jobs/{scene.settled}/audits")
        assert (answer.status_code, answer.json()["code"]) == (409, "not-allowed")
        assert f"darkroom audit {scene.settled}" in answer.json()["next_step"]


def test_the_queue_of_audits_is_short() -> None:
    """More than so many do not wait; a failure is told and may be tried again; old runs are forgotten."""
    going = threading.Event()

    def audit(job: int, tell: object) -> dict[str, object]:
        going.wait(10)
        if job == 1:
            raise NotFound("There is no job 1.")
        return {"job": job}

    audits = AuditQueue(audit, lambda: 5.0, waiting=2)
    first = audits.ask(1, "a")
    end = time.monotonic() + 10
    while audits.get(first.id).state != "running":  # type: ignore[union-attr]
        assert time.monotonic() < end
    waiting = [audits.ask(job, "a") for job in (2, 3)]
    assert audits.ask(2, "a") == waiting[0]
    with pytest.raises(Busy):
        audits.ask(4, "a")
    going.set()
    while audits.get(waiting[1].id).state != "done":  # type: ignore[union-attr]
        assert time.monotonic() < end
        time.sleep(0.01)
    failed = audits.get(first.id)
    assert failed is not None
    assert (failed.state, failed.error) == ("failed", "There is no job 1.")
    assert audits.ask(1, "a").id != first.id
