"""What the custodian needs from outside, as narrow protocols: the chain, its keys, and a witness of its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from app.execution.facts import Records
from app.protocol.market import Job, License
from fhe.keys import SecretKeys

Sign = Callable[[str], str]  # EIP-191 signature of a digest (64 hex digits) by the custodian's account
Witness = Callable[[str], None]  # told the name of each step before it is taken: for progress, and for tests that kill


class Chain(Records, Protocol):
    """The reads and the two transactions of a custodian. Records of a job are those of the newest block."""

    def license(self, license: int) -> License:
        """Errors: NotFound."""

    def computed(self) -> Iterable[Job]:
        """Jobs that wait for this custodian."""

    def final(self, job: Job) -> bool:
        """Whether the blocks in which the job became COMPUTED with this receipt, and in which the owner said this word
        if there is one, can no longer be reorganised away.
        """

    def release(self, job: int, sealed: str, decision: str) -> str:
        """Release a job; the transaction's hash. Errors: Reverted, Unavailable."""

    def refuse(self, job: int, reason: str, decision: str) -> str:
        """Refuse a job with a reason's code; the transaction's hash. Errors: Reverted, Unavailable."""


class Keys(Protocol):
    """The owner's secret keys by epoch."""

    def epochs(self) -> frozenset[int]:
        """Epochs that can be opened."""

    def open(self, epoch: int) -> SecretKeys:
        """The keys of an epoch. Errors: NotFound, WrongPassphrase, BadKey."""


KeysOf = Callable[[str], Keys]  # the keys of the dataset that the manifest of this digest describes


def unwatched(step: str) -> None:
    """A witness that does not look."""
