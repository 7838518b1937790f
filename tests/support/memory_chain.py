"""The contracts in dictionaries: what they record, in which order they take decisions, and what they refuse."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from app.chain.contracts.entities import next_head
from app.protocol.errors import DarkroomError, NotFound, Reverted, VerificationFailed
from app.protocol.ids import Digest
from app.protocol.market.entities import ZERO, Approval, DatasetRecord, Job, JobState, License
from app.protocol.market.mandate import MandateState


@dataclass
class SimulatedChain:
    """What the contracts record, in dictionaries."""

    chain_id: int = 31337
    address: str = "0x" + "9" * 40
    jobs: dict[int, Job] = field(default_factory=dict)
    datasets: dict[tuple[int, int], DatasetRecord] = field(default_factory=dict)
    licenses: dict[int, License] = field(default_factory=dict)
    mandates: dict[str, MandateState] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)  # buyers whose mandates no document can say
    unfinal: set[int] = field(default_factory=set)
    decided: list[tuple[int, int, Digest, bool]] = field(default_factory=list)  # (dataset, job, decision, released)
    contested: list[int] = field(default_factory=list)
    settled: dict[int, int] = field(default_factory=dict)  # license: micro-bits that it used
    transactions: list[tuple[str, int, str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def job(self, id: int) -> Job:
        """Errors: NotFound."""
        if id not in self.jobs:
            raise NotFound(f"There is no job {id}.")
        return self.jobs[id]

    def dataset_version(self, id: int, version: int) -> DatasetRecord:
        """The dataset as of `version`."""
        return self.datasets[id, version]

    def license(self, license: int) -> License:
        """A license."""
        return self.licenses[license]

    def mandate(self, buyer: str) -> MandateState | None:
        """The mandate that a buyer is the account of."""
        if buyer in self.unreadable:
            raise VerificationFailed("A mandate on the chain is of no form that this software signs.")
        return self.mandates.get(buyer)

    def own_datasets(self) -> Iterable[int]:
        """Every dataset is the custodian's."""
        return sorted({dataset for dataset, _ in self.datasets})

    def computed(self, _troubled: Callable[[int, DarkroomError], None]) -> Iterable[Job]:
        """Jobs that wait for the custodian."""
        return [job for job in self.jobs.values() if job.state is JobState.COMPUTED]

    def final(self, job: Job) -> bool:
        """Whether the job's block is final."""
        return job.id not in self.unfinal

    def release_final(self, job: Job) -> bool:
        """Whether the job's release is final."""
        return job.id not in self.unfinal

    def decision_head(self, dataset: int) -> Digest:
        """All decisions on a dataset in one word."""
        return self._heads(dataset)[-1]

    def decisions(self, dataset: int, after: Digest) -> Iterable[tuple[int, Digest, bool]]:
        """Decisions in order, from the one after a head on."""
        heads = self._heads(dataset)
        start = heads.index(after) if after in heads else 0
        return [each[1:] for each in self._decided(dataset)[start:]]

    def _decided(self, dataset: int) -> list[tuple[int, int, Digest, bool]]:
        return [each for each in self.decided if each[0] == dataset]

    def _heads(self, dataset: int) -> list[Digest]:
        steps = ((job, decision) for _, job, decision, _ in self._decided(dataset))
        return list(itertools.accumulate(steps, lambda head, step: next_head(head, *step), initial=ZERO))

    def contest(self, job: int) -> str:
        """Once a job: others are drawn, who have not answered yet."""
        if job in self.contested or self.jobs[job].state is not JobState.COMPUTED:
            raise Reverted(f"Job {job} was contested.", reason="AlreadyContested")
        self.contested.append(job)
        self.jobs[job] = replace(self.jobs[job], state=JobState.DISPUTED)
        return "0xcontest"

    def over(self) -> Iterable[License]:
        """Licenses that were revoked and are not settled."""
        return [each for each in self.licenses.values() if each.revoked and each.id not in self.settled]

    def settle_license(self, license: int, used: int) -> str:
        """Once, when no job of it runs."""
        if any(job.license == license and not job.state.terminal for job in self.jobs.values()):
            raise Reverted(f"License {license} has jobs.", reason="JobsMayRun")
        self.settled[license] = used
        return "0xsettled"

    def release(self, job: int, sealed: str, decision: str, head: str) -> str:
        """Settle a job once."""
        return self._close("release", job, head, sealed=sealed, decision=decision, state=JobState.SETTLED)

    def refuse(self, job: int, reason: str, decision: str, head: str) -> str:
        """Refuse a job once."""
        return self._close("refuse", job, head, reason=reason, decision=decision, state=JobState.REFUSED)

    def _close(self, what: str, number: int, head: str, **changes: object) -> str:
        with self.lock:
            dataset = self.jobs[number].dataset
            if self.decision_head(dataset) != head:
                raise Reverted(f"Another decision on dataset {dataset} came first.", reason="StaleHead")
            if self.jobs[number].state is not JobState.COMPUTED:
                raise Reverted(f"Job {number} is over.", reason="WrongState")
            if what == "release" and self.jobs[number].approval is Approval.DENIED:
                raise Reverted(f"Job {number} was denied.", reason="DeniedByOwner")
            self.jobs[number] = replace(self.jobs[number], **changes)  # type: ignore[arg-type]
            self.decided.append((dataset, number, Digest(str(changes["decision"])), what == "release"))
            first = str(changes.get("sealed", changes.get("reason")))
            self.transactions.append((what, number, first, str(changes["decision"])))
            return f"0x{len(self.transactions):064x}"

    def of(self, number: int) -> list[tuple[str, int, str, str]]:
        """Transactions about one job."""
        return [entry for entry in self.transactions if entry[1] == number]
