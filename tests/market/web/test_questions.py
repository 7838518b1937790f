"""Questions over the API: explained for free, compiled to the circuit that a buyer orders, refused with a way on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from app.client.ask.plan import plan
from app.client.ask.query import MAX_SQL, parse
from app.client.ask.reading import FigureForm
from app.client.ask.samples import quoted, samples
from app.protocol.documents import sha256
from app.protocol.market.receipt import OutputPolicy
from fhe.circuit.codec import encode
from fhe.profiles import REFERENCE
from tests.support.market import BITS, DOLLAR, HOUR
from tests.support.questions import BOOK
from tests.support.web import ApiClient, MarketNode

POLICY = OutputPolicy(release="aggregate", circuits=("linear",), min_group=20, epsilon_micro_per_job=500_000)
SQL = "SELECT avg(c1), sum(c2) AS total FROM data"


def asks(scene: MarketNode) -> int:
    """An offer that sells questions."""
    scene.store.put(POLICY.to_bytes())
    offer = scene.market.create_offer(
        scene.stage.owner, 1, price_license=DOLLAR, price_job=DOLLAR, price_row=1, max_jobs=100, max_rows=10_000,
        duration=24 * HOUR, policy=POLICY.digest, **(BITS | {"micro_bits": 3_000_000, "licenses": 1}),
    ).value  # fmt: skip
    scene.indexer.sync()  # others look at what happened last
    return offer


def post(browser: ApiClient, path: str, **body: Any) -> tuple[int, Any]:
    answer = browser.client.post(f"/v1/datasets/1/{path}", json=body)
    return answer.status_code, answer.json()


def test_a_question_is_explained_with_price_noise_and_bits(browser: ApiClient, scene: MarketNode) -> None:
    """All that `EXPLAIN` says at the command line, and the quote that an order needs."""
    code, told = post(browser, "questions", sql=f"EXPLAIN {SQL}", offer=asks(scene))
    assert code == 200
    assert (told["bootstraps"], told["values_decrypted"], told["epsilon"]) == ("0", "2", 0.5)
    assert told["noise_scale"] == 2 * 255 / 0.5
    assert told["half_widths"]["total"] == pytest.approx(60 * told["half_widths"]["avg_c1"])
    assert (told["micro_bits"], told["left_license"]) == (721_348, 3_000_000 - 721_348)
    assert told["quote"]["ready"]
    assert int(told["quote"]["price"]["total"]) > 2 * DOLLAR
    asked = plan(parse(SQL), scene.world.manifest.table.codebook, scene.world.profile)
    assert asked.circuit is not None
    assert told["quote"]["circuit"]["digest"] == sha256(encode(asked.circuit))


def test_what_is_public_is_answered_at_once(browser: ApiClient) -> None:
    """The number of rows costs nothing and needs no job."""
    code, told = post(browser, "questions", sql="SELECT count(*) FROM data")
    assert (code, told["quote"], told["answer"][0]["count"]) == (200, None, 60)


def test_a_compiled_question_is_the_circuit_that_clients_order(browser: ApiClient, scene: MarketNode) -> None:
    """Its bytes are those of the command line, and its forms give the plan's own answer from the same sums."""
    code, made = post(browser, "questions/compiled", sql=SQL, version=scene.market.dataset(1).version, rows=50)
    asked = plan(parse(SQL), scene.world.manifest.table.codebook, scene.world.profile)
    assert asked.circuit is not None
    assert code == 200
    assert made["circuit"].encode() == encode(asked.circuit)
    assert made["digest"] == sha256(encode(asked.circuit))
    sums = np.array([1234, -77], np.int64)
    answer = asked.answer(sums, 50, 3.5)
    (row,) = made["reading"]["rows"]
    forms = [
        FigureForm(each["kind"], tuple(each["outputs"]), tuple(each["known"]), tuple(each["weights"]), each["at"])
        for each in row["figures"]
    ]
    assert tuple(form.figure(sums, 3.5) for form in forms) == answer.rows[0].figures
    assert made["reading"]["names"] == ["avg_c1", "total"]


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        ({"sql": "SELECT c1 FROM data"}, 422, "bad-query", "avg(c1)"),
        ({"sql": "SELECT avg(c9) FROM data"}, 422, "bad-query", "c0"),
        ({"sql": "DROP TABLE data"}, 422, "bad-query", "Ask:"),
        ({"sql": "x" * (MAX_SQL + 1)}, 422, "invalid-fields", ""),
        ({"sql": ""}, 422, "invalid-fields", ""),
        ({"sql": SQL, "first_row": 60}, 409, "rows-outside-dataset", "inside"),
        ({"sql": SQL, "offer": 9999}, 404, "not-found", ""),
    ],
)
def test_refusals_are_typed_and_name_what_can_be_asked(
    browser: ApiClient, body: dict[str, Any], status: int, code: str, words: str
) -> None:
    """Bounded text, one code for each kind of refusal, and the nearest question in the next step."""
    found, said = post(browser, "questions", **body)
    assert (found, said["code"]) == (status, code)
    assert words in said["next_step"]


def test_samples_are_questions_that_can_be_asked() -> None:
    """Each compiles, none takes bootstraps where no key is published, and odd names are quoted."""
    free = samples(BOOK, REFERENCE, lookups=False)
    every = samples(BOOK, REFERENCE, lookups=True)
    assert set(free) < set(every)
    for sql in every:
        planned = plan(parse(sql), BOOK, REFERENCE)
        assert planned.circuit is not None
        assert planned.lookups == 0 or sql not in free
    for name in ('mean "radius"', "select", "a b", "1st", "x; DROP"):
        assert parse(f"SELECT avg({quoted(name)}) FROM data").aggregates[0].column == name
    assert quoted("age") == "age"
