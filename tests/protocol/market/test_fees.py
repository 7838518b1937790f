"""The default fee: enough for those who are needed, and no single provider's to decide."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.errors import Unavailable
from app.protocol.ids import Address, Seconds, Units
from app.protocol.market.entities import PRICED_UNITS, ProviderRecord
from app.protocol.market.fees import LIFT, Draw, DrawRules, fee_bid

NOW, WINDOW, RICH = 1_000_000, 3_600, 10**40
DRAW = Draw(DrawRules(heartbeat_window=WINDOW, stake_floor=10**8, stake_multiple=10), NOW, ("owner", "buyer"))
ABSURD = 10**15
PRICES = st.lists(st.integers(1, 10**6), min_size=1, max_size=30)


def provider(price: int, number: int = 1) -> ProviderRecord:
    """One that can be drawn for anything up to a million units."""
    return ProviderRecord(
        Address(f"p{number}"),
        Units(RICH),
        Units(price * PRICED_UNITS),
        10**6,
        heartbeat=Seconds(NOW),
        unbonding=Seconds(0),
        seat=number,
    )


def providers(prices: list[int]) -> list[ProviderRecord]:
    """As many that ask for these prices."""
    return [provider(price, number) for number, price in enumerate(prices, 1)]


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1), st.integers(1, 2**64 - 1))
def test_a_fee_is_the_fixed_part_and_the_work_rounded_up(fixed: int, price: int, units: int) -> None:
    """No job is done for less than the fixed part, and no work for less than it costs."""
    fee = replace(provider(0), fixed_fee=Units(fixed), price=Units(price)).fee(units)
    assert 0 <= (fee - fixed) * PRICED_UNITS - price * units < PRICED_UNITS


def test_the_bid_covers_the_fixed_part() -> None:
    """A job of one unit is bid the fixed fees, not the millionth of a price."""
    others = [replace(each, fixed_fee=Units(700), price=Units(1)) for each in providers([1] * 3)]
    assert fee_bid(others, DRAW, units=1, replicas=2) == 2 * 701


@pytest.mark.parametrize("bond", [10**8, RICH], ids=["least bond", "rich"])
@pytest.mark.parametrize("honest", [3, 4, 9])
def test_one_absurd_price_lifts_nobodys_default(bond: int, honest: int) -> None:
    """Neither a provider with the least bond nor a rich one changes what two executors are bid."""
    others = providers([1] * honest)
    joker = replace(provider(ABSURD, 99), bond=Units(bond))
    assert fee_bid(others, DRAW, units=1, replicas=2) == 2
    assert fee_bid([joker, *others], DRAW, units=1, replicas=2) == 2


@given(PRICES, st.integers(1, 5), st.integers(1, 10**6))
def test_enough_providers_take_what_is_bid(prices: list[int], replicas: int, units: int) -> None:
    """At least `replicas` ask for their share of it or less, and somebody asks for exactly that; or it is refused."""
    try:
        share, rest = divmod(fee_bid(providers(prices), DRAW, units=units, replicas=replicas), replicas)
    except Unavailable:
        usual = [price for price in prices if price <= LIFT * sorted(prices)[(len(prices) - 1) // 2]]
        assert len(usual) < replicas
        return
    fees = [price * units for price in prices]
    assert rest == 0
    assert share in fees
    assert sum(fee <= share for fee in fees) >= replicas


@given(st.lists(st.integers(1, 1000), min_size=5, max_size=20), st.data(), st.integers(1, 2))
def test_a_minority_moves_it_by_a_bounded_factor(prices: list[int], data: st.DataObject, replicas: int) -> None:
    """Whatever fewer than half of all ask for, the bid is at most `LIFT` times the dearest of the others."""
    jokers = data.draw(st.lists(st.integers(1, ABSURD), max_size=len(prices) - 1))
    both = fee_bid(providers(prices + jokers), DRAW, units=1, replicas=replicas)
    assert both <= replicas * LIFT * max(prices)


def test_a_reserve_for_drawing_all_once_more_is_within_reach() -> None:
    """Two executors, two more after a dispute and one in reserve can be drawn at the bid."""
    assert fee_bid(providers([10, 11, 12, 13, 14, 15, 16]), DRAW, units=10, replicas=2) == 2 * 140


@pytest.mark.parametrize(
    "change",
    [
        {"heartbeat": NOW - WINDOW - 1}, {"unbonding": NOW + 1}, {"seat": 0}, {"capacity": 9}, {"address": "owner"},
        {"address": "buyer"}, {"bond": 10**8 - 1}, {"locked": RICH - 10**8 + 1}, {"bond": 10**8, "price": 10**12 + 1},
    ],
    ids=["silent", "leaving", "no seat", "too small", "owner", "buyer", "least bond", "all staked", "fee too high"],
)  # fmt: skip
def test_who_could_not_be_drawn_does_not_count(change: dict[str, object]) -> None:
    """A provider that the contract would pass over is no part of the bid, nor of the count."""
    one, other = provider(5, 1), replace(provider(5, 2), **change)  # type: ignore[arg-type]
    assert fee_bid([one, other], DRAW, units=10, replicas=1) == 50
    with pytest.raises(Unavailable, match="1 providers can take a job of 10 units and 2 are needed"):
        fee_bid([one, other], DRAW, units=10, replicas=2)


def test_the_edges_of_who_can_be_drawn_count() -> None:
    """A heartbeat of the window's age, a capacity of exactly the units and a bond of exactly the stake are enough."""
    edge = replace(provider(10**6), heartbeat=Seconds(NOW - WINDOW), capacity=10, bond=Units(10**8))
    assert fee_bid([edge], DRAW, units=10, replicas=1) == 10**7


def test_two_prices_far_apart_are_for_the_buyer_to_judge() -> None:
    """Where both of two providers are needed and one asks for absurdly more, nothing is bid by default."""
    with pytest.raises(Unavailable, match="Only 1 of 2 providers ask for a usual fee"):
        fee_bid(providers([1, ABSURD]), DRAW, units=1, replicas=2)
