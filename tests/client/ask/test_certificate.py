"""Certificates: an owner's figures are jobs that anyone opens and recomputes, and count in the one budget."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from app.client.ask.certificate import certificate_questions, words_of
from app.client.ask.plan import plan
from app.client.ask.query import parse
from app.client.certificate import read_certified
from app.market.web import pages
from app.protocol.errors import BadDocument, BadQuery, NotFound
from app.seal.keys import everybody
from fhe.profiles import REFERENCE
from tests.client.conftest import Run
from tests.support.certificates import sells
from tests.support.questions import BOOK
from tests.support.regression import settle
from tests.support.web import SETTINGS, MarketNode, fresh_scene

__all__ = ["fresh_scene"]


def test_what_is_no_certificate_is_not_read_as_one(scene: MarketNode, darkroom: Run) -> None:
    """Others' datasets, jobs without a result, and circuits that are no question of a certificate."""
    offer = sells(scene)
    code, said, _ = darkroom(
        "dataset", "certify", "1", "--offer", str(offer), "--max-price", "9", "--yes", "--as", "buyer", "--json"
    )
    assert (code, said["error"]["code"]) == (2, "usage-error")
    with pytest.raises(BadDocument, match="no certificate"):
        read_certified(scene.market, scene.store, scene.settled)
    with pytest.raises(NotFound):
        read_certified(scene.market, scene.store, scene.open(scene.circuit))


def test_the_words_follow_from_the_circuit() -> None:
    """Each question of a certificate is read back from its circuit alone; another question is not."""
    questions = certificate_questions(BOOK, ["cost", "smoker"])
    assert [*questions] == [
        "SELECT avg(age), avg(bmi), avg(smoker) FROM data",
        "SELECT histogram(cost) FROM data",
        "SELECT histogram(smoker) FROM data",
    ]
    for sql in [*questions, *certificate_questions(BOOK, ["age", "bmi"])]:
        circuit = plan(parse(sql), BOOK, REFERENCE).circuit
        assert circuit is not None
        assert words_of(circuit, BOOK, REFERENCE) == sql
    other = plan(parse("SELECT count(*) FROM data WHERE age >= 40"), BOOK, REFERENCE).circuit
    assert other is not None
    assert words_of(other, BOOK, REFERENCE) is None
    with pytest.raises(BadQuery, match="has no column"):
        certificate_questions(BOOK, ["nothing"])


def test_pages_and_api_mark_what_is_certified(scene: MarketNode) -> None:
    """A node shows certified figures with what they prove; all else on the card is the owner's word."""
    offer = sells(scene)
    license = scene.market.buy_license(scene.stage.owner, offer).value
    codebook, profile = scene.world.manifest.table.codebook, scene.world.profile
    (sql,) = certificate_questions(codebook)
    circuit = plan(parse(sql), codebook, profile).circuit
    assert circuit is not None
    jobs = []
    for key in (everybody().public.hex(), "ab" * 32):  # the second is the owner's own affair
        job = scene.stage.open(
            buyer=scene.stage.owner, license=license, circuit=scene.keep(circuit), rows=60, sealing_key=key, units=1
        )
        settle(scene, job)
        jobs.append(job)
    scene.indexer.sync()
    with TestClient(scene.app(extensions=[pages.install]), base_url=SETTINGS.origin) as client:
        listed = client.get("/v1/datasets/1/certificate").json()
        assert (len(listed["items"]), listed["complete"]) == (1, True)
        (found,) = listed["items"]
        assert (found["job"], found["question"]) == (jobs[0], sql)
        assert found["table"][0]["avg_c0_low"] < found["table"][0]["avg_c0"]
        page = client.get("/datasets/1").text
    assert "decrypted by the owner, not provable" in page
    assert "the owner&#39;s word" in page or "the owner's word" in page
    assert sql in page
