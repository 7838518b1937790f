"""What was released on a dataset, by the index's jobs and the objects that they name.

The rule itself is `app.execution.history`'s. This finds the jobs in the index instead of going through the chain, and
keeps what was once worked out of a job, since a settled job never changes.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from sqlmodel import Session, col, select

from app.execution.history import History
from app.execution.inputs import load_circuit, load_manifest
from app.market.db.tables import DatasetRow, JobRow, LicenseRow, OfferRow, VersionRow
from app.policy.judge import samples_of
from app.protocol.data.dataset import Codebook, EncryptedTable
from app.protocol.errors import DarkroomError, NotFound
from app.protocol.ids import Address, Digest, Seconds
from app.protocol.market.entities import LIVE, ZERO, DatasetRecord, Job, JobState, License
from app.protocol.policy.leakage import Leakage, Released
from app.protocol.ports import Store

MOST = 2_000  # newest releases of a dataset that are looked at
KEPT_JOBS = 20_000
KEPT_LEAKS = 2_000
KEPT_BYTES = 32 << 20  # of small objects that many jobs name
SMALL = 1 << 20  # bytes of one such object
AGAIN_AFTER = 60.0  # seconds until what could not be judged is looked for again


@dataclass(frozen=True)
class KnownReleases:
    """What was released of a dataset. `complete`: no release is missing, and every circuit and policy was there."""

    entries: tuple[Released, ...] = ()
    table: EncryptedTable | None = None  # of the present version; None where its manifest is out of reach
    complete: bool = False


UNKNOWN = KnownReleases()


class SmallObjects:
    """A store whose small objects are kept in memory: manifests, circuits and policies that many jobs name."""

    def __init__(self, store: Store) -> None:
        self._store, self._kept, self._bytes = store, OrderedDict[str, bytes](), 0
        self.put, self.put_file, self.put_pieces, self.size = store.put, store.put_file, store.put_pieces, store.size

    def read(self, cid: str, offset: int = 0, length: int | None = None, *, limit: int) -> bytes:
        """As the store's. Errors: NotFound, BadBlock, TooLarge."""
        if offset or length is not None:
            return self._store.read(cid, offset, length, limit=limit)
        known = self._kept.get(cid)
        if known is None or len(known) > limit:
            known = self._store.read(cid, limit=limit)
            if len(known) <= SMALL:
                self._kept[cid] = known
                self._bytes += len(known)
            while self._bytes > KEPT_BYTES and self._kept:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return known


@dataclass(frozen=True)
class IndexRecords:
    """The index as the chain's records, for the jobs at hand."""

    session: Session
    at_hand: Mapping[int, Job]  # by number, in order
    chain_id: int = 0  # nothing of a release depends on these two
    address: str = ""

    def job(self, id: int) -> Job:
        """Errors: NotFound."""
        if id not in self.at_hand:
            raise NotFound(f"There is no job {id} in the index.")
        return self.at_hand[id]

    def jobs(self, *, dataset: int | None = None, states: Collection[JobState] | None = None) -> Iterable[Job]:
        """The jobs at hand: of a dataset, in some states; by number."""
        every = self.at_hand.values()
        return (each for each in every if dataset in (None, each.dataset) and (not states or each.state in states))

    def dataset_version(self, id: int, version: int) -> DatasetRecord:
        """Errors: NotFound."""
        row, now = self.session.get(VersionRow, (id, version)), self.session.get(DatasetRow, id)
        if row is None or now is None:
            raise NotFound(f"There is no version {version} of dataset {id} in the index.")
        return DatasetRecord(
            id=id, owner=Address(now.owner), custodian=Address(now.custodian), manifest=Digest(row.manifest),
            data_root=Digest(row.data_root), profile=Digest(row.profile), rows=row.rows, version=version,
            epoch=row.epoch, tombstoned=now.tombstoned,
        )  # fmt: skip

    def license(self, license: int) -> License:
        """Errors: NotFound."""
        row = self.session.get(LicenseRow, license)
        terms = None if row is None else self.session.get(OfferRow, row.offer)
        if row is None or terms is None:
            raise NotFound(f"There is no license {license} in the index.")
        return License(
            id=row.id, offer=row.offer, dataset=row.dataset, buyer=Address(row.buyer),
            valid_from=Seconds(row.valid_from), valid_until=Seconds(row.valid_until), jobs_left=row.jobs_left,
            rows_left=row.rows_left, policy=Digest(terms.policy), revoked=row.revoked_at > 0,
            micro_bits=row.micro_bits, settled=row.settled_at > 0,
        )  # fmt: skip


