"""What a job will cost before anything is bought: exact in work, bytes and price, an estimate in time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.protocol.errors import NotAllowed
from app.protocol.market import CAPACITY_SHARE, Offer, ProviderRecord
from fhe.cost import Cost

UNIT_SECONDS = 5e-4  # of one core, for one unit of static cost (fhe.cost)


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
    *,
    rows: int,
    replicas: int,
    commit_window: int | None = None,
) -> Quote:
    """The price of a job on `rows` rows under an offer, with fees high enough for every provider that takes it.

    With the market's `commit_window` in seconds, also the time that the providers' declared capacities speak of.
    Errors: NotAllowed when fewer providers than `replicas` can take a job of this size.
    """
    able = [each for each in providers if each.seat and not each.unbonding and each.capacity >= cost.units]
    if len(able) < replicas:
        raise NotAllowed(
            f"{len(able)} bonded providers take jobs of {cost.units} units; this job asks for {replicas}.",
            "Ask for fewer replicas or rows, or wait for more providers.",
        )
    slowest = min((each.capacity for each in able), default=1)
    dearest = max(each.price for each in able)
    return Quote(
        rows=rows,
        replicas=replicas,
        cost=cost,
        providers=len(able),
        price_license=offer.price_license,
        price_job=offer.price_job,
        price_rows=offer.price_row * rows,
        max_fee=replicas * dearest * cost.units,
        core_seconds=cost.units * UNIT_SECONDS,
        slowest_seconds=None if commit_window is None else cost.units * commit_window / CAPACITY_SHARE / slowest,
    )
