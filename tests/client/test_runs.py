"""One order on many rows: split into jobs, one price, one result; killed and gone on with, paid once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from app.client.buyer import Buyer
from app.client.dataset import Dataset
from app.client.models import Model
from app.client.run import Run
from app.files.sealed import MIN_WORK
from app.protocol.errors import LicenseExhausted, NotAllowed, TryAgain
from app.protocol.market.receipt import OutputPolicy
from app.seal.keys import SealingKey
from fhe.circuit.clear import evaluate_clear
from tests.client.conftest import Run as Command
from tests.support.homes import PASSPHRASE
from tests.support.market import BITS, DOLLAR, HOUR
from tests.support.regression import POLICY, WEIGHTS, regressor, sample, settle
from tests.support.web import MarketNode

LEVELS = {
    "test_a_killed_run_goes_on_and_pays_once": 6,
    "test_a_part_that_failed_is_ordered_anew": 5,
    "test_a_dry_run_shows_one_price": 4,
}
SHORT = POLICY.model_copy(update={"max_rows_per_job": 25})


def sold(scene: MarketNode, policy: OutputPolicy = SHORT, **changes: Any) -> int:
    """A license whose jobs take 25 rows at most."""
    scene.store.put(policy.to_bytes())
    terms: dict[str, Any] = {"price_license": DOLLAR, "price_job": DOLLAR, "price_row": 1} | {"max_jobs": 100}
    terms |= {"max_rows": 10_000}
    offer = scene.market.create_offer(
        scene.stage.owner,
        1,
        **(terms | changes),
        duration=24 * HOUR,
        policy=policy.digest,
        **(BITS | {"micro_bits": 3_000_000, "licenses": 1}),
    ).value
    return scene.market.buy_license(scene.stage.buyer, offer).value


@pytest.fixture
def key(buyer: Buyer) -> SealingKey:
    """The buyer's key, where commands find it."""
    return SealingKey.create(buyer.actor.path("sealing.key"), PASSPHRASE, work=MIN_WORK)


@pytest.fixture
def model(buyer: Buyer, request: pytest.FixtureRequest) -> Model:
    """A regressor in levels, another number of them for each test: an equal question would cost no bits again."""
    dataset, levels = Dataset.open(buyer.network, 1), LEVELS.get(request.node.name, 8)
    return buyer.models.keep(dataset.with_levels(regressor(dataset, WEIGHTS * 3), levels, sample()))


def ordered(buyer: Buyer, license: int, model: Model, key: SealingKey, **changes: Any) -> Run:
    """A run on all 60 rows, two jobs at a time."""
    return Run(buyer, license, model, key, **({"first_row": 0, "rows": 60, "replicas": 2, "at_once": 2} | changes))


def served(scene: MarketNode, run: Run) -> Iterator[int]:
    """Step, and serve what is open, until all is released; the rows released each time."""
    done = 0
    while done < 60:
        done = run.step()
        yield done
        for job in run.jobs:
            if not scene.market.job(job).state.terminal:
                settle(scene, job)


def test_a_long_table_is_one_order(
    scene: MarketNode, buyer: Buyer, model: Model, key: SealingKey, darkroom: Command
) -> None:
    """60 rows of which a job takes 25: three jobs at the plan's price, and one result that equals the clear model's."""
    license, paid = sold(scene), scene.market.balance(buyer.account.address)
    run = ordered(buyer, license, model, key)
    plan = run.begin()
    assert [(part.request.first_row, part.request.rows) for part in plan.parts] == [(0, 25), (25, 25), (50, 10)]
    assert plan.price == 3 * DOLLAR + 60
    assert plan.micro_bits == 3_000_000  # of each person once, not three times
    assert scene.market.balance(buyer.account.address) == paid
    assert list(served(scene, run)) == [0, 50, 60]
    assert paid - scene.market.balance(buyer.account.address) == plan.price + plan.max_fee
    whole = run.result().to_polars()
    assert whole["row"].to_list() == list(range(60))
    clear = model.circuit.readout.label(evaluate_clear(model.circuit, scene.world.codes.astype(np.int64)).T)
    assert whole["level"].to_list() == clear[0].tolist()
    parts = pl.concat([buyer.open_result(job, key).to_polars() for job in run.jobs])
    assert whole.equals(parts)

    words = ("job", "run", "--license", str(license), "--model", model.digest, "--json")
    code, told, _ = darkroom(*words)  # the same order again: nothing is left to pay
    assert (code, told["jobs"], len(told["rows"])) == (0, run.jobs, 60)
    assert told["model"] == model.digest


