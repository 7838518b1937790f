"""What the custodian needs from outside, as narrow protocols: the chain, its keys, and a witness of its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from app.execution.inputs import ChainRecords
from app.protocol.errors import DarkroomError
from app.protocol.ids import Digest
from app.protocol.market.entities import Job, License
from app.protocol.market.mandate import MandateState
from fhe.keys.secret_keys import SecretKeys

Sign = Callable[[str], str]  # EIP-191 signature of a digest (64 hex digits) by the custodian's account
StepHook = Callable[[str], None]  # told the name of each step before it is taken: for progress, and for tests that kill


class CustodianChain(ChainRecords, Protocol):
    """The reads and the transactions of a custodian. Records of a job are those of the newest block."""

    def license(self, license: int) -> License:
        """Errors: NotFound."""

    def mandate(self, buyer: str) -> MandateState | None:
        """The mandate whose account a job's buyer is; None for any other buyer. Errors: VerificationFailed."""

    def own_datasets(self) -> Iterable[int]:
        """Datasets of this custodian."""

    def computed(self, troubled: Callable[[int, DarkroomError], None]) -> Iterable[Job]:
        """Jobs that wait for this custodian. `troubled` is told of one that cannot be read, which ends nothing."""

    def final(self, job: Job) -> bool:
        """Whether the blocks in which the job became COMPUTED with this receipt, and in which the owner said this word
        if there is one, can no longer be reorganised away.
        """

    def release_final(self, job: Job) -> bool:
        """Whether the block that released the job with these sealed bytes can no longer be reorganised away."""

    def decision_head(self, dataset: int) -> Digest:
        """What a dataset's newest decision made of the head before it; zeros before the first."""

    def decisions(self, dataset: int, after: Digest) -> Iterable[tuple[int, Digest, bool]]:
        """(job, decision's digest, whether it was released) in the chain's order, from the one that follows the head
        `after` on; all of them where no decision has that head. Errors: VerificationFailed, Unavailable.
        """

    def release(self, job: int, sealed: Digest, decision: Digest, head: Digest) -> str:
        """Release a job while `head` is its dataset's; the transaction's hash. Errors: Reverted, Unavailable."""

    def refuse(self, job: int, reason: str, decision: Digest, head: Digest) -> str:
        """Refuse a job with a reason's code while `head` is its dataset's; the transaction's hash.

        Errors: Reverted, Unavailable.
        """

    def contest(self, job: int) -> str:
        """Ask other executors for a result, once a job; the transaction's hash. Errors: Reverted, Unavailable."""

    def over(self) -> Iterable[License]:
        """Licenses on this custodian's datasets that are over and not settled yet, as far as a cheap look tells."""

    def settle_license(self, license: int, used: int) -> str:
        """Give the micro-bits of a license back that it did not use; the transaction's hash.

        Errors: Reverted while jobs of it may still run, Unavailable.
        """


class KeySource(Protocol):
    """The owner's secret keys by epoch."""

    def epochs(self) -> frozenset[int]:
        """Epochs that can be opened."""

    def open(self, epoch: int) -> SecretKeys:
        """The keys of an epoch. Errors: NotFound, WrongPassphrase, BadKey."""


KeySourceOf = Callable[[Digest], KeySource]  # the keys of the dataset that the manifest of this digest describes


class RowKeySource(Protocol):
    """What names the rows of versions to buyers whose policy sells it."""

    def check(self, manifest: Digest, width: int) -> None:
        """Whether a version's keys can be given in `width` bytes each. Errors: NotFound, NotAllowed."""

    def read(self, secret: SecretKeys, manifest: Digest, first: int, rows: int) -> npt.NDArray[np.bytes_]:
        """The keys (rows,) of rows [first, first + rows): UTF-8. Errors: NotFound, BadKey."""


def no_hook(step: str) -> None:
    """A witness that does not look."""
