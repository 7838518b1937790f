"""What a provider keeps of jobs that are over, and when it may go: first listed, then removed.

A journal's output and salt serve a job until its end is final on the chain; they go some days later. What was published
(output and receipt in the store) is what audits read, and goes only when that is asked for, after months. Whatever the
chain does not say to be over and final stays, and so does every block that an output which stays is made of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.execution.ended import days_since_ends
from app.protocol.errors import NotFound
from app.protocol.market.receipt import Receipt
from app.provider.journal import Journal
from app.storage.content import ContentStore

if TYPE_CHECKING:
    from app.chain.market import Market

JOURNAL_DAYS = 7  # after the end of a job was final, its salt and its own copy of the output
OUTPUT_DAYS = 90  # after that, the published output and receipt, where it is asked for


@dataclass(frozen=True)
class Leftover:
    """Something of one job that nobody needs. `size` is bytes on this machine, 0 where another one has them."""

    role: str
    job: int
    what: Literal["journal", "output"]
    size: int
    days: int  # since the job's end


def leftovers(
    market: Market,
    journals: Mapping[str, Journal],
    *,
    journal_days: int = JOURNAL_DAYS,
    output_days: int | None = None,
) -> list[Leftover]:
    """What may go, by role and job. Without `output_days` what was published stays. Errors: Unavailable."""
    kept: list[tuple[str, int, int, Receipt | None]] = []
    for role, journal in journals.items():
        for number in journal.jobs():
            size, receipt = journal.size(number), None if output_days is None else journal.receipt(number)
            if size or receipt is not None:
                kept.append((role, number, size, receipt))
    ago = days_since_ends(market, (number for _, number, _, _ in kept), market.finalized_block, market.now())
    found: list[Leftover] = []
    for role, number, size, receipt in kept:
        if (days := ago.get(number)) is None:
            continue
        if size and days >= journal_days:
            found.append(Leftover(role, number, "journal", size, days))
        if receipt is not None and output_days is not None and days >= max(output_days, journal_days):
            found.append(Leftover(role, number, "output", receipt.output_bytes, days))
    return found


def remove(
    leftovers: list[Leftover], journals: Mapping[str, Journal], store: ContentStore | None = None
) -> Iterator[Leftover]:
    """Remove what `leftovers` found; each when it is gone. `store` holds the outputs that are among it.

    An output goes only where no journal here keeps a job with any of its blocks. Errors: Unavailable.
    """
    going = {(each.role, each.job) for each in leftovers if each.what == "output"}
    kept = _kept(journals, going, store) if going and store is not None else frozenset()
    for each in leftovers:
        journal = journals[each.role]
        if each.what == "journal":
            journal.forget(each.job)
        elif store is not None and (receipt := journal.receipt(each.job)) is not None:
            for cid in (receipt.output, journal.receipt_cid(each.job)):
                with suppress(NotFound):  # another provider of this job has removed it
                    store.drop(cid, kept)
            journal.forget_receipt(each.job)
        else:
            continue
        yield each


def _kept(journals: Mapping[str, Journal], going: set[tuple[str, int]], store: ContentStore) -> frozenset[str]:
    """The blocks of every output that stays."""
    blocks: set[str] = set()
    for role, journal in journals.items():
        for number in journal.jobs():
            receipt = journal.receipt(number)
            if receipt is not None and (role, number) not in going:
                with suppress(NotFound):
                    blocks |= {each.text for each in store.tree(receipt.output)}
    return frozenset(blocks)
