"""An owner who sells aggregates, and can pay for their own."""

from __future__ import annotations

from app.protocol.market.receipt import OutputPolicy
from tests.support.market import BITS, DOLLAR, HOUR
from tests.support.policies import PLENTY
from tests.support.web import MarketNode

POLICY = OutputPolicy(
    release="aggregate", circuits=("linear", "additive"), min_group=20, epsilon_micro_per_job=500_000,
    micro_bits_per_license=3_000_000, micro_bits_per_person=PLENTY,
)  # fmt: skip


def sells(scene: MarketNode) -> int:
    """An offer of aggregates, and an owner who can pay for their own."""
    scene.market.faucet(scene.stage.owner, 100 * DOLLAR)
    scene.store.put(POLICY.to_bytes())
    return scene.market.create_offer(
        scene.stage.owner, 1, price_license=DOLLAR, price_job=DOLLAR, price_row=1, max_jobs=100, max_rows=10_000,
        duration=24 * HOUR, policy=POLICY.digest, **(BITS | {"micro_bits": 3_000_000, "licenses": 1}),
    ).value  # fmt: skip
