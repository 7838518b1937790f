"""What a provider has of a job, as far as it is of the very order that has the job's number now.

A reorganisation may give a number to another order. A result of the one before is no answer to it: committed to, it
would disagree with everybody's, and could be shown to be false.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from app.protocol.ids import Digest
from app.protocol.market.entities import Job
from app.provider.journal import Journal, JournalEntry

if TYPE_CHECKING:
    from app.chain.market import Market


class OwnResults:
    """The journal of one provider, asked by orders."""

    def __init__(self, market: Market, journal: Journal) -> None:
        self._market, self._journal = market, journal
        self._right: dict[int, tuple[object, Digest]] = {}  # what was asked, and the receipt that answers it

    def of(self, job: Job, *, committed: bool) -> JournalEntry | None:
        """The entry of this order. That of another one is forgotten, unless this account has committed to it under this
        number: silence would cost the stake. Errors: Unavailable; those of `Journal.get`.
        """
        entry = self._journal.get(job.id)
        if entry is None or self._right.get(job.id) == (job.asked, entry.receipt):
            return entry
        receipt = self._journal.receipt(job.id)
        if receipt is not None:
            manifest = self._market.dataset_version(job.dataset, job.version).manifest
            said = receipt.manifest, receipt.circuit, receipt.first_row, receipt.rows
            if said != (manifest, job.circuit, job.first_row, job.rows):
                if committed:
                    return entry
                self._journal.forget(job.id)
                self._journal.forget_receipt(job.id)
                return None
        self._right[job.id] = job.asked, entry.receipt
        return entry

    def keep(self, jobs: Collection[int]) -> None:
        """Remember no others."""
        self._right = {number: said for number, said in self._right.items() if number in jobs}
