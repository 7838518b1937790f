"""Asking on a real market: explained for free, paid once, answered with noise; and by lookups."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.client.ask import order
from app.client.ask.plan import plan
from app.client.ask.query import parse
from app.client.buyer import Buyer
from app.client.dataset import Dataset
from app.client.place import OrderPlace
from app.files.sealed import MIN_WORK
from app.protocol.errors import BadQuery, NotAllowed, NotFound, PolicyRefused, UsageError
from app.protocol.market.entities import JobState
from app.protocol.market.receipt import OutputPolicy
from app.seal.keys import SealingKey
from fhe.circuit.clear import evaluate_clear
from fhe.profiles import insecure_test_profile
from tests.client.conftest import Run as Command
from tests.support.custody import MarketInMemory
from tests.support.homes import PASSPHRASE
from tests.support.market import BITS, DOLLAR, HOUR
from tests.support.policies import PLENTY
from tests.support.regression import regressor, settle
from tests.support.web import MarketNode

EPSILON = 500_000
POLICY = OutputPolicy(
    release="aggregate", circuits=("linear", "additive", "trees", "lookup"), min_group=20,
    epsilon_micro_per_job=EPSILON, micro_bits_per_license=3_000_000, micro_bits_per_person=PLENTY,
)  # fmt: skip


def sold(scene: MarketNode, policy: OutputPolicy = POLICY) -> int:
    """A license to ask under."""
    scene.store.put(policy.to_bytes())
    terms: dict[str, Any] = {"price_license": DOLLAR, "price_job": DOLLAR, "price_row": 1, "max_jobs": 100}
    offer = scene.market.create_offer(
        scene.stage.owner, 1, **terms, max_rows=10_000, duration=24 * HOUR, policy=policy.digest,
        **(BITS | {"micro_bits": 3_000_000, "licenses": 1}),
    ).value  # fmt: skip
    return scene.market.buy_license(scene.stage.buyer, offer).value


@pytest.fixture(autouse=True)
def key(buyer: Buyer, darkroom: Command) -> None:
    """The buyer's sealing key, where commands find it."""
    SealingKey.create(buyer.actor.path("sealing.key"), PASSPHRASE, work=MIN_WORK)


def test_a_question_is_explained_paid_and_answered(scene: MarketNode, buyer: Buyer, darkroom: Command) -> None:
    """The price, the noise and the error bars are known before; the answer lies within its interval's reach."""
    license, sql = sold(scene), "SELECT avg(c1), sum(c2) AS total FROM data"
    code, told, _ = darkroom("ask", "1", f"EXPLAIN {sql}", "--license", str(license), "--json")
    assert (code, told["problems"], told["epsilon"], told["values_decrypted"]) == (0, [], 0.5, 2)
    assert told["noise_scale"] == 2 * 255 / 0.5
    assert told["half_widths"]["total"] == pytest.approx(60 * told["half_widths"]["avg_c1"])
    paid = scene.market.balance(buyer.account.address)
    assert darkroom("ask", "1", sql, "--license", str(license), "--json")[1]["error"]["code"] == "usage-error"
    assert darkroom("ask", "1", sql, "--license", str(license), "--max-price", "0.5", "--json")[0] == 3
    assert scene.market.balance(buyer.account.address) == paid
    dataset = Dataset.open(buyer.network, 1)
    job = order.ask(buyer, dataset, sql, OrderPlace(license=license), most=100 * DOLLAR)
    assert isinstance(job, int)
    settle(scene, job)
    said = order.reply(buyer, job)
    (row,) = said.to_dict()["rows"]
    truth = scene.world.codes.astype(np.int64)
    assert row["avg_c1_low"] < row["avg_c1"] < row["avg_c1_high"]
    assert abs(row["avg_c1"] - truth[:, 1].mean()) < 12 * told["half_widths"]["avg_c1"]
    assert abs(row["total"] - truth[:, 2].sum()) < 12 * told["half_widths"]["total"]
    assert (said.epsilon, said.micro_bits) == (0.5, 721_348)
    assert said.left_license == 3_000_000 - 721_348
    again = darkroom("ask", "1", sql, "--job", str(job), "--json")[1]
    assert again["rows"] == [row]
    audit = darkroom("audit", str(job), "--json")[1]
    assert audit["complete"]
    (circuit,) = [each["detail"] for each in audit["checks"] if each["claim"].startswith("the circuit is")]
    assert re.fullmatch(r"2 inputs, 2 outputs, summed in 1 block of at most [\d,]+ rows", circuit)


def test_an_equal_question_is_answered_again_for_nothing(scene: MarketNode, buyer: Buyer) -> None:
    """The same words are the same job; other words for it have the same answer, noise included, for no more bits."""
    license, dataset = sold(scene), Dataset.open(buyer.network, 1)
    answers: list[order.Reply] = []
    for sql in ("SELECT avg(c3) FROM data", "SELECT avg(c3) FROM data", "SELECT AVG(c3) AS mean FROM data"):
        job = order.ask(buyer, dataset, sql, OrderPlace(license=license), most=100 * DOLLAR)
        assert isinstance(job, int)
        if not answers or job != answers[0].job:
            settle(scene, job)
        answers.append(order.reply(buyer, job))
    assert answers[0] == answers[1]
    assert answers[0].answer.rows == answers[2].answer.rows
    assert [each.micro_bits for each in answers] == [721_348, 721_348, 0]


