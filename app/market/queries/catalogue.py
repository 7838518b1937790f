"""The catalogue: what is on offer, by words and facets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Literal, get_args

import numpy as np
from pydantic import Field
from sqlalchemy import RowMapping, select
from sqlmodel import Session

from app.chain.address import eip55
from app.market.db.columns import UINT256_DIGITS
from app.market.db.tables import ListingRow, sql
from app.market.queries.listings import Listings, Mask, listings
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
    """A page of what fits, in this order, with facets over everything that fits.

    Errors: BadInput; NotKept inside of `kept_only`, where more than the page's own entries would have to be read.
    """
    page_limit(limit)
    facts = listings(session)
    fits = fitting(session, facts, wanted or CatalogueFilter())
    ids, follows = ORDERS[sort].page(facts, fits, limit, after)
    shown = {each: found for each in ids if (found := facts.entries.get(each)) is not None}
    if missing := [each for each in ids if each not in shown]:
        shown |= {each: facts.entries.put(each, found) for each, found in entries(session, missing).items()}
    items = tuple(shown[each] for each in ids if each in shown)
    return CataloguePage(items=items, next=follows, total=int(fits.sum()), facets=_facets(facts, fits))


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
    sort: SortOrder(sort, fact, descending)
    for sort, fact, descending in (
        (CatalogueSort.NEWEST, None, True),
        (CatalogueSort.TITLE, "title_key", False),
        (CatalogueSort.PRICE, "price_key", False),
        (CatalogueSort.ROWS, "rows", True),
        (CatalogueSort.COLUMNS, "columns", True),
        (CatalogueSort.JOBS, "jobs_settled", True),
    )
}


def fitting(session: Session, facts: Listings, wanted: CatalogueFilter) -> Mask:
    """The datasets that are looked for. Errors: BadInput for what is no owner's address."""
    fits = facts.all()
    for name, least, most in (
        ("rows", wanted.rows_min, wanted.rows_max),
        ("columns", wanted.columns_min, wanted.columns_max),
    ):
        if least is not None:
            fits &= facts.numbers[name] >= least
        if most is not None:
            fits &= facts.numbers[name] <= most
    if wanted.price_max is not None:
        fits &= facts.priced(wanted.price_max)
    if wanted.owner is not None:
        fits &= facts.owners == eip55(wanted.owner)
    flags = [name for name in ("offered", "available", "private", "automatic") if getattr(wanted, name)]
    for name in (*wanted.classes, *flags):
        fits &= facts.flags[name]
    if wanted.releases:
        fits &= np.logical_or.reduce([facts.flags[name] for name in wanted.releases])
    words = query_words(wanted.text)
    for word in words:
        fits &= facts.worded(session, word)
    if wanted.text.strip() and not words:
        return facts.none()  # nothing but punctuation finds nothing
    return fits


def _facets(facts: Listings, fits: Mask) -> FacetCounts:
    """Facets of everything that fits."""

    def having(name: str) -> int:
        return int(np.count_nonzero(facts.flags[name] & fits))

    return FacetCounts(
        classes={name: having(name) for name in CLASSES},
        releases={name: having(name) for name in RELEASES},
        offered=having("offered"),
        available=having("available"),
        private=having("private"),
        automatic=having("automatic"),
        rows=facts.extent("rows", fits),
        columns=facts.extent("columns", fits),
        price=facts.prices(fits),
    )
