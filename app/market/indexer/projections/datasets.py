"""The registry's events: versions, owners, custodians, destroyed keys."""

from __future__ import annotations

from collections.abc import Mapping

from app.market.db.tables import DatasetRow, TotalsRow, VersionRow
from app.market.indexer.indexed_event import IndexedEvent, Rule
from app.market.indexer.unit_of_work import UnitOfWork

TOTALS = 1  # the key of the one row of totals


def version(work: UnitOfWork, each: IndexedEvent) -> None:
    """A first or a new version. Owner and custodian of a first one are named by events of the same transaction."""
    said = each.args
    facts = {
        "version": said["version"],
        "epoch": said["epoch"],
        "rows": said["rows"],
        "manifest": said["manifest"],
        "data_root": said["dataRoot"],
        "profile": said["profile"],
    }
    work.renewed.add(said["dataset"])
    work.add(VersionRow(dataset=said["dataset"], block=each.block, tx=each.tx, at=each.at, **facts))
    if said["version"] == 1:
        work.edit(TotalsRow, TOTALS).datasets += 1
        work.add(
            DatasetRow(id=said["dataset"], published_at=each.at, published_tx=each.tx, updated_at=each.at, **facts)
        )
        return
    row = work.edit(DatasetRow, said["dataset"])
    for name, value in facts.items():
        setattr(row, name, value)
    row.tombstoned = False
    row.updated_at = each.at


def transfer(work: UnitOfWork, each: IndexedEvent) -> None:
    """Another owner."""
    work.edit(DatasetRow, each.args["tokenId"]).owner = each.args["to"]


def custodian(work: UnitOfWork, each: IndexedEvent) -> None:
    """Another account may release and refuse."""
    work.edit(DatasetRow, each.args["dataset"]).custodian = each.args["custodian"]


def tombstone(work: UnitOfWork, each: IndexedEvent) -> None:
    """An epoch's key was destroyed; that of the present one closes the dataset until it is encrypted anew."""
    row = work.edit(DatasetRow, each.args["dataset"])
    row.tombstoned = row.tombstoned or each.args["epoch"] == row.epoch


RULES: Mapping[str, Rule] = {
    "DatasetVersion": version,
    "Transfer": transfer,
    "CustodianChanged": custodian,
    "Tombstoned": tombstone,
}
