"""One dataset: everything that its card shows."""

from __future__ import annotations

from typing import Literal

from sqlmodel import Session

from app.market.queries.catalogue import CatalogueEntry
from app.market.queries.form import Answer
from app.market.queries.licensing import OfferCard, PolicyCard


class ColumnCard(Answer):
    """One column and how its values become codes."""

    name: str
    dtype: str
    low: float | None  # of the affine code: code = (value - low) / step
    step: float | None
    levels: int | None
    bins: tuple[float, ...] | None  # ordered edges
    missing: Literal["reject", "impute"]
    impute: float | None
    outside: Literal["reject", "clip"]
    declared: bool  # the range was stated by the owner; False: measured on the data, which reveals it
    encodings: tuple[Literal["affine", "bins"], ...]  # published ones


class VersionCard(Answer):
    """One version of a dataset, as the chain has it."""

    version: int
    epoch: int
    rows: int
    manifest: str
    data_root: str
    profile: str
    block: int
    tx: str
    at: int


class PreviewCard(Answer):
    """Synthetic rows drawn from the codebook alone."""

    cid: str
    rows: int
    bytes: int
    sha256: str
    seed: int


class BudgetCard(Answer):
    """What was let out so far, as far as public records say; the custodian's own ledger has the last word.

    `most_circuits` is how many different circuits were released on the row that most were released on: each added at
    least nothing and at most its number of outputs to that row's rank. `complete` is False when there were too many
    releases to look at all of them, and the figures are then lower bounds.
    """

    max_rank: int  # linear forms per row that the manifest's policy lets out; 0 when the manifest is not there
    released: int  # settled jobs
    circuits: int  # different ones among them
    most_circuits: int
    micro_epsilon_per_job: int
    micro_epsilon_budget: int
    most_micro_epsilon: int  # charged on the row that most was charged on
    complete: bool


class DatasetDetail(Answer):
    """A dataset's card. Fields from the manifest are empty while `entry.availability` is not "available"."""

    entry: CatalogueEntry
    description: str
    license_text: str  # a URL, or the terms themselves
    url: str
    published: str  # a date, as the owner states it
    custodian: str | None  # None until the index has caught up with the chain
    manifest: str  # digest; the CID is that of the same hash
    manifest_cid: str
    data_root: str
    profile: str
    epoch: int
    version: int
    evaluation_key: str | None  # CID
    codebook: str  # digest, "" while the manifest is not there
    columns: tuple[ColumnCard, ...]
    policy: PolicyCard | None  # the manifest's; each offer has its own
    preview: PreviewCard | None
    offers: tuple[OfferCard, ...]  # the active ones, cheapest license first, at most 50
    versions: tuple[VersionCard, ...]  # newest first, at most 50
    budget: BudgetCard
    tx: str  # that published it


def dataset(session: Session, id: int) -> DatasetDetail:
    """One dataset. Errors: NotFound."""
    raise NotImplementedError
