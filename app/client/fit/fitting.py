"""Fitting: what an estimator has to be told, ordered on one dataset or several of one codebook, solved in the clear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

from app.client.fit.estimators import (
    CLASSIFIERS,
    FROM_HISTOGRAMS,
    classes_of,
    fit_histograms,
    fit_moments,
    middles_of,
    name_of,
)
from app.client.fit.histograms import HistogramPlan, binned_with, plan_histograms
from app.client.fit.moments import MomentPlan, plan_moments
from app.client.published import PublishedValues
from app.client.sums import SumsExplained, SumsPlace, SumsReleased, SumsWanted, explain_sums, order_sums, read_sums
from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.errors import BadQuery, NotAllowed
from app.protocol.market.money import dollars
from app.protocol.vocabulary import Encoding
from fhe.circuit.compatible import same_codes
from fhe.profile import EncryptionProfile

if TYPE_CHECKING:
    from app.client.buyer import Buyer
    from app.client.dataset import Dataset


@dataclass(frozen=True)
class FitPlan:
    """What an estimator is fitted from on one codebook."""

    estimator: Any
    plan: MomentPlan | HistogramPlan
    label: ColumnCode | None
    codebook: Codebook
    encoding: Encoding  # of the codes that the fitted estimator reads

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the fitted estimator reads, in order."""
        names = self.plan.columns
        return names[:-1] if isinstance(self.plan, MomentPlan) and self.label is not None else names

    def solve(self, released: Sequence[SumsReleased]) -> tuple[Any, float]:
        """(the fitted estimator, the ridge that noise made needful) from the numbers of one job or more."""
        if isinstance(self.plan, MomentPlan):
            moments = reduce(add, (self.plan.read(each.values, each.rows, each.noise_scale) for each in released))
            return fit_moments(self.estimator, moments, self.label)
        counts = reduce(add, (self.plan.read(each.values, each.rows, each.noise_scale) for each in released))
        assert self.label is not None
        return fit_histograms(self.estimator, counts, self.label, self.codebook), 0.0


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
    name, published = name_of(estimator), PublishedValues(codebook)
    if (name == "PCA") != (label is None):
        raise BadQuery(
            "Components have no label." if name == "PCA" else f"A {name} predicts a label, and none is named.",
            "Leave the label out." if name == "PCA" else f"Name one: {_labels(codebook)}.",
        )
    target = None if label is None else published.column(label)
    if name in CLASSIFIERS and target is not None:
        classes_of(target)
    if label is not None and columns is not None and label in columns:
        raise BadQuery(f"The label {label!r} is among the columns.", "Leave it out of the columns.")
    if name in FROM_HISTOGRAMS:
        assert label is not None
        chosen = list(columns) if columns is not None else binned_with(published, label)
        if name == "GaussianNB":
            for each in chosen:
                middles_of(published.column(each))
        encoding: Encoding = "affine" if name == "GaussianNB" else "bins"
        return FitPlan(estimator, plan_histograms(codebook, profile, chosen, label), target, codebook, encoding)
    if columns is None:
        features = [each.name for each in codebook.columns if each.affine and each.name != label and not each.label]
        both = published.paired([*([label] if label else []), *features])
        columns = [each for each in both if each != label]
    return FitPlan(estimator, plan_moments(codebook, profile, columns, label), target, codebook, "affine")


def explain_fit(buyer: Buyer, dataset: Dataset, plan: FitPlan, place: SumsPlace) -> SumsExplained:
    """What a fit's job on one dataset would cost, for free. Errors: as `find_terms`."""
    return explain_sums(buyer, dataset, SumsWanted.of(plan.plan.circuit), place)


def fit(
    buyer: Buyer,
    datasets: Sequence[Dataset],
    plan: FitPlan,
    *,
    most: int | None,
    places: Sequence[SumsPlace],
    epsilon: float | None = None,
    timeout: float | None = None,
) -> Any:
    """The fitted estimator, with `report_`; `most` token units pay for all jobs together.

    The jobs are ordered one after the other before any is waited for. Errors: BadQuery for datasets of other codes;
    what an order would be refused for; UsageError, NotAllowed; TryAgain after `timeout` seconds.
    """
    for each in datasets[1:]:
        if not same_codes(each.codebook, datasets[0].codebook):
            raise BadQuery("These datasets have other codes, so that their sums do not add up.", "Fit them apart.")
    explained = [explain_fit(buyer, each, plan, place) for each, place in zip(datasets, places, strict=True)]
    check_epsilon(explained, epsilon)
    check_whole(explained, most)
    wanted, left, jobs = SumsWanted.of(plan.plan.circuit), most, []
    for told in explained:
        jobs.append(order_sums(buyer, told, most=left))
        left = None if left is None else left - (told.terms.total or 0)
    released = [read_sums(buyer, job, wanted, timeout=timeout) for job in jobs]
    model, ridge = plan.solve(released)
    model.report_ = FitReport(
        plan.columns,
        plan.encoding,
        None if plan.label is None else plan.label.name,
        sum(each.rows for each in released),
        max(each.epsilon for each in released),
        tuple(each.noise_scale for each in released),
        tuple(jobs),
        tuple(each.receipt for each in released),
        ridge,
    )
    return model


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


def _labels(codebook: Codebook) -> str:
    return ", ".join(column.name for column in codebook.columns if column.label)[:200] or "any column with products"
