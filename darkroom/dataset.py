"""A published dataset, as whoever wants to learn from it sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from app.client import dataset
from app.client.purchase import bought_before, find_terms, purchase, run_purpose
from app.policy.preflight import REPLICAS
from app.protocol.market.money import token_units
from app.protocol.vocabulary import Encoding
from darkroom.answers import Evaluation, Reply
from darkroom.codebook import Codebook
from darkroom.display import Listing, Shown
from darkroom.model import Model
from darkroom.orders import Job, Quote
from darkroom.session import Session
from darkroom.terms import Offer
from fhe.arrays import I64

if TYPE_CHECKING:
    import polars as pl

    from fhe.compile import FittedOn, MissingAs


class Dataset(Shown):
    """One dataset in its present version. Everything here but `run` is free, and sends nothing of yours anywhere."""

    def __init__(self, session: Session, opened: dataset.Dataset) -> None:
        """Made by `Market.dataset`."""
        self._session, self._opened = session, opened

    @property
    def number(self) -> int:
        """Its number in the market."""
        return self._opened.record.id

    @property
    def title(self) -> str:
        """What its owner calls it."""
        return self._opened.manifest.card.title

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return self._opened.record.rows

    @property
    def columns(self) -> list[str]:
        """Names of its published columns, in order."""
        return self._opened.columns

    @property
    def features(self) -> list[str]:
        """The published columns that models read where none are named: all but labels."""
        return self._opened.features

    @property
    def sources(self) -> list[str]:
        """The columns of a table that features are made of: what `encode` reads of yours."""
        return self._opened.sources

    @property
    def version(self) -> int:
        """Its version, from 1."""
        return self._opened.record.version

    @property
    def owner(self) -> str:
        """The owner's address."""
        return self._opened.record.owner

    @property
    def codebook(self) -> Codebook:
        """Its columns and their codes."""
        return Codebook(self._opened.codebook)

    @property
    def card(self) -> str:
        """Its description as Markdown: origin, columns, terms, and what jobs may tell of a person."""
        from ingestion.card import card_markdown

        return card_markdown(self._opened.manifest)

    def offers(self) -> Listing[Offer]:
        """The terms under which licenses are sold now."""
        return Listing(Offer(each) for each in self._session.network.market.offers(self.number) if each.active)

    def preview(self) -> pl.DataFrame:
        """Synthetic rows (rows, columns) in its form, drawn from the codebook alone: for rehearsals.

        Errors: NotFound where none was published; BadDocument where it is not the codebook's.
        """
        return self._opened.preview()

    def coding_loss(self, frame: Any, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """What the codes lose of your own rows, before anything is bought: a row for each column and encoding with
        `lost`, the part of the values' spread, `mean_error` and `largest_error` in the column's unit, and how many rows
        are `outside` the range or `missing`. `columns` are published ones, by default all features.

        Errors: OutOfRange, BadTable, BadInput.
        """
        import polars as pl

        from ingestion.quantization import coding_loss

        wanted = self.features if columns is None else columns
        return pl.DataFrame(coding_loss(self._opened.codebook, frame, wanted), infer_schema_length=None)

    def encode(self, frame: Any, encoding: Encoding = "affine", columns: Sequence[str] | None = None) -> I64:
        """Codes int64 (rows, columns) of your own rows: what models are trained on here, on your machine.

        `frame`: a polars or pandas frame or a mapping with the columns of `sources`, as they stand in a table (words,
        dates, gaps), or an array (rows, sources) in their order. `encoding`: "affine" for linear models and forests,
        "bins" for trees on published bins. `columns` are published ones, by default all features. Errors: OutOfRange,
        BadTable, BadInput.
        """
        return self._opened.encode(frame, encoding, columns)

    def compile(
        self,
        fitted: Any,
        *,
        columns: Sequence[str] | None = None,
        n_bits: int | None = None,
        check: Any = None,
        target: Any = None,
        fitted_on: FittedOn | None = None,
        missing: MissingAs | None = None,
        levels: int | None = None,
        sample: Any = None,
        predicts: str | None = None,
    ) -> Model:
        """A fitted estimator as a circuit of this dataset, kept in your role's folder. Nothing is published.

        `columns` names the dataset's columns in the order of the model's features, where it does not know them.
        `n_bits` is the bits of a weight; `check` rows of yours to compare circuit and model on as well, `target` their
        labels or that column's name; `fitted_on` says whether the model reads "codes", "bins" or "values", where it
        does not remember; `missing` whether it reads NaN ("nan") or the imputed value ("impute") where a value is
        published as missing. A pipeline that begins with a `CodebookEncoder` needs none of this. With `levels` and a
        `sample` frame of your rows the circuit tells in which of so many levels the score is, cut at the sample's
        quantiles. `predicts` is a word of your own for what it predicts. Errors: BadModel for what cannot be compiled
        faithfully; TooLarge, MessageOverflow, NoiseOverflow, OutOfRange.
        """
        compiled = self._opened.compile(
            fitted, columns=columns, n_bits=n_bits, check=check, target=target, fitted_on=fitted_on,
            missing=missing,
        )  # fmt: skip
        if levels is not None:
            compiled = self._opened.with_levels(compiled, levels, sample)
        return Model(self._session.models.keep(compiled, target=predicts))

    def summed(self, model: Model) -> Model:
        """The sum of a model's scores over the rows, as a model of its own: what offers of aggregates release.

        It is added up on ciphertext, so that nobody decrypts a row. Errors: BadModel, MessageOverflow, NoiseOverflow.
        """
        kept = model._kept
        compiled = self._opened.summed(kept)
        return Model(self._session.models.keep(compiled, target=kept.card.target, training=kept.card.training))

    def rehearse(self, model: Model) -> npt.NDArray[Any]:
        """What a model says of each row of the preview, in the clear: predictions (rows,).

        Errors: NotFound without a preview.
        """
        return self._session.buyer.rehearse(self._opened, model._kept)

    def quote(
        self,
        model: Model,
        rows: int | None = None,
        *,
        first_row: int = 0,
        license: int | None = None,
        offer: int | None = None,
        replicas: int = REPLICAS,
    ) -> Quote:
        """What a job would cost and tell, and everything that would keep it from going through. Nothing is sent.

        `rows` None takes all from `first_row` on, as far as the policy allows in one job. Without `license` or `offer`
        a license of yours is used under which it goes through, else the offer under which it is cheapest. `replicas`
        executors, 1 to 5, must agree. Errors: NotAllowed where nothing is offered; BadModel for another dataset's.
        """
        return Quote(
            find_terms(
                self._session.buyer, self._opened, model._kept, rows,
                first_row=first_row, replicas=replicas, license=license, offer=offer,
            )
        )  # fmt: skip

    def run(
        self,
        model: Model,
        rows: int | None = None,
        *,
        max_price: Decimal | float | str | None = None,
        first_row: int = 0,
        license: int | None = None,
        offer: int | None = None,
        replicas: int = REPLICAS,
        anew: bool = False,
    ) -> Job:
        """Open a job with a model, for at most `max_price` test dollars, a new license included where one is needed.

        The same run ordered before on this machine is answered with its job and nothing is paid, also where the first
        answer was lost; `anew` orders another. Terms are chosen as `quote` does. Nothing is published or paid without a
        bound, above it, or where the custodian would refuse the job by what is public. The job can be taken up again by
        its number: `market.job(number)`.
        Errors: UsageError without a bound; NotAllowed above it; what `quote` lists as problems; TransactionPending for
        a job that was ordered and may still open; Reverted, Unavailable.
        """
        buyer, most = self._session.buyer, None if max_price is None else token_units(max_price)
        place: dict[str, Any] = {"first_row": first_row, "replicas": replicas, "license": license, "offer": offer}
        purpose = run_purpose(buyer, self._opened, model._kept, rows, **place)
        bought = None if anew or most is None else bought_before(buyer, model._kept, purpose)
        if bought is None:
            terms = find_terms(buyer, self._opened, model._kept, rows, **place)
            bought = purchase(buyer, model._kept, terms, most=most, purpose=purpose, anew=anew)
        return Job(self._session, bought.job.value, bought)

    def explain(
        self,
        sql: str,
        rows: int | None = None,
        *,
        first_row: int = 0,
        license: int | None = None,
        offer: int | None = None,
        replicas: int = REPLICAS,
    ) -> dict[str, Any]:
        """What a question in SQL would cost and how well it could be answered, for free: price in token units,
        bootstraps, epsilon, bits about a person, the noise's scale, half widths of 95 % intervals, problems.

        Errors: BadQuery with the nearest question that can be asked; NotAllowed where nothing is offered.
        """
        from app.client.ask import order

        place: dict[str, Any] = {"first_row": first_row, "replicas": replicas, "license": license, "offer": offer}
        return order.explain(self._session.buyer, self._opened, sql, rows, **place).to_dict()

    def ask(
        self,
        sql: str,
        rows: int | None = None,
        *,
        max_price: Decimal | float | str | None = None,
        first_row: int = 0,
        license: int | None = None,
        offer: int | None = None,
        replicas: int = REPLICAS,
        timeout: float | None = None,
    ) -> Reply:
        """Ask a question in SQL about groups of rows, for at most `max_price` test dollars, and wait for the answer.

        Rows are summed on ciphertext, and noise protects every person among them; each figure has the interval in
        which the truth lies with 95 %. `timeout` is in seconds; None waits as long as it takes. docs/ask.md says what
        can be asked. Errors: BadQuery with the nearest question that can be asked; UsageError without a bound,
        NotAllowed above it; PolicyRefused; TryAgain where the answer is not there in time.
        """
        from app.client.ask import order

        place: dict[str, Any] = {"first_row": first_row, "replicas": replicas, "license": license, "offer": offer}
        most = None if max_price is None else token_units(max_price)
        asked = order.ask(self._session.buyer, self._opened, sql, rows, most=most, **place)
        if isinstance(asked, order.Reply):
            return Reply(asked)
        return Reply(order.reply(self._session.buyer, asked, timeout=timeout))

    def explain_evaluate(
        self,
        model: Model,
        rows: int | None = None,
        *,
        label: str,
        first_row: int = 0,
        license: int | None = None,
        offer: int | None = None,
        replicas: int = REPLICAS,
    ) -> dict[str, Any]:
        """What `evaluate` would cost and how well it could be answered, for free: price in token units, bootstraps,
        epsilon, bits about a person, the noise's scale, half widths of 95 % intervals (None where they depend on the
        answer), problems. Errors: those of `evaluate` before paying.
        """
        from app.client.evaluate import testing
        from app.client.sums import SumsPlace

        opened, kept = self._opened, model._kept
        plan = testing.plan_test(kept.circuit, kept.decoder, opened.codebook, opened.profile, label)
        place = SumsPlace(rows, first_row, replicas, license, offer)
        told, widths = testing.explain_test(self._session.buyer, opened, plan, place)
        return told.to_dict() | {"half_widths": widths}

    def evaluate(
        self,
        model: Model,
        rows: int | None = None,
        *,
        label: str,
        max_price: Decimal | float | str | None = None,
        first_row: int = 0,
        license: int | None = None,
        offer: int | None = None,
        replicas: int = REPLICAS,
        timeout: float | None = None,
    ) -> Evaluation:
        """How good a model is on this dataset's rows, against a published label; nothing else is released.

        Of a classifier on bins (few of them): confusion, accuracy, precision, recall, area under the ROC curve,
        calibration. Of a linear regression on codes, with `[products]`: mean squared error and R^2. Every figure has
        its 95 % interval. docs/fit.md says what can be tested. Errors: BadQuery with the nearest that can; BadModel for
        another dataset's; UsageError without a bound, NotAllowed above it; PolicyRefused; TryAgain after `timeout`.
        """
        from app.client.evaluate import testing
        from app.client.sums import SumsPlace

        opened, kept, most = self._opened, model._kept, None if max_price is None else token_units(max_price)
        plan = testing.plan_test(kept.circuit, kept.decoder, opened.codebook, opened.profile, label)
        place = SumsPlace(rows, first_row, replicas, license, offer)
        return Evaluation(*testing.run_test(self._session.buyer, opened, plan, place, most=most, timeout=timeout))

    def explain_fit(
        self,
        estimator: Any,
        rows: int | None = None,
        *,
        label: str | None = None,
        columns: Sequence[str] | None = None,
        first_row: int = 0,
        license: int | None = None,
        offer: int | None = None,
        replicas: int = REPLICAS,
    ) -> dict[str, Any]:
        """What `fit` would cost and how loud its noise would be, for free: price in token units, epsilon, bits about a
        person, the noise's scale, released numbers, values decrypted, problems. Errors: those of `fit` before paying.
        """
        from app.client.fit import fitting
        from app.client.sums import SumsPlace

        opened = self._opened
        plan = fitting.plan_fit(opened.codebook, opened.profile, estimator, label=label, columns=columns)
        place = SumsPlace(rows, first_row, replicas, license, offer)
        told = fitting.explain_fit(self._session.buyer, opened, plan, place)
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
        first_row: int = 0,
        license: int | None = None,
        offer: int | None = None,
        replicas: int = REPLICAS,
        timeout: float | None = None,
    ) -> Any:
        """A fitted copy of a scikit-learn estimator, from sums over this dataset's rows, which nobody reads.

        `estimator`: LinearRegression, Ridge, LogisticRegression, LinearDiscriminantAnalysis, PCA (from `[products]`
        columns), GaussianNB, CategoricalNB, DecisionTreeClassifier(max_depth=1) (from its bins). `label` is a published
        column, `columns` those that are read, by default all that the products allow. The model reads codes, as
        `CodebookEncoder(dataset.codebook, columns=model.report_.columns, encoding=model.report_.encoding)` gives them,
        and predicts the label's values. `model.report_` has epsilon, noise scales, jobs and receipts. `epsilon` takes
        no terms but those of this epsilon. docs/fit.md says how. Errors: BadQuery with the nearest that can be fitted;
        UsageError without a bound, NotAllowed above it; PolicyRefused; TryAgain after `timeout` seconds.
        """
        from app.client.fit import fitting
        from app.client.sums import SumsPlace

        opened, most = self._opened, None if max_price is None else token_units(max_price)
        plan = fitting.plan_fit(opened.codebook, opened.profile, estimator, label=label, columns=columns)
        place = SumsPlace(rows, first_row, replicas, license, offer)
        return fitting.fit(
            self._session.buyer, [opened], plan, most=most, places=[place], epsilon=epsilon, timeout=timeout
        )

    def _facts(self) -> Mapping[str, Any]:
        return {
            "number": self.number,
            "title": self.title,
            "rows": self.rows,
            "columns": len(self.columns),
            "version": self.version,
            "owner": self.owner,
        }


def open_dataset(session: Session, number: int) -> Dataset:
    """A dataset as one role sees it, read from chain and store. Errors: NotFound, BadBlock, BadDocument."""
    return Dataset(session, dataset.Dataset.open(session.network, number))
