"""The index's tables.

    place, marks         how far the index is: the chain it is of, and the last blocks' hashes
    events, payments     what happened, a row an event; rows of removed blocks are deleted
    datasets, versions, offers, licenses, jobs, executions, providers, accounts, revenue, totals,
    mandates, mandate_uses, mandate_endings
                         what it amounts to: written by `fold` alone, from events alone
    journal              those rows' earlier values, for the blocks that a reorganisation can still remove
    manifests, policies  facts of content-addressed documents: true whatever the chain does, so never rolled back
    listings, terms      one row a dataset for the catalogue, and its words: derived from the others when they change

Amounts are token units. `at` and names ending in `_at` are seconds since the epoch by the chain's clock. Digests are 64
hex digits, "" where there is none yet. Ids are the contracts'.

Long because it is the whole schema, which is read and migrated as one.
"""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import Index, Integer, MetaData, String, Text
from sqlalchemy import Table as SqlTable
from sqlmodel import AutoString, Field, SQLModel

from app.market.db.columns import AmountText, binary_text, whole

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class IndexTable(SQLModel):
    """Base of the index's tables; their metadata are their own."""

    metadata: ClassVar[MetaData] = MetaData(naming_convention=NAMES)


def sql(entity: type[IndexTable]) -> SqlTable:
    """A model's table, for statements that are about columns."""
    return IndexTable.metadata.tables[str(entity.__tablename__)]


# --- how far the index is -------------------------------------------------------------------------------------------


class SyncStateRow(IndexTable, table=True):
    """One row: whose index this is and how far it is. `revision` grows with every change of any row."""

    __tablename__ = "place"

    id: int = Field(default=1, primary_key=True)
    chain_id: int
    market: str
    addresses: str = Field(sa_type=Text)  # JSON: contract -> address
    rules: str = Field(sa_type=Text)  # JSON: the contracts' constants, `indexer.rules.Rules`
    start: int  # the first block that can hold events
    height: int = -1
    hash: str = ""
    head: int = -1
    seen_at: int = 0  # by this machine's clock
    revision: int = 0
    reorganisations: int = 0
    error: str = Field(default="", sa_type=Text)


class MarkRow(IndexTable, table=True):
    """One of the last blocks in the index."""

    __tablename__ = "marks"

    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    hash: str


class JournalRow(IndexTable, table=True):
    """A row as it was before a block first changed it: JSON, or None when there was none."""

    __tablename__ = "journal"

    block: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    entity: str = Field(primary_key=True)  # a table's name
    key: str = Field(primary_key=True)  # JSON: the primary key's values
    before: str | None = Field(default=None, sa_type=Text)


# --- what happened --------------------------------------------------------------------------------------------------


