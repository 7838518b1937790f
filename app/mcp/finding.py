"""Tools that find data: search the catalogue, read a card, look at synthetic rows. They need no wallet."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from app.client.index.client import CatalogueItem
from app.mcp.desk import Desk
from app.mcp.schema import (
    MAX_ROWS,
    Arguments,
    DatasetNumber,
    Dollars,
    MaxPrice,
    Quoted,
    ToolAnswer,
    in_bits,
    in_dollars,
    quoted,
    then,
)
from app.mcp.tool import AgentTool
from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.data.derivation import CategorySource
from app.protocol.errors import DarkroomError, NotFound
from app.protocol.market.entities import Offer
from app.protocol.market.money import token_units
from app.protocol.policy.bits import MICRO
from app.protocol.vocabulary import CircuitClass, ReleaseKind

DAY = 86_400  # seconds
MOST_FOUND, MOST_COLUMNS, MOST_OFFERS, MOST_MODELS = 10, 60, 10, 10
MOST_PREVIEWED = 20  # rows
TITLE = 120  # characters


class SearchArguments(Arguments):
    """What to look for."""

    text: Annotated[
        str, Field(max_length=200, description="Words in title, keywords, columns or description; all must occur.")
    ] = ""
    models: Annotated[tuple[CircuitClass, ...], Field(max_length=4, description="Kinds that an offer allows.")] = ()
    releases: Annotated[
        tuple[ReleaseKind, ...], Field(max_length=3, description="What an offer lets out: aggregate for questions.")
    ] = ()
    rows_min: Annotated[int | None, Field(ge=0, le=MAX_ROWS)] = None
    price_max: MaxPrice | None = None
    offered: Annotated[bool, Field(description="Only what is for sale now.")] = True
    most: Annotated[int, Field(ge=1, le=MOST_FOUND)] = 5


class FoundWords(Quoted):
    """What an owner calls a dataset."""

    title: str


class FoundDataset(ToolAnswer):
    """One dataset of the catalogue; owner, rows and version are the chain's."""

    dataset: int
    owner: str
    version: int
    rows: int
    columns: int
    license_from: Dollars | None
    models: tuple[CircuitClass, ...]
    releases: tuple[ReleaseKind, ...]
    noise: bool
    untrusted_data: FoundWords


class SearchAnswer(ToolAnswer):
    """Datasets that fit, the newest first."""

    found: int
    datasets: tuple[FoundDataset, ...]


def search_datasets(desk: Desk, asked: SearchArguments) -> SearchAnswer:
    """The index says where to look, the chain what is there."""
    wanted: dict[str, Any] = {
        "text": asked.text,
        "classes": asked.models,
        "releases": asked.releases,
        "rows_min": asked.rows_min,
        "price_max": None if asked.price_max is None else token_units(asked.price_max),
        "offered": asked.offered or None,
        "sort": "newest",
    }
    page = desk.index.catalogue(wanted, limit=asked.most)
    rows = [each for item in page.items[: asked.most] if (each := _found(desk, item))]
    if not rows:
        return SearchAnswer(
            found=0, datasets=(), next=then("search_datasets", "Nothing fits: ask for fewer or other words.")
        )
    step = then("dataset_card", "Read columns, offers and models at hand.", dataset=rows[0].dataset)
    return SearchAnswer(found=page.total, datasets=tuple(rows), next=step)


def _found(desk: Desk, item: CatalogueItem) -> FoundDataset | None:
    try:
        record = desk.network.market.dataset(item.id)
    except NotFound:
        return None  # the index knows what the chain does not: nobody can use it
    return FoundDataset(
        dataset=record.id,
        owner=record.owner,
        version=record.version,
        rows=record.rows,
        columns=item.columns,
        license_from=in_dollars(item.price_license),
        models=_known(item.classes, CircuitClass),
        releases=_known(item.releases, ReleaseKind),
        noise=item.private,
        untrusted_data=FoundWords(title=quoted(item.title, TITLE)),
        next=then("dataset_card", "Read its card.", dataset=record.id),
    )


def _known(words: tuple[str, ...], form: Any) -> tuple[Any, ...]:
    """Those of a node's words that this market has."""
    return tuple(each for each in words if each in form.__args__)


class CardArguments(Arguments):
    """Which dataset."""

    dataset: DatasetNumber


class CardColumn(Quoted):
    """A published column, by the owner's names."""

    name: str
    low: float | None
    high: float | None
    levels: int | None
    edges: Annotated[tuple[float, ...] | None, Field(description="Where conditions and trees can cut.")]
    words: tuple[str, ...]
    label: bool


class CardModel(Quoted):
    """A published circuit that the node offers for this dataset."""

    circuit: str
    name: str
    about: str


class CardWords(Quoted):
    """What the owner says, and what the node's operator says of models."""

    title: str
    creator: str
    description: str
    keywords: tuple[str, ...]
    columns: tuple[CardColumn, ...]
    models: tuple[CardModel, ...]


class CardOffer(ToolAnswer):
    """Terms under which a license is sold, read from the chain and the policy that it names."""

    offer: int
    price_license: Dollars
    price_job: Dollars
    price_row: Dollars
    jobs: int
    rows: int
    days: float
    bits: float
    licenses_left: int
    releases: ReleaseKind
    models: tuple[CircuitClass, ...]
    epsilon: float
    waits_for_owner: bool


class CardAnswer(ToolAnswer):
    """A dataset, read from chain and store."""

    dataset: int
    version: int
    owner: str
    rows: int
    columns: int
    open: Annotated[bool, Field(description="Whether it still answers.")]
    offers: tuple[CardOffer, ...]
    untrusted_data: CardWords


