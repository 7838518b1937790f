"""The facts of a job for an auditor: who claimed what in which transaction. Checking them is `app.auditor`'s work."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Literal

from sqlmodel import Session, col, select

from app.market.db.tables import DatasetRow, EventRow, JobRow, VersionRow
from app.market.queries.jobs import state_name
from app.market.queries.licensing import manual_offers
from app.market.queries.status import read_place
from app.market.queries.view import View, check_id, missing
from app.protocol.ids import Digest
from app.protocol.market.entities import Approval, JobState
from app.storage.cid import digest_to_cid


class AuditFact(View):
    """One claim. `digest` is its value (64 hex digits, or "" for facts that are no digest)."""

    claim: str
    event: str  # of the contracts, that puts it on record; "" while it is not there
    by: str  # address, or "" for the contract itself
    digest: str
    cid: str  # of the object that the digest names, "" when it names none
    source: str  # transaction
    block: int
    block_hash: str
    at: int
    status: Literal["recorded", "open"]  # open: not there yet


class AuditFacts(View):
    """All facts of one job, in the order in which they came."""

    chain_id: int
    market: str  # address of the job contract
    job: int
    state: str
    facts: tuple[AuditFact, ...]
    command: str  # that checks everything: darkroom audit 7


# What an event puts on record: (claim, the argument that names who claims, the argument that is its digest, whether
# that digest is of an object in the store).
CLAIMS: Mapping[str, tuple[tuple[str, str, str, bool], ...]] = {
    "JobOpened": (
        ("The buyer asked for this circuit", "buyer", "circuit", True),
        ("The buyer's result is sealed to this key", "buyer", "sealingKey", False),
    ),
    "JobAssigned": (("Executors were drawn at random", "", "", False),),
    "DrawContinued": (("Executors were drawn at random", "", "", False),),
    "Declined": (("An executor stepped back", "provider", "", False),),
    "Committed": (("An executor committed to its receipt", "provider", "commitment", False),),
    "Revealed": (("An executor's receipt", "provider", "receipt", True),),
    "ExecutorSlashed": (("An executor lost its stake", "provider", "", False),),
    "JobDisputed": (("Not enough executors agreed yet; more are drawn", "", "", False),),
    "JobContested": (("The custodian found another result; others decide", "custodian", "", False),),
    "JobComputed": (("Enough executors agree on this receipt", "", "receipt", True),),
    "JobApproved": (("The dataset's owner approved the release", "owner", "", False),),
    "JobDenied": (("The dataset's owner denied the release", "owner", "", False),),
    "JobReleased": (
        ("The custodian released this sealed result", "custodian", "sealedDigest", True),
        ("The custodian's signed decision", "custodian", "decision", True),
    ),
    "JobRefused": (("The custodian's signed refusal", "custodian", "decision", True),),
    "JobSettled": (("Everybody's share was credited", "", "", False),),
    "JobExpired": (("A deadline was missed", "", "", False),),
    "JobFailed": (("No majority of executors was found", "", "", False),),
}
# What is still to come of a job that has not ended.
EXPECTED = (
    (JobState.ASSIGNED, "Executors are drawn at random"),
    (JobState.COMPUTED, "Enough executors agree on one receipt"),
    (JobState.SETTLED, "The custodian releases a sealed result, or refuses with a reason"),
)


def audit_facts(session: Session, job: int) -> AuditFacts:
    """The facts of a job. Errors: NotFound."""
    row = session.get(JobRow, check_id("job", job))
    if row is None:
        raise missing("job", job)
    place = read_place(session)
    dataset = session.get_one(DatasetRow, row.dataset)
    happened = select(EventRow).where(EventRow.job == job).order_by(col(EventRow.block), col(EventRow.log_index))
    facts = list(_version_facts(session, row, dataset))
    for event in session.exec(happened):
        args = json.loads(event.args)
        for claim, by, digest, stored in CLAIMS.get(event.name, ()):
            word = args[digest] if digest else ""
            facts.append(
                AuditFact(
                    claim=claim,
                    event=event.name,
                    by=dataset.custodian if by == "custodian" else args[by] if by else "",
                    digest=word,
                    cid=digest_to_cid(Digest(word)) if stored else "",
                    source=event.tx,
                    block=event.block,
                    block_hash=event.block_hash,
                    at=event.at,
                    status="recorded",
                )
            )
    state = JobState(row.state)
    if not state.terminal:
        done = JobState.ASSIGNED if state is JobState.DISPUTED else state
        missing_word = row.approval == Approval.NONE and row.offer in manual_offers(session, (row.offer,))
        facts += [_open("The dataset's owner approves the release")] if missing_word else []
        facts += [_open(claim) for until, claim in EXPECTED if done < until]
    return AuditFacts(
        chain_id=place.chain_id,
        market=place.market,
        job=job,
        state=state_name(row.state),
        facts=tuple(facts),
        command=f"darkroom audit {job}",
    )


def _version_facts(session: Session, job: JobRow, dataset: DatasetRow) -> Iterator[AuditFact]:
    """What the job computed on: the version of the dataset when it was opened."""
    version = session.get(VersionRow, (job.dataset, job.version))
    if version is None:
        return
    event = session.exec(
        select(EventRow).where(EventRow.block == version.block, EventRow.tx == version.tx).limit(1)
    ).first()
    for claim, digest, stored in (
        ("The dataset's manifest", version.manifest, True),
        ("The root over all of the dataset's ciphertexts", version.data_root, False),
        ("The encryption profile", version.profile, False),
    ):
        yield AuditFact(
            claim=claim,
            event="DatasetVersion",
            by=dataset.owner,
            digest=digest,
            cid=digest_to_cid(Digest(digest)) if stored else "",
            source=version.tx,
            block=version.block,
            block_hash=event.block_hash if event else "",
            at=version.at,
            status="recorded",
        )


def _open(claim: str) -> AuditFact:
    return AuditFact(
        claim=claim, event="", by="", digest="", cid="", source="", block=0, block_hash="", at=0, status="open"
    )
