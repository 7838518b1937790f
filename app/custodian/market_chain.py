"""The custodian's chain seam over the market's facade, for one custodian's account."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from app.chain.live import FILE
from app.protocol.market import LIVE, WORD_EVENTS, Approval, DatasetRecord, Job, JobState, License

if TYPE_CHECKING:
    from app.chain.account import Account
    from app.chain.desk import Event
    from app.chain.market import Market


class MarketChain:
    """`app.custodian.seams.Chain`: reads from a market, transactions by `account`."""

    def __init__(self, market: Market, account: Account, folder: Path | None = None) -> None:
        """`folder`: where the custodian keeps which jobs are live, so that a restart need not read all of history."""
        self._market, self._account = market, account
        self._live = market.live_jobs(None if folder is None else folder / FILE)

    @property
    def chain_id(self) -> int:
        """EIP-155 identifier of the chain."""
        return self._market.chain_id

    @property
    def address(self) -> str:
        """EIP-55 address of the job contract."""
        return self._market.address

    def job(self, job: int) -> Job:
        """Errors: NotFound."""
        return self._market.job(job)

    def dataset_version(self, id: int, version: int) -> DatasetRecord:
        """Errors: NotFound."""
        return self._market.dataset_version(id, version)

    def license(self, license: int) -> License:
        """Errors: NotFound."""
        return self._market.license(license)

    def computed(self) -> Iterable[Job]:
        """Jobs on datasets of this custodian that wait for it."""
        for number in self._live.ids():
            job = self._market.job(number)
            if job.state is JobState.COMPUTED and self._market.dataset(job.dataset).custodian == self._account.address:
                yield job

    def open_jobs(self, dataset: int) -> Iterable[tuple[Job, int]]:
        """Jobs on a dataset that are not over, each with the key epoch of the version that it was opened on."""
        for job in self._market.jobs(dataset=dataset, states=LIVE):  # all of history: keys are destroyed on its word
            yield job, self._market.dataset_version(dataset, job.version).epoch

    def final(self, job: Job) -> bool:
        """Whether finalized blocks hold the event that this job became COMPUTED with this receipt, and the owner's word
        if there is one.
        """
        last = self._market.finalized_block
        if last < job.opened_block:
            return False
        if not any(event.args["receipt"] == job.receipt for event in self._found(job, "JobComputed", last)):
            return False
        return job.approval is Approval.NONE or bool(self._found(job, WORD_EVENTS[job.approval], last))

    def _found(self, job: Job, event: str, last: int) -> list[Event]:
        return self._market.desk.find("JobMarket", event, job.opened_block, last, job.id)

    def release(self, job: int, sealed: str, decision: str) -> str:
        """Errors: AlreadyReleased, Reverted, Unavailable."""
        return self._market.release(self._account, job, sealed=sealed, decision=decision).tx

    def refuse(self, job: int, reason: str, decision: str) -> str:
        """Errors: AlreadyReleased, Reverted, Unavailable."""
        return self._market.refuse(self._account, job, reason=reason, decision=decision).tx
