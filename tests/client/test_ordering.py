"""Orders and results by the SDK: what would be refused is refused before payment; levels of a regressor, end to end."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression

from app.client.buyer import Buyer
from app.client.dataset import Dataset
from app.home.home import Home
from app.home.network import Network
from app.protocol.errors import PolicyRefused
from app.protocol.market.receipt import OutputPolicy
from app.seal.keys import SealingKey
from fhe.compile import Compiled
from tests.client.conftest import Run
from tests.support.custody import NAMES
from tests.support.market import BITS, DOLLAR, HOUR
from tests.support.policies import PLENTY
from tests.support.web import Scene

POLICY = OutputPolicy(max_rank=4, micro_bits_per_license=3_000_000, micro_bits_per_person=PLENTY)  # labels, three bits
WEIGHTS = np.array([0.5, -1.0, 2.0, 0.25, 1.5, -0.75, 1.0, 0.1])


@pytest.fixture
def buyer(scene: Scene, home: Home) -> Buyer:
    """The scene's buyer, on a machine of their own."""
    return Buyer(Network.open(home), home.actor("buyer", create=True), scene.stage.buyer)


def sample(rows: int = 300, seed: int = 0) -> pl.DataFrame:
    """The buyer's own rows."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame({name: rng.integers(0, 256, rows).astype(float) for name in NAMES})


def regressor(dataset: Dataset, weights: npt.NDArray[Any] = WEIGHTS) -> Compiled:
    """A linear regression of the buyer's."""
    rows = sample()
    model = LinearRegression().fit(dataset.encode(rows), rows.to_numpy() @ weights)
    return dataset.compile(model)


def license(scene: Scene) -> int:
    """A new license under POLICY."""
    scene.store.put(POLICY.to_bytes())
    terms: dict[str, Any] = {
        "price_license": DOLLAR,
        "price_job": DOLLAR,
        "price_row": 1,
        "max_jobs": 100,
        "max_rows": 10_000,
    }
    owner, dataset = scene.stage.owner, scene.stage.dataset
    offer = scene.market.create_offer(owner, dataset, **terms, duration=24 * HOUR, policy=POLICY.digest, **BITS).value
    return scene.market.buy_license(scene.stage.buyer, offer).value


def settle(scene: Scene, job: int) -> None:
    """Executors compute it, and the custodian releases it."""
    scene.go_on(job)
    scene.agent().process(job)


def test_levels_of_a_regressor_come_out_in_its_own_units(scene: Scene, buyer: Buyer, darkroom: Run) -> None:
    """A regressor with eight levels under labels alone: each row's level is the clear model's, with its interval."""
    dataset = Dataset.open(buyer.network, 1)
    compiled = dataset.with_levels(regressor(dataset), 8, sample())
    model, key, held = buyer.models.keep(compiled), SealingKey.generate(), license(scene)
    assert buyer.order(held, model, first_row=0, rows=60).said.micro_bits == 3_000_000
    job = buyer.open_job(held, model, first_row=0, rows=60, sealing_key=key).value
    settle(scene, job)
    opened = buyer.open_result(job, key)
    frame = opened.to_polars()
    assert frame.columns == ["row", "level", "from", "to"]
    clear = compiled.model.predict(scene.world.codes.astype(np.float64))
    lows, highs = frame["from"].fill_null(-np.inf).to_numpy(), frame["to"].fill_null(np.inf).to_numpy()
    assert ((lows <= clear.ravel() + 1e-9) & (clear.ravel() < highs + 1e-9)).all()
    assert len(set(opened.labels().tolist())) > 4  # quantiles of rows like these, so that no level is wasted
    with pytest.raises(PolicyRefused, match="bits-license"):
        buyer.open_job(held, buyer.models.keep(regressor(dataset)), first_row=0, rows=60, sealing_key=key)


def test_a_refused_order_costs_nothing(scene: Scene, buyer: Buyer, darkroom: Run) -> None:
    """An order above the license's bits is refused by SDK, dry run and command alike, and no money moves."""
    dataset = Dataset.open(buyer.network, 1)
    compiled = dataset.with_levels(regressor(dataset, WEIGHTS[::-1].copy()), 16, sample())
    model, held = buyer.models.keep(compiled), license(scene)
    before = (scene.market.balance(scene.stage.buyer.address), scene.market.job_count())
    with pytest.raises(PolicyRefused, match="bits-license"):
        buyer.order(held, model, first_row=0, rows=20)
    words = ("job", "open", "--license", str(held), "--model", model.digest, "--rows", "20", "--json")
    for flags in ((), ("--dry-run",)):
        code, told, _ = darkroom(*words, *flags)
        assert (code, told["error"]["code"]) == (3, "policy-refused")
        assert told["error"]["next_step"] == "Use other rows, or buy another license: darkroom license buy."
    assert (scene.market.balance(scene.stage.buyer.address), scene.market.job_count()) == before


def test_a_score_says_how_far_it_was_rounded(scene: Scene, buyer: Buyer, darkroom: Run) -> None:
    """A regressor without levels gives its score in 16 levels of its range, within the half-width that is told."""
    dataset = Dataset.open(buyer.network, 1)
    compiled = regressor(dataset, WEIGHTS + 0.25)  # not another test's model: an equal question costs no bits again
    model, key = buyer.models.keep(compiled), SealingKey.generate()
    policy = POLICY.model_copy(update={"micro_bits_per_license": 4_000_000})
    scene.store.put(policy.to_bytes())
    terms: dict[str, Any] = {
        "price_license": DOLLAR,
        "price_job": DOLLAR,
        "price_row": 1,
        "max_jobs": 100,
        "max_rows": 10_000,
    }
    offer = scene.market.create_offer(
        scene.stage.owner, 1, **terms, duration=24 * HOUR, policy=policy.digest, **BITS
    ).value
    held = buyer.buy_license(offer).value
    job = buyer.open_job(held, model, first_row=0, rows=60, sealing_key=key).value
    settle(scene, job)
    opened = buyer.open_result(job, key)
    assert (opened.result.header.released, opened.result.header.levels) == ("score", 16)
    (half,) = opened.half_widths()
    clear = compiled.model.predict(scene.world.codes.astype(np.float64)).ravel()
    off = np.abs(opened.labels() - clear).max()
    assert 0 < off <= half * (1 + 1e-9)
