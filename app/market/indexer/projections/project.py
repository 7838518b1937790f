"""Events to rows: the pure part of the index.

Each event has one rule, in the module of its contract: a function that changes rows of a `UnitOfWork`. Events without a
rule are kept as they are and change nothing. The same events give the same rows, in whatever batches they come.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from app.market.db import tables
from app.market.db.tables import EventRow
from app.market.indexer.indexed_event import IndexedEvent, Rule
from app.market.indexer.projections import datasets, disputes, jobs, licensing, mandates, providers
from app.market.indexer.unit_of_work import UnitOfWork

EXACT = 1 << 53  # JSON readers hold integers exactly up to here
RULES: Mapping[tuple[str, str], Rule] = {
    **{("DatasetRegistry", name): rule for name, rule in datasets.RULES.items()},
    **{("LicenseMarket", name): rule for name, rule in licensing.RULES.items()},
    **{("ProviderRegistry", name): rule for name, rule in providers.RULES.items()},
    **{("JobMarket", name): rule for name, rule in jobs.RULES.items()},
    **{("Disputes", name): rule for name, rule in disputes.RULES.items()},
    **{("Mandates", name): rule for name, rule in mandates.RULES.items()},
    **{(payer, name): rule for payer in ("LicenseMarket", "JobMarket") for name, rule in licensing.MONEY.items()},
}


def fold(work: UnitOfWork, happened: Iterable[IndexedEvent]) -> None:
    """Apply events, in the chain's order, to a unit of work. Errors: VerificationFailed when earlier ones miss."""
    for each in happened:
        work.begin(each.block)
        totals = work.edit_or_add(tables.TotalsRow())
        totals.events += 1
        rule = RULES.get((each.contract, each.name))
        if rule is not None:
            rule(work, each)
        job = each.args.get("job")
        if job is not None:
            work.edit(tables.JobRow, job).changed_at = each.at
        work.events.append(_record(work, each))


def _record(work: UnitOfWork, each: IndexedEvent) -> EventRow:
    """The event's own row, with what it is about."""
    dataset, job, license, offer = (each.args.get(name) for name in ("dataset", "job", "license", "offer"))
    if each.contract == "DatasetRegistry" and dataset is None:
        dataset = each.args.get("tokenId", each.args.get("_tokenId"))
    if job is not None:
        of_job = work.get(tables.JobRow, job)
        dataset, license, offer = of_job.dataset, of_job.license, of_job.offer
    elif license is not None:
        of_license = work.get(tables.LicenseRow, license)
        dataset, offer = of_license.dataset, of_license.offer
    elif offer is not None:
        dataset = work.get(tables.OfferRow, offer).dataset
    if dataset is not None:
        work.datasets.add(dataset)
    return EventRow(
        block=each.block,
        log_index=each.index,
        block_hash=each.block_hash,
        tx=each.tx,
        at=each.at,
        contract=each.contract,
        name=each.name,
        args=json.dumps(_plain(each.args), separators=(",", ":")),
        dataset=dataset,
        job=job,
        license=license,
        offer=offer,
    )


def _plain(value: Any) -> Any:
    """A value that JSON readers everywhere hold exactly."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > EXACT:
        return str(value)
    return value
