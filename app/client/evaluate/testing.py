"""Testing a kept model on a dataset's published label: explained for free, ordered, read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from app.client.ask.answer import SPREAD, Figure
from app.client.evaluate.class_test import ClassTest
from app.client.evaluate.found import TestFigures
from app.client.evaluate.planning import TestPlan
from app.client.place import OrderPlace
from app.client.sums import SumsExplained, SumsWanted, explain_sums, order_sums, read_sums

if TYPE_CHECKING:
    from app.client.buyer import Buyer
    from app.client.dataset import Dataset


@dataclass(frozen=True)
class TestReport:
    """What a test took: its job and receipt, epsilon of each person, the noise on each released number, the rows."""

    job: int
    receipt: str
    epsilon: float
    noise_scale: float
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)


def explain_test(
    buyer: Buyer, dataset: Dataset, plan: TestPlan, place: OrderPlace
) -> tuple[SumsExplained, dict[str, float | None]]:
    """(what a test would cost, the half width of each count's interval or None where it depends on the answer)."""
    told = explain_sums(buyer, dataset, SumsWanted.of(plan.circuit), place)
    widths: dict[str, float | None] = {}
    if isinstance(plan, ClassTest):
        widths["accuracy"] = SPREAD * (2 * plan.buckets) ** 0.5 * told.noise_scale / plan.per / max(1, told.rows)
        widths |= {"precision": None, "recall": None, "auc": None}
    else:
        widths |= {"mse": None, "r2": None}
    return told, widths


def run_test(
    buyer: Buyer,
    dataset: Dataset,
    plan: TestPlan,
    place: OrderPlace,
    *,
    most: int | None,
    job: int | None = None,
    timeout: float | None = None,
) -> tuple[TestFigures, TestReport]:
    """Order a test for at most `most` token units and wait for it; an equal test is the same job. A `job` that was
    ordered before is read in place of a new one.

    Errors: what the order would be refused for; UsageError without a bound, NotAllowed above it; TryAgain.
    """
    wanted = SumsWanted.of(plan.circuit)
    if job is None:
        job = order_sums(buyer, explain_sums(buyer, dataset, wanted, place), most=most)
    found = read_sums(buyer, job, wanted, timeout=timeout)
    report = TestReport(job, found.receipt, found.epsilon, found.noise_scale, found.rows)
    return plan.read(found.values, found.rows, found.noise_scale), report


def in_words(figure: Figure) -> str:
    """A figure with its interval, for people."""
    if figure.value is None:
        return "the noise leaves nothing to say"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.4g}"
    return f"{figure.value:.4g} ({figure.low:.4g} to {figure.high:.4g})"