class EventRow(IndexTable, table=True):
    """One event of the market's contracts. `args` is JSON, with integers above 2^53 as decimal text."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_job", "job", "block", "log_index"),
        Index("ix_events_dataset", "dataset", "block", "log_index"),
    )

    block: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    log_index: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    block_hash: str
    tx: str
    at: int
    contract: str
    name: str
    args: str = Field(sa_type=Text)
    dataset: int | None = None
    job: int | None = None
    license: int | None = None
    offer: int | None = None


class PaymentRow(IndexTable, table=True):
    """Money that an event moved; kinds are those of `queries.owner.PaymentKind`."""

    __tablename__ = "payments"
    __table_args__ = (
        Index("ix_payments_account", "account", "block", "log_index"),
        Index("ix_payments_offer", "offer", "block", "log_index"),
    )

    block: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    log_index: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    kind: str
    account: str  # "" for an offer's earnings
    amount: int = Field(sa_type=AmountText)
    offer: int | None = None
    job: int | None = None
    license: int | None = None
    dataset: int | None = None
    at: int
    tx: str


# --- what it amounts to ---------------------------------------------------------------------------------------------


class DatasetRow(IndexTable, table=True):
    """A dataset in its present version."""

    __tablename__ = "datasets"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    owner: str = Field(default="", index=True)
    custodian: str = ""
    version: int
    epoch: int
    rows: int
    manifest: str = Field(index=True)
    data_root: str
    profile: str
    tombstoned: bool = False
    licenses: int = 0  # ever sold
    jobs: int = 0  # ever opened
    jobs_settled: int = 0
    micro_bits: int = Field(default=0, sa_type=AmountText)  # about one person, that it sells over all its offers
    reserved: int = Field(default=0, sa_type=AmountText)  # of them, by offers and licenses
    custody_bond: int = Field(default=0, sa_type=AmountText)  # what answers for its custodian's silence
    custody_held: int = Field(default=0, sa_type=AmountText)  # of it, by open jobs
    head: str = ""  # of the custodian's answers
    published_at: int
    published_tx: str
    updated_at: int


class VersionRow(IndexTable, table=True):
    """One version of a dataset."""

    __tablename__ = "versions"

    dataset: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    version: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    epoch: int
    rows: int
    manifest: str
    data_root: str
    profile: str
    block: int
    tx: str
    at: int


class OfferRow(IndexTable, table=True):
    """Terms under which anyone may buy a license, and what they earned."""

    __tablename__ = "offers"
    __table_args__ = (Index("ix_offers_active", "active", "id"),)

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    dataset: int = Field(index=True)
    seller: str = Field(index=True)
    price_license: int = Field(sa_type=AmountText)
    price_job: int = Field(sa_type=AmountText)
    price_row: int = Field(sa_type=AmountText)
    max_jobs: int
    max_rows: int
    duration: int
    policy: str = Field(index=True)
    shares: str = Field(sa_type=Text)  # JSON: [[account, basis points], ...]; [] means that the seller takes all
    active: bool = True
    micro_bits: int  # about one person, that each license guarantees
    licenses: int = 0  # sold
    licenses_left: int
    sold_out: bool = False  # the last license closed it, not its seller
    earned_licenses: int = Field(default=0, sa_type=AmountText)
    earned_jobs: int = Field(default=0, sa_type=AmountText)
    collected: int = Field(default=0, sa_type=AmountText)
    created_at: int
    tx: str


class LicenseRow(IndexTable, table=True):
    """A buyer's right to run jobs."""

    __tablename__ = "licenses"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    offer: int = Field(index=True)
    dataset: int = Field(index=True)
    buyer: str = Field(index=True)
    valid_from: int
    valid_until: int
    jobs_left: int
    rows_left: int
    price: int = Field(sa_type=AmountText)
    micro_bits: int  # about one person, that it is guaranteed
    settled_at: int = 0  # when what it did not use returned to the dataset, and what it had used
    used_micro_bits: int = 0
    revoked_at: int = 0
    refund: int = Field(default=0, sa_type=AmountText)
    tx: str


