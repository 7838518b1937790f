"""What a provider asks by default: its machine's hour, its speed, and the gas of a job."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.chain.evm.embedded import EmbeddedChain
from app.chain.node import Fees
from app.client.provider import Provider
from app.home.home import Actor
from app.home.network import Network
from app.protocol.errors import BadDocument
from app.protocol.ids import Units
from app.protocol.market.entities import PRICED_UNITS
from app.protocol.market.money import dollars
from app.provider.pricing import ANSWER_GAS, JOB_GAS, MOST, Pricing, keep, kept
from app.provider.speed import Speed
from app.provider.standing_terms import StandingTerms
from tests.support.market import MarketOnChain, open_market, set_stage

GWEI = 10**9
CORE = Speed(
    asked="cpu", computed="cpu", machine="m", threads=1, evaluator="e", lookups=1, units_per_second=2_000
)  # half a millisecond a unit
COSTS = st.builds(
    Pricing, core_hour=st.integers(0, 10**9), gpu_hour=st.integers(0, 10**9), ether=st.integers(0, 10**12)
)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[MarketOnChain]:
    """Two bonded providers on a chain of their own."""
    chain = EmbeddedChain(tmp_path / "chain.sqlite")
    yield set_stage(open_market(chain, tmp_path / "deployment.json"))
    chain.close()


def test_an_hour_of_work_earns_what_the_hour_costs() -> None:
    """Two cores ask for an hour of both, whatever their speed; the forest that cost 114 dollars costs eight cents."""
    for speed in (CORE, CORE.model_copy(update={"threads": 2, "units_per_second": 3_500})):
        earned = Pricing().price(speed) * speed.units_per_second * 3_600 / PRICED_UNITS
        assert earned == pytest.approx(100_000 * speed.threads, rel=1e-3)
    forest = int(0.8 * 3_600 * CORE.units_per_second)
    assert dollars(Pricing().price(CORE) * forest // PRICED_UNITS).startswith("0.08")


def test_a_gpu_s_hour_counts_where_it_computes() -> None:
    """A GPU that is asked for but did not compute costs nothing."""
    asked = CORE.model_copy(update={"gpus": ("one", "two"), "computed": "cuda", "units_per_second": 10**6})
    assert Pricing().price(asked) == pytest.approx((100_000 + 2 * 2_500_000) * PRICED_UNITS / (3_600 * 10**6), abs=1)
    assert Pricing().price(asked.model_copy(update={"computed": "native"})) < Pricing().price(asked) / 40


@given(COSTS, st.integers(0, 10**13), st.integers(0, 10**12))
def test_a_fresh_fixed_fee_covers_a_job_and_is_not_stale(costs: Pricing, base: int, tip: int) -> None:
    """At the price that it was stated for it pays for every transaction, and for a base fee of twice that."""
    fees = Fees(max_fee=2 * base + tip, tip=tip, base=base)
    fixed = costs.fixed_fee(fees.max_fee)
    assert fees.present == base + tip
    if fixed == MOST:
        return
    assert fixed >= costs.gas(JOB_GAS, 2 * base + tip)
    assert not costs.stale(fixed, fees.present, fees.max_fee)
    assert costs.pays(fixed, fees.present)
    assert fixed == 0 or costs.stale(costs.gas(JOB_GAS, fees.present) - 1, fees.present, fees.max_fee)


def test_a_job_is_worth_answering_while_its_gas_is_paid() -> None:
    """Fees of 0.0008 dollars for 0.11 M gas at one gwei are not; those with a fixed part are."""
    assert not Pricing().pays(800, GWEI)
    assert Pricing().pays(Pricing().gas(ANSWER_GAS, GWEI), GWEI)
    assert Pricing(ether=0).pays(0, GWEI)


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    """And stays private; a damaged file is told, not guessed."""
    costs = Pricing(core_hour=7)
    keep(tmp_path / "actor", costs)
    assert kept(tmp_path / "actor") == costs
    file = tmp_path / "actor" / "pricing.json"
    assert file.stat().st_mode & 0o077 == 0
    file.write_bytes(b"{}")
    with pytest.raises(BadDocument):
        kept(tmp_path / "actor")
    keep(tmp_path / "actor", None)
    assert kept(tmp_path / "actor") is None


def test_the_fixed_fee_follows_the_chain(stage: MarketOnChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stated again when gas costs more than it covers, and left alone while it covers it."""
    market, account = stage.market, stage.providers[0]
    terms = StandingTerms(market, account, tmp_path)
    before = market.provider(account.address)
    assert terms.follow() is None  # nothing said: its terms were stated by hand
    assert terms.pays(0)
    keep(tmp_path, Pricing())
    dear = Fees(max_fee=7 * GWEI, tip=GWEI, base=3 * GWEI)
    monkeypatch.setattr(type(market.node), "fees", lambda self: dear)
    assert not terms.pays(before.fixed_fee)
    fixed = terms.follow()
    assert fixed == Pricing().gas(JOB_GAS, 7 * GWEI)
    after = market.provider(account.address)
    assert after == replace(before, fixed_fee=Units(fixed or 0))
    assert terms.follow() is None
    assert after.fee(1) >= Pricing().gas(JOB_GAS, dear.present)
    assert terms.pays(after.fee(1))
    monkeypatch.setattr(type(market.node), "fees", lambda self: Fees(max_fee=2 * GWEI, tip=0, base=GWEI))
    assert terms.follow() is None  # 3.5 times too much is not worth a transaction
    monkeypatch.setattr(type(market.node), "fees", lambda self: Fees(max_fee=GWEI, tip=0, base=GWEI // 2))
    assert terms.follow() == Pricing().gas(JOB_GAS, GWEI)


def test_a_provider_that_says_nothing_asks_by_speed_and_gas(
    stage: MarketOnChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stated parts stay as they are said; the others follow, and only a fixed fee that was not said is followed."""
    market, account = stage.market, stage.providers[1]
    monkeypatch.setattr(type(market.node), "fees", lambda self: Fees(max_fee=3 * GWEI, tip=GWEI, base=GWEI))
    provider = Provider(Network(market.node, market, None), Actor("p", tmp_path), account)  # type: ignore[arg-type]
    costs = Pricing(core_hour=3_600)
    provider.restate(costs, capacity=5)
    record = market.provider(account.address)
    assert (record.price, record.capacity) == (costs.price(provider.speed()), 5)
    assert record.fixed_fee == costs.gas(JOB_GAS, 3 * GWEI)
    assert kept(tmp_path) == costs
    assert provider.asks().capacity == provider.speed().capacity(provider.commit_window)
    provider.restate(fixed_fee=9, price=8, capacity=7)
    record = market.provider(account.address)
    assert (record.fixed_fee, record.price, record.capacity) == (9, 8, 7)
    assert kept(tmp_path) is None
