"""Opening a sealed result with the key that it was ordered with, for whoever the chain says it is."""

from __future__ import annotations

from app.execution.inputs import seal_context
from app.home.network import Network
from app.protocol.documents import MAX_DOCUMENT_BYTES
from app.protocol.errors import BadSeal, NotAllowed, NotYourLicense, TryAgain
from app.protocol.market.entities import ZERO, Job, JobState
from app.protocol.market.receipt import SealedResult
from app.seal.keys import SealingKey
from app.seal.result import Result, open_result
from app.storage.cid import digest_to_cid

MAX_RESULT_BYTES = 1 << 31


def open_sealed(network: Network, number: int, key: SealingKey, holder: str) -> tuple[Job, Result]:
    """Fetch, check and open the result of a job that `holder` (an address) opened; the job as the chain has it.

    Besides the chain it needs the sealed document and its ciphertext alone: no manifest and no circuit.
    Errors: TryAgain before the release; NotAllowed for a refused or failed job, with the reason; NotYourLicense for
    another's; BadSeal; BadDocument.
    """
    market, store = network.market, network.store
    job = market.job(number)
    if job.buyer.lower() != holder.lower():
        raise NotYourLicense(f"Job {number} was opened by another account.", "List yours: darkroom job list.")
    if job.state in (JobState.REFUSED, JobState.EXPIRED, JobState.FAILED):
        why = f" ({job.reason})" if job.reason else ""
        raise NotAllowed(
            f"Job {number} ended as {job.state.name.lower()}{why}; it has no result.",
            "The refund can be withdrawn: darkroom account withdraw.",
        )
    if job.sealed == ZERO:
        raise TryAgain(f"Job {number} is {job.state.name.lower()}; its result is not out yet.", "Wait for it.")
    sealed = SealedResult.from_bytes(store.read(digest_to_cid(job.sealed), limit=MAX_DOCUMENT_BYTES))
    ciphertext = store.read(sealed.ciphertext_cid, limit=MAX_RESULT_BYTES)
    if job.sealing_key != key.public.hex():
        raise BadSeal(
            f"The result of job {number} is sealed to another key.", "Open it with the key it was ordered with."
        )
    manifest = market.dataset_version(job.dataset, job.version).manifest
    context = seal_context(market.chain_id, market.address, job, manifest)
    return job, open_result(sealed, ciphertext, key.private, context)
