"""What was released, or may still be, of each row of a dataset: the custodian's ledger and the chain's jobs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.execution.history import History
from app.execution.inputs import load_manifest
from app.home.network import Network
from app.protocol.documents import MAX_DOCUMENT_BYTES
from app.protocol.errors import BadDocument, NotFound
from app.protocol.market.entities import Job, JobState
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.bits import person_limit
from app.storage.cid import digest_to_cid

if TYPE_CHECKING:
    from app.custodian.ledger import Ledger

UNRELEASED = (JobState.REFUSED, JobState.EXPIRED, JobState.FAILED)


@dataclass(frozen=True)
class JobCharge:
    """What a job costs each person of rows [first, end) of a version, in micro-bits."""

    job: int
    version: int
    first: int
    end: int
    micro_bits: int
    final: bool  # no reorganisation of the chain can give its number to another job


def job_charges(network: Network, ledger: Ledger, dataset: int) -> list[JobCharge]:
    """The charges of all jobs of a dataset, open ones at their full charge.

    Whatever the chain has and the ledger does not (it was lost, or another custodian serves) counts in full too, unless
    the chain says that nothing was released. Errors: NotFound, Unavailable.
    """
    market = network.market
    finalized = market.finalized_block  # before the jobs are read: what is opened meanwhile is not final
    known = {entry.job: entry for entry in ledger.history(dataset)}
    history, found = History(market, network.store), []
    for job in market.jobs(dataset=dataset):
        entry, final = known.pop(job.id, None), job.opened_block <= finalized
        if entry is None and job.state in UNRELEASED:
            continue
        bits = entry.micro_bits if entry else full_charge(history, job)
        found.append(JobCharge(job.id, job.version, job.first_row, job.first_row + job.rows, bits, final))
    lost = known.values()  # entries of jobs that a reorganisation took away: their numbers are the chain's to give
    return found + [JobCharge(0, e.version, e.first, e.end, e.micro_bits, final=True) for e in lost]


def ledger_charges(ledger: Ledger, dataset: int) -> list[JobCharge]:
    """The same from the ledger alone, for a market whose chain is out of reach and whose keys are destroyed."""
    return [JobCharge(e.job, e.version, e.first, e.end, e.micro_bits, final=True) for e in ledger.history(dataset)]


def full_charge(history: History, job: Job) -> int:
    """Micro-bits that a job costs if it is released, which is at most what its license has.

    Errors: NotFound for the manifest.
    """
    return min(history.released(job).micro_bits, history.chain.license(job.license).micro_bits)


def sold_limit(network: Network, dataset: int) -> int:
    """The most micro-bits about a person that any policy of a dataset's present version sells, offers included."""
    manifest = load_manifest(network.store, network.market.dataset(dataset))
    return max(person_limit(policy, manifest.codebook) for policy in _policies(network, dataset, manifest.policy))


def _policies(network: Network, dataset: int, own: OutputPolicy) -> Iterable[OutputPolicy]:
    yield own
    for digest in {offer.policy for offer in network.market.offers(dataset)} - {own.digest}:
        try:
            yield OutputPolicy.from_bytes(network.store.read(digest_to_cid(digest), limit=MAX_DOCUMENT_BYTES))
        except (NotFound, BadDocument):
            continue  # nothing can be released under a policy that cannot be read
