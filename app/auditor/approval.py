"""Whether the dataset's owner was asked where the policy says so, and obeyed: from a job's events alone. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.auditor.report import CheckStatus, Finding
from app.protocol.errors import VerificationFailed
from app.protocol.market.entities import APPROVAL_EVENTS, Approval, Job

if TYPE_CHECKING:
    from app.chain.events import Event


def said(events: Sequence[Event]) -> Event | None:
    """The owner's word among a job's events, in the chain's order."""
    return next((event for event in events if event.name in APPROVAL_EVENTS.values()), None)


def owners_word(job: Job, events: Sequence[Event], *, manual: bool) -> Finding:
    """A job's release against the owner's word. `manual`: its policy leaves the release to the owner.

    Errors: VerificationFailed for a node whose events are not those of the job's state.
    """
    word, released = said(events), next((event for event in events if event.name == "JobReleased"), None)
    if (word.name if word else None) != APPROVAL_EVENTS.get(job.approval):
        raise VerificationFailed(f"The node's events do not say what job {job.id} holds of the owner's word.")
    if word is None:
        if released is not None and manual:
            return CheckStatus.WRONG, "", "released without the owner's approval"
        if not job.state.terminal:
            return CheckStatus.OPEN, "", "the owner has not answered yet"
        return CheckStatus.CONFIRMED, "", "the owner did not answer, and nothing was released"
    owner, denied = word.args["owner"], job.approval is Approval.DENIED
    answer = f"{'denied' if denied else 'approved'} by {owner} in block {word.block}"
    if released is None:
        return CheckStatus.CONFIRMED, "", f"{answer}; nothing was released"
    if denied:
        return CheckStatus.WRONG, "", f"{answer}, and released in block {released.block}"
    before = (word.block, word.index) < (released.block, released.index)
    return CheckStatus.CONFIRMED if before else CheckStatus.WRONG, "", f"{answer}, released in block {released.block}"
