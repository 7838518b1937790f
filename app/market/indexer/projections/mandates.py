"""The events of mandates. Anybody may end a mandate of somebody else's: that is another payer's, and ends nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping

from app.market.db.tables import MandateEndingRow, MandateRow, MandateUseRow
from app.market.indexer.indexed_event import IndexedEvent, Rule
from app.market.indexer.unit_of_work import UnitOfWork


def granted(work: UnitOfWork, each: IndexedEvent) -> None:
    """A mandate's terms."""
    args = each.args
    work.add(
        MandateRow(
            id=args["mandate"],
            payer=args["payer"],
            agent=args["agent"],
            account=args["account"],
            terms=json.dumps(args["terms"]),
            granted_at=each.at,
            tx=each.tx,
        )
    )


def used(work: UnitOfWork, each: IndexedEvent) -> None:
    """A license was bought, or a job opened, under a mandate."""
    args = each.args
    mandate = work.edit(MandateRow, args["mandate"])
    mandate.spent, mandate.occurrences = args["spent"], args["occurrences"]
    work.add(
        MandateUseRow(
            mandate=mandate.id,
            occurrence=args["occurrences"],
            action=args["action"],
            subject=args["subject"],
            dataset=args["dataset"],
            policy=args["policy"],
            amount=args["amount"],
            at=each.at,
            tx=each.tx,
        )
    )


def revoked(work: UnitOfWork, each: IndexedEvent) -> None:
    """A payer ended one of its mandates, or what may become one."""
    ending = work.edit_or_add(MandateEndingRow(payer=each.args["payer"], mandate=each.args["mandate"]))
    ending.at = ending.at or each.at


def voided(work: UnitOfWork, each: IndexedEvent) -> None:
    """A payer ended all its mandates with a smaller nonce."""
    ending = work.edit_or_add(MandateEndingRow(payer=each.args["payer"], mandate=""))
    ending.below, ending.at = each.args["below"], each.at


RULES: Mapping[str, Rule] = {
    "MandateGranted": granted,
    "MandateUsed": used,
    "MandateRevoked": revoked,
    "MandatesVoided": voided,
}
