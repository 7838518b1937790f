"""Jobs: lists, one job, its live events, its documents, its audit."""

from __future__ import annotations

from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Header, Query
from starlette.responses import Response

from app.market.queries.audit import AuditFacts, audit_facts
from app.market.queries.jobs import Feed, JobDetail, JobStateName, JobView, feed, job, jobs
from app.market.queries.view import MAX_CURSOR, Page
from app.market.web.api.answers import frozen, reply
from app.market.web.api.auditing import AuditView, ask, card
from app.market.web.api.documents import JobReceipts, receipts_of
from app.market.web.api.openapi import FIRST, links
from app.market.web.background.streams import EventStream
from app.market.web.dependencies.caller import SECURED, Caller, CurrentCaller, Spending, rate_cost, require_scope
from app.market.web.dependencies.state import AppState, State
from app.market.web.errors.problems import error_responses
from app.market.web.fields import MAX_ID, Address, After, Id, Limit
from app.market.web.index_reads import index_read
from app.protocol.documents import MAX_DOCUMENT_BYTES
from app.protocol.errors import NotFound
from app.protocol.ids import Digest
from app.protocol.market.entities import JobState
from app.storage.cid import digest_to_cid

router = APIRouter(tags=["jobs"])

# What comes with `end`, `unavailable` and `reorganised`.
OTHER_DATA = [
    {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in named.items()},
        "required": list(named),
        "additionalProperties": False,
    }
    for named in ({"reason": "string", "after": ["string", "null"]}, {"code": "string", "detail": "string"}, {})
]
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events as they come: `event` with a FeedEvent and its cursor as id, `reorganised` when what was"
        " shown must be thrown away, `unavailable` while the index cannot be read; comments in between; at last"
        " `end` with its `reason` (`time` or `closing`) and the cursor `after` which to go on.",
        "content": {
            "text/event-stream": {
                "schema": {  # of one event, as its lines say
                    "type": "object",
                    "properties": {
                        "event": {"enum": ["event", "reorganised", "unavailable", "end"]},
                        "id": {"type": "string", "maxLength": MAX_CURSOR},
                        "data": {
                            "type": "string",
                            "contentMediaType": "application/json",
                            "contentSchema": {"anyOf": [{"$ref": "#/components/schemas/FeedEvent"}, *OTHER_DATA]},
                        },
                    },
                    "required": ["event", "data"],
                }
            }
        },
    }
}
LastEvent = Annotated[str | None, Header(max_length=MAX_CURSOR, description="The id of the last event seen.")]
From = Annotated[str | None, Query(max_length=MAX_CURSOR, description="The same, for clients that set no headers.")]
Seconds = Annotated[int, Query(ge=0, le=3600, description="End the stream after so long; 0: after what is there.")]
DOCUMENT: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {"schema": {"type": "object"}}}}}
IfNoneMatch = Annotated[str | None, Header()]


@router.get(
    "/jobs",
    response_model=Page[JobView],
    responses=error_responses()
    | {200: links(FIRST, get_job="id", list_receipts="id", get_decision="id", get_result="id", list_facts="id")},
)
def list_jobs(
    here: State,
    buyer: Annotated[Address | None, Query()] = None,
    dataset: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    owner: Annotated[Address | None, Query(description="Of the dataset, now.")] = None,
    provider: Annotated[Address | None, Query(description="Drawn for it.")] = None,
    license: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    state: Annotated[list[JobStateName] | None, Query(max_length=9, description="Any of these.")] = None,
    limit: Limit = 50,
    after: After = None,
) -> Response:
    """Jobs, newest first."""
    states = tuple(JobState[name.upper()] for name in state or ())
    with here.session() as session:
        return reply(
            jobs(
                session,
                now=here.now(),
                buyer=buyer,
                dataset=dataset,
                owner=owner,
                provider=provider,
                license=license,
                states=states,
                limit=limit,
                after=after,
            )
        )


