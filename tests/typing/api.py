"""What a typed program may rely on: checked by mypy, strictly, on the checkout and on the built wheel; never run."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt
import polars as pl

import darkroom
from darkroom.errors import DarkroomError, NotAllowed, TryAgain


def buying(fitted: Any, rows: pl.DataFrame) -> darkroom.Result:
    """A buyer's whole way."""
    market = darkroom.connect("/home/me/.darkroom", role="buyer", node="http://127.0.0.1:8080", create=False)
    assert_type(market, darkroom.Market)
    assert_type(market.search("cancer", rows_min=100, models=["linear"], most=5), darkroom.Listing[darkroom.Dataset])
    assert_type(market.datasets()[0], darkroom.Dataset)
    dataset = market.dataset(1)
    assert_type(dataset.codebook, darkroom.Codebook)
    assert_type(list(dataset.codebook), list[str])
    assert_type(dataset.preview(), pl.DataFrame)
    assert_type(dataset.encode(rows), npt.NDArray[np.int64])
    assert_type(dataset.offers()[0].price_license, Decimal)
    model = dataset.compile(fitted, columns=dataset.columns, n_bits=8)
    assert_type(model, darkroom.Model)
    quote = dataset.quote(model, 100, offer=1)
    assert_type(quote.total, Decimal | None)
    assert_type(quote.problems, list[str])
    try:
        job = dataset.run(model, 100, max_price=quote.total)
        dataset.run(model, max_price=12.5)
        dataset.run(model, max_price="12.5", license=3)
    except NotAllowed as error:
        assert_type(error.next_step, str)
        raise
    assert_type(job, darkroom.Job)
    assert_type(job.number, int)
    assert_type(job.audit().confirmed, bool)
    return market.job(job.number).wait(timeout=60).result()


def reading(result: darkroom.Result) -> pl.DataFrame:
    """What comes out."""
    assert_type(result.values, npt.NDArray[np.int64])
    assert_type(result.half_widths, npt.NDArray[np.float64])
    return result.to_polars()


def owning() -> Decimal:
    """An owner's way."""
    owner = darkroom.owner(role="owner")
    published = owner.publish("table.csv", "recipe.toml", consent=True, lookups=False)
    assert_type(published, darkroom.Publication)
    assert_type(published.dataset, darkroom.Dataset)
    assert_type(owner.offer(published.number, "recipe.toml"), darkroom.Offer)
    assert_type(owner.append(published.dataset, "march.csv", "recipe.toml", consent=True).version, int)
    assert_type(owner.update(published.number, "table.csv", "recipe.toml", consent=True, rotate=True).files_kept, int)
    assert_type(owner.serve_once()[0].what, str)
    assert_type(owner.revenue().total, Decimal)
    return owner.withdraw()


def computing(market: darkroom.Market) -> darkroom.Provider:
    """A provider's way."""
    provider = market.provider("provider-1")
    assert_type(provider.bond(1000, price=10), Decimal)
    try:
        provider.serve_once(device="cpu")
    except TryAgain as error:
        assert_type(error, TryAgain)
        failed: DarkroomError = error
        raise failed from None
    return provider


assert_type(darkroom.__version__, str)