@dataclass
class Entries:
    """What was worked out of jobs before; of what could not be judged, until when that is taken for granted."""

    _known: OrderedDict[Job, tuple[Released | None, float]] = field(default_factory=OrderedDict)

    def get(self, job: Job) -> tuple[Released | None, float] | None:
        """(the entry, or None; the end of that), if there is one now."""
        found = self._known.get(job)
        return None if found is None or found[1] < time.monotonic() else found

    def put(self, job: Job, entry: Released | None) -> None:
        """Keep it; what is final for ever."""
        judged = entry is not None and entry.query != ""
        self._known[job] = (entry, float("inf") if judged else time.monotonic() + AGAIN_AFTER)
        while len(self._known) > KEPT_JOBS:
            self._known.popitem(last=False)


@dataclass
class _Kept(History):
    """The history's rule, with what was worked out before."""

    entries: Entries = field(default_factory=Entries)

    def judged(self, job: Job) -> Released | None:
        """What a job gave away; None where its manifest is out of reach, so that nothing can be said of it."""
        known = self.entries.get(job)
        if known is None:
            try:
                entry: Released | None = super().released(job)
            except DarkroomError:
                entry = None
            self.entries.put(job, entry)
            return entry
        return known[0]

    def released(self, job: Job) -> Released:
        """As the history's. Errors: NotFound without the manifest."""
        entry = self.judged(job)
        if entry is None:
            raise NotFound(f"The manifest that job {job.id} read is out of reach.", "Ask the dataset's owner for it.")
        return entry


class Releases:
    """Reads what was released, for the pages, the quotes and the API of one node."""

    def __init__(self, store: Store) -> None:
        self.store: Store = SmallObjects(store)
        self._leaks: dict[tuple[str, str], Leakage] = {}
        self._entries = Entries()
        self._samples: OrderedDict[tuple[str, str], dict[str, bytes]] = OrderedDict()

    def on(self, session: Session, dataset: int, *, license: int = 0, most_new: int | None = None) -> KnownReleases:
        """Every settled release of a dataset, and those to come of a license's open jobs.

        Of jobs that were never looked at, at most `most_new` are, the newest: a page need not wait for all of them.
        """
        rows = _settled(session, dataset)
        if license:
            rows += _open(session, license)
        jobs = sorted((_job(row) for row in rows[:MOST]), key=lambda each: -each.id)
        fresh = [job for job in jobs if self._entries.get(job) is None]
        left_out = set(fresh[most_new:] if most_new is not None else ())
        chosen = {job.id: job for job in reversed(jobs) if job not in left_out}
        records = IndexRecords(session, chosen)
        table = self._table(records, dataset)
        history = _Kept(records, self.store, _leaks=self._leaks, entries=self._entries)
        fit = {number: job for number, job in chosen.items() if history.judged(job) is not None}
        history.chain = replace(records, at_hand=fit)
        entries = history.on(dataset, (JobState.SETTLED, *LIVE))
        if len(self._leaks) > KEPT_LEAKS:
            self._leaks.clear()
        complete = len(fit) == len(rows) and table is not None and all(entry.query for entry in entries)
        return KnownReleases(entries, table, complete)

    def kept(self, codebook: Codebook) -> Callable[[str], bytes | None]:
        """The sampled outputs of released circuits with lookups, by name, for `app.policy.judge.judge_of`."""

        def find(name: str) -> bytes | None:
            circuit = name.partition(":")[0]
            key = (circuit, codebook.digest)
            if key not in self._samples:
                try:
                    self._samples[key] = samples_of(load_circuit(self.store, Digest(circuit)), codebook)
                except DarkroomError:
                    return None
                while len(self._samples) > KEPT_LEAKS // 10:
                    self._samples.popitem(last=False)
            return self._samples[key].get(name)

        return find

    def _table(self, records: IndexRecords, dataset: int) -> EncryptedTable | None:
        row = records.session.get(DatasetRow, dataset)
        if row is None:
            return None
        try:
            return load_manifest(self.store, records.dataset_version(dataset, row.version)).table
        except DarkroomError:
            return None


def _settled(session: Session, dataset: int) -> list[JobRow]:
    query = select(JobRow).where(JobRow.dataset == dataset, JobRow.state == int(JobState.SETTLED))
    return list(session.exec(query.order_by(col(JobRow.id).desc()).limit(MOST + 1)))


def _open(session: Session, license: int) -> list[JobRow]:
    query = select(JobRow).where(JobRow.license == license, col(JobRow.state).in_([int(state) for state in LIVE]))
    return list(session.exec(query.limit(MOST)))


def _job(row: JobRow) -> Job:
    """A job as the chain has it, as far as releases are worked out from it."""
    return Job(
        id=row.id, license=row.license, dataset=row.dataset, buyer=Address(row.buyer), state=JobState(row.state),
        circuit=Digest(row.circuit), first_row=row.first_row, rows=row.rows, sealing_key=row.sealing_key,
        units=row.units, replicas=row.replicas, executions=(), receipt=Digest(row.receipt or ZERO),
        sealed=Digest(row.sealed or ZERO),
        decision=Digest(row.decision or ZERO), deadline=Seconds(0), opened_block=row.opened_block, version=row.version,
        closed_block=row.closed_block,
    )  # fmt: skip
