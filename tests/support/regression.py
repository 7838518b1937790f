"""A buyer's linear regression, and a license to run it under, on the scene's market."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.linear_model import LinearRegression

from app.client.dataset import Dataset
from app.protocol.market.receipt import OutputPolicy
from fhe.compile import Compiled
from tests.support.custody import NAMES
from tests.support.market import BITS, DOLLAR, HOUR
from tests.support.policies import PLENTY
from tests.support.web import MarketNode

POLICY = OutputPolicy(max_rank=4, micro_bits_per_license=3_000_000, micro_bits_per_person=PLENTY)  # labels, three bits
WEIGHTS = np.array([0.5, -1.0, 2.0, 0.25, 1.5, -0.75, 1.0, 0.1])


def sample(rows: int = 300, seed: int = 0) -> pl.DataFrame:
    """The buyer's own rows."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame({name: rng.integers(0, 256, rows).astype(float) for name in NAMES})


def regressor(dataset: Dataset, weights: npt.NDArray[Any] = WEIGHTS) -> Compiled:
    """A linear regression of the buyer's."""
    rows = sample()
    model = LinearRegression().fit(dataset.encode(rows), rows.to_numpy() @ weights)
    return dataset.compile(model)


def license(scene: MarketNode) -> int:
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


def settle(scene: MarketNode, job: int) -> None:
    """Executors compute it, and the custodian releases it."""
    scene.go_on(job)
    scene.agent().process(job)
