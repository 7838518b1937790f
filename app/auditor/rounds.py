"""A job's rounds from its events alone: who was drawn, who promised what before it showed what, and what was agreed.

The contract takes a reveal only from a drawn executor, only once all of them have committed, and only of what that
executor committed to. An auditor believes none of it: the events are walked in the chain's order, and every commitment
is computed again from the receipt and the salt that the reveal's own transaction carries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from app.auditor.report import AuditCheck, CheckStatus, Finding
from app.chain.contracts.entities import commitment
from app.protocol.errors import DarkroomError, TryAgain
from app.protocol.ids import Address, Digest, TxHash
from app.protocol.market.disputes import Verdict
from app.protocol.market.entities import ZERO, Job

if TYPE_CHECKING:
    from app.chain.events import Event

SALT_BYTES = 32


class RevealRecords(Protocol):
    """What a commitment is recomputed from: the chain."""

    @property
    def chain_id(self) -> int:
        """EIP-155 identifier of the chain."""

    @property
    def address(self) -> Address:
        """EIP-55 address of the job contract."""

    def reveal_call(self, job: int, receipt: Digest) -> bytes:
        """How the call of a reveal begins; the salt follows."""

    def call_of(self, tx: TxHash) -> tuple[str, bytes]:
        """Whom a transaction calls, and with which data. Errors: NotFound, Unavailable, VerificationFailed."""


@dataclass
class _Rounds:
    """What the events said so far."""

    drawn: set[str] = field(default_factory=set)
    promised: dict[str, Digest] = field(default_factory=dict)
    late: set[str] = field(default_factory=set)  # committed when receipts were shown already
    shown: set[str] = field(default_factory=set)
    revealing: bool = False
    over: str = ""  # what ended the round, in words

    def take(self, event: Event) -> None:
        """Go on by one event that is no reveal."""
        who = event.args.get("provider", "")
        match event.name:
            case "JobAssigned" | "DrawContinued":
                self.drawn |= set(event.args["providers"])
                self.revealing, self.over = False, ""
            case "Declined":
                self.drawn.discard(who)
            case "Committed":
                self.promised.setdefault(who, event.args["commitment"])
                if self.revealing or self.over:
                    self.late.add(who)
            case "RevealsOpen":
                self.revealing = True
            case "JobComputed":
                self.over = "the result was agreed on"
            case "JobDisputed" | "JobContested":
                self.over = "the round was over"
            case "JobReleased" | "JobRefused" | "JobExpired" | "JobFailed":
                self.over = "the job was over"

    def trouble(self, who: str) -> str:
        """What is wrong with a reveal at this place; empty where nothing is."""
        said = {
            "it was not drawn": who not in self.drawn,
            "it had committed to nothing": who not in self.promised,
            "it committed when receipts were shown already": who in self.late,
            "it had revealed before": who in self.shown,
            f"it revealed after {self.over}": bool(self.over),
            "it revealed while others could still commit": not self.revealing,
        }
        return next((words for words, wrong in said.items() if wrong), "")


def commitments(job: int, events: Sequence[Event], chain: RevealRecords) -> Iterator[AuditCheck]:
    """A line for every reveal among a job's events: that a drawn executor showed what it had promised before."""
    rounds = _Rounds()
    for event in in_order(events):
        if event.name != "Revealed":
            rounds.take(event)
            continue
        who = event.args["provider"]
        trouble, promised = rounds.trouble(who), rounds.promised.get(who, ZERO)
        rounds.shown.add(who)
        try:
            status, detail = (CheckStatus.WRONG, trouble) if trouble else _recomputed(job, event, promised, chain)
        except TryAgain as error:
            status, detail = CheckStatus.OPEN, str(error)
        except DarkroomError as error:
            status, detail = CheckStatus.WRONG, str(error)
        yield AuditCheck("commitment", f"{who} showed what it had committed to", event.tx, promised, status, detail)


def _recomputed(job: int, event: Event, promised: Digest, chain: RevealRecords) -> tuple[CheckStatus, str]:
    """Whether the salt in a reveal's transaction gives what was promised.

    An account that is a contract passes the call on, so that it stands somewhere in the data. Where it does not stand
    there word for word the salt cannot be told.
    """
    who, receipt = event.args["provider"], event.args["receipt"]
    to, data = chain.call_of(event.tx)
    call, direct = chain.reveal_call(job, receipt), to == chain.address
    at = data.find(call)
    found = at >= 0
    while at >= 0:
        salt = data[at + len(call) : at + len(call) + SALT_BYTES]
        whole = len(salt) == SALT_BYTES and not (direct and at)
        if whole and commitment(chain.chain_id, chain.address, job, who, receipt, salt.hex()) == promised:
            return CheckStatus.CONFIRMED, "recomputed from the receipt and the salt that it showed"
        at = data.find(call, at + 1)
    if found or direct:
        return CheckStatus.WRONG, "the receipt and the salt that it showed do not give its commitment"
    return CheckStatus.OPEN, "its transaction does not show the salt, which only the contract has compared"


def agreement(job: Job, events: Sequence[Event]) -> Finding:
    """Whether the agreed receipt is what enough executors had revealed, and nothing left before it was agreed on."""
    revealed: dict[str, Digest] = {}
    computed: Digest = ZERO
    enough = job.replicas
    for event in in_order(events):
        shown = list(revealed.values())
        match event.name:
            case "Revealed":
                revealed[event.args["provider"]] = event.args["receipt"]
            case "DisputeEnded" if event.args["verdict"] == Verdict.CONVICTED:
                revealed.pop(event.args["executor"], None)
                enough = 1  # of those whom nobody could convict
            case "JobComputed":
                computed = event.args["receipt"]
                if shown.count(computed) < enough:
                    return CheckStatus.WRONG, computed, f"only {shown.count(computed)} executors had revealed it"
            case "JobReleased" if computed == ZERO:
                return CheckStatus.WRONG, job.receipt, "it was released before executors agreed"
    if job.receipt == ZERO:
        return CheckStatus.OPEN, "", "no result was agreed on yet"
    if job.receipt != computed:
        return CheckStatus.WRONG, job.receipt, "the job holds another receipt than its executors agreed on"
    shown = list(revealed.values())
    left = "" if enough == job.replicas else " and were not convicted"
    return CheckStatus.CONFIRMED, computed, f"{shown.count(computed)} of {len(shown)} that revealed{left}"


def in_order(events: Sequence[Event]) -> list[Event]:
    """As the chain has them, whatever order a node gives them in."""
    return sorted(events, key=lambda event: (event.block, event.index))