def dataset_card(desk: Desk, asked: CardArguments) -> CardAnswer:
    """Everything public that a decision needs."""
    dataset = desk.dataset(asked.dataset)
    record, card = dataset.record, dataset.manifest.card
    selling = [each for each in desk.network.market.offers(record.id) if each.active and each.licenses_left]
    selling.sort(key=lambda each: (each.price_license, each.id))
    offers = [found for each in selling[:MOST_OFFERS] if (found := _offer(desk, asked.dataset, each))]
    offers.sort(key=lambda each: each.waits_for_owner)  # an agent has nobody to remind
    shelf = _shelf(desk, record.id)
    columns = tuple(_column(dataset.codebook, each) for each in dataset.codebook.columns[:MOST_COLUMNS])
    if any(each.releases == "aggregate" for each in offers):
        step = then("explain", "Questions in SQL are sold here: hear what one would cost and tell.", dataset=record.id)
    elif offers and shelf:
        step = then(
            "quote", "Price a published model, or compile your own first: compile_model.",
            dataset=record.id, model=shelf[0].circuit, offer=offers[0].offer,
        )  # fmt: skip
    elif offers:
        step = then("compile_model", "Hand in a model of your own; compiling is free.", dataset=record.id)
    else:
        step = then("search_datasets", "Nothing is for sale here now.")
    return CardAnswer(
        dataset=record.id,
        version=record.version,
        owner=record.owner,
        rows=record.rows,
        columns=len(dataset.columns),
        open=not record.tombstoned,
        offers=tuple(offers),
        untrusted_data=CardWords(
            title=quoted(card.title, TITLE),
            creator=quoted(card.creator, TITLE),
            description=quoted(card.description),
            keywords=tuple(quoted(each, 40) for each in card.keywords[:10]),
            columns=columns,
            models=shelf,
        ),
        next=step,
    )


def _offer(desk: Desk, number: int, offer: Offer) -> CardOffer | None:
    try:
        policy = desk.dataset(number).policy(offer.id)
    except DarkroomError:
        return None  # nobody can order under a policy that cannot be read
    return CardOffer(
        offer=offer.id,
        price_license=str(in_dollars(offer.price_license)),
        price_job=str(in_dollars(offer.price_job)),
        price_row=str(in_dollars(offer.price_row)),
        jobs=offer.max_jobs,
        rows=offer.max_rows,
        days=round(offer.duration / DAY, 3),
        bits=in_bits(offer.micro_bits),
        licenses_left=offer.licenses_left,
        releases=policy.release,
        models=policy.circuits,
        epsilon=policy.epsilon_micro_per_job / MICRO,
        waits_for_owner=policy.approval == "manual",
        next=then("quote", "See the whole price of an order under it.", dataset=number, offer=offer.id),
    )


def _column(codebook: Codebook, column: ColumnCode) -> CardColumn:
    affine, source = column.affine, codebook.source(column.reads)
    words = source.words if isinstance(source, CategorySource) else ()
    return CardColumn(
        name=quoted(column.name, TITLE),
        low=affine.low if affine else None,
        high=affine.low + affine.step * (affine.levels - 1) if affine else None,
        levels=affine.levels if affine else None,
        edges=column.bins,
        words=tuple(quoted(each, 40) for each in words[:20]),
        label=column.label,
    )


def _shelf(desk: Desk, dataset: int) -> tuple[CardModel, ...]:
    """What the node offers; nothing where none answers, since chain and store know the rest."""
    try:
        told = desk.index.shelf(dataset)
    except DarkroomError:
        return ()
    return tuple(
        CardModel(circuit=each.circuit, name=quoted(each.name, 80), about=quoted(each.about, 300))
        for each in told[:MOST_MODELS]
    )


class PreviewArguments(Arguments):
    """Which rows."""

    dataset: DatasetNumber
    rows: Annotated[int, Field(ge=1, le=MOST_PREVIEWED)] = 5


class PreviewWords(Quoted):
    """Synthetic rows, by the owner's column names."""

    columns: tuple[str, ...]
    rows: tuple[tuple[float | int | str | bool | None, ...], ...]


class PreviewAnswer(ToolAnswer):
    """Rows that are drawn from the codebook alone: they show the form and say nothing of the data."""

    dataset: int
    synthetic: bool
    untrusted_data: PreviewWords


def preview(desk: Desk, asked: PreviewArguments) -> PreviewAnswer:
    """The first synthetic rows."""
    frame = desk.preview(desk.dataset(asked.dataset)).head(asked.rows)
    kept = frame.columns[:MOST_COLUMNS]
    return PreviewAnswer(
        dataset=asked.dataset,
        synthetic=True,
        untrusted_data=PreviewWords(
            columns=tuple(quoted(each, TITLE) for each in kept),
            rows=tuple(
                tuple(quoted(each, TITLE) if isinstance(each, str) else each for each in row)
                for row in frame.select(kept).iter_rows()
            ),
        ),
        next=then(
            "compile_model", "Compile a model or a question for this dataset; it is free.", dataset=asked.dataset
        ),
    )


FINDING = (
    AgentTool(
        "search_datasets", "Search datasets",
        "Search the catalogue of encrypted datasets. Start here: take nouns of the question as words. Free.",
        "read", SearchArguments, SearchAnswer, search_datasets,
    ),
    AgentTool(
        "dataset_card", "Read a dataset's card",
        "A dataset's columns, what can be asked of it, its offers with prices and limits, and published models. Free.",
        "read", CardArguments, CardAnswer, dataset_card,
    ),
    AgentTool(
        "preview", "See synthetic rows",
        "Synthetic rows in a dataset's form, drawn from its public codebook; they say nothing of the real rows. Free.",
        "read", PreviewArguments, PreviewAnswer, preview,
    ),
)  # fmt: skip
