"""A node's index: search, lists and live events that the chain alone would answer only by reading all of it.

    index = Index.of(find_node(home), network.market)
    for entry in index.search({"text": "cancer", "rows_min": 1000}, most=20): ...

What an index says is a hint of where to look. Whoever pays or trusts by it reads the chain:
`app.client.index.crosscheck`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from app.chain.market import Market
from app.client.index.http import NAME_A_NODE, SILENT_SECONDS, NodeHttp, printable
from app.home.config import NODE_FILE, read_config
from app.home.home import Home
from app.protocol.errors import NotFound, Unavailable, VerificationFailed

PAGE = 50  # entries asked for at a time
VARIABLE = "DARKROOM_NODE"

Line = Annotated[str, AfterValidator(printable), Field(max_length=20_000)]
Amount = Annotated[int, Field(ge=0)]  # token units; decimal text on the wire
Number = Annotated[int, Field(ge=1)]


class IndexModel(BaseModel):
    """Something that a node says. Newer nodes may say more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


T = TypeVar("T", bound=IndexModel)


class CatalogueItem(IndexModel):
    """A dataset in the catalogue. Prices are those of the cheapest active offer."""

    id: Number
    title: Line
    creator: Line
    owner: Line
    availability: Line
    tombstoned: bool
    rows: int
    columns: int
    bytes: int
    offers: int
    price_license: Amount | None
    classes: tuple[Line, ...]
    releases: tuple[Line, ...]
    private: bool
    automatic: bool


class CatalogueFacets(IndexModel):
    """How many of the found datasets have a property, and the extent of their numbers."""

    classes: dict[Line, int]
    releases: dict[Line, int]
    offered: int
    available: int
    private: int
    automatic: int
    rows: tuple[int, int] | None
    columns: tuple[int, int] | None
    price: tuple[Amount, Amount] | None


class CataloguePageRead(IndexModel):
    """A page of the catalogue; `total` and `facets` are of everything found."""

    items: tuple[CatalogueItem, ...]
    next: str | None
    total: int
    facets: CatalogueFacets


class IndexedPolicy(IndexModel):
    """An output policy, by its digest."""

    digest: Line


class IndexedOffer(IndexModel):
    """An offer's terms."""

    id: Number
    dataset: Number
    price_license: Amount
    price_job: Amount
    price_row: Amount
    active: bool
    policy: IndexedPolicy


class IndexedDataset(IndexModel):
    """A dataset's card, as far as the chain can confirm it. The cheapest active offer comes first."""

    entry: CatalogueItem
    manifest: Line
    version: int
    epoch: int
    offers: tuple[IndexedOffer, ...]


class IndexedJob(IndexModel):
    """A job in a list."""

    id: Number
    dataset: Number
    dataset_title: Line
    license: Number
    buyer: Line
    state: Line
    rows: int


class IndexedJobs(IndexModel):
    """A page of jobs, newest first."""

    items: tuple[IndexedJob, ...]
    next: str | None


class IndexedModel(IndexModel):
    """A published circuit that whoever runs the node offers for a dataset."""

    circuit: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    name: Line
    about: Line


class IndexedShelf(IndexModel):
    """The published circuits that a node offers for a dataset."""

    offered: tuple[IndexedModel, ...]


class RemoteAudit(IndexModel):
    """An audit that the node runs or ran; `result` is its report."""

    id: Line
    job: Number
    state: Line
    done: int
    total: int
    error: Line
    result: dict[str, Any] | None


class IndexProgress(IndexModel):
    """How far the index is."""

    height: int
    head: int
    behind: int
    error: Line


class RemoteNodeStatus(IndexModel):
    """A node: its software, chain, market and index."""

    version: Line
    chain_id: int
    head: int
    market: Line
    index: IndexProgress


class IndexedFeedEvent(IndexModel):
    """Something that happened in the market. `cursor` is the place to go on from."""

    cursor: Line
    name: Line
    block: int
    tx: Line
    at: int
    job: int | None


def find_node(home: Home, given: str | None = None) -> str:
    """The address of the node to ask: `given`, the variable DARKROOM_NODE, `node.json`, or the one that runs here.

    Errors: NotFound where there is none.
    """
    if named := given or os.environ.get(VARIABLE):
        return named
    if home.place == home.root and (home.root / "node.json").exists() and (configured := read_config(home).node):
        return configured
    try:
        return (home.place / NODE_FILE).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise NotFound("No node runs in this home, and none is named.", NAME_A_NODE) from None


