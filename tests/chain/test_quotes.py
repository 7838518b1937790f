"""What a job's fee is bid, on the embedded chain and on anvil."""

from __future__ import annotations

from typing import Any

import pytest

from app.chain.market import Market
from app.chain.node import DevNode
from app.protocol.errors import Unavailable
from tests.support.market import BITS, DOLLAR, ETHER, HOUR, MarketOnChain, digest, person


def test_a_quote_needs_enough_willing_providers(stage: MarketOnChain) -> None:
    """More replicas, or more units, than the bonded providers can take is said before any money moves."""
    market = stage.market
    assert market.quote_fee(stage.license, 1000, 2, stage.buyer.address) == 2 * 3000
    with pytest.raises(Unavailable, match="2 providers can take"):
        market.quote_fee(stage.license, 1000, 3, stage.buyer.address)
    with pytest.raises(Unavailable, match="0 providers can take"):
        market.quote_fee(stage.license, 10**6 + 1, 1, stage.buyer.address)


def test_a_provider_with_an_absurd_price_lifts_no_quote(market: Market, node: DevNode) -> None:
    """However much it has bonded, a job on four others' prices is bid what they ask for."""
    buyer, seller = person("bidding buyer"), person("bidding seller")
    for each in (buyer, seller):
        node.fund(each.address, ETHER)
        market.faucet(each, 1000 * DOLLAR)
    dataset = market.publish_dataset(
        seller, rows=10, manifest=digest("m"), data_root=digest("r"), profile=digest("p")
    ).value
    draw = market.draw_for(market.dataset(dataset), buyer.address)
    prices: dict[str, Any] = {"price_license": 7, "price_job": 2, "price_row": 1}
    offer = market.create_offer(
        seller, dataset, max_jobs=2, max_rows=20, duration=HOUR, policy=digest("policy"), **prices, **BITS
    ).value
    license = market.buy_license(buyer, offer).value
    for number, price in enumerate((3, 3, 4, 4, 10**6)):
        provider = person(f"bidding provider {number}")
        node.fund(provider.address, ETHER)
        market.faucet(provider, 1000 * DOLLAR)
        market.register_provider(provider, bond=1000 * DOLLAR, fixed_fee=price * 10 - 5, price=500_000, capacity=10)
    able = [each.fee(10) for each in draw.able(market.providers(), 10)]
    assert {30, 40, 10**7} <= set(able)
    assert market.quote_fee(license, 10, 2, buyer.address) == 2 * 40
