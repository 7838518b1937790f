"""The catalogue: what is on offer, by words and facets."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field
from sqlmodel import Session

from app.market.queries.form import Amount, Answer

CircuitClass = Literal["linear", "trees", "additive", "lookup"]
ReleaseKind = Literal["label", "score", "aggregate"]
Availability = Literal["pending", "available", "unavailable", "invalid"]
# pending: its manifest was not looked for yet; unavailable: no store has it; invalid: it contradicts the chain.

MAX_TEXT = 200
Count = Annotated[int, Field(ge=0, lt=1 << 63)]


class CatalogueFilter(Answer):
    """What a visitor looks for; None and () leave a fact open. All that is set must hold."""

    text: Annotated[str, Field(max_length=MAX_TEXT)] = (
        ""  # words, each the beginning of one in title, keywords, columns, text
    )
    owner: str | None = None  # EIP-55
    rows_min: Count | None = None
    rows_max: Count | None = None
    columns_min: Count | None = None
    columns_max: Count | None = None
    price_max: Annotated[int, Field(ge=0)] | None = None  # of the cheapest active offer's license, token units
    classes: tuple[CircuitClass, ...] = ()  # an active offer allows all of these
    releases: tuple[ReleaseKind, ...] = ()  # an active offer releases one of these
    offered: bool = False  # only with an active offer
    available: bool = False  # only with a readable manifest
    private: bool = False  # only with differential-privacy noise
    automatic: bool = False  # only where releases need no approval by hand


class CatalogueSort(StrEnum):
    """The order of the catalogue; equal ones by newest."""

    NEWEST = "newest"
    TITLE = "title"
    PRICE = "price"  # cheapest license first; without an offer last
    ROWS = "rows"  # most first
    COLUMNS = "columns"  # most first
    JOBS = "jobs"  # most settled jobs first


class CatalogueEntry(Answer):
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
    encodings: tuple[Literal["affine", "bins"], ...]
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


class Facets(Answer):
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


class CataloguePage(Answer):
    """A page of the catalogue. `total` counts everything found."""

    items: tuple[CatalogueEntry, ...]
    next: str | None
    total: int
    facets: Facets


def search(
    session: Session,
    wanted: CatalogueFilter | None = None,
    *,
    sort: CatalogueSort = CatalogueSort.NEWEST,
    limit: int = 24,
    after: str | None = None,
) -> CataloguePage:
    """A page of what fits, in this order, with facets over everything that fits. Errors: BadInput."""
    raise NotImplementedError
