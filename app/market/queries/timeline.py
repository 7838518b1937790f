"""A job's events as a person would tell them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from app.market.db.tables import EventRow
from app.market.queries.disputes import ENDS
from app.market.queries.view import View
from app.protocol.market.disputes import DisputePhase, Verdict
from app.protocol.market.entities import JobState

Args = Mapping[str, Any]


class TimelineEntry(View):
    """Something that happened, as a person would say it, and the event that says so."""

    event: str  # its name in the contract
    sentence: str
    actor: str  # address, "" where the event names none
    at: int
    block: int
    block_hash: str
    tx: str
    index: int  # of the log within its block
    digest: str  # the digest that it put on record, "" without one


# What was done, by the phase that it leads to.
MOVED = {
    DisputePhase.ANSWER: "A dispute began.",
    DisputePhase.JUDGE: "The executor showed what the value is the sum of.",
    DisputePhase.SHOW: "The challenger named the two totals between which it goes wrong.",
    DisputePhase.NARROW: "The executor showed the totals between the two in question.",
}

MOVED_IN_LOOKUP = {
    DisputePhase.SHOW: "The challenger said where its words of a lookup part from the executor's.",
    DisputePhase.NARROW: "The executor said where its words of a lookup part from the challenger's.",
}


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


EXPIRED: Mapping[JobState, str] = {
    JobState.OPEN: "The job expired before executors were drawn.",
    JobState.ASSIGNED: "The job expired while executors computed.",
    JobState.DISPUTED: "The job expired while more executors were awaited.",
    JobState.COMPUTED: "The job expired before the custodian decided.",
}
# name -> (sentence, the argument that names who acted, the argument that is a digest on record)
SENTENCES: Mapping[str, tuple[Callable[[Args], str], str, str]] = {
    "JobOpened": (
        lambda a: f"The buyer opened the job for {_plural(int(a['rows']), 'row')} and paid for it into escrow.",
        "buyer",
        "circuit",
    ),
    "ProgramStated": (lambda a: "The order states its program, so that a contract can judge results.", "", "program"),
    "DisputeOpened": (
        lambda a: f"Somebody put down a bond and says that value {int(a['state']['value']):,} of a result is wrong.",
        "",
        "",
    ),
    "DisputeShown": (lambda a: MOVED[DisputePhase(int(a["state"]["phase"]))], "", ""),
    "DisputeSummed": (lambda a: "The executor showed the sum over lookups that the value is.", "", ""),
    "DisputeDescended": (lambda a: "The words that a false one follows from are looked into.", "", ""),
    "DisputeCut": (lambda a: MOVED_IN_LOOKUP[DisputePhase(int(a["phase"]))], "", ""),
    "DisputeEnded": (lambda a: ENDS[Verdict(int(a["verdict"]))], "executor", ""),
    "DrawArmed": (lambda a: "The draw came too late; another block will decide it.", "", ""),
    "JobAssigned": (lambda a: f"{_plural(len(a['providers']), 'executor')} drawn at random.", "", ""),
    "DrawContinued": (
        lambda a: f"{_plural(len(a['providers']), 'executor')} drawn at random; the draw goes on.",
        "",
        "",
    ),
    "EvictionPaid": (lambda a: "Whoever drew was paid for finding seats without a sign of life.", "caller", ""),
    "Declined": (lambda a: "An executor stepped back; its stake is free.", "provider", ""),
    "Committed": (lambda a: "An executor committed to its result.", "provider", "commitment"),
    "RevealsOpen": (lambda a: "All executors have committed; results may be revealed.", "", ""),
    "Revealed": (lambda a: "An executor revealed its result's digest.", "provider", "receipt"),
    "ExecutorSlashed": (
        lambda a: (
            "An executor lost its stake for missing its deadline."
            if a["silent"]
            else "An executor lost its stake for revealing another result than the agreed one."
        ),
        "provider",
        "",
    ),
    "PaymentReleased": (lambda a: "An executor was paid.", "provider", ""),
    "JobDisputed": (lambda a: f"No agreement yet: round {int(a['round']) + 1} begins.", "", ""),
    "JobContested": (
        lambda a: "The custodian computed another result: more executors are drawn, and the majority decides.",
        "custodian",
        "",
    ),
    "JobComputed": (lambda a: "Enough executors agree on the result.", "", "receipt"),
    "JobApproved": (lambda a: "The dataset's owner approved the job.", "owner", ""),
    "JobDenied": (lambda a: "The dataset's owner denied the job: it cannot be released.", "owner", ""),
    "JobReleased": (lambda a: "The custodian released the sealed result.", "", "sealedDigest"),
    "JobSettled": (lambda a: "The job is settled: the owner has earned the price.", "", ""),
    "JobRefused": (lambda a: "The custodian refused under the output policy.", "", "decision"),
    "JobExpired": (
        lambda a: EXPIRED[JobState(int(a["stage"]))],
        "",
        "",
    ),
    "JobFailed": (lambda a: "No majority of executors could be found.", "", ""),
    "Refunded": (lambda a: "The buyer was credited a refund.", "buyer", ""),
    "CustodianPenalized": (lambda a: "The custodian's bond paid what its silence or its contest cost.", "", ""),
}


def timeline_entry(row: EventRow) -> TimelineEntry:
    """One event of a job in words; one without words of its own shows its name."""
    args = json.loads(row.args)
    sentence, actor, digest = SENTENCES.get(row.name, (lambda a: f"{row.name}.", "", ""))
    return TimelineEntry(
        event=row.name,
        sentence=sentence(args),
        actor=args[actor] if actor else "",
        at=row.at,
        block=row.block,
        block_hash=row.block_hash,
        tx=row.tx,
        index=row.log_index,
        digest=args[digest] if digest else "",
    )