class JobRow(IndexTable, table=True):
    """A job; `state` is a number of `app.protocol.market.entities.JobState`."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_buyer", "buyer", "id"),
        Index("ix_jobs_dataset_state", "dataset", "state", "id"),
        Index("ix_jobs_dataset", "dataset", "id"),
        Index("ix_jobs_state", "state", "id"),
        Index("ix_jobs_license", "license", "id"),
    )

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    license: int
    offer: int
    dataset: int
    version: int
    buyer: str
    state: int
    circuit: str
    first_row: int
    rows: int
    sealing_key: str
    units: int = Field(sa_type=AmountText)
    replicas: int
    price: int = Field(sa_type=AmountText)
    max_fee: int = Field(sa_type=AmountText)
    round: int = 0
    revealing: bool = False
    seed_block: int
    executors: int = 0  # drawn so far
    contested_from: int = 0  # of them, when the custodian contested their result; 0 if it did not
    program: str = ""  # that its order states; "" of one that no contract can judge
    disputes: int = 0  # about its results, that are running: it stands still meanwhile
    deadline: int  # of the present state and phase; 0 once it is over
    receipt: str = ""
    sealed: str = ""
    decision: str = ""
    reason: str = ""
    approval: int = (
        0  # the owner's word, a number of `app.protocol.market.entities.Approval`; who said it, when and where
    )
    approval_by: str = ""
    approval_at: int = 0
    approval_tx: str = ""
    fees: int = Field(default=0, sa_type=AmountText)
    penalty: int = Field(default=0, sa_type=AmountText)  # of the custodian's bond
    refunded: int = Field(default=0, sa_type=AmountText)
    opened_block: int
    opened_tx: str
    opened_at: int
    assigned_at: int = 0  # the latest draw
    computed_at: int = 0
    released_at: int = 0
    closed_at: int = 0
    closed_block: int = 0
    changed_at: int


class ExecutionRow(IndexTable, table=True):
    """One drawn executor's part in a job.

    `outcome`: "", agreed, disagreed, convicted, silent, declined, or unpaid (the job came to nothing, or did without
    it).
    """

    __tablename__ = "executions"
    __table_args__ = (Index("ix_executions_provider", "provider", "job"),)

    job: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    position: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})  # in the order of the draws
    provider: str
    round: int
    fee: int = Field(sa_type=AmountText)
    commitment: str = ""
    receipt: str = ""
    outcome: str = ""
    paid: int = Field(default=0, sa_type=AmountText)
    slashed: int = Field(default=0, sa_type=AmountText)
    convicted_by: int = 0  # the dispute that showed its receipt to be false; 0 if none did
    committed_at: int = 0
    revealed_at: int = 0


class DisputeRow(IndexTable, table=True):
    """A dispute about one executor's result, judged by the contract. Times are the chain's.

    `phase`: a number of `app.protocol.market.disputes.DisputePhase`; `about`: what was shown last, "value" of a linear
    result, else "sum" over lookups or "lookup"; `verdict`: "" while it runs, convicted, cleared or moot.
    """

    __tablename__ = "disputes"
    __table_args__ = (Index("ix_disputes_job", "job", "id"),)

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    job: int
    position: int  # of the executor among the job's
    executor: str
    challenger: str
    value: int = Field(sa_type=AmountText)  # number of the output value that is said to be wrong
    bond: int = Field(sa_type=AmountText)
    phase: int
    deadline: int  # of the next move; 0 once it is over
    about: str = "value"
    moves: int = 0
    verdict: str = ""
    opened_at: int
    ended_at: int = 0


class ProviderRow(IndexTable, table=True):
    """An account that ever bonded."""

    __tablename__ = "providers"
    __table_args__ = (Index("ix_providers_seat", "seated", "address"),)

    address: str = Field(primary_key=True)
    bond: int = Field(default=0, sa_type=AmountText)
    locked: int = Field(default=0, sa_type=AmountText)
    fixed_fee: int = Field(default=0, sa_type=AmountText)
    price: int = Field(default=0, sa_type=AmountText)
    capacity: int = Field(default=0, sa_type=AmountText)
    in_use: int = Field(default=0, sa_type=AmountText)  # units of the jobs that hold a stake of it
    heartbeat: int = 0
    unbonding: int = 0
    seat: int = 0
    seated: bool = False
    drawn: int = 0
    agreed: int = 0
    disagreed: int = 0
    silent: int = 0
    unpaid: int = 0  # times that it neither earned nor lost anything
    earned: int = Field(default=0, sa_type=AmountText)
    slashed: int = Field(default=0, sa_type=AmountText)
    since: int


class AccountRow(IndexTable, table=True):
    """What the contracts owe an account."""

    __tablename__ = "accounts"

    address: str = Field(primary_key=True)
    claim_licenses: int = Field(default=0, sa_type=AmountText)
    claim_jobs: int = Field(default=0, sa_type=AmountText)


class MandateRow(IndexTable, table=True):
    """What a payer lets an agent do. `terms` is JSON, as `Mandate.message` has it."""

    __tablename__ = "mandates"

    id: str = Field(primary_key=True)
    payer: str = Field(index=True)
    agent: str = Field(index=True)
    account: str
    terms: str = Field(sa_type=Text)
    spent: int = Field(default=0, sa_type=AmountText)
    occurrences: int = 0
    granted_at: int
    tx: str


class MandateUseRow(IndexTable, table=True):
    """One action under a mandate; `action` as the contract numbers it, `subject` the license or job."""

    __tablename__ = "mandate_uses"

    mandate: str = Field(primary_key=True)
    occurrence: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    action: int
    subject: int
    dataset: int
    policy: str
    amount: int = Field(sa_type=AmountText)
    at: int
    tx: str


class MandateEndingRow(IndexTable, table=True):
    """That a payer ended a mandate, by its digest; or with "" as digest, all whose nonce is less than `below`."""

    __tablename__ = "mandate_endings"

    payer: str = Field(primary_key=True)
    mandate: str = Field(primary_key=True)
    below: int = Field(default=0, sa_type=AmountText)
    at: int = 0


class RevenueRow(IndexTable, table=True):
    """What an offer earned on one day (days since the epoch, UTC)."""

    __tablename__ = "revenue"

    offer: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    day: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    licenses: int = Field(default=0, sa_type=AmountText)
    jobs: int = Field(default=0, sa_type=AmountText)


class TotalsRow(IndexTable, table=True):
    """One row: the market in figures."""

    __tablename__ = "totals"

    id: int = Field(default=1, primary_key=True)
    events: int = 0
    datasets: int = 0
    licenses: int = 0
    jobs: int = 0
    volume: int = Field(default=0, sa_type=AmountText)
    fees: int = Field(default=0, sa_type=AmountText)
    slashed: int = Field(default=0, sa_type=AmountText)
    burned: int = Field(default=0, sa_type=AmountText)  # of what was slashed: nobody got it
    paused_until: int = 0


# --- documents ------------------------------------------------------------------------------------------------------


class ManifestRow(IndexTable, table=True):
    """Facts of a manifest. `state`: present, unavailable (no store has it; tried again), or invalid (for good)."""

    __tablename__ = "manifests"

    digest: str = Field(primary_key=True)
    state: str
    tries: int = 0
    next_try: int = 0  # seconds since the epoch by this machine's clock
    title: str = ""
    description: str = Field(default="", sa_type=Text)
    license_text: str = Field(default="", sa_type=Text)
    creator: str = ""
    published: str = ""
    url: str = Field(default="", sa_type=Text)
    keywords: str = Field(default="[]", sa_type=Text)  # JSON
    columns: int = 0
    bytes: int = 0
    affine: bool = False
    bins: bool = False
    evaluation_key: str | None = None
    data_root: str = ""
    profile: str = ""
    rows: int = 0
    epoch: int = 0
    codebook: str = ""
    codes: str = Field(default="[]", sa_type=Text)  # JSON: one object a column, `queries.dataset.ColumnCard`
    policy: str = ""  # digest
    preview: str | None = Field(default=None, sa_type=Text)  # JSON: `queries.dataset.PreviewCard`
    words: str = Field(default="", sa_type=Text)  # search terms, one space between two


class PolicyRow(IndexTable, table=True):
    """An output policy; states as of manifests."""

    __tablename__ = "policies"

    digest: str = Field(primary_key=True)
    state: str
    tries: int = 0
    next_try: int = 0
    document: str = Field(default="", sa_type=Text)  # canonical JSON


class ChangeRow(IndexTable, table=True):
    """What a version's manifest changed against the one before it; states as of manifests."""

    __tablename__ = "changes"

    after: str = Field(primary_key=True)  # digest
    before: str = Field(primary_key=True)
    state: str
    tries: int = 0
    next_try: int = 0
    facts: str = Field(default="[]", sa_type=Text)  # JSON: what both say of themselves, `queries.versions.said`
    change: str = Field(default="", sa_type=Text)  # JSON: `queries.versions.ChangeView`


