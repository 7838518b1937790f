"""Where a contract can judge results: what a custodian asks of it, and when an agreed result is decrypted unrecomputed.

An owner chooses that knowingly (`verify = "window"`). It holds for a job whose order states its program, whose agreed
output is to be had whole by everybody, and to which nobody has objected for the policy's hours. Whatever of this fails,
the result is recomputed, as under every other policy.
"""

from __future__ import annotations

from typing import Protocol

from app.custodian.evidence import Judgement
from app.dispute.difference import read_receipt, whole
from app.execution.execute import Evaluation
from app.execution.inputs import JobInputs
from app.protocol.errors import NotFound
from app.protocol.ids import Digest
from app.protocol.market.entities import ZERO, Job
from app.protocol.policy.rules import check_agreed
from app.protocol.ports import Store

LEFT = 3600  # seconds of a release's time that are kept for recomputing what is not decrypted by objections' lapse


class Court(Protocol):
    """The contract that judges results, for one custodian: `app.dispute.player.Player` has it."""

    def program(self, work: JobInputs) -> Digest:
        """What an order of this circuit states; zeros for what cannot be judged."""

    def play(self, job: Job) -> bool:
        """Make the moves that are this account's; whether a dispute about the job runs. Errors: Unavailable."""

    def challenge(self, job: Job, own: Evaluation) -> bool:
        """Object to each executor whose result differs; whether a dispute runs. Errors: Unavailable."""

    def objections_end(self, job: Job, hours: int) -> int:
        """When so many hours are over since the job was computed, or since its last dispute ended."""


class NoCourt:
    """The court of contracts that judge no result."""

    def program(self, _work: JobInputs) -> Digest:
        """None."""
        return ZERO

    def play(self, _job: Job) -> bool:
        """Nothing runs."""
        return False

    def challenge(self, _job: Job, _own: Evaluation) -> bool:
        """Nobody can be accused."""
        return False

    def objections_end(self, job: Job, _hours: int) -> int:
        """Never in time."""
        return job.deadline


def open_until(evidence: Judgement, court: Court) -> int | None:
    """Until when anybody may object to a job's result before it is decrypted; None where it is recomputed instead."""
    facts = evidence.facts
    if facts.policy.verify != "window" or facts.job.program == ZERO or facts.job.program != facts.program:
        return None
    until = court.objections_end(facts.job, facts.policy.challenge_hours)
    return until if until + LEFT <= facts.job.deadline else None


def unobjected_output(evidence: Judgement, store: Store) -> bytes | None:
    """The agreed output under the agreed receipt, where enough independent executors revealed it and everybody can read
    it whole; None where it has to be recomputed. Errors: Unavailable.
    """
    try:
        receipt = read_receipt(store, evidence.facts.job.receipt)
        if receipt is None or check_agreed(evidence.facts, receipt) is not None or not whole(store, receipt):
            return None
        return store.read(receipt.output, limit=receipt.output_bytes)
    except NotFound:
        return None
