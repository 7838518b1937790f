"""A job's audit as a story of seven steps, each with the facts on record that belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.market.queries.audit import AuditFact

ChapterState = Literal["done", "open", "skipped", "ended"]
# title, what it means to somebody who knows nothing of the field, the events that belong to it
CHAPTERS: tuple[tuple[str, str, frozenset[str]], ...] = (
    (
        "The table was published, encrypted",
        "Its fingerprint was put on record before anybody asked. If one byte of it changed since, it would show here.",
        frozenset({"DatasetVersion"}),
    ),
    (
        "The buyer asked, and paid into escrow",
        "The model's fingerprint is on record too: what was asked for is fixed. Neither side can take the money alone.",
        frozenset({"JobOpened"}),
    ),
    (
        "Chance drew who computes",
        "From a block that did not exist when the job was ordered, so nobody could choose friends.",
        frozenset({"JobAssigned", "DrawContinued", "Declined"}),
    ),
    (
        "Each computed alone, and sealed its answer",
        "A commitment is a closed envelope: what is in it is fixed, and the others cannot read it and copy.",
        frozenset({"Committed"}),
    ),
    (
        "The envelopes were opened, and agree",
        "Equal fingerprints mean equal results, to the last bit. Whoever was silent or had another lost a stake.",
        frozenset({"Revealed", "ExecutorSlashed", "JobDisputed", "JobComputed", "JobFailed"}),
    ),
    (
        "The owner's side checked it against the rules",
        "The custodian alone can decrypt. It recomputes, holds the result to the policy, and signs its decision.",
        frozenset({"JobContested", "JobApproved", "JobDenied", "JobRefused"}),
    ),
    (
        "The result was sealed to the buyer, and the money moved",
        "Only the buyer's key opens it. Everybody's share was credited in the same transaction.",
        frozenset({"JobReleased", "JobSettled"}),
    ),
)
MISSED = "JobExpired"  # a deadline: it ends whatever step was to come
ENDINGS = frozenset({MISSED, "JobFailed"})
DECISION = "The custodian's signed decision"  # of a release: it belongs to the check, not to the seal


@dataclass(frozen=True)
class AuditChapter:
    """One step of the story; "skipped": the job went past it or ended before, "ended": it was to come, and failed."""

    title: str
    meaning: str
    state: ChapterState
    facts: tuple[AuditFact, ...]


def story(facts: Sequence[AuditFact], *, over: bool) -> list[AuditChapter]:
    """The facts of a job, each in one of seven steps; `over`: nothing is still to come."""
    told: list[list[AuditFact]] = [[] for _ in CHAPTERS]
    last = 0
    for fact in facts:
        if fact.status == "recorded":
            at = next((number for number, (*_, events) in enumerate(CHAPTERS) if fact.event in events), last)
            at = len(CHAPTERS) - 2 if fact.claim == DECISION else last + 1 if fact.event == MISSED else at
            last = max(last, at)
            told[at].append(fact)
    return [
        AuditChapter(title, meaning, _state(own, over=over or number < last), tuple(own))
        for number, ((title, meaning, _), own) in enumerate(zip(CHAPTERS, told, strict=True))
    ]


def _state(own: Sequence[AuditFact], *, over: bool) -> ChapterState:
    if ENDINGS & {fact.event for fact in own}:
        return "ended"
    return "done" if own else "skipped" if over else "open"
