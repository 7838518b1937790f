"""The catalogue's rows: derived from datasets, manifests, offers and policies whenever one of these changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import delete, insert
from sqlmodel import Session, col, select

from app.market.db.tables import DatasetRow, ListingRow, ManifestRow, OfferRow, PolicyRow, TermRow, sql
from app.market.indexer.repository import add
from app.protocol.market.receipt import OutputPolicy

NO_PRICE = 10**77  # sorts after every price
SUMMARY = 300
AT_ONCE = 400  # datasets in one statement


def availability(dataset: DatasetRow, manifest: ManifestRow | None) -> str:
    """What can be read of a dataset: pending, available, unavailable or invalid."""
    if manifest is None:
        return "pending"
    if manifest.state != "present":
        return manifest.state
    said = (manifest.data_root, manifest.profile, manifest.rows, manifest.epoch)
    return "available" if said == (dataset.data_root, dataset.profile, dataset.rows, dataset.epoch) else "invalid"


def sellable(offer: OfferRow, dataset: DatasetRow) -> bool:
    """Whether the contract would sell a license from this offer now."""
    return offer.active and offer.seller == dataset.owner and not dataset.tombstoned


def listing(
    dataset: DatasetRow, manifest: ManifestRow | None, offers: Sequence[OfferRow], policies: Mapping[str, OutputPolicy]
) -> ListingRow:
    """A dataset as the catalogue lists it."""
    there = availability(dataset, manifest)
    facts = manifest if manifest is not None and there == "available" else ManifestRow(digest="", state="")
    open_offers = [offer for offer in offers if sellable(offer, dataset)]
    digests = [offer.policy for offer in open_offers] or [facts.policy]
    known = [policies[digest] for digest in digests if digest in policies]
    cheapest = min(open_offers, key=lambda offer: (offer.price_license, offer.id), default=None)
    title = facts.title or f"Dataset {dataset.id}"
    circuits = {circuit for policy in known for circuit in policy.circuits}
    releases = {policy.release for policy in known}
    return ListingRow(
        dataset=dataset.id,
        rows=dataset.rows,
        columns=facts.columns,
        offers=len(open_offers),
        linear="linear" in circuits,
        trees="trees" in circuits,
        additive="additive" in circuits,
        lookup="lookup" in circuits,
        label="label" in releases,
        score="score" in releases,
        aggregate="aggregate" in releases,
        private=any(policy.epsilon_micro_per_job > 0 for policy in known),
        automatic=any(policy.approval == "automatic" for policy in known),
        available=there == "available",
        tombstoned=dataset.tombstoned,
        jobs_settled=dataset.jobs_settled,
        owner=dataset.owner,
        price_key=NO_PRICE if cheapest is None else cheapest.price_license,
        title_key=title.casefold()[:200],
        title=title,
        summary=facts.description[:SUMMARY],
        keywords=facts.keywords,
        creator=facts.creator,
        availability=there,
        bytes=facts.bytes,
        affine=facts.affine,
        bins=facts.bins,
        lookups=facts.evaluation_key is not None,
        price_license=None if cheapest is None else cheapest.price_license,
        price_job=None if cheapest is None else cheapest.price_job,
        price_row=None if cheapest is None else cheapest.price_row,
        licenses=dataset.licenses,
        jobs=dataset.jobs,
        published_at=dataset.published_at,
        updated_at=dataset.updated_at,
    )


def refresh(session: Session, datasets: Collection[int], *, words: Collection[int] = ()) -> None:
    """Write these datasets' listings again, and the search terms of those in `words`; drop what is gone."""
    everything = sorted({*datasets, *words})
    for start in range(0, len(everything), AT_ONCE):
        _refresh(session, everything[start : start + AT_ONCE], set(words))


def _refresh(session: Session, ids: Sequence[int], words: Collection[int]) -> None:
    rows = session.exec(select(DatasetRow).where(col(DatasetRow.id).in_(ids))).all()
    digests = {row.manifest for row in rows}
    manifests = {
        row.digest: row for row in session.exec(select(ManifestRow).where(col(ManifestRow.digest).in_(digests)))
    }
    offers: dict[int, list[OfferRow]] = {}
    for offer in session.exec(select(OfferRow).where(col(OfferRow.dataset).in_(ids), col(OfferRow.active).is_(True))):
        offers.setdefault(offer.dataset, []).append(offer)
    named = {offer.policy for each in offers.values() for offer in each} | {row.policy for row in manifests.values()}
    policies = read_policies(session, named)
    session.execute(delete(sql(ListingRow)).where(sql(ListingRow).c.dataset.in_(ids)))
    made = [listing(row, manifests.get(row.manifest), offers.get(row.id, ()), policies) for row in rows]
    add(session, ListingRow, made)
    again = [number for number in ids if number in words]
    if again:
        session.execute(delete(sql(TermRow)).where(sql(TermRow).c.dataset.in_(again)))
        found = {row.dataset for row in made if row.available}
        terms = [
            {"term": word, "dataset": row.id}
            for row in rows
            if row.id in found and row.id in words
            for word in manifests[row.manifest].words.split(" ")
            if word
        ]
        if terms:
            session.execute(insert(sql(TermRow)), terms)


def read_policies(session: Session, digests: Iterable[str]) -> dict[str, OutputPolicy]:
    """The policies that are known among these, by digest."""
    found = session.exec(
        select(PolicyRow).where(col(PolicyRow.digest).in_(set(digests)), col(PolicyRow.state) == "present")
    )
    return {row.digest: OutputPolicy.model_validate_json(row.document) for row in found}
