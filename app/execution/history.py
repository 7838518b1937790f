"""What was released on a dataset, worked out from chain and store alone: the public twin of a custodian's ledger.

A custodian charges from it what its own ledger does not know, an auditor holds decisions and limits against it, and a
buyer asks before paying whether enough is left. All of it follows from public facts; nothing needs a key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol

from app.execution.inputs import ChainRecords, JobInputs, load_job_inputs, load_policy
from app.protocol.documents import MAX_DOCUMENT_BYTES
from app.protocol.errors import BadDocument, NotFound
from app.protocol.ids import Digest
from app.protocol.market.entities import ZERO, Job, JobState, License
from app.protocol.market.receipt import Decision, OutputPolicy
from app.protocol.policy.leakage import Leakage, Released
from app.protocol.policy.rules import entry_of, query_digest
from app.protocol.ports import Store
from app.storage.cid import digest_to_cid
from fhe.leakage import leakage_of


class PublicRecords(ChainRecords, Protocol):
    """The chain, as far as a dataset's history is read from it."""

    def license(self, license: int) -> License:
        """Errors: NotFound."""

    def jobs(self, *, dataset: int | None = None, states: Collection[JobState] | None = None) -> Iterable[Job]:
        """Jobs of a dataset in some states, by number."""


def released_of(inputs: JobInputs, policy: OutputPolicy) -> Released:
    """What the release of a job gives away, as `app.protocol.policy.rules` counts it. Errors: BadInput."""
    return _entry(inputs, policy, leakage_of(inputs.circuit, inputs.table.codebook))


@dataclass
class History:
    """Reads a dataset's releases; circuits that were judged once are not judged again."""

    chain: PublicRecords
    store: Store
    _leaks: dict[tuple[str, str], Leakage] = field(default_factory=dict)

    def released(self, job: Job) -> Released:
        """What a job's release gives, or would give, away, as if nothing had been released before.

        A circuit or policy that the store does not have costs what it can have cost at most: all that the license has.
        Errors: NotFound without the manifest, BadBlock, BadDocument.
        """
        license = self.chain.license(job.license)
        try:
            facts = load_job_inputs(self.chain, self.store, job.id)
            policy = load_policy(self.store, facts.manifest, license.policy)
        except (NotFound, BadDocument):
            return unjudged(job, license.micro_bits)
        key = (job.circuit, facts.table.codebook.digest)
        if key not in self._leaks:
            self._leaks[key] = leakage_of(facts.circuit, facts.table.codebook)
        return _entry(facts, policy, self._leaks[key])

    def on(self, dataset: int, states: Collection[JobState] = (JobState.SETTLED,)) -> tuple[Released, ...]:
        """Every release of a dataset by job, each with what it was charged; live states count as released.

        A query that was answered before is free where its decision says that the same answer was served again.
        """
        jobs = list(self.chain.jobs(dataset=dataset, states=states))
        entries = [self.released(job) for job in jobs]
        asked = Counter(entry.query for entry in entries)
        # by number, not by time: the first answer to a query may have gone to a job with a greater one
        again = [
            asked[e.query] > 1 and served_again(self.store, job.decision, e.query)
            for job, e in zip(jobs, entries, strict=True)
        ]
        charged = {entry.query for entry, repeated in zip(entries, again, strict=True) if not repeated}
        return tuple(
            replace(entry, micro_bits=0) if repeated and entry.query in charged else entry
            for entry, repeated in zip(entries, again, strict=True)
        )


def served_again(store: Store, decision: Digest, query: str) -> bool:
    """Whether a decision (digest) says that the answer to a query was served again; one out of reach does not."""
    if not query or decision == ZERO:
        return False
    try:
        said = Decision.from_bytes(store.read(digest_to_cid(decision), limit=MAX_DOCUMENT_BYTES))
    except (NotFound, BadDocument):
        return False
    return said.again and said.query == query


def unjudged(job: Job, micro_bits: int) -> Released:
    """An entry for a job whose circuit or policy is out of reach: all that its license may ever be told."""
    return Released(
        job=job.id,
        license=job.license,
        version=job.version,
        first=job.first_row,
        end=job.first_row + job.rows,
        kind="score",
        forms=(),
        opaque=(f"{job.circuit}:unknown",),
        micro_bits=micro_bits,
        query="",
    )


def settled_on(chain: PublicRecords, store: Store, dataset: int) -> tuple[Released, ...]:
    """Every release of a dataset that was settled. Errors: those of `History.released`."""
    return History(chain, store).on(dataset)


def _entry(inputs: JobInputs, policy: OutputPolicy, leakage: Leakage) -> Released:
    return entry_of(policy, leakage, inputs.table, inputs.job, query_digest(policy, inputs.job, inputs.dataset))
