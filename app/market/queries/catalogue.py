"""The catalogue: what is on offer, by words and facets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Literal, get_args

from pydantic import Field
from sqlalchemy import ColumnElement, RowMapping, false, func, or_, select
from sqlmodel import Session

from app.chain.address import eip55
from app.market.db.columns import UINT256_DIGITS
from app.market.db.tables import ListingRow, TermRow, sql
from app.market.queries.counting import counted
from app.market.queries.sorting import SortOrder
from app.market.queries.view import Amount, View, page_limit
from app.market.text import query_words
from app.protocol.vocabulary import CircuitClass, Encoding, ReleaseKind

Availability = Literal["pending", "available", "unavailable", "invalid"]
# pending: its manifest was not looked for yet; unavailable: no store has it; invalid: it contradicts the chain.

CLASSES: tuple[CircuitClass, ...] = get_args(CircuitClass)
RELEASES: tuple[ReleaseKind, ...] = get_args(ReleaseKind)
ENCODINGS: tuple[Encoding, ...] = ("affine", "bins")
MAX_TEXT = 200
MAX_PRICE = 10**UINT256_DIGITS
LAST_CHARACTER = "\U0010ffff"  # after everything that a word can go on with
LISTING = sql(ListingRow)
Count = Annotated[int, Field(ge=0, lt=1 << 63)]


class CatalogueFilter(View):
    """What a visitor looks for; None and () leave a fact open. All that is set must hold."""

    text: Annotated[str, Field(max_length=MAX_TEXT)] = (
        ""  # words, each the beginning of one in title, keywords, columns, text
    )
    owner: str | None = None  # EIP-55
    rows_min: Count | None = None
    rows_max: Count | None = None
    columns_min: Count | None = None
    columns_max: Count | None = None
    price_max: Annotated[int, Field(ge=0, lt=MAX_PRICE)] | None = (
        None  # of the cheapest active offer's license, token units
    )
    classes: tuple[CircuitClass, ...] = ()  # the active offers together allow all of these
    releases: tuple[ReleaseKind, ...] = ()  # an active offer releases one of these
    offered: bool = False  # only with an active offer
    available: bool = False  # only with a readable manifest
    private: bool = False  # only with differential-privacy noise
    automatic: bool = False  # only where releases need no approval by hand


class CatalogueSort(StrEnum):
    """The order of the catalogue; equal ones by id, in the same direction."""

    NEWEST = "newest"
    TITLE = "title"
    PRICE = "price"  # cheapest license first; without an offer last
    ROWS = "rows"  # most first
    COLUMNS = "columns"  # most first
    JOBS = "jobs"  # most settled jobs first


class CatalogueEntry(View):
    """One dataset in a list."""

    id: int
    title: str  # "Dataset 7" while its manifest is not there
    summary: str  # at most 300 characters of the description
    keywords: tuple[str, ...]
    creator: str
    owner: str
    availability: Availability
    tombstoned: bool  # the present epoch's key was destroyed: no job can run
    rows: int
    columns: int
    bytes: int  # of ciphertext, all files together
    encodings: tuple[Encoding, ...]
    lookups: bool  # an evaluation key is published, so trees and networks can run
    offers: int  # active ones
    price_license: Amount | None  # of the cheapest active offer
    price_job: Amount | None  # of the same offer
    price_row: Amount | None
    classes: tuple[CircuitClass, ...]  # that some active offer allows; without offers, the manifest's policy
    releases: tuple[ReleaseKind, ...]
    private: bool
    automatic: bool
    licenses: int  # ever sold
    jobs: int  # ever opened
    jobs_settled: int
    published_at: int
    updated_at: int  # of the present version


class FacetCounts(View):
    """How many of the found datasets have a property, and the extent of their numbers (None when nothing was found)."""

    classes: dict[CircuitClass, int]
    releases: dict[ReleaseKind, int]
    offered: int
    available: int
    private: int
    automatic: int
    rows: tuple[int, int] | None  # least and most
    columns: tuple[int, int] | None
    price: tuple[Amount, Amount] | None


class CataloguePage(View):
    """A page of the catalogue. `total` counts everything found."""

    items: tuple[CatalogueEntry, ...]
    next: str | None
    total: int
    facets: FacetCounts


def search(
    session: Session,
    wanted: CatalogueFilter | None = None,
    *,
    sort: CatalogueSort = CatalogueSort.NEWEST,
    limit: int = 24,
    after: str | None = None,
) -> CataloguePage:
    """A page of what fits, in this order, with facets over everything that fits. Errors: BadInput."""
    wanted = wanted or CatalogueFilter()
    fits = conditions(wanted)
    order = ORDERS[sort]
    page_limit(limit)
    query = select(LISTING).where(*fits)
    if after is not None:
        query = query.where(order.after(after))
    rows = session.execute(query.order_by(*order.by()).limit(limit + 1)).mappings().all()
    items = tuple(entry(row) for row in rows[:limit])
    follows = order.cursor(rows[limit - 1]) if len(rows) > limit else None
    total, facets = counted(session, repr(wanted), lambda: _facets(session, fits))
    return CataloguePage(items=items, next=follows, total=total, facets=facets)


def entries(session: Session, ids: Iterable[int]) -> dict[int, CatalogueEntry]:
    """The entries of these datasets."""
    rows = session.execute(select(LISTING).where(LISTING.c.dataset.in_(set(ids)))).mappings()
    return {row["dataset"]: entry(row) for row in rows}


def titles(session: Session, ids: Iterable[int]) -> dict[int, str]:
    """The titles of these datasets."""
    query = select(LISTING.c.dataset, LISTING.c.title).where(LISTING.c.dataset.in_(set(ids)))
    return {row.dataset: row.title for row in session.execute(query)}


def entry(row: RowMapping) -> CatalogueEntry:
    """A row of the catalogue in words."""
    return CatalogueEntry(
        id=row["dataset"],
        title=row["title"],
        summary=row["summary"],
        keywords=tuple(json.loads(row["keywords"])),
        creator=row["creator"],
        owner=row["owner"],
        availability=row["availability"],
        tombstoned=row["tombstoned"],
        rows=row["rows"],
        columns=row["columns"],
        bytes=row["bytes"],
        encodings=tuple(name for name in ENCODINGS if row[name]),
        lookups=row["lookups"],
        offers=row["offers"],
        price_license=row["price_license"],
        price_job=row["price_job"],
        price_row=row["price_row"],
        classes=tuple(name for name in CLASSES if row[name]),
        releases=tuple(name for name in RELEASES if row[name]),
        private=row["private"],
        automatic=row["automatic"],
        licenses=row["licenses"],
        jobs=row["jobs"],
        jobs_settled=row["jobs_settled"],
        published_at=row["published_at"],
        updated_at=row["updated_at"],
    )


ORDERS: Mapping[CatalogueSort, SortOrder] = {
    sort: SortOrder(sort, LISTING.c.dataset, column, descending)
    for sort, column, descending in (
        (CatalogueSort.NEWEST, None, True),
        (CatalogueSort.TITLE, LISTING.c.title_key, False),
        (CatalogueSort.PRICE, LISTING.c.price_key, False),
        (CatalogueSort.ROWS, LISTING.c.rows, True),
        (CatalogueSort.COLUMNS, LISTING.c.columns, True),
        (CatalogueSort.JOBS, LISTING.c.jobs_settled, True),
    )
}


def conditions(wanted: CatalogueFilter) -> list[ColumnElement[bool]]:
    """What must hold of a listing."""
    columns = LISTING.c
    bounds = (
        (columns.rows, wanted.rows_min, wanted.rows_max),
        (columns.columns, wanted.columns_min, wanted.columns_max),
        (columns.price_key, None, wanted.price_max),
    )
    fits: list[ColumnElement[bool]] = []
    for column, least, most in bounds:
        if least is not None:
            fits.append(column >= least)
        if most is not None:
            fits.append(column <= most)
    if wanted.owner is not None:
        fits.append(columns.owner == eip55(wanted.owner))
    fits += [columns[name].is_(True) for name in wanted.classes]
    if wanted.releases:
        fits.append(or_(*(columns[name].is_(True) for name in wanted.releases)))
    if wanted.offered or wanted.price_max is not None:
        fits.append(columns.offers > 0)
    fits += [columns[name].is_(True) for name in ("available", "private", "automatic") if getattr(wanted, name)]
    for word in query_words(wanted.text):
        terms = sql(TermRow).c
        begins = select(terms.dataset).where(terms.term >= word, terms.term < word + LAST_CHARACTER)
        fits.append(columns.dataset.in_(begins))
    if wanted.text.strip() and not query_words(wanted.text):
        fits.append(false())  # nothing but punctuation finds nothing
    return fits


def _facets(session: Session, fits: Sequence[ColumnElement[bool]]) -> tuple[int, FacetCounts]:
    """Number and facets of everything that fits, in one pass."""
    columns = LISTING.c
    flags = [*CLASSES, *RELEASES, "available", "private", "automatic"]
    on_offer = columns.offers > 0
    counted = (
        session.execute(
            select(
                func.count().label("total"),
                *(func.count().filter(columns[name].is_(True)).label(name) for name in flags),
                func.count().filter(on_offer).label("offered"),
                *(
                    extreme(columns[name]).label(f"{name}_{label}")
                    for name in ("rows", "columns")
                    for label, extreme in (("min", func.min), ("max", func.max))
                ),
                func.min(columns.price_license).label("price_min"),
                func.max(columns.price_license).label("price_max"),
            ).where(*fits)
        )
        .mappings()
        .one()
    )

    def extent(name: str) -> tuple[int, int] | None:
        least = counted[f"{name}_min"]
        return None if least is None else (least, counted[f"{name}_max"])

    return counted["total"], FacetCounts(
        classes={name: counted[name] for name in CLASSES},
        releases={name: counted[name] for name in RELEASES},
        offered=counted["offered"],
        available=counted["available"],
        private=counted["private"],
        automatic=counted["automatic"],
        rows=extent("rows"),
        columns=extent("columns"),
        price=extent("price"),
    )