class IndexClient:
    """The index behind one node's API."""

    def __init__(self, url: str, patience: float = SILENT_SECONDS) -> None:
        """`patience` is for silences of the node, in seconds. Errors: UsageError."""
        self.http = NodeHttp(url, patience)

    @classmethod
    def of(cls, url: str, market: Market) -> IndexClient:
        """The index of this very market. Errors: VerificationFailed for another's; those of `status`."""
        index = cls(url)
        told = index.status()
        if (told.chain_id, told.market.lower()) != (market.chain_id, market.address.lower()):
            raise VerificationFailed(
                f"The node at {index.http.host} serves another market: {told.market} on chain {told.chain_id}.",
                f"Name a node of market {market.address} on chain {market.chain_id}: --node URL, DARKROOM_NODE.",
            )
        return index

    def health(self) -> None:
        """Return when the node's web server answers. Errors: Unavailable."""
        if self.http.get("/v1/health") != {"status": "ok"}:
            raise self._unclear("its health")

    def status(self) -> RemoteNodeStatus:
        """How the node does. Errors: Unavailable; NotFound before its index first ran."""
        return self._get("/v1/status", RemoteNodeStatus)

    def catalogue(self, wanted: Mapping[str, Any], *, limit: int = PAGE, after: str | None = None) -> CataloguePageRead:
        """A page of the datasets that fit, with facets. Errors: BadInput for a filter that is none; Unavailable."""
        return self._get("/v1/datasets", CataloguePageRead, {**wanted, "limit": limit, "after": after})

    def search(self, wanted: Mapping[str, Any], most: int) -> Iterator[CatalogueItem]:
        """The datasets that fit, page by page, at most so many. Errors: as `catalogue`'s."""
        yield from self._all("/v1/datasets", CataloguePageRead, wanted, most)

    def card(self, dataset: int) -> IndexedDataset:
        """A dataset's card. Errors: NotFound, Unavailable."""
        return self._get(f"/v1/datasets/{dataset}", IndexedDataset)

    def shelf(self, dataset: int) -> tuple[IndexedModel, ...]:
        """Published circuits that the node offers for a dataset. Errors: NotFound, Unavailable."""
        return self._get(f"/v1/datasets/{dataset}/circuits", IndexedShelf).offered

    def jobs(self, *, most: int, **wanted: Any) -> Iterator[IndexedJob]:
        """Jobs, newest first, of a `buyer`, `dataset`, `provider`, in some `state`. Errors: BadInput, Unavailable."""
        yield from self._all("/v1/jobs", IndexedJobs, wanted, most)

    def audit(self, id: str) -> RemoteAudit:
        """An audit that the node ran for somebody. Errors: NotFound, Unavailable."""
        return self._get(f"/v1/audits/{id}", RemoteAudit)

    def follow(self, job: int, *, after: str | None = None, seconds: int = 3600) -> Iterator[IndexedFeedEvent | None]:
        """A job's events as they come, from its opening or after a cursor; None as a sign of life.

        Ends when the node ends it: ask again after the last event's cursor. Errors: NotFound, BadInput, Unavailable.
        """
        headers = {"last-event-id": after} if after else {}
        kind, data = "", ""
        for line in self.http.lines(f"/v1/jobs/{job}/events", {"seconds": seconds}, headers):
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                data = value
            elif not line:
                yield self._event(data) if kind == "event" else None
                kind, data = "", ""

    def _event(self, data: str) -> IndexedFeedEvent:
        try:
            return IndexedFeedEvent.model_validate(json.loads(data))
        except (ValueError, RecursionError):
            raise self._unclear("events") from None

    def _get(self, path: str, form: type[T], query: Mapping[str, Any] | None = None) -> T:
        try:
            return form.model_validate(self.http.get(path, query))
        except ValidationError:
            raise self._unclear(path) from None

    def _all(self, path: str, form: type[Any], wanted: Mapping[str, Any], most: int) -> Iterator[Any]:
        left, after = most, None
        while left > 0:
            page = self._get(path, form, {**wanted, "limit": min(left, PAGE), "after": after})
            yield from page.items[:left]
            left -= len(page.items)
            after = page.next
            if not after or not page.items:
                return

    def _unclear(self, what: str) -> Unavailable:
        return Unavailable(
            f"The node at {self.http.host} gives {what} in a form that this version does not know.",
            "Use a node of the same version, or update.",
        )
