"""Everything that an index says of its chain, for comparison: with another index, and with the chain itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlmodel import Session, select

from app.chain.market import Market
from app.home.network import Network
from app.market.db import tables
from app.market.db.database import Database
from app.market.db.tables import IndexTable, sql
from app.market.indexer.indexer import Indexer
from app.market.indexer.unit_of_work import ENTITIES
from app.protocol.errors import NotFound
from app.protocol.ids import Address
from app.protocol.market.disputes import DisputePhase
from app.protocol.market.entities import ZERO, JobState

COMPARED: tuple[type[IndexTable], ...] = (
    *ENTITIES,
    tables.EventRow,
    tables.PaymentRow,
    tables.ListingRow,
    tables.TermRow,
)


def contents(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """All rows that follow from the chain, by table."""
    with database.session() as session:
        return {
            str(entity.__tablename__): sorted(
                (tuple(row) for row in session.connection().execute(sql(entity).select())), key=repr
            )
            for entity in COMPARED
        }


def assert_mirrors(database: Database, market: Market) -> None:
    """Every entity in the index is what the contracts say of it now."""
    with database.session() as session:
        _assert_datasets(session, market)
        _assert_licensing(session, market)
        _assert_jobs(session, market)
        _assert_accounts(session, market)


def _assert_datasets(session: Session, market: Market) -> None:
    rows = {row.id: row for row in session.exec(select(tables.DatasetRow))}
    assert len(rows) == market.dataset_count()
    for record in market.datasets():
        row = rows[record.id]
        for name in (
            "owner",
            "custodian",
            "manifest",
            "data_root",
            "profile",
            "rows",
            "version",
            "epoch",
            "tombstoned",
        ):
            assert getattr(row, name) == getattr(record, name), (record.id, name)
        budget, custody = market.budget(record.id), market.custody(record.id)
        assert (row.micro_bits, row.reserved) == (budget.micro_bits, budget.reserved), record.id
        assert (row.custody_bond, row.custody_held) == (custody.bond, custody.held), record.id
        assert (row.head or ZERO) == market.decision_head(record.id)


def _assert_licensing(session: Session, market: Market) -> None:
    offers = {row.id: row for row in session.exec(select(tables.OfferRow))}
    assert len(offers) == market.offer_count()
    for offer in market.offers():
        row = offers[offer.id]
        for name in ("dataset", "seller", "price_license", "price_job", "price_row", "max_jobs", "max_rows", "duration",
                     "policy", "active", "micro_bits", "licenses_left"):  # fmt: skip
            assert getattr(row, name) == getattr(offer, name), (offer.id, name)
        assert row.earned_licenses + row.earned_jobs - row.collected == market.earnings(offer.id)
    licenses = {row.id: row for row in session.exec(select(tables.LicenseRow))}
    assert len(licenses) == market.license_count()
    for license in market.licenses():
        held = licenses[license.id]
        for name in ("offer", "dataset", "buyer", "valid_from", "valid_until", "jobs_left", "rows_left", "micro_bits"):
            assert getattr(held, name) == getattr(license, name), (license.id, name)
        assert (held.revoked_at > 0, held.settled_at > 0) == (license.revoked, license.settled)


def _assert_jobs(session: Session, market: Market) -> None:
    rows = {row.id: row for row in session.exec(select(tables.JobRow))}
    assert len(rows) == market.job_count()
    for job in market.jobs():
        row = rows[job.id]
        for name in ("license", "dataset", "buyer", "state", "circuit", "first_row", "rows", "sealing_key", "units",
                     "replicas", "deadline", "opened_block", "version", "price", "max_fee", "round", "revealing",
                     "contested_from", "seed_block", "closed_block", "reason", "approval"):  # fmt: skip
            assert getattr(row, name) == getattr(job, name), (job.id, name)
        if job.state in (JobState.COMPUTED, JobState.SETTLED, JobState.REFUSED):
            assert row.receipt == job.receipt
        assert (row.sealed or ZERO, row.decision or ZERO) == (job.sealed, job.decision)
        parts = session.exec(
            select(tables.ExecutionRow).where(tables.ExecutionRow.job == job.id).order_by("position")
        ).all()
        out = {"silent", "declined", "convicted"}
        kept = [ZERO if p.outcome == "convicted" else p.receipt or ZERO for p in parts]  # the contract forgets a liar's
        assert [(p.provider, p.fee, receipt, p.outcome in out) for p, receipt in zip(parts, kept, strict=True)] == [
            (e.provider, e.fee, e.receipt, e.out) for e in job.executions
        ]
        assert (row.program or ZERO) == job.program
        told = session.exec(select(tables.DisputeRow).where(tables.DisputeRow.job == job.id).order_by("id")).all()
        found = market.disputes(job.id)
        assert row.disputes == sum(each.phase is not DisputePhase.OVER for each in found)
        assert [
            (d.id, d.position, d.executor, d.challenger, d.value, d.bond, d.phase, d.verdict.upper() or "OPEN")
            for d in told
        ] == [(d.id, d.index, d.executor, d.challenger, d.value, d.bond, d.phase, d.verdict.name) for d in found]
        for part, execution in zip(parts, job.executions, strict=True):
            assert execution.commitment in (part.commitment or ZERO, ZERO)


def _assert_accounts(session: Session, market: Market) -> None:
    for row in session.exec(select(tables.AccountRow)):
        claims = market.claims(row.address)
        assert (row.claim_licenses, row.claim_jobs) == (claims["LicenseMarket"], claims["JobMarket"]), row.address
    for provider in session.exec(select(tables.ProviderRow)):
        try:
            record = market.provider(Address(provider.address))
        except NotFound:
            assert provider.bond == 0
            continue
        for name in ("bond", "locked", "fixed_fee", "price", "capacity", "heartbeat", "unbonding", "seat", "in_use"):
            assert getattr(provider, name) == getattr(record, name), (provider.address, name)
    totals = session.get(tables.TotalsRow, 1)
    assert totals is not None
    assert totals.jobs == market.job_count()
    assert totals.burned == market.client.read("ProviderRegistry", "burned")
    assert totals.paused_until == market.paused_until()


def assert_as_rebuilt(network: Network, url: str, folder: Path) -> None:
    """The index at `url`, brought up to date, is what the contracts say, and equals one built anew in `folder`."""
    kept, fresh = Database(url), Database(f"sqlite:///{folder / 'fresh.sqlite'}")
    try:
        for database in (kept, fresh):
            Indexer(network.market, network.store, database).sync()
        assert_mirrors(kept, network.market)
        assert contents(kept) == contents(fresh)
    finally:
        kept.close()
        fresh.close()
