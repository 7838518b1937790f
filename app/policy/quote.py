"""What a job will cost before anything is bought: exact in work, bytes and price, an estimate in time.

Where no provider fits, work, time on the providers that exist and what they ask are told all the same, with the rows
that would fit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.protocol.errors import Unavailable
from app.protocol.market.entities import CAPACITY_SHARE, Offer, ProviderRecord
from app.protocol.market.fees import Draw, bid, fee_bid
from fhe.circuit.cost import Cost

UNIT_SECONDS = 5e-4  # of one core, for one unit of static cost (fhe.circuit.cost)
WorkOf = Callable[[int], int]  # units of a job on so many rows


@dataclass(frozen=True)
class Quote:
    """Prices in token units. `max_fee` is escrowed for all executors together; what they do not earn comes back."""

    rows: int
    replicas: int
    cost: Cost
    providers: int  # that could be drawn now
    alive: int  # that take jobs of some size
    price_license: int | None  # None without an offer, like the next two
    price_job: int | None
    price_rows: int | None
    max_fee: int | None  # an estimate where there is a `problem`; None where no provider is alive
    core_seconds: float  # for one executor
    slowest_seconds: float | None  # of the slowest able one (of all alive where none is), as its capacity says
    problem: Unavailable | None = None  # why no executors can be drawn now
    fixed_fees: int | None = None  # the part of `max_fee` that a job of any size has; None like that
    rows_that_fit: int | None = None  # in one job, where there is a problem; None where not even one row does

    @property
    def job_total(self) -> int | None:
        """What opening the job takes from the buyer's account."""
        if self.price_job is None or self.price_rows is None or self.max_fee is None:
            return None
        return self.price_job + self.price_rows + self.max_fee

    @property
    def total(self) -> int | None:
        """The same with a new license."""
        job = self.job_total
        return None if job is None or self.price_license is None else self.price_license + job


def quote(
    cost: Cost,
    offer: Offer | None,
    providers: Iterable[ProviderRecord],
    draw: Draw,
    *,
    rows: int,
    replicas: int,
    commit_window: int | None = None,
    work_of: WorkOf | None = None,
) -> Quote:
    """The price of a job on `rows` rows under an offer, with the fee that `fee_bid` bids in this draw.

    With the market's `commit_window` in seconds, also the time that the providers' declared capacities speak of; with
    `work_of`, how many rows would fit where these do not.
    """
    known = list(providers)
    alive, able = draw.alive(known), draw.able(known, cost.units)
    problem: Unavailable | None = None
    fitting: int | None = None
    try:
        max_fee: int | None = fee_bid(known, draw, units=cost.units, replicas=replicas)
    except Unavailable as error:
        max_fee, problem = _asked(alive, cost.units, replicas), error
        if len(able) < replicas and work_of is not None:
            fitting = rows_that_fit(known, draw, work_of, rows, replicas)
            problem = _too_large(error, alive, fitting, replicas)
    slowest = min((each.capacity for each in able or alive), default=None)
    return Quote(
        rows=rows,
        replicas=replicas,
        cost=cost,
        providers=len(able),
        alive=len(alive),
        price_license=offer.price_license if offer else None,
        price_job=offer.price_job if offer else None,
        price_rows=offer.price_row * rows if offer else None,
        max_fee=max_fee,
        core_seconds=cost.units * UNIT_SECONDS,
        slowest_seconds=cost.units * commit_window / CAPACITY_SHARE / slowest if commit_window and slowest else None,
        problem=problem,
        fixed_fees=_fixed(able or alive, cost.units, max_fee, replicas),
        rows_that_fit=fitting,
    )


def rows_that_fit(
    providers: Iterable[ProviderRecord], draw: Draw, work_of: WorkOf, most: int, replicas: int
) -> int | None:
    """The most rows, up to `most`, of a job that `replicas` executors could be drawn for now; None for not even one."""
    known = list(providers)

    def short(rows: int) -> bool:
        return len(draw.able(known, work_of(rows))) < replicas

    return bisect_right(range(1, most + 1), False, key=short) or None


def _asked(alive: list[ProviderRecord], units: int, replicas: int) -> int | None:
    """What those who are alive would ask for such a job, by the same rule as far as there are enough of them."""
    fees = [each.fee(units) for each in alive]
    if not fees:
        return None
    try:
        return bid(fees, replicas)
    except Unavailable:
        return replicas * sorted(fees)[(len(fees) - 1) // 2]


def _fixed(asking: list[ProviderRecord], units: int, max_fee: int | None, replicas: int) -> int | None:
    """The fixed fees of those whose fee the bid is."""
    if max_fee is None:
        return None
    return replicas * max((each.fixed_fee for each in asking if each.fee(units) * replicas == max_fee), default=0)


def _too_large(error: Unavailable, alive: list[ProviderRecord], fitting: int | None, replicas: int) -> Unavailable:
    if fitting is None:
        if len(alive) >= replicas:
            return Unavailable(error.message, "Use a smaller model, or wait for larger providers.")
        return error
    return Unavailable(error.message, f"Ask for at most {fitting} rows in one job, or: darkroom job run.")