def test_a_killed_run_goes_on_and_pays_once(
    scene: MarketNode, buyer: Buyer, model: Model, key: SealingKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the chain and the journal, a run finds its job again; no row is ordered twice."""
    license, before = sold(scene), scene.market.job_count()
    run = ordered(buyer, license, model, key)
    run.begin()
    with monkeypatch.context() as patch:
        patch.setattr(run, "_note", lambda at, job: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run.step()
    assert scene.market.job_count() == before + 1
    again = ordered(buyer, license, model, key)
    assert again.jobs == [before + 1]
    assert len(again.plan().parts) == 2
    assert list(served(scene, again))[-1] == 60
    assert scene.market.job_count() == before + 3
    assert buyer.open_result(before + 1, key).known_by == "order"
    assert ordered(buyer, license, model, key).step() == 60


def test_a_part_that_failed_is_ordered_anew(scene: MarketNode, buyer: Buyer, model: Model, key: SealingKey) -> None:
    """A job that nobody drew in time is refunded; the run says so, and orders that part again when it goes on."""
    run = ordered(buyer, sold(scene), model, key, rows=30)
    run.begin()
    run.step()
    lost, other = run.jobs
    settle(scene, other)
    scene.chain.advance(3 * HOUR)
    scene.market.expire(buyer.account, lost)
    for provider in scene.stage.providers:
        scene.market.heartbeat(provider)
    with pytest.raises(TryAgain, match="refunded"):
        run.step()
    assert run.step() == 5
    assert lost not in run.jobs
    settle(scene, run.jobs[0])
    assert run.step() == 30
    assert len(run.result().to_polars()) == 30


def test_everything_is_checked_before_the_first_job(
    scene: MarketNode, buyer: Buyer, model: Model, key: SealingKey
) -> None:
    """Too few jobs or rows left for all parts, and an aggregate that does not fit: refused whole, nothing is paid."""
    before = scene.market.job_count()
    for name, most, words in (("max_jobs", 2, "2 jobs"), ("max_rows", 59, "59 rows left")):
        run = ordered(buyer, sold(scene, SHORT, **{name: most}), model, key)
        with pytest.raises(LicenseExhausted, match=words):
            run.begin()
    policy = SHORT.model_copy(update={"release": "aggregate", "epsilon_micro_per_job": 1_000_000})
    with pytest.raises(NotAllowed, match="one number over all its rows"):
        ordered(buyer, sold(scene, policy), model, key).begin()
    assert scene.market.job_count() == before
    assert not buyer.actor.path("runs").exists()


def test_a_dry_run_shows_one_price(
    scene: MarketNode, buyer: Buyer, model: Model, key: SealingKey, darkroom: Command, tmp_path: Path
) -> None:
    """`job run --dry-run` tells jobs, price and bits together and opens nothing; a wrong file is refused before."""
    license, before = sold(scene), scene.market.job_count()
    words = ("job", "run", "--license", str(license), "--model", model.digest, "--json")
    code, told, _ = darkroom(*words, "--dry-run")
    assert (code, told["jobs"], told["to_open"], told["price"]) == (0, 3, 3, 3 * DOLLAR + 60)
    assert (told["problems"], told["micro_bits"]) == ([], 2_000_000)
    assert darkroom(*words, "--out", str(tmp_path / "rows.xls"))[1]["error"]["code"] == "bad-input"
    assert scene.market.job_count() == before
