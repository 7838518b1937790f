"""What a job will cost before anything is bought: exact in work, bytes and price, an estimate in time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.protocol.market.entities import CAPACITY_SHARE, Offer, ProviderRecord
from app.protocol.market.fees import Draw, fee_bid
from fhe.circuit.cost import Cost

UNIT_SECONDS = 5e-4  # of one core, for one unit of static cost (fhe.circuit.cost)


@dataclass(frozen=True)
class Quote:
    """Prices in token units. `max_fee` is escrowed for all executors together; what they do not earn comes back."""

    rows: int
    replicas: int
    cost: Cost
    providers: int  # that could be drawn now
    price_license: int
    price_job: int
    price_rows: int
    max_fee: int
    core_seconds: float  # for one executor
    slowest_seconds: float | None = None  # of the slowest that could be drawn, as its declared capacity says

    @property
    def job_total(self) -> int:
        """What opening the job takes from the buyer's account."""
        return self.price_job + self.price_rows + self.max_fee

    @property
    def total(self) -> int:
        """The same with a new license."""
        return self.price_license + self.job_total


def quote(
    cost: Cost,
    offer: Offer,
    providers: Iterable[ProviderRecord],
    draw: Draw,
    *,
    rows: int,
    replicas: int,
    commit_window: int | None = None,
) -> Quote:
    """The price of a job on `rows` rows under an offer, with the fee that `fee_bid` bids in this draw.

    With the market's `commit_window` in seconds, also the time that the providers' declared capacities speak of.
    Errors: Unavailable when too few providers can be drawn for a job of this size.
    """
    known = list(providers)
    max_fee = fee_bid(known, draw, units=cost.units, replicas=replicas)
    able = draw.able(known, cost.units)
    slowest = min(each.capacity for each in able)
    return Quote(
        rows=rows,
        replicas=replicas,
        cost=cost,
        providers=len(able),
        price_license=offer.price_license,
        price_job=offer.price_job,
        price_rows=offer.price_row * rows,
        max_fee=max_fee,
        core_seconds=cost.units * UNIT_SECONDS,
        slowest_seconds=None if commit_window is None else cost.units * commit_window / CAPACITY_SHARE / slowest,
    )
