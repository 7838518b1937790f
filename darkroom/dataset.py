"""A published dataset, as whoever wants to learn from it sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Unpack

import numpy.typing as npt

from app.client import dataset
from app.client.place import OrderPlace
from app.client.purchase import bought_before, find_terms, purchase, run_purpose
from app.protocol.market.money import token_units
from app.protocol.vocabulary import Encoding, OutputKind
from darkroom.asking import Asking, PlaceNamed
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


class Dataset(Asking, Shown):
    """One dataset in its present version. What has no `max_price` is free, and sends nothing of yours anywhere.

    Jobs are about `rows` rows from `first_row` on (None: all). Without a `license` or `offer` a license of yours is
    used under which the job goes through, else the offer under which it is cheapest; `replicas` executors, 1 to 5, must
    agree.
    """

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
        output: OutputKind = "scores",
        predicts: str | None = None,
        selections: bool | None = None,
    ) -> Model:
        """A fitted estimator as a circuit of this dataset, kept in your role's folder. Nothing is published.

        `columns` names the dataset's columns in the order of the model's features, where it does not know them.
        `n_bits` is the bits of a weight; `check` rows of yours to compare circuit and model on as well, `target` their
        labels or that column's name; `fitted_on` says whether the model reads "codes", "bins" or "values", where it
        does not remember; `missing` whether it reads NaN ("nan") or the imputed value ("impute") where a value is
        published as missing. A pipeline that begins with a `CodebookEncoder` needs none of this. With `levels` and a
        `sample` frame of your rows the circuit tells in which of so many levels the score is, cut at the sample's
        quantiles. With `output="label"` a classifier's circuit ends in the label itself, so that nobody sees more, the
        custodian included; it takes more lookups. `predicts` is a word of your own for what it predicts.
        `selections` says whether a network may select among encrypted tables: fewer lookups, on datasets with a packing
        key only; by default where this dataset states that it has one. Errors:
        BadModel for what cannot be compiled faithfully; TooLarge, MessageOverflow, NoiseOverflow, OutOfRange.
        """
        compiled = self._opened.compile(
            fitted, columns=columns, n_bits=n_bits, check=check, target=target, fitted_on=fitted_on,
            missing=missing, selections=selections,
        )  # fmt: skip
        if levels is not None:
            compiled = self._opened.with_levels(compiled, levels, sample)
        if output == "label":
            compiled = self._opened.with_label(compiled)
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
        **place: Unpack[PlaceNamed],
    ) -> Quote:
        """What a job would cost and tell, and everything that would keep it from going through. Nothing is sent.

        `rows` None takes all from `first_row` on, as far as the policy allows in one job. Without `license` or `offer`
        a license of yours is used under which it goes through, else the offer under which it is cheapest. `replicas`
        executors, 1 to 5, must agree. Errors: NotAllowed where nothing is offered; BadModel for another dataset's.
        """
        return Quote(find_terms(self._session.buyer, self._opened, model._kept, OrderPlace(rows, **place)))

    def run(
        self,
        model: Model,
        rows: int | None = None,
        *,
        max_price: Decimal | float | str | None = None,
        anew: bool = False,
        **place: Unpack[PlaceNamed],
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
        where = OrderPlace(rows, **place)
        purpose = run_purpose(buyer, self._opened, model._kept, where)
        bought = None if anew or most is None else bought_before(buyer, model._kept, purpose)
        if bought is None:
            terms = find_terms(buyer, self._opened, model._kept, where)
            bought = purchase(buyer, model._kept, terms, most=most, purpose=purpose, anew=anew)
        return Job(self._session, bought.job.value, bought)

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