@router.get("/jobs/{id}", response_model=JobDetail, responses=error_responses(404))
def get_job(id: Id, here: State) -> Response:
    """A job: executions, timeline, who must act next and until when."""
    with here.session() as session:
        return reply(job(session, id, now=here.now()))


@router.get("/jobs/{id}/events", response_class=Response, responses=error_responses(404) | EVENTS)
async def follow_job(
    id: Id,
    here: State,
    who: CurrentCaller,
    last_event_id: LastEvent = None,
    after: From = None,
    seconds: Seconds = 3600,
) -> Response:
    """A job's events, live (server-sent events), from its opening or from the last one seen."""
    return await _stream(here, who, id, last_event_id or after, seconds)


@router.get("/events", response_class=Response, responses=error_responses() | EVENTS)
async def follow_market(
    here: State, who: CurrentCaller, last_event_id: LastEvent = None, after: From = None, seconds: Seconds = 3600
) -> Response:
    """The whole market's events, live, from now on or from the last one seen."""
    return await _stream(here, who, None, last_event_id or after, seconds)


async def _stream(here: AppState, who: Caller, number: int | None, after: str | None, seconds: int) -> Response:
    def read(place: str | None) -> Feed:
        with here.session() as session:
            return feed(session, job=number, after=place)

    def begin() -> None:  # what cannot be served is refused before the stream begins
        if number is not None:
            with here.session() as session:
                job(session, number, now=here.now())
        read(after)

    await run_sync(begin)
    return EventStream(here.streams, who.client, read, after, seconds)


@router.get("/jobs/{id}/receipts", response_model=JobReceipts, responses=error_responses(404))
def list_receipts(id: Id, here: State) -> Response:
    """Every revealed receipt: whose, in what place, and its document where a store has it."""
    with here.session() as session:
        detail = job(session, id, now=here.now())
    return reply(receipts_of(here.store, detail))


@router.get("/jobs/{id}/decision", response_class=Response, responses=error_responses(404, 502) | DOCUMENT)
def get_decision(id: Id, here: State, if_none_match: IfNoneMatch = None) -> Response:
    """The custodian's decision, its own bytes."""
    with here.session() as session:
        detail = job(session, id, now=here.now())
    return _document(here, detail.decision, "This job was not decided yet.", if_none_match)


@router.get("/jobs/{id}/result", response_class=Response, responses=error_responses(404, 502) | DOCUMENT)
def get_result(id: Id, here: State, if_none_match: IfNoneMatch = None) -> Response:
    """The sealed result's own bytes: for whom it is, and the CID of its ciphertext (GET /v1/blobs/...)."""
    with here.session() as session:
        detail = job(session, id, now=here.now())
    return _document(here, detail.sealed, "This job has no result yet.", if_none_match)


def _document(here: AppState, digest: str, missing: str, asked: str | None) -> Response:
    if not digest:
        raise NotFound(missing, "Wait for it: GET /v1/jobs/{id}/events.")
    return frozen(
        here.store.read(digest_to_cid(Digest(digest)), limit=MAX_DOCUMENT_BYTES), digest, "application/json", asked
    )


@router.get("/jobs/{id}/facts", response_model=AuditFacts, responses=error_responses(404), tags=["audit"])
@index_read
def list_facts(id: Id, here: State) -> Response:
    """Every claim about a job with the transaction that makes it; checking them is the audit's work."""
    with here.session() as session:
        return reply(audit_facts(session, id))


@router.post(
    "/jobs/{id}/audits",
    response_model=AuditView,
    status_code=202,
    responses=error_responses(404, 409) | {202: links("$response.body#/id", get_audit="id")},
    dependencies=[*SECURED, Depends(rate_cost(20))],
    tags=["audit"],
)
def audit_job(
    id: Id, here: State, spend: Spending, _: Annotated[Caller, Depends(require_scope("audits:run"))]
) -> Response:
    """Let this node recompute a job and check every fact of it, in its own time."""
    run = ask(here, id, spend)
    return reply(card(run), 202, {"location": f"/v1/audits/{run.id}"})
