"""The audit's story: each fact in one of seven steps, whichever way a job ended."""

from __future__ import annotations

from app.market.queries.audit import CLAIMS, AuditFact
from app.market.web.pages.story import CHAPTERS, DECISION, MISSED, story


def fact(event: str, claim: str = "") -> AuditFact:
    """Something on record."""
    return AuditFact(
        claim=claim or event, event=event, by="", digest="", cid="", source="0x1", block=1, block_hash="", at=1,
        status="recorded" if event else "open",
    )  # fmt: skip


def states(*events: str, over: bool) -> str:
    """The first letters of the steps' states."""
    return "".join(step.state[0] for step in story([fact(event) for event in events], over=over))


def test_every_claim_has_its_step() -> None:
    """Whatever an event puts on record stands in exactly one step."""
    events = {"DatasetVersion", *CLAIMS} - {MISSED}
    assert {event: sum(event in own for *_, own in CHAPTERS) for event in events} == dict.fromkeys(events, 1)
    assert DECISION in [claim for claim, *_ in CLAIMS["JobReleased"]]


def test_a_story_tells_what_was_and_what_is_to_come() -> None:
    """Steps on record are done, later ones open until the job is over, and what it went past did not happen."""
    begin = ("DatasetVersion", "JobOpened", "JobAssigned")
    assert states(*begin, over=False) == "dddoooo"
    assert states(*begin, "Committed", "Revealed", "JobComputed", "JobRefused", over=True) == "dddddds"
    assert states("DatasetVersion", "JobOpened", "JobExpired", over=True) == "ddessss"
    assert states(*begin, "Committed", "Revealed", "JobComputed", "JobExpired", over=True) == "dddddes"
    assert states(*begin, "Committed", "Revealed", "JobDisputed", "JobFailed", over=True) == "ddddess"
    assert states("DatasetVersion", "JobOpened", "JobAssigned", "JobDisputed", over=False) == "dddsdoo"


def test_a_signed_decision_belongs_to_the_check() -> None:
    """A release puts a sealed result and a decision on record: two steps, and both are done by it."""
    told = story([fact("JobReleased", "The custodian released this sealed result"), fact("JobReleased", DECISION)],
                 over=True)  # fmt: skip
    assert [[each.claim for each in step.facts] for step in told[5:]] == [
        [DECISION], ["The custodian released this sealed result"],
    ]  # fmt: skip


def test_what_is_still_to_come_is_no_fact() -> None:
    """A claim that is open stands in no step's facts."""
    assert all(not step.facts for step in story([fact("")], over=False))
