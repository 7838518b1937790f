"""What is ordered: a quote before, a job while it runs, its result and its audit afterwards."""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from app.auditor.report import AuditReport
from app.client.buyer import OpenedResult
from app.client.following import STORED_SECONDS, follow_job
from app.client.purchase import OrderTerms, Purchase
from app.protocol.errors import NotFound
from app.protocol.market.entities import ZERO, JobState
from app.protocol.market.entities import Job as JobRecord
from app.protocol.market.money import amount
from app.protocol.policy.bits import MICRO
from darkroom.display import Shown, bar, remark
from darkroom.session import Session

if TYPE_CHECKING:
    import polars as pl

    from app.client.models import Model as KeptModel
    from darkroom.model import Model
    from fhe.engine.core import BackendName

SHOWN_ROWS = 10
STEPS = {
    JobState.OPEN: 0,
    JobState.ASSIGNED: 1,
    JobState.DISPUTED: 1,
    JobState.COMPUTED: 2,
    JobState.RELEASED: 3,
}  # of a job's way; terminal states are its end
LAST = 4


def _dollars(units: int | None) -> Decimal | None:
    return None if units is None else amount(units)


class Quote(Shown):
    """What a job would cost and tell, exactly, and an estimate of its time. Amounts are test dollars."""

    def __init__(self, terms: OrderTerms) -> None:
        """Made by `Dataset.quote`."""
        self._terms = terms

    @property
    def license(self) -> int | None:
        """The license of yours that it would use; None where one would be bought."""
        return self._terms.license or None

    @property
    def offer(self) -> int | None:
        """The offer of which a license would be bought; None where yours is used."""
        return self._terms.offer

    @property
    def rows(self) -> int:
        """Rows of the job."""
        return self._terms.found.request.rows

    @property
    def first_row(self) -> int:
        """The first of them, from 0."""
        return self._terms.found.request.first_row

    @property
    def price_license(self) -> Decimal | None:
        """The license, where one would be bought; None where yours is used."""
        return None if self.license else _dollars(self._terms.found.price.price_license)

    @property
    def price_job(self) -> Decimal | None:
        """What the owner takes for the job, by job and by row."""
        price = self._terms.found.price
        return None if price.price_job is None else amount(price.price_job + (price.price_rows or 0))

    @property
    def max_fee(self) -> Decimal | None:
        """What is set aside for the executors; what they do not earn comes back. None where no provider is alive."""
        return _dollars(self._terms.found.price.max_fee)

    @property
    def total(self) -> Decimal | None:
        """Everything that leaves your account; None where no provider is alive."""
        return _dollars(self._terms.total)

    @property
    def multiply_adds(self) -> int:
        """Of one executor's work on ciphertext."""
        return self._terms.found.cost.multiply_adds

    @property
    def bootstraps(self) -> int:
        """Lookups in encrypted tables, the dear part of one executor's work."""
        return self._terms.found.cost.bootstraps

    @property
    def seconds(self) -> float | None:
        """How long the slowest executor needs, by what it declared; None where none is alive."""
        return self._terms.found.price.slowest_seconds

    @property
    def released(self) -> str:
        """What comes out: "label", "score" or "aggregate"; "" where the circuit is refused."""
        return self._terms.found.said.released

    @property
    def decrypted(self) -> str:
        """What the custodian sees of each row: "label" where it is taken under encryption, else "outputs"."""
        return self._terms.found.said.decrypted

    @property
    def bits(self) -> float:
        """The most that the result tells about any person, in bits."""
        return self._terms.found.said.micro_bits / MICRO

    @property
    def ready(self) -> bool:
        """Whether `run` would go through now."""
        return self._terms.found.ready

    @property
    def problems(self) -> list[str]:
        """What keeps it from going through, each with what to do about it; empty where it is ready."""
        return [str(each) for each in self._terms.found.problems]

    def explain(self) -> list[str]:
        """The custodian's view of the circuit under the owner's policy, in sentences."""
        return self._terms.found.sentences()

    def _facts(self) -> Mapping[str, Any]:
        return {
            "total": self.total,
            "price_license": self.price_license,
            "price_job": self.price_job,
            "max_fee": self.max_fee,
            "rows": self.rows,
            "released": self.released,
            "decrypted": self.decrypted,
            "bits": self.bits,
            "ready": self.ready,
            "problems": self.problems,
        }


