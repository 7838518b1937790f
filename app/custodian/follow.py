"""The ledger follows the chain: what was released on a dataset, by whatever ledger, is charged before the next job.

A restored, second or lost ledger knows less than the chain. Each decision of a dataset names the one before it, so one
comparison says whether the ledger is complete; what it misses is worked out from public records, as auditors do, and
charged. Nothing leaves before the chain has its decision, so the chain is complete.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from app.custodian.evidence import FindProfile
from app.custodian.ledger import Learned, Ledger
from app.custodian.ports import CustodianChain
from app.execution.history import released_of, served_again, unjudged
from app.execution.inputs import JobInputs, load_circuit, load_manifest, load_policy
from app.policy.judge import samples_of
from app.protocol.errors import NotFound, Unavailable
from app.protocol.ports import Store


@dataclass
class Follower:
    """Brings a ledger up to the chain's newest decision."""

    chain: CustodianChain
    store: Store
    ledger: Ledger
    find_profile: FindProfile
    # Set for a dataset whose old circuits are gone for good: each such job costs all that its license may be told.
    charge_missing: bool = False
    _kept: dict[str, Learned] = field(default_factory=dict)

    def follow(self, dataset: int) -> int:
        """Charge what the chain released on a dataset and the ledger does not know; how many jobs those were.

        Errors: Unavailable while the public records of one of them are out of reach: then nothing may be decided.
        """
        known, head = self.ledger.head(dataset), self.chain.decision_head(dataset)
        if known == head:
            return 0
        decided: dict[int, str] = {}
        learned: list[Learned] = []
        queries: set[str] | None = None  # charged before; all of history, so only for a release that is not known here
        for number, decision, released in self.chain.decisions(dataset, known):
            if not released:
                continue
            decided[number] = decision
            if not self.ledger.knows(number, decision):
                found = self._learn(number, decision)
                if queries is None:
                    queries = {entry.query for entry in self.ledger.history(dataset, chain_only=True)}
                if found.entry.query in queries and served_again(self.store, decision, found.entry.query):
                    found = replace(found, entry=replace(found.entry, micro_bits=0))
                learned.append(found)
                queries.add(found.entry.query)
        self.ledger.learn(dataset, decided, learned, head)
        return len(learned)

    def _learn(self, number: int, decision: str) -> Learned:
        if decision not in self._kept:  # another job's missing object must not make us read this one again and again
            try:
                self._kept[decision] = self._read(number)
            except NotFound as error:
                raise Unavailable(
                    f"Job {number} was released and this ledger does not know it, and what it gave away cannot be"
                    f" told: {error.message}",
                    "Bring back the store that has the object; its circuit is with the buyer, executors and auditors"
                    " too. If it is gone: darkroom custodian rebuild --charge-missing.",
                ) from None
        return self._kept[decision]

    def _read(self, number: int) -> Learned:
        job = self.chain.job(number)
        record, license = self.chain.dataset_version(job.dataset, job.version), self.chain.license(job.license)
        manifest = load_manifest(self.store, record)
        policy = load_policy(self.store, manifest, license.policy)
        profile, table = self.find_profile(manifest.table.profile), manifest.table
        try:
            circuit = load_circuit(self.store, job.circuit)
        except NotFound:
            if not self.charge_missing:
                raise
            return Learned(unjudged(job, policy.micro_bits_per_license), {}, table.epoch)
        facts = JobInputs(self.chain.chain_id, self.chain.address, job, record, manifest, circuit, profile)
        entry = replace(released_of(facts, policy), answered=policy.epsilon_micro_per_job == 0)
        return Learned(entry, samples_of(circuit, table.codebook), table.epoch)