def test_a_models_scores_are_summed(scene: MarketNode, buyer: Buyer, darkroom: Command) -> None:
    """Where sums are sold, a model is ordered as the sum of its scores; as it is it is refused, with the command."""
    license, dataset = sold(scene), Dataset.open(buyer.network, 1)
    model = buyer.models.keep(regressor(dataset))
    words = ("job", "open", "--license", str(license), "--json", "--model")
    assert "darkroom model sum" in darkroom(*words, model.digest)[1]["error"]["next_step"]
    code, told, _ = darkroom("model", "sum", "1", model.digest, "--json")
    assert code == 0
    assert told["block"] % 2048 == 0
    opened = darkroom(*words, told["model"])[1]
    settle(scene, opened["job"])
    found = buyer.open_result(opened["job"], buyer.sealing_key())
    assert found.to_polars().shape == (1, 2)
    truth = model.decoder.predict(evaluate_clear(model.circuit, scene.world.codes.astype(np.int64)).T).mean()
    assert found.to_polars()["mean_score"][0] == pytest.approx(truth, abs=14 * found.meaning()["noise_scale"])


def test_what_is_not_sold_is_refused_before_it_is_paid(scene: MarketNode, buyer: Buyer) -> None:
    """Labels are no sums, too few rows are no group, used-up bits answer nothing, and unknown jobs are no questions."""
    dataset, before = Dataset.open(buyer.network, 1), scene.market.job_count()
    with pytest.raises(PolicyRefused, match="sums-not-sold"):
        order.ask(buyer, dataset, "SELECT avg(c1) FROM data", OrderPlace(license=scene.license), most=100 * DOLLAR)
    license = sold(scene)
    with pytest.raises(PolicyRefused, match="group-too-small"):
        order.ask(buyer, dataset, "SELECT avg(c1) FROM data", OrderPlace(19, license=license), most=100 * DOLLAR)
    dear = sold(scene, POLICY.model_copy(update={"epsilon_micro_per_job": 3_000_000}))
    with pytest.raises(PolicyRefused, match="bits-license"):
        order.ask(buyer, dataset, "SELECT avg(c1) FROM data", OrderPlace(license=dear), most=100 * DOLLAR)
    with pytest.raises(UsageError):
        order.ask(buyer, dataset, "SELECT avg(c1) FROM data", OrderPlace(license=license), most=None)
    with pytest.raises(NotAllowed):
        order.ask(buyer, dataset, "SELECT avg(c1) FROM data", OrderPlace(license=license), most=1)
    with pytest.raises(BadQuery):
        order.ask(buyer, dataset, "SELECT c1 FROM data", OrderPlace(license=license), most=100 * DOLLAR)
    with pytest.raises(NotFound):
        order.reply(buyer, 1)
    assert scene.market.job_count() == before
    known = order.ask(buyer, dataset, "SELECT count(*) FROM data", most=None)
    assert isinstance(known, order.Reply)
    assert (known.answer.rows[0].figures[0].value, known.job) == (60, None)


def test_conditions_over_columns_are_looked_up(tmp_path: Path) -> None:
    """Counts and averages by group under a condition on another column: one sum a cell is decrypted, and no row."""
    world = MarketInMemory(tmp_path, insecure=insecure_test_profile(), rows=120)
    policy = POLICY.model_copy(
        update={"epsilon_micro_per_job": 10**9, "micro_bits_per_license": 4 * 10**9, "micro_bits_per_person": 4 * 10**9}
    )
    sql = "SELECT count(*), avg(c1) FROM data WHERE c0 >= 128 AND (c2 < 64 OR c3 >= 96)"
    asked = plan(parse(sql), world.manifest.table.codebook, world.profile)
    assert asked.circuit is not None
    assert asked.lookups > 1
    job = world.job(asked.circuit, 0, 120, license=world.license(policy))
    assert world.agent().process(job).what == "done"
    result = world.opened(job)
    answer = asked.answer(result.values[:, 0], result.header.group, result.header.noise_scale_milli / 1000)
    c = world.codes
    meets = (c[:, 0] >= 128) & ((c[:, 2] < 64) | (c[:, 3] >= 96))
    (row,) = answer.to_dicts()
    assert row["count"] == pytest.approx(meets.sum(), abs=1)
    middle = np.digitize(c[meets, 1], np.arange(32, 256, 32))
    middles = np.array([cell.middle for cell in plan_cells(asked)])
    assert row["avg_c1"] == pytest.approx(middles[middle].mean(), abs=3)
    assert world.chain.job(job).state in (JobState.RELEASED, JobState.SETTLED)


def plan_cells(asked: Any) -> Any:
    return asked._middles["c1"]


def test_the_public_face_asks_too(scene: MarketNode, buyer: Buyer) -> None:
    """`Dataset.ask` waits for the answer and gives a frame; `explain` costs nothing."""
    from darkroom.dataset import Dataset as Public

    class Session:
        """What a public dataset reads of its session."""

        def __init__(self) -> None:
            self.buyer, self.network = buyer, buyer.network

    license = sold(scene)
    public = Public(Session(), Dataset.open(buyer.network, 1))  # type: ignore[arg-type]
    assert public.explain("SELECT avg(c4) FROM data", license=license)["problems"] == []
    before = scene.market.job_count()
    found: list[Any] = []
    thread = threading.Thread(
        target=lambda: found.append(public.ask("SELECT avg(c4) FROM data", license=license, max_price=100, timeout=60))
    )
    thread.start()
    while scene.market.job_count() == before:
        thread.join(0.05)
        assert thread.is_alive() or found
    settle(scene, before + 1)
    thread.join()
    assert found[0].to_polars().columns == ["avg_c4", "avg_c4_low", "avg_c4_high"]
    assert len(found[0]) == 1
