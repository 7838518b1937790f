"""Where a contract can judge results: what a custodian asks of it, and when an agreed result is decrypted unrecomputed.

An owner chooses that knowingly (`verify = "window"`). It holds for a job whose order states its program, whose agreed
output is to be had whole by everybody, and to which nobody has objected for the policy's hours. Whatever of this fails,
the result is recomputed, as under every other policy.
"""

from __future__ import annotations

from typing import Literal, Protocol

from app.custodian.evidence import Judgement
from app.custodian.ports import CustodianChain
from app.dispute.difference import read_receipt, whole
from app.execution.execute import Evaluation
from app.execution.inputs import JobInputs
from app.execution.program import stated_program
from app.protocol.errors import NotFound, Reverted
from app.protocol.ids import Digest
from app.protocol.market.entities import ZERO, Job
from app.protocol.market.receipt import Receipt
from app.protocol.policy.rules import check_agreed
from app.protocol.ports import Store

LEFT = 3600  # seconds of a release's time that are kept for recomputing what is not decrypted by objections' lapse


class Court(Protocol):
    """The contract that judges results, for one custodian: `app.dispute.player.Player` has it."""

    def program(self, work: JobInputs) -> Digest:
        """What an order of this circuit states; zeros for what cannot be judged."""

    def play(self, job: Job) -> bool:
        """Make the moves that are this account's; whether there were any, or a dispute about the job runs: then the
        job has to be looked at anew. Errors: Unavailable.
        """

    def challenge(self, job: Job, own: Evaluation) -> bool:
        """Object to each executor whose result differs; whether a dispute runs. Errors: Unavailable."""

    def objections_end(self, job: Job, hours: int) -> int | None:
        """When anybody could object for so many hours to what the job holds now; None where that is never so."""


class NoCourt:
    """No court: no result is judged. An order that states its program is no wrong order for that."""

    def program(self, work: JobInputs) -> Digest:
        """What an order of this circuit states, wherever it is judged."""
        return stated_program(work.circuit, work.profile, work.table, work.job.rows)

    def play(self, _job: Job) -> bool:
        """Nothing runs."""
        return False

    def challenge(self, _job: Job, _own: Evaluation) -> bool:
        """Nobody can be accused."""
        return False

    def objections_end(self, _job: Job, _hours: int) -> None:
        """Nobody can."""


def oppose(
    court: Court, chain: CustodianChain, job: Job, own: Evaluation, *, asked: bool
) -> Literal["judged", "asked"] | None:
    """Show a contract that a result is wrong, else ask others for one; `asked`: they were before. None when neither can
    be: it cannot be judged, or there is no time or no bond for it; then what stands is refused. Errors: Unavailable.
    """
    if court.challenge(job, own):
        return "judged"
    if asked:
        return None
    try:
        chain.contest(job.id)
    except Reverted:
        return None
    return "asked"


def open_until(evidence: Judgement, court: Court, store: Store) -> int | None:
    """Until when anybody may object to a job's result before it is decrypted; None where it is recomputed instead.

    Errors: Unavailable.
    """
    facts = evidence.facts
    if facts.policy.verify != "window" or facts.job.program == ZERO or _agreed(evidence, store) is None:
        return None
    until = court.objections_end(facts.job, facts.policy.challenge_hours)
    return None if until is None or until + LEFT > facts.job.deadline else until


def unobjected_output(evidence: Judgement, store: Store) -> bytes | None:
    """The agreed output, where everybody can read it whole; None where it has to be recomputed. Errors: Unavailable."""
    receipt = _agreed(evidence, store)
    try:
        if receipt is not None and whole(store, receipt):
            return store.read(receipt.output, limit=receipt.output_bytes)
    except NotFound:
        pass
    return None


def _agreed(evidence: Judgement, store: Store) -> Receipt | None:
    """The agreed receipt, where enough independent executors revealed it and it says this job."""
    try:
        receipt = read_receipt(store, evidence.facts.job.receipt)
    except NotFound:
        return None
    return receipt if check_agreed(evidence.facts, receipt) is None else None
