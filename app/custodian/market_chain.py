"""The custodian's chain seam over the market's facade, for one custodian's account."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from app.chain.live import FILE
from app.protocol.errors import DarkroomError, VerificationFailed
from app.protocol.ids import Digest
from app.protocol.market.entities import (
    APPROVAL_EVENTS,
    LIVE,
    Approval,
    DatasetRecord,
    Job,
    JobState,
    License,
    LicenseState,
)
from app.protocol.market.mandate import MandateState

if TYPE_CHECKING:
    from app.chain.events import Event
    from app.chain.market import Market
    from app.chain.wallet.account import Account

OVER = (LicenseState.REVOKED, LicenseState.EXPIRED, LicenseState.EXHAUSTED)
LOOK_AGAIN = 3600  # seconds between two looks at one license


class MarketChain:
    """`app.custodian.ports.CustodianChain`: reads from a market, transactions by `account`."""

    def __init__(self, market: Market, account: Account, folder: Path | None = None) -> None:
        """`folder`: where the custodian keeps which jobs are live, so that a restart need not read all of history."""
        self._market, self._account = market, account
        self._live = market.live_jobs(None if folder is None else market.folder(folder) / FILE)
        self._blocks: dict[str, int] = {}  # in which each dataset's newest known decision was made, by its head
        self._licenses = 0  # seen so far
        self._watched: dict[int, int] = {}  # license: time of the next look

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

    def mandate(self, buyer: str) -> MandateState | None:
        """See `CustodianChain`."""
        found = self._market.mandate_of(buyer)
        return None if found is None else self._market.mandate_state(found)

    def own_datasets(self) -> Iterable[int]:
        """Datasets of this custodian."""
        return [each.id for each in self._market.datasets() if each.custodian == self._account.address]

    def computed(self, troubled: Callable[[int, DarkroomError], None]) -> Iterable[Job]:
        """Jobs on datasets of this custodian that wait for it; see `CustodianChain`."""
        waiting = [job for job in self._market.live(self._live.ids(), troubled) if job.state is JobState.COMPUTED]
        own = {
            number
            for number in {job.dataset for job in waiting}
            if self._market.dataset(number).custodian == self._account.address
        }
        return [job for job in waiting if job.dataset in own]

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
        return job.approval is Approval.NONE or bool(self._found(job, APPROVAL_EVENTS[job.approval], last))

    def release_final(self, job: Job) -> bool:
        """Whether finalized blocks hold the job's release with this sealed digest."""
        last = self._market.finalized_block
        if not 0 < job.closed_block <= last:
            return False
        return any(event.args["sealedDigest"] == job.sealed for event in self._found(job, "JobReleased", last))

    def _found(self, job: Job, event: str, last: int) -> list[Event]:
        return self._market.client.find("JobMarket", event, job.opened_block, last, job.id)

    def decision_head(self, dataset: int) -> Digest:
        """The contract's word for all decisions on a dataset."""
        return self._market.decision_head(dataset)

    def decisions(self, dataset: int, after: Digest) -> Iterable[tuple[int, Digest, bool]]:
        """Errors: VerificationFailed, Unavailable."""
        try:
            made = self._market.decisions(dataset, after=after, first=self._blocks.get(after))
        except VerificationFailed:  # the chain was reorganised: all of it is told again
            made = self._market.decisions(dataset)
        if made:
            self._blocks.pop(after, None)
            self._blocks[made[-1].head] = made[-1].block
        return [(each.job, each.decision, not each.reason) for each in made]

    def release(self, job: int, sealed: Digest, decision: Digest, head: Digest) -> str:
        """Errors: AlreadyReleased, Reverted, Unavailable."""
        return self._market.release(self._account, job, sealed=sealed, decision=decision, head=head).tx

    def refuse(self, job: int, reason: str, decision: Digest, head: Digest) -> str:
        """Errors: AlreadyReleased, Reverted, Unavailable."""
        return self._market.refuse(self._account, job, reason=reason, decision=decision, head=head).tx

    def contest(self, job: int) -> str:
        """Errors: Reverted, Unavailable."""
        return self._market.contest(self._account, job).tx

    def over(self) -> Iterable[License]:
        """Licenses that are over and not settled; each is looked at once an hour, or when its time is up."""
        count, now = self._market.license_count(), self._market.now()
        self._watched |= dict.fromkeys(range(self._licenses + 1, count + 1), now)
        self._licenses = max(self._licenses, count)
        for number in [each for each, at in self._watched.items() if at <= now]:
            held = self._market.license(number)
            if held.settled or self._market.dataset(held.dataset).custodian != self._account.address:
                del self._watched[number]
                continue
            over = held.state(now) in OVER
            self._watched[number] = now + LOOK_AGAIN if over else min(held.valid_until + 1, now + 24 * LOOK_AGAIN)
            if over:
                yield held

    def settle_license(self, license: int, used: int) -> str:
        """Errors: Reverted, Unavailable."""
        return self._market.settle_license(self._account, license, used).tx