class Job(Shown):
    """A job: one model on a range of rows. It lives on the chain, so a program may end and take it up again later."""

    def __init__(self, session: Session, number: int, bought: Purchase | None = None) -> None:
        """Made by `Dataset.run` and `Market.job`."""
        self._session, self.number, self._bought = session, number, bought

    @property
    def state(self) -> str:
        """Where it stands now: open, assigned, disputed, computed, released, settled, refused, expired or failed."""
        return self._record.state.name.lower()

    @property
    def done(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self._record.state.terminal

    @property
    def license(self) -> int:
        """The license that it runs under."""
        return self._record.license

    @property
    def gas(self) -> int | None:
        """Gas of the transactions that ordered it, a license's included; None where another program ordered it."""
        if self._bought is None:
            return None
        return self._bought.job.gas + (self._bought.license.gas if self._bought.license else 0)

    def wait(self, timeout: float | None = None, *, progress: bool = True) -> Job:
        """Return when its result is out, or when it has ended without one; `progress` shows a bar on a terminal.

        `timeout` is in seconds; None waits for as long as it takes. Errors: TryAgain where it is not over in time.
        """
        self._follow(timeout, progress)
        return self

    def result(self, timeout: float | None = None, *, model: Model | None = None, progress: bool = True) -> Result:
        """Wait for the result and open it here, with your key and the model that it was ordered with.

        `timeout` as for `wait`; `model` names the model where this machine does not know. Errors: TryAgain where it is
        not out in time; NotAllowed for a job that was refused or failed, with the reason; NotYourLicense for another
        buyer's; BadSeal, BadDocument, BadModel, UsageError.
        """
        end = time.monotonic() + (timeout or 0.0)
        self._follow(timeout, progress)
        buyer = self._session.buyer
        kept: KeptModel | None = None if model is None else model._kept
        patience = STORED_SECONDS if timeout is None else max(0.0, end - time.monotonic())
        return Result(buyer.open_result(self.number, buyer.sealing_key(), model=kept, patience=patience))

    def audit(self, *, threads: int | None = None, device: BackendName = "auto", progress: bool = True) -> Audit:
        """Re-check every fact of it from chain and store, re-execution included. It needs no key and no account.

        `device` is "auto", "cpu" or "cuda"; `threads` None takes all processors. Errors: Unavailable where this machine
        computes wrongly, so that it accuses nobody.
        """
        from app.client.auditing import audit_job

        with bar(f"audit job {self.number}", progress) as report:
            found = audit_job(self._session.network, self.number, threads=threads, device=device, progress=report)
        return Audit(found)

    @property
    def _record(self) -> JobRecord:
        return self._session.network.market.job(self.number)

    def _follow(self, timeout: float | None, wanted: bool) -> None:
        with bar(f"job {self.number}", wanted) as report:
            for job in follow_job(self._session.network.market, self.number, timeout):
                report(STEPS.get(job.state, LAST), LAST)
                if wanted:
                    remark(f"job {self.number}: {job.state.name.lower()}")
                if job.sealed != ZERO:
                    return

    def _facts(self) -> Mapping[str, Any]:
        job = self._record
        return {
            "number": self.number,
            "state": job.state.name.lower(),
            "dataset": job.dataset,
            "license": job.license,
            "first_row": job.first_row,
            "rows": job.rows,
            "reason": job.reason or None,
        }


class Result(Shown):
    """A result, opened on this machine and nowhere else."""

    def __init__(self, opened: OpenedResult) -> None:
        """Made by `Job.result`."""
        self._opened = opened

    @property
    def released(self) -> str:
        """What was released: "label", "score" or "aggregate"."""
        return self._opened.result.header.released

    @property
    def values(self) -> npt.NDArray[np.int64]:
        """The released integers (outputs, rows); one column for an aggregate."""
        return self._opened.result.values

    @property
    def half_widths(self) -> npt.NDArray[np.float64]:
        """How far each rounded score (outputs,) may be off, in the model's units before any link; zeros if exact."""
        return self._opened.half_widths()

    @property
    def row_keys(self) -> list[str] | None:
        """The owner's key of each row (rows,), where the license's policy sells keys; else None."""
        return self._opened.result.row_keys()

    def labels(self) -> npt.NDArray[Any]:
        """One prediction a row (rows,). Errors: NotAllowed for an aggregate, or where the model is elsewhere."""
        return self._opened.labels()

    def intervals(self) -> list[tuple[float | None, float | None]]:
        """[low, high) of each level of a model that was compiled with levels; empty for others."""
        return self._opened.intervals()

    def to_polars(self) -> pl.DataFrame:
        """A polars frame: the row's number in the dataset, its `row_key` where keys are sold, each released value, and
        the prediction if there is one.
        """
        return self._opened.to_polars()

    def to_pandas(self) -> Any:
        """The same as a pandas.DataFrame. Errors: NotFound where pandas is not installed."""
        try:
            pandas = importlib.import_module("pandas")
        except ImportError:
            raise NotFound("pandas is not installed.", "Install it: pip install pandas; or use to_polars().") from None
        return pandas.DataFrame(self.to_polars().to_dict(as_series=False))

    def __len__(self) -> int:
        return len(self.to_polars())

    def _facts(self) -> Mapping[str, Any]:
        model = self._opened.model
        return {
            "job": self._opened.job.id,
            "released": self.released,
            "rows": len(self),
            "model": None if model is None else model.digest[:16],
        }

    def _repr_html_(self) -> str:
        return super()._repr_html_() + self.to_polars().head(SHOWN_ROWS)._repr_html_()


class Audit(Shown):
    """What an audit found: one line for each fact, with where it was claimed and whether it holds."""

    def __init__(self, report: AuditReport) -> None:
        """Made by `Job.audit`."""
        self._report = report

    @property
    def confirmed(self) -> bool:
        """No fact is wrong; facts of steps that have not happened yet are open."""
        return self._report.confirmed

    @property
    def complete(self) -> bool:
        """Every fact is confirmed."""
        return self._report.complete

    def to_dict(self) -> dict[str, Any]:
        """The whole report as plain values: chain, market, job, state, every fact, `confirmed`, `complete`."""
        return self._report.to_dict()

    def to_dicts(self) -> list[dict[str, str]]:
        """The facts: its kind, claim, source (transaction, block or CID), digest (hex), status and detail of each."""
        return [
            {
                "fact": each.fact,
                "claim": each.claim,
                "source": each.source,
                "digest": each.digest,
                "status": str(each.status),
                "detail": each.detail,
            }
            for each in self._report.checks
        ]

    def _facts(self) -> Mapping[str, Any]:
        counts = [str(each.status) for each in self._report.checks]
        found = {name: counts.count(name) for name in ("confirmed", "wrong", "open")}
        return {"job": self._report.job, "state": self._report.state, **found}

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'>{escape(each.claim)}</td><td>{escape(str(each.status))}</td>"
            f"<td style='text-align:left'>{escape(each.detail)}</td></tr>"
            for each in self._report.checks
        )
        return f"{super()._repr_html_()}<table>{rows}</table>"
