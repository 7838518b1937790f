"""One dataset: everything that its card shows."""

from __future__ import annotations

import json
from typing import Literal

from sqlmodel import Session, col, select

from app.market.db.tables import DatasetRow, ManifestRow, OfferRow, VersionRow
from app.market.indexer.listings import read_policies
from app.market.queries.budget import BudgetView, ReleasesOn, budget, nobody_knows
from app.market.queries.catalogue import CatalogueEntry, entries
from app.market.queries.licensing import OfferView, PolicyView, offer_cards, policy_card
from app.market.queries.versions import VersionView, version_view
from app.market.queries.view import Amount, View, check_id, missing
from app.protocol.ids import Digest
from app.protocol.vocabulary import FileEncoding
from app.storage.cid import digest_to_cid

MOST = 50  # offers and versions that are shown


class ColumnView(View):
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
    encodings: tuple[FileEncoding, ...]  # published ones
    source: str = ""  # the column of the owner's table that it is read from; limits count these
    derivation: Literal["place", "member", "missing", "elapsed", "part"] | None = None  # None: the number itself
    rule: str = ""  # the derivation in words; "" for the number itself
    places: int | None = None  # how many a category, truth value or text has
    label: bool = False  # whether it is what models are to predict


class PreviewView(View):
    """Synthetic rows drawn from the codebook alone."""

    cid: str
    rows: int
    bytes: int
    sha256: str
    seed: int


class SoldView(View):
    """What the chain holds the owner to: micro-bits about each person (10^6 are one yes-or-no fact)."""

    micro_bits: Amount  # for sale over all offers and for good
    reserved: Amount  # of them, for licenses that are on sale, or sold and not settled, and used by those that are


class CustodyView(View):
    """What answers for the custodian's silence, in token units; a job opens only if enough of it is free."""

    bond: Amount
    held: Amount  # by open jobs


def custody_view(row: DatasetRow) -> CustodyView:
    """What the index has of a dataset's custodian bond."""
    return CustodyView(bond=row.custody_bond, held=row.custody_held)


class DatasetDetail(View):
    """A dataset's card. Fields from the manifest are empty while `entry.availability` is not "available"."""

    entry: CatalogueEntry
    description: str
    license_text: str  # a URL, or the terms themselves
    url: str
    published: str  # a date, as the owner states it
    custodian: str
    manifest: str  # digest; the CID is that of the same hash
    manifest_cid: str
    data_root: str
    profile: str
    epoch: int
    version: int
    evaluation_key: str | None  # CID
    codebook: str  # digest, "" while the manifest is not there
    columns: tuple[ColumnView, ...]
    policy: PolicyView | None  # the manifest's; each offer has its own
    preview: PreviewView | None
    offers: tuple[OfferView, ...]  # the active ones, cheapest license first, at most 50
    versions: tuple[VersionView, ...]  # newest first, at most 50
    budget: BudgetView
    sold: SoldView
    custody: CustodyView
    head: str  # of the custodian's answers, "" before the first
    tx: str  # that published it


def dataset(session: Session, id: int, releases: ReleasesOn = nobody_knows) -> DatasetDetail:
    """One dataset, its budget counted from what `releases` finds. Errors: NotFound."""
    row = session.get(DatasetRow, check_id("dataset", id))
    if row is None:
        raise missing("dataset", id)
    entry = entries(session, [id])[id]
    manifest = session.get(ManifestRow, row.manifest) if entry.availability == "available" else None
    offers = _open_offers(session, row)
    named = {offer.policy for offer in offers} | ({manifest.policy} if manifest else set())
    policies = read_policies(session, named)
    facts = manifest or ManifestRow(digest="", state="")
    policy = policies.get(facts.policy)
    versions = session.exec(
        select(VersionRow).where(VersionRow.dataset == id).order_by(col(VersionRow.version).desc()).limit(MOST)
    )
    return DatasetDetail(
        entry=entry,
        description=facts.description,
        license_text=facts.license_text,
        url=facts.url,
        published=facts.published,
        custodian=row.custodian,
        manifest=row.manifest,
        manifest_cid=digest_to_cid(Digest(row.manifest)),
        data_root=row.data_root,
        profile=row.profile,
        epoch=row.epoch,
        version=row.version,
        evaluation_key=facts.evaluation_key,
        codebook=facts.codebook,
        columns=tuple(ColumnView.model_validate(column) for column in json.loads(facts.codes)),
        policy=policy_card(facts.policy, policy) if manifest else None,
        preview=None if facts.preview is None else PreviewView.model_validate_json(facts.preview),
        offers=offer_cards(session, offers),
        versions=tuple(version_view(each) for each in versions),
        budget=budget(session, row, facts.codes, policy, releases(session, id)),
        sold=SoldView(micro_bits=row.micro_bits, reserved=row.reserved),
        custody=custody_view(row),
        head=row.head,
        tx=row.published_tx,
    )


def _open_offers(session: Session, row: DatasetRow) -> list[OfferRow]:
    """The offers that sell, cheapest first."""
    if row.tombstoned:
        return []
    query = (
        select(OfferRow)
        .where(OfferRow.dataset == row.id, col(OfferRow.active).is_(True), OfferRow.seller == row.owner)
        .order_by(col(OfferRow.price_license), col(OfferRow.id))
        .limit(MOST)
    )
    return list(session.exec(query))
