"""Running a model for at most a stated price: the license to use or to buy is found, then the job is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.client.buyer import Buyer
from app.client.dataset import Dataset
from app.client.ordered import Orderable, Runnable, purpose_of
from app.client.place import OrderPlace
from app.policy.preflight import Preflight
from app.protocol.errors import BadBlock, BadDocument, DarkroomError, NotAllowed, NotFound, UsageError
from app.protocol.market.entities import License, LicenseState
from app.protocol.market.money import dollars

if TYPE_CHECKING:
    from app.chain.market import Market, Sent


EVERYWHERE = OrderPlace()


@dataclass(frozen=True)
class OrderTerms:
    """What a job would be run under, and everything that is known of it before."""

    license: int  # that the buyer has; 0 where one of `offer` would be bought
    offer: int | None
    found: Preflight

    @property
    def total(self) -> int | None:
        """Token units that leave the account, a new license and the escrowed fee included; None without a price."""
        return self.found.price.job_total if self.license else self.found.price.total


@dataclass(frozen=True)
class Purchase:
    """What was bought: `license` is None where one was there. The values are the license's and the job's ids."""

    license: Sent[int] | None
    job: Sent[int]


def find_terms(
    buyer: Buyer,
    dataset: Dataset,
    model: Runnable,
    place: OrderPlace = EVERYWHERE,
) -> OrderTerms:
    """The terms that are named; else a license of the buyer's under which the job goes through; else the offer under
    which it is cheapest. Where it goes through nowhere, the first of these, with what keeps it from going through.

    Terms whose policy cannot be read are passed over where others can. Errors: NotAllowed where nothing is offered and
    no license is there; those of `Buyer.check`.
    """
    market, number = buyer.network.market, dataset.record.id

    def check(held: int, sold: int | None) -> Preflight:
        return buyer.check(
            dataset, model, place.rows, first_row=place.first_row, replicas=place.replicas, license=held, offer=sold
        )

    held = (each for each in market.licenses(buyer=buyer.purse.address) if each.dataset == number)
    return choose_terms(market, number, check, held, license=place.license, offer=place.offer)


def choose_terms(
    market: Market,
    dataset: int,
    check: Callable[[int, int | None], Preflight],
    held: Iterable[License],
    *,
    license: int | None = None,
    offer: int | None = None,
) -> OrderTerms:
    """What `find_terms` says, for whoever has the licenses `held` of a dataset; `check` judges the order under
    (license, None) or (0, offer). Errors: as there.
    """
    first: OrderTerms | None = None
    unread: DarkroomError | None = None
    ready: list[OrderTerms] = []
    for mine, sold in [(license or 0, offer)] if license or offer else _candidates(market, dataset, held):
        try:
            found = check(mine, None if mine else sold)
        except (NotFound, BadBlock, BadDocument) as error:
            unread = unread or error
            continue
        terms = OrderTerms(mine, None if mine else sold, found)
        first = first or terms
        if found.ready and mine:
            return terms
        ready += [terms] if found.ready else []
    if first is None:
        raise unread or NotAllowed(
            f"Nothing is offered on dataset {dataset} now, and this account has no license of it.",
            "Look at other datasets: darkroom dataset list.",
        )
    return min(ready, key=lambda each: each.total or 0, default=first)


def run_purpose(buyer: Buyer, dataset: Dataset, model: Orderable, place: OrderPlace) -> str:
    """What makes two runs of a model the same one, whatever license they would use today."""
    market, record = buyer.network.market.address, dataset.record
    asked = (record.id, record.version, model.digest, place.rows or 0, place.first_row, place.replicas)
    return purpose_of("run", market, *asked, place.license or 0, place.offer or 0)


def bought_before(buyer: Buyer, model: Orderable, purpose: str) -> Purchase | None:
    """What this machine bought for a purpose before, waited for where it is under way; None where it has to be bought.

    Errors: TransactionPending, Unavailable.
    """
    job = buyer.purse.ordered_job(purpose)
    if job is None or not buyer.stands(job, buyer.sealing_key()):
        return None
    buyer.orders.note(job.value, model)
    return Purchase(buyer.purse.ordered_license(purpose_of("license of", purpose)), job)


def purchase(
    buyer: Buyer, model: Orderable, terms: OrderTerms, *, most: int | None, purpose: str = "", anew: bool = False
) -> Purchase:
    """Buy the license that is missing and open the job, where both together cost at most `most` token units.

    With a `purpose` what was bought for it before is taken, unless `anew`: see `Buyer.buy_license` and `open_job`.
    Nothing is published or paid otherwise. Where the job then fails to open, a license that was bought stays, and is
    used the next time. Errors: UsageError without a bound; NotAllowed above it; those of `Buyer.order`; Reverted.
    """
    terms.found.require()
    total = terms.total
    assert total is not None  # an order that goes through has a price
    if most is None:
        raise UsageError(
            f"This job costs {dollars(total)} test dollars, and no bound was given.", "Say the most that it may cost."
        )
    if total > most:
        raise NotAllowed(
            f"This job costs {dollars(total)} test dollars, and {dollars(most)} is the bound.",
            "Raise the bound, or ask for fewer rows.",
        )
    request = terms.found.request
    bought = None
    if not terms.license and terms.offer is not None:
        bought = buyer.buy_license(terms.offer, purpose=purpose and purpose_of("license of", purpose), anew=anew)
    try:
        job = buyer.open_job(
            terms.license if bought is None else bought.value,
            model,
            first_row=request.first_row,
            rows=request.rows,
            sealing_key=buyer.sealing_key(),
            replicas=request.replicas,
            max_fee=terms.found.price.max_fee,
            purpose=purpose,
            anew=anew,
        )
    except DarkroomError as error:
        if bought is not None:
            error.add_note(f"License {bought.value} was bought and is this account's: the next job uses it.")
        raise
    return Purchase(bought, job)


def _candidates(market: Market, dataset: int, held: Iterable[License]) -> Iterator[tuple[int, int | None]]:
    """(license, None) of each license that is active, then (0, offer) of each offer that sells, by price."""
    now = market.now()
    for each in held:
        if each.state(now) is LicenseState.ACTIVE:
            yield each.id, None
    selling = [each for each in market.offers(dataset) if each.active and each.licenses_left]
    for sold in sorted(selling, key=lambda each: (each.price_license, each.id)):
        yield 0, sold.id
