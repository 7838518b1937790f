"""One order on any number of rows: split into jobs, opened as they fit, followed to their end, read as one result.

What was ordered is written down before the first job opens, so that a run that was killed goes on where it was: the
same order finds its journal, and a job that opened unnoticed is found on the chain. Nothing is paid twice.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from app.client.dataset import Dataset
from app.client.models import Model
from app.client.ordered import AGAIN, purpose_of
from app.client.verdict import Judge
from app.files.private import write_private
from app.policy.preflight import Preflight, Request
from app.policy.splitting import plan_problems, split
from app.protocol.documents import Document, Hex32, canonical, sha256
from app.protocol.errors import DarkroomError, NotAllowed, TryAgain, Unavailable
from app.protocol.market.entities import Job, JobState
from app.protocol.ports import Progress
from app.seal.result import Result

if TYPE_CHECKING:
    from app.client.buyer import Buyer, OpenedResult
    from app.seal.keys import SealingKey

POLL_SECONDS = 1.0
AT_ONCE = 4  # jobs of one run that are open together


class RunPart(Document):
    """One job of a run: its rows, the most it may cost in fees, its number once it opened, and those that failed."""

    first_row: int
    rows: int
    max_fee: int
    job: int | None = None
    failed: tuple[int, ...] = ()


class RunJournal(Document):
    """What was ordered, and how far it is."""

    kind: Literal["darkroom/run"] = "darkroom/run"
    chain_id: int
    market: str
    license: int
    model: Hex32
    circuit: Hex32
    first_row: int
    rows: int
    replicas: int
    sealing_key: Hex32
    version: int  # of the dataset: no part runs on another
    content: Hex32
    after_job: int  # the market's newest job when the run began; its own come later
    parts: tuple[RunPart, ...]


@dataclass(frozen=True)
class RunPlan:
    """What a run would take, all jobs together; amounts in token units. `problems`: why it would not go through."""

    parts: tuple[Preflight, ...]  # jobs that are still to be opened
    problems: tuple[DarkroomError, ...]
    jobs: int  # in all
    rows: int

    @property
    def price(self) -> int:
        """What the owner earns by the jobs that are still to be opened."""
        return sum((part.price.price_job or 0) + (part.price.price_rows or 0) for part in self.parts)

    @property
    def max_fee(self) -> int:
        """What their executors may take at most."""
        return sum(part.request.max_fee or part.price.max_fee or 0 for part in self.parts)

    @property
    def micro_bits(self) -> int:
        """What the run tells of a person, in its jobs still to be opened: of the one of whom it tells most."""
        return max((part.said.micro_bits for part in self.parts), default=0)


class Run:
    """A buyer's run under one license; `step` takes it as far as it goes now."""

    def __init__(
        self,
        buyer: Buyer,
        license: int,
        model: Model,
        key: SealingKey,
        *,
        first_row: int,
        rows: int,
        replicas: int,
        at_once: int = AT_ONCE,
        anew: bool = False,
    ) -> None:
        """With `anew`, what was opened of the same order before is left alone, and all of it is ordered again."""
        self._buyer, self._license, self._model, self._key = buyer, license, model, key
        self._request = Request(model.circuit, rows, first_row, replicas, key.public.hex())
        self._at_once = at_once
        market = buyer.network.market
        order = [market.chain_id, market.address, license, model.digest, first_row, rows, replicas, key.public.hex()]
        self._path: Path = buyer.actor.path("runs") / f"{sha256(canonical(order))}.json"
        self._journal = RunJournal.from_bytes(self._path.read_bytes()) if self._path.is_file() and not anew else None
        if self._journal is not None:
            self._find_unnoticed()

    @property
    def jobs(self) -> list[int]:
        """Numbers of the jobs that are open or over."""
        return [part.job for part in self._journal.parts if part.job is not None] if self._journal else []

    def plan(self) -> RunPlan:
        """What is still to be opened, judged part by part and together, before anything is paid.

        Errors: those of `Judge` and of `split`.
        """
        judge = self._judge()
        known = self._journal
        spans: list[tuple[int, int, int | None]]
        if known is None:
            spans = [(first, rows, None) for first, rows in split(self._request, judge.state)]
            jobs = len(spans)
        else:
            open_ = [part for part in known.parts if part.job is None]
            spans, jobs = [(part.first_row, part.rows, part.max_fee) for part in open_], len(known.parts)
        found = [judge.judge(self._part(*span)) for span in spans]
        return RunPlan(tuple(found), tuple(plan_problems(judge.state, found)), jobs, self._request.rows)

    def begin(self) -> RunPlan:
        """Write the plan down, if this order has none yet, after all its checks; nothing is paid.

        Errors: the plan's first problem, as an order is refused for it.
        """
        found = self.plan()
        if found.problems and not (self._journal is not None and self.jobs):
            raise found.problems[0]
        if self._journal is None:
            market, first = self._buyer.network.market, found.parts[0]
            self._write(
                RunJournal(
                    chain_id=market.chain_id,
                    market=market.address,
                    license=self._license,
                    model=self._model.digest,
                    circuit=self._model.circuit_digest,
                    first_row=self._request.first_row,
                    rows=self._request.rows,
                    replicas=self._request.replicas,
                    sealing_key=self._key.public.hex(),
                    version=first.version,
                    content=first.content,
                    after_job=market.job_count(),
                    parts=tuple(
                        RunPart(
                            first_row=part.request.first_row,
                            rows=part.request.rows,
                            max_fee=part.price.max_fee or 0,
                        )
                        for part in found.parts
                    ),
                )
            )
        return found

    def step(self) -> int:
        """Open what fits now and look at what runs; how many rows are released.

        Errors: NotAllowed for a part that was refused; the problem of a part that cannot be opened, once nothing of
        this run is under way that could make room for it; TryAgain for a part that failed and was refunded: the next
        step orders it anew.
        """
        journal = self._begun()
        running, done = 0, 0
        for at, part in enumerate(journal.parts):
            if part.job is None:
                continue
            job = self._buyer.network.market.job(part.job)
            self._check_end(at, job)
            running += not job.state.terminal
            done += part.rows if job.state is JobState.SETTLED else 0
        for at, part in enumerate(journal.parts):
            if part.job is None and running < self._at_once:
                if not self._open(at, part, waiting=running > 0):
                    break
                running += 1
        return done

    def result(self, patience: float = 0.0) -> OpenedResult:
        """All parts as one result, in the order of their rows. `patience` and errors: those of `Buyer.open_result`."""
        from app.client.buyer import OpenedResult

        opened = [self._buyer.open_result(part.job or 0, self._key, patience=patience) for part in self._begun().parts]
        return OpenedResult(opened[0].job, joined([each.result for each in opened]), self._model, "order")

    def follow(
        self, timeout: float, progress: Progress = lambda done, total: None, every: float = POLL_SECONDS
    ) -> OpenedResult:
        """Step until all rows are released, and open them. `progress` is told rows released and rows in all.

        Errors: those of `step` and `result`; TryAgain when it is not over after `timeout` seconds: it goes on when it
        is followed again.
        """
        end, rows = time.monotonic() + timeout, self._request.rows
        while True:
            done = self.step()
            progress(done, rows)
            if done == rows:
                return self.result(max(0.0, end - time.monotonic()))
            if time.monotonic() > end:
                raise TryAgain(f"{done} of {rows} rows are released.", "Run the same command again: it goes on.")
            time.sleep(every)

    def _judge(self) -> Judge:
        market = self._buyer.network.market
        dataset = Dataset.open(self._buyer.network, market.license(self._license).dataset)
        purse = self._buyer.purse
        return Judge(dataset, license=self._license, buyer=purse.address, mandate=purse.state())

    def _part(self, first_row: int, rows: int, max_fee: int | None) -> Request:
        asked, known = self._request, self._journal
        version, content = (known.version, known.content) if known else (None, None)
        return Request(asked.circuit, rows, first_row, asked.replicas, asked.sealing_key, max_fee, version, content)

    def _open(self, at: int, part: RunPart, *, waiting: bool) -> bool:
        """Whether the part opened; what others may make room for is waited for while a job of this run is under way."""
        buyer, journal = self._buyer, self._begun()
        found = self._judge().judge(self._part(part.first_row, part.rows, part.max_fee))
        if found.problems:
            problem = found.problems[0]
            passing = isinstance(problem, Unavailable) or getattr(problem, "reason", "") == "CustodianNotBonded"
            if waiting and passing:
                return False
            raise problem
        buyer.network.store.put(self._model.data)
        sent = buyer.purse.open_job(
            self._license,
            circuit=self._model.circuit_digest,
            first_row=part.first_row,
            rows=part.rows,
            sealing_key=journal.sealing_key,
            units=found.cost.units,
            replicas=journal.replicas,
            max_fee=part.max_fee,
            version=journal.version,
            content=journal.content,
            program=found.program,
            purpose=purpose_of("part", self._path.stem, journal.after_job, part.first_row, len(part.failed)),
        )
        self._note(at, sent.value)
        return True

    def _check_end(self, at: int, job: Job) -> None:
        if job.state is JobState.REFUSED:
            raise NotAllowed(
                f"Job {job.id} on rows {job.first_row} to {job.first_row + job.rows - 1} was refused ({job.reason}).",
                "See why: darkroom job show. The parts that were released can be opened: darkroom result open.",
            )
        if job.state in AGAIN:
            part = self._begun().parts[at]
            self._replace(at, part.model_copy(update={"job": None, "failed": (*part.failed, job.id)}))
            raise TryAgain(
                f"Job {job.id} ended as {job.state.name.lower()} and was refunded.",
                "Take the money back (darkroom account withdraw) and run the same command again.",
            )

    def _find_unnoticed(self) -> None:
        """Jobs of this order that opened when this machine could not write it down."""
        journal = self._begun()
        known = {number for part in journal.parts for number in (part.job, *part.failed)}
        missing = {(part.first_row, part.rows): at for at, part in enumerate(journal.parts) if part.job is None}
        if not missing:
            return
        market = self._buyer.network.market
        for job in market.jobs(buyer=self._buyer.purse.address, first=journal.after_job + 1):
            mine = (job.license, job.circuit, job.sealing_key, job.version, job.replicas)
            asked = (journal.license, journal.circuit, journal.sealing_key, journal.version, journal.replicas)
            at = missing.get((job.first_row, job.rows))
            if at is not None and mine == asked and job.id not in known and job.state not in AGAIN:
                self._note(at, job.id)
                del missing[job.first_row, job.rows]

    def _note(self, at: int, job: int) -> None:
        self._buyer.orders.note(job, self._model)
        self._replace(at, self._begun().parts[at].model_copy(update={"job": job}))

    def _replace(self, at: int, part: RunPart) -> None:
        journal = self._begun()
        parts = (*journal.parts[:at], part, *journal.parts[at + 1 :])
        self._write(journal.model_copy(update={"parts": parts}))

    def _write(self, journal: RunJournal) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(self._path, journal.to_bytes())
        self._journal = journal

    def _begun(self) -> RunJournal:
        if self._journal is None:
            self.begin()
        assert self._journal is not None
        return self._journal


def joined(parts: Sequence[Result]) -> Result:
    """The results of stretches of rows, one after another, as one. Errors: NotAllowed where they differ in kind."""
    headers = [part.header.model_copy(update={"rows": 1, "first_row": 0}) for part in parts]
    if any(each != headers[0] for each in headers):
        raise NotAllowed("The parts of this run were released in different ways.", "Open each: darkroom result open.")
    header = parts[0].header.model_copy(update={"rows": sum(part.header.rows for part in parts)})
    named = [part.keys for part in parts if part.keys is not None]
    values = np.concatenate([part.values for part in parts], axis=1)
    return Result(header, values, np.concatenate(named) if named else None)
