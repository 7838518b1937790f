"""Sums over a dataset's rows, and what is learnt from them: questions, tests of models, models."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from app.client import dataset
from app.client.place import OrderPlace
from app.protocol.market.money import token_units
from darkroom.answers import Evaluation, Reply
from darkroom.model import Model
from darkroom.session import Session


class PlaceNamed(TypedDict, total=False):
    """The first row (0 by default), a license of yours or an offer (to be chosen by default), how many executors."""

    first_row: int
    license: int | None
    offer: int | None
    replicas: int


class Asking:
    """A dataset's sums: explained for free, paid for by a bound, answered with noise. Rows are never decrypted.

    `rows` None takes all from `first_row` on. Without `license` or `offer` a license of yours is used under which it
    goes through, else the offer under which it is cheapest. `replicas` executors, 1 to 5, must agree.
    """

    _session: Session
    _opened: dataset.Dataset

    def explain(self, sql: str, rows: int | None = None, **place: Unpack[PlaceNamed]) -> dict[str, Any]:
        """What a question in SQL would cost and how well it could be answered, for free: price in token units,
        bootstraps, epsilon, bits about a person, the noise's scale, half widths of 95 % intervals, problems.

        Errors: BadQuery with the nearest question that can be asked; NotAllowed where nothing is offered.
        """
        from app.client.ask import order

        return order.explain(self._session.buyer, self._opened, sql, OrderPlace(rows, **place)).to_dict()

    def ask(
        self,
        sql: str,
        rows: int | None = None,
        *,
        max_price: Decimal | float | str | None = None,
        timeout: float | None = None,
        **place: Unpack[PlaceNamed],
    ) -> Reply:
        """Ask a question in SQL about groups of rows, for at most `max_price` test dollars, and wait for the answer.

        Rows are summed on ciphertext, and noise protects every person among them; each figure has the interval in
        which the truth lies with 95 %. `timeout` is in seconds; None waits as long as it takes. docs/ask.md says what
        can be asked. Errors: BadQuery with the nearest question that can be asked; UsageError without a bound,
        NotAllowed above it; PolicyRefused; TryAgain where the answer is not there in time.
        """
        from app.client.ask import order

        asked = order.ask(self._session.buyer, self._opened, sql, OrderPlace(rows, **place), most=_bound(max_price))
        if isinstance(asked, order.Reply):
            return Reply(asked)
        return Reply(order.reply(self._session.buyer, asked, timeout=timeout))

    def explain_evaluate(
        self,
        model: Model,
        rows: int | None = None,
        *,
        label: str,
        buckets: int = 4,
        **place: Unpack[PlaceNamed],
    ) -> dict[str, Any]:
        """What `evaluate` would cost and how well it could be answered, for free: price in token units, bootstraps,
        epsilon, bits about a person, the noise's scale, half widths of 95 % intervals (None where they depend on the
        answer), problems. Errors: those of `evaluate` before paying.
        """
        from app.client.evaluate import planning, testing

        opened, kept = self._opened, model._kept
        plan = planning.plan_test(kept.circuit, kept.decoder, opened.codebook, opened.profile, label, buckets=buckets)
        told, widths = testing.explain_test(self._session.buyer, opened, plan, OrderPlace(rows, **place))
        return told.to_dict() | {"half_widths": widths}

    def evaluate(
        self,
        model: Model,
        rows: int | None = None,
        *,
        label: str,
        buckets: int = 4,
        max_price: Decimal | float | str | None = None,
        job: int | None = None,
        timeout: float | None = None,
        **place: Unpack[PlaceNamed],
    ) -> Evaluation:
        """How good a model is on this dataset's rows, against a published label; nothing else is released.

        Of a classifier of two to four classes: confusion, accuracy, precision, recall; of two classes the area under
        the ROC curve and calibration too, by so many `buckets` of scores for each class where scores are compared under
        encryption. Of a linear regression on codes, with `[products]`: mean squared error and R^2. Every figure has
        its 95 % interval. docs/fit.md says what can be tested. A `job` that was ordered before, by an equal test, is
        read in place of a new one. Errors: BadQuery with the nearest that can; BadModel for
        another dataset's; UsageError without a bound, NotAllowed above it; PolicyRefused; TryAgain after `timeout`.
        """
        from app.client.evaluate import planning, testing

        opened, kept, most, buyer = self._opened, model._kept, _bound(max_price), self._session.buyer
        plan = planning.plan_test(kept.circuit, kept.decoder, opened.codebook, opened.profile, label, buckets=buckets)
        where = OrderPlace(rows, **place)
        return Evaluation(*testing.run_test(buyer, opened, plan, where, most=most, job=job, timeout=timeout))

    def explain_fit(
        self,
        estimator: Any,
        rows: int | None = None,
        *,
        label: str | None = None,
        columns: Sequence[str] | None = None,
        **place: Unpack[PlaceNamed],
    ) -> dict[str, Any]:
        """What `fit` would cost and how loud its noise would be, for free: price in token units, epsilon, bits about a
        person, the noise's scale, released numbers, values decrypted, problems. Errors: those of `fit` before paying.
        """
        from app.client.fit import fitting

        opened = self._opened
        plan = fitting.plan_fit(opened.codebook, opened.profile, estimator, label=label, columns=columns)
        told = fitting.explain_fit(self._session.buyer, opened, plan, OrderPlace(rows, **place))
        return {"columns": list(plan.columns)} | told.to_dict()

    def fit(
        self,
        estimator: Any,
        rows: int | None = None,
        *,
        label: str | None = None,
        columns: Sequence[str] | None = None,
        epsilon: float | None = None,
        max_price: Decimal | float | str | None = None,
        job: int | None = None,
        timeout: float | None = None,
        **place: Unpack[PlaceNamed],
    ) -> Any:
        """A fitted copy of a scikit-learn estimator, from sums over this dataset's rows, which nobody reads.

        `estimator`: LinearRegression, Ridge, LogisticRegression, OneVsRestClassifier of these,
        LinearDiscriminantAnalysis, PCA (from `[products]` columns), GaussianNB, CategoricalNB,
        DecisionTreeClassifier(max_depth=1) (from its bins), make_pipeline(OneHotEncoder(), one of the linear ones),
        which is an additive model (from bins and groups). `label` is a published
        column, `columns` those that are read, by default all that the products allow. The model reads codes, as
        `CodebookEncoder(dataset.codebook, columns=model.report_.columns, encoding=model.report_.encoding)` gives them,
        and predicts the label's values. `model.report_` has epsilon, noise scales, jobs and receipts. `epsilon` takes
        no terms but those of this epsilon. A `job` that was ordered before, by an equal fit, is read in place of a new
        one. docs/fit.md says how. Errors: BadQuery with the nearest that can be fitted;
        UsageError without a bound, NotAllowed above it; PolicyRefused; TryAgain after `timeout` seconds.
        """
        from app.client.fit import fitting

        opened, most, buyer = self._opened, _bound(max_price), self._session.buyer
        plan = fitting.plan_fit(opened.codebook, opened.profile, estimator, label=label, columns=columns)
        where = OrderPlace(rows, **place)
        jobs = [] if job is None else [job]
        return fitting.fit(
            buyer, [opened], plan, most=most, places=[where], epsilon=epsilon, jobs=jobs, timeout=timeout
        )


def _bound(max_price: Decimal | float | str | None) -> int | None:
    return None if max_price is None else token_units(max_price)