# --- the catalogue --------------------------------------------------------------------------------------------------


class ListingRow(IndexTable, table=True):
    """A dataset as the catalogue lists it."""

    __tablename__ = "listings"
    __table_args__ = (
        Index("ix_listings_title", "title_key", "dataset"),
        Index("ix_listings_price", "price_key", "dataset"),
        Index("ix_listings_rows", "rows", "dataset"),
        Index("ix_listings_columns", "columns", "dataset"),
        Index("ix_listings_jobs", "jobs_settled", "dataset"),
    )

    dataset: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    # What filters, facets and orders read stands first, where a scan of many rows finds it soonest.
    rows: int
    columns: int
    offers: int
    linear: bool
    trees: bool
    additive: bool
    lookup: bool
    label: bool
    score: bool
    aggregate: bool
    private: bool
    automatic: bool
    available: bool
    tombstoned: bool
    jobs_settled: int
    owner: str = Field(index=True)
    price_key: int = Field(sa_type=AmountText)  # price of a license; without an active offer above all prices
    title_key: str = Field(sa_type=binary_text(200))
    title: str
    summary: str = Field(sa_type=Text)
    keywords: str = Field(sa_type=Text)  # JSON
    creator: str
    availability: str
    bytes: int
    affine: bool
    bins: bool
    lookups: bool
    price_license: int | None = Field(default=None, sa_type=AmountText)
    price_job: int | None = Field(default=None, sa_type=AmountText)
    price_row: int | None = Field(default=None, sa_type=AmountText)
    licenses: int
    jobs: int
    published_at: int
    updated_at: int


class TermRow(IndexTable, table=True):
    """A word that finds a dataset."""

    __tablename__ = "terms"
    __table_args__ = ({"sqlite_with_rowid": False},)

    term: str = Field(sa_type=binary_text(40), primary_key=True)
    dataset: int = Field(primary_key=True, index=True, sa_column_kwargs={"autoincrement": False})


# SQLModel's `int` would be too small in PostgreSQL; its `str` is a type that migrations need not know.
for _table in IndexTable.metadata.tables.values():
    for _column in _table.columns:
        if type(_column.type) is Integer:
            _column.type = whole()
        elif type(_column.type) is AutoString:
            _column.type = String()
