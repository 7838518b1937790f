"""Sealed results that are old enough to go from the store: first listed, then removed.

A buyer opens a result soon and keeps it; its ciphertext would stay in the custodian's store for ever. It goes only
where that is asked for, months after the job's final end. What an audit needs stays: the sealed document, which says
for whom it was sealed and what the ciphertext's digest is, the decision, receipts, outputs and circuits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.custodian.ledger import DecisionState, Ledger
from app.execution.ended import days_since_ends
from app.protocol.documents import MAX_DOCUMENT_BYTES
from app.protocol.errors import BadDocument, NotFound
from app.protocol.ids import CidText
from app.protocol.market.entities import ZERO
from app.protocol.market.receipt import SealedResult
from app.storage.cid import digest_to_cid

if TYPE_CHECKING:
    from app.chain.market import Market
    from app.storage.content import ContentStore

RESULT_DAYS = 90  # after the end of a job, its sealed result, where it is asked for


@dataclass(frozen=True)
class OldResult:
    """A sealed result that its buyer has had for so many days. `size`: bytes of ciphertext."""

    role: str
    job: int
    what: str
    size: int
    days: int
    ciphertext: CidText


def old_results(
    market: Market, store: ContentStore, ledgers: Mapping[str, Ledger], days: int = RESULT_DAYS
) -> list[OldResult]:
    """Results that these ledgers released, that ended at least `days` ago, and that the store still has. The ledgers
    are those of custodians by role. Errors: Unavailable.
    """
    final, now, found = market.finalized_block, market.now(), list[OldResult]()
    for role, ledger in ledgers.items():
        done = [record.job for record in ledger.records(DecisionState.DONE)]
        for number, ago in days_since_ends(market, done, final, now).items():
            if ago < days or (digest := market.job(number).sealed) == ZERO:
                continue
            with suppress(NotFound, BadDocument):  # it has gone already
                sealed = SealedResult.from_bytes(store.read(digest_to_cid(digest), limit=MAX_DOCUMENT_BYTES))
                size = store.size(sealed.ciphertext_cid)
                found.append(OldResult(role, number, "result", size, ago, CidText(sealed.ciphertext_cid)))
    return found


def remove(found: list[OldResult], store: ContentStore) -> Iterator[OldResult]:
    """Remove what `old_results` found; each when it is gone. Errors: Unavailable."""
    for each in found:
        with suppress(NotFound):
            store.drop(each.ciphertext)
        yield each
