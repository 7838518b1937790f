"""Models fitted from sums over rows of one dataset, or of several of one codebook."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from app.client.place import OrderPlace
from app.policy.preflight import REPLICAS
from app.protocol.errors import UsageError
from app.protocol.market.money import token_units

if TYPE_CHECKING:
    from darkroom.dataset import Dataset


def fit(
    datasets: Sequence[Dataset],
    estimator: Any,
    *,
    label: str | None = None,
    columns: Sequence[str] | None = None,
    epsilon: float | None = None,
    max_price: Decimal | float | str | None = None,
    licenses: Sequence[int | None] | None = None,
    offers: Sequence[int | None] | None = None,
    replicas: int = REPLICAS,
    timeout: float | None = None,
) -> Any:
    """A fitted copy of a scikit-learn estimator, from sums over the rows of datasets of one codebook, added up.

    It is what `Dataset.fit` gives of one dataset; `licenses` and `offers` are of each, in order. One bound pays for
    all jobs together, each of its own dataset. Errors: BadQuery for datasets of other codes; those of `Dataset.fit`.
    """
    from app.client.fit import fitting

    if not datasets:
        raise UsageError("No dataset is named.", "Name one at least.")
    first = datasets[0]._opened
    plan = fitting.plan_fit(first.codebook, first.profile, estimator, label=label, columns=columns)
    places = [
        OrderPlace(None, 0, replicas, license, offer)
        for license, offer in zip(licenses or [None] * len(datasets), offers or [None] * len(datasets), strict=True)
    ]
    most = None if max_price is None else token_units(max_price)
    opened = [each._opened for each in datasets]
    return fitting.fit(
        datasets[0]._session.buyer, opened, plan, most=most, places=places, epsilon=epsilon, timeout=timeout
    )
