"""Certifying figures: an owner's questions, sealed to everybody's key, explained together and ordered one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from app.client.ask import order
from app.client.ask.certificate import certificate_questions
from app.client.ask.order import Explained
from app.client.buyer import Buyer
from app.client.certificate import Certificate, certificate
from app.client.dataset import Dataset
from app.client.place import OrderPlace
from app.client.purchase import OrderTerms
from app.protocol.errors import NotAllowed, UsageError
from app.protocol.market.entities import LicenseState
from app.protocol.market.money import dollars
from app.protocol.policy.bits import describe_bits


@dataclass(frozen=True)
class AskedOfAll:
    """One question whose answer becomes public; amounts are token units, micro-bits about a person."""

    sql: str
    explained: Explained
    terms: OrderTerms

    @property
    def price(self) -> int:
        """Of the job; a license comes once for all questions."""
        return self.terms.found.price.job_total or 0


@dataclass(frozen=True)
class CertifyPlan:
    """What certifying takes, before anything is paid."""

    dataset: Dataset
    questions: tuple[AskedOfAll, ...]
    place: OrderPlace

    @property
    def micro_bits(self) -> int:
        """About each person, of all questions together."""
        return sum(each.terms.found.said.micro_bits for each in self.questions)

    @property
    def micro_bits_left(self) -> int:
        """That may still be told under these terms."""
        said = [each.terms.found.said for each in self.questions]
        return min(min(s.limit_license - s.spent_license, s.limit_person - s.spent_person) for s in said)

    @property
    def license_price(self) -> int:
        """Of the license that has to be bought first; 0 where there is one."""
        return 0 if self.place.license else self.questions[0].terms.found.price.price_license or 0

    @property
    def total(self) -> int:
        """All that leaves the account."""
        return self.license_price + sum(each.price for each in self.questions)


def plan_certificate(buyer: Buyer, dataset: Dataset, columns: Sequence[str], place: OrderPlace) -> CertifyPlan:
    """The means of all numbers, and histograms of labels and of named columns, with the terms to ask them under.

    A license that an earlier run bought of the offer is used up first. Errors: UsageError for another's dataset, for
    nothing to certify, and for what could not be asked; NotAllowed for more bits than are left; BadQuery; as
    `find_terms`.
    """
    market, mine = buyer.network.market, buyer.purse.address
    if dataset.record.owner != mine:
        raise UsageError(
            f"Dataset {dataset.record.id} is another's.", "A certificate is its owner's: darkroom dataset list."
        )
    if place.offer is not None and place.license is None:
        now = market.now()
        held = [each for each in market.licenses(buyer=mine) if each.offer == place.offer]
        license = next((each.id for each in held if each.state(now) is LicenseState.ACTIVE), None)
        place = replace(place, license=license, offer=None if license else place.offer)
    questions = []
    for sql in certificate_questions(dataset.codebook, columns):
        explained = order.explain(buyer, dataset, sql, place)
        assert explained.terms is not None  # a certificate's questions read columns
        for problem in explained.terms.found.problems:
            raise UsageError(f"{sql} cannot be asked: {problem.message}", problem.next_step)
        questions.append(AskedOfAll(sql, explained, explained.terms))
    if not questions:
        raise UsageError("This dataset has neither numbers nor labels to certify.", "Name columns with --column.")
    made = CertifyPlan(dataset, tuple(questions), place)
    if made.micro_bits > made.micro_bits_left:
        raise UsageError(
            f"These {len(questions)} answers say {describe_bits(made.micro_bits)} bits about each person, and"
            f" {describe_bits(made.micro_bits_left)} are left.",
            "Certify fewer columns, or offer aggregates at a lower epsilon.",
        )
    return made


def order_certificate(
    buyer: Buyer,
    plan: CertifyPlan,
    *,
    most: int,
    timeout: float | None = None,
    told: Callable[[int, str], None] = lambda _job, _sql: None,
) -> tuple[Certificate, str]:
    """(the document, its CID in the store), for at most `most` token units; `told` hears each job and its question.

    What was ordered before is the same job, and costs nothing again. Errors: NotAllowed above the bound; those of
    `order.ask` and `order.reply`.
    """
    if plan.total > most:
        raise NotAllowed(f"This costs {dollars(plan.total)} test dollars.", "Raise --max-price.")
    place, network = plan.place, buyer.network
    for each in plan.questions:
        bound = each.price + (0 if place.license else plan.license_price)
        job = order.ask(buyer, plan.dataset, each.sql, place, most=bound)
        assert isinstance(job, int)
        told(job, each.sql)
        place = replace(place, license=network.market.job(job).license, offer=None)
        order.reply(buyer, job, sql=each.sql, timeout=timeout)
    made = certificate(network.market, network.store, plan.dataset.record.id)
    return made, network.store.put(made.to_bytes())
