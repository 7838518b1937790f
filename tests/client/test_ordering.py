"""Orders and results by the SDK: what would be refused is refused before payment; levels of a regressor, end to end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from app.client.buyer import Buyer
from app.client.dataset import Dataset
from app.protocol.errors import PolicyRefused, TransactionPending, Unavailable
from app.seal.keys import SealingKey
from tests.client.conftest import Run
from tests.support.market import BITS, DOLLAR, HOUR
from tests.support.regression import POLICY, WEIGHTS, license, regressor, sample, settle
from tests.support.web import MarketNode, fresh_scene

__all__ = ["fresh_scene"]


def test_levels_of_a_regressor_come_out_in_its_own_units(scene: MarketNode, buyer: Buyer, darkroom: Run) -> None:
    """A regressor with eight levels under labels alone: each row's level is the clear model's, with its interval."""
    dataset = Dataset.open(buyer.network, 1)
    own = WEIGHTS + 0.5  # no other test's, nor a multiple of it: an equal question costs no bits again
    compiled = dataset.with_levels(regressor(dataset, own), 8, sample())
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


def test_an_order_given_twice_is_paid_once(scene: MarketNode, buyer: Buyer, darkroom: Run) -> None:
    """The same commands again are answered with the first license and job; another one has to be asked for."""
    dataset = Dataset.open(buyer.network, 1)
    model = buyer.models.keep(dataset.with_levels(regressor(dataset, WEIGHTS + 0.125), 2, sample()))
    offer = scene.market.license(license(scene)).offer
    buy = ("license", "buy", str(offer), "--json")
    held = darkroom(*buy)[1]["license"]
    order = ("job", "open", "--license", str(held), "--model", model.digest, "--rows", "20", "--json")
    first = darkroom(*order)[1]
    before = (scene.market.balance(scene.stage.buyer.address), scene.market.job_count(), scene.market.license_count())
    assert darkroom(*buy)[1]["license"] == held
    code, again, told = darkroom(*order)
    assert (code, again["job"], again["transaction"]) == (0, first["job"], first["transaction"])
    assert (first["ordered_before"], again["ordered_before"]) == (False, True)
    assert "--anew" in told
    after = (scene.market.balance(scene.stage.buyer.address), scene.market.job_count(), scene.market.license_count())
    assert after == before
    other = darkroom(*order, "--anew")[1]
    assert other["job"] == first["job"] + 1
    assert darkroom(*order)[1]["job"] == other["job"]
    assert darkroom(*buy, "--anew")[1]["license"] > held


def test_an_order_whose_answer_was_lost_is_found_again(
    scene: MarketNode, buyer: Buyer, darkroom: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nobody can tell what became of it, it is told as sent; the same order later is that job, paid once."""
    dataset = Dataset.open(buyer.network, 1)
    model = buyer.models.keep(dataset.with_levels(regressor(dataset, WEIGHTS + 0.375), 2, sample()))
    key, held = SealingKey.generate(), license(scene)
    place: dict[str, Any] = {"first_row": 0, "rows": 20, "sealing_key": key}
    before = scene.market.job_count()

    def lost(*_: object) -> None:
        raise Unavailable("The answer was lost.")

    with monkeypatch.context() as silence:
        silence.setattr(buyer.network.node, "fates", lost)
        silence.setattr("app.chain.sender.RECEIPT_SECONDS", 0.0)
        with pytest.raises(TransactionPending, match="was sent"):
            buyer.open_job(held, model, **place)
    assert buyer.open_job(held, model, **place).value == before + 1
    assert scene.market.job_count() == before + 1
    noted = buyer.orders.model_of(scene.market.job(before + 1), buyer.models)
    assert noted is not None
    assert (noted[0].digest, noted[1]) == (model.digest, "order")


def test_a_refused_order_costs_nothing(scene: MarketNode, buyer: Buyer, darkroom: Run) -> None:
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


def test_a_score_says_how_far_it_was_rounded(scene: MarketNode, buyer: Buyer, darkroom: Run) -> None:
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
