"""The receipts of a job, as their executors published them."""

from __future__ import annotations

from app.market.queries.jobs import JobDetail
from app.market.web.fields import ResponseModel
from app.protocol.documents import MAX_DOCUMENT_BYTES
from app.protocol.errors import DarkroomError
from app.protocol.ids import Digest
from app.protocol.market.receipt import Receipt
from app.protocol.ports import Store
from app.storage.cid import digest_to_cid


class ReceiptView(ResponseModel):
    """One executor's receipt. `receipt` is None where no store has it or it is not one; `problem` says which."""

    provider: str
    digest: str
    cid: str
    agreed: bool
    receipt: Receipt | None
    problem: str


class JobReceipts(ResponseModel):
    """All that were revealed, in the order of the draw."""

    job: int
    agreed: str  # the digest that counts, "" before
    receipts: tuple[ReceiptView, ...]


def receipts_of(store: Store, detail: JobDetail) -> JobReceipts:
    """The receipts of a job; equal digests are read once."""
    read: dict[str, tuple[Receipt | None, str]] = {}
    cards = []
    for execution in detail.executions:
        digest = execution.receipt
        if not digest:
            continue
        if digest not in read:
            read[digest] = _read(store, digest)
        receipt, problem = read[digest]
        cards.append(
            ReceiptView(
                provider=execution.provider,
                digest=digest,
                cid=digest_to_cid(Digest(digest)),
                agreed=digest == detail.receipt,
                receipt=receipt,
                problem=problem,
            )
        )
    return JobReceipts(job=detail.job.id, agreed=detail.receipt, receipts=tuple(cards))


def _read(store: Store, digest: str) -> tuple[Receipt | None, str]:
    try:
        return Receipt.from_bytes(store.read(digest_to_cid(Digest(digest)), limit=MAX_DOCUMENT_BYTES)), ""
    except DarkroomError as error:
        return None, str(error)
