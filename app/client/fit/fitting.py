"""Fitting: what an estimator has to be told, ordered on one dataset or several of one codebook, solved in the clear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

from app.client.fit.additive import AdditivePlan, fit_additive
from app.client.fit.count_models import fit_histograms
from app.client.fit.histograms import ClassHistograms
from app.client.fit.linear_models import fit_classifier, fit_components, fit_regression
from app.client.fit.moments import Moments
from app.client.fit.names import classifies, name_of
from app.client.fit.planning import FitSums, plan_sums
from app.client.place import OrderPlace
from app.client.published import PublishedValues
from app.client.sums import SumsExplained, SumsReleased, SumsWanted, explain_sums, order_sums, read_sums
from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadQuery, NotAllowed
from app.protocol.market.money import dollars
from app.protocol.vocabulary import Encoding
from fhe.circuit.compatible import same_codes
from fhe.profile import EncryptionProfile

if TYPE_CHECKING:
    from app.client.buyer import Buyer
    from app.client.dataset import Dataset


@dataclass(frozen=True)
class FitPlan(FitSums):
    """The same with the estimator that is fitted."""

    estimator: Any

    def solve(self, released: Sequence[SumsReleased]) -> tuple[Any, float]:
        """(the fitted estimator, the ridge that noise made needful) from the numbers of one job or more."""
        read = [self.plan.read(each.values, each.rows, each.noise_scale) for each in released]
        sums: Moments | ClassHistograms = reduce(add, read)
        values = None if self.classes is None else self.classes.values
        if isinstance(sums, ClassHistograms):
            return fit_histograms(self.estimator, sums, values, self.codebook), 0.0
        if self.label is None:
            return fit_components(self.estimator, sums), 0.0
        if isinstance(self.plan, AdditivePlan):
            affine = PublishedValues(self.codebook).affine(self.label)
            return fit_additive(self.estimator, sums, self.plan, affine, values)
        if self.classes is None:
            return fit_regression(self.estimator, sums, PublishedValues(self.codebook).affine(self.label))
        return fit_classifier(self.estimator, self._by_class(sums), self.classes)

    def _by_class(self, moments: Moments) -> list[Moments]:
        """The moments of the columns and of each class, whose column comes last."""
        assert self.classes is not None
        if self.classes.own == (self.label,) and moments.doubled[-1]:  # centred: a label that is no word of a category
            return [moments.opposite(), moments]
        return [moments.against(len(self.columns), place) for place in self.classes.places]


@dataclass(frozen=True)
class FitReport:
    """How a model was fitted: its columns and their codes, the jobs, and what each added."""

    columns: tuple[str, ...]
    encoding: Encoding
    label: str | None
    rows: int
    epsilon: float  # of each person; the greatest of the jobs', since datasets hold different rows
    noise_scales: tuple[float, ...]  # of the discrete Laplace noise of each job's numbers
    jobs: tuple[int, ...]
    receipts: tuple[str, ...]
    ridge: float  # that noise made needful, in units of a column's range

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def plan_fit(
    codebook: Codebook,
    profile: EncryptionProfile,
    estimator: Any,
    *,
    label: str | None = None,
    columns: Sequence[str] | None = None,
) -> FitPlan:
    """What to ask so that an estimator can be fitted; by default on all columns that the products allow.

    Errors: BadQuery with the nearest that can be fitted.
    """
    name = name_of(estimator)
    found = plan_sums(codebook, profile, name, classifies=classifies(estimator), label=label, columns=columns)
    return FitPlan(**vars(found), estimator=estimator)


def explain_fit(buyer: Buyer, dataset: Dataset, plan: FitPlan, place: OrderPlace) -> SumsExplained:
    """What a fit's job on one dataset would cost, for free. Errors: as `find_terms`."""
    return explain_sums(buyer, dataset, SumsWanted.of(plan.plan.circuit), place)


def fit(
    buyer: Buyer,
    datasets: Sequence[Dataset],
    plan: FitPlan,
    *,
    most: int | None,
    places: Sequence[OrderPlace],
    epsilon: float | None = None,
    jobs: Sequence[int] = (),
    timeout: float | None = None,
) -> Any:
    """The fitted estimator, with `report_`; `most` token units pay for all jobs together. `jobs` were ordered before,
    one on each dataset, and are read in place of new ones.

    The jobs are ordered one after the other before any is waited for. Errors: BadQuery for datasets of other codes;
    what an order would be refused for; UsageError, NotAllowed; TryAgain after `timeout` seconds.
    """
    for each in datasets[1:]:
        if not same_codes(each.codebook, datasets[0].codebook):
            raise BadQuery("These datasets have other codes, so that their sums do not add up.", "Fit them apart.")
    wanted = SumsWanted.of(plan.plan.circuit)
    if not jobs:
        explained = [explain_fit(buyer, each, plan, place) for each, place in zip(datasets, places, strict=True)]
        check_epsilon(explained, epsilon)
        check_whole(explained, most)
        jobs = _ordered(buyer, explained, most)
    released = [read_sums(buyer, job, wanted, timeout=timeout) for job in jobs]
    model, ridge = plan.solve(released)
    model.report_ = FitReport(
        plan.columns,
        plan.encoding,
        plan.label,
        sum(each.rows for each in released),
        max(each.epsilon for each in released),
        tuple(each.noise_scale for each in released),
        tuple(jobs),
        tuple(each.receipt for each in released),
        ridge,
    )
    return model


def _ordered(buyer: Buyer, explained: Sequence[SumsExplained], most: int | None) -> list[int]:
    left, jobs = most, []
    for told in explained:
        jobs.append(order_sums(buyer, told, most=left))
        left = None if left is None else left - (told.terms.total or 0)
    return jobs


def check_whole(explained: Sequence[SumsExplained], most: int | None) -> None:
    """Whether all jobs go through for at most `most` token units together, before the first is paid.

    Errors: what an order would be refused for; NotAllowed.
    """
    for each in explained:
        each.terms.found.require()
    total = sum(each.terms.total or 0 for each in explained)
    if most is not None and total > most:
        raise NotAllowed(f"All jobs cost {dollars(total)} together, above the bound.", "Raise the bound.")


def check_epsilon(explained: Sequence[SumsExplained], epsilon: float | None) -> None:
    """Errors: BadQuery where a job would cost another epsilon than was asked for."""
    for each in explained:
        if epsilon is not None and abs(each.epsilon - epsilon) > 1e-9:
            raise BadQuery(
                f"A job under these terms costs epsilon {each.epsilon:g}, not {epsilon:g}: the policy says how much.",
                "Name an offer or a license of the epsilon that you want, or leave epsilon out.",
            )
