"""Bytes by name: documents, blobs of any size, and the small documents that may be published through the node."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from pydantic import ValidationError
from starlette.responses import Response, StreamingResponse

from app.market.web.api.answers import FOREVER, frozen, reply
from app.market.web.api.bodies import Raw, raw_body
from app.market.web.api.openapi import CIRCUIT_EXAMPLE, links
from app.market.web.dependencies.caller import SECURED, Caller, rate_cost, require_scope
from app.market.web.dependencies.state import AppState, State
from app.market.web.errors.problems import error_responses
from app.market.web.errors.refusals import RangeNotSatisfiable, TooManyRequests
from app.market.web.fields import CidText, Digest, ResponseModel
from app.protocol.documents import MAX_DOCUMENT_BYTES, first_fault, parse_canonical, sha256
from app.protocol.errors import BadInput, TooLarge
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.rules import policy_problems
from app.protocol.ports import Store
from app.storage.cid import digest_to_cid
from fhe.circuit.codec import decode

router = APIRouter(tags=["objects"])

CHUNK = 1 << 20
RANGE = re.compile(r"bytes=(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))")
IfNoneMatch = Annotated[str | None, Header()]
BYTES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
    206: {"description": "The part that was asked for."},
    304: {"description": "The client has it."},
}
DOCUMENT: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {"schema": {"type": "object"}}}}}
WRITER = Annotated[Caller, Depends(require_scope("documents:write"))]
WRITES = [*SECURED, Depends(rate_cost(2))]


class StoredObject(ResponseModel):
    """Where a document is now."""

    digest: str  # SHA-256 of its bytes
    cid: str
    bytes: int


@router.get("/documents/{digest}", response_class=Response, responses=error_responses(404, 502) | DOCUMENT)
def get_document(digest: Digest, here: State, if_none_match: IfNoneMatch = None) -> Response:
    """A canonical JSON document (manifest, policy, circuit, receipt, decision, sealed result) by its digest."""
    data = here.store.read(digest_to_cid(digest), limit=MAX_DOCUMENT_BYTES)
    parse_canonical(data)
    return frozen(data, digest, "application/json", if_none_match)


@router.get("/blobs/{cid}", response_class=Response, responses=error_responses(404, 416, 502) | BYTES)
def get_blob(
    cid: CidText,
    here: State,
    if_none_match: IfNoneMatch = None,
    range: Annotated[str | None, Header(description="One range of bytes.", examples=["bytes=0-1023"])] = None,
) -> Response:
    """An object's bytes, each verified against its CID: packed columns, keys, outputs, sealed results."""
    size = here.store.size(cid)
    if if_none_match is not None:
        unchanged = frozen(b"", cid, "application/octet-stream", if_none_match)
        if unchanged.status_code == 304:
            return unchanged
    start, stop = _range(range, size)
    limit = here.settings.max_blob
    if stop - start > limit:
        raise TooLarge(f"This object has {size} bytes, over the limit of {limit} in one answer.", "Ask for ranges.")
    first = here.store.read(cid, start, min(CHUNK, stop - start), limit=CHUNK)  # what fails now is still a problem
    whole = (start, stop) == (0, size)
    headers = {
        "etag": f'"{cid}"',
        "cache-control": FOREVER,
        "accept-ranges": "bytes",
        "content-length": str(stop - start),
        "content-disposition": f'attachment; filename="{cid}"',
    }
    if not whole:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{size}"
    body = _pieces(here.store, cid, first, start + len(first), stop)
    return StreamingResponse(body, 200 if whole else 206, headers, "application/octet-stream")


def _pieces(store: Store, cid: str, first: bytes, start: int, stop: int) -> Iterator[bytes]:
    yield first
    for place in range(start, stop, CHUNK):
        yield store.read(cid, place, min(CHUNK, stop - place), limit=CHUNK)


def _range(text: str | None, size: int) -> tuple[int, int]:
    """[start, stop) of one range; the whole for a header that is not understood (RFC 9110). Errors: a range outside."""
    found = RANGE.fullmatch(text) if text else None
    if found is None or not size:
        return 0, size
    first, last, tail = found.groups()
    start = int(first) if first is not None else max(0, size - int(tail))
    stop = min(size, int(last) + 1) if last else size
    if start >= size or stop <= start:
        raise RangeNotSatisfiable(f"This object has {size} bytes.", "Ask for a range inside.")
    return start, stop


@router.post(
    "/circuits",
    response_model=StoredObject,
    status_code=201,
    responses=error_responses() | {201: links("$response.body#/digest", get_document="digest")},
    dependencies=WRITES,
    openapi_extra=raw_body("application/json", {"type": "object"}, CIRCUIT_EXAMPLE),
)
def publish_circuit(data: Raw, here: State, who: WRITER) -> Response:
    """Publish a circuit, so that providers find it. From then on anyone can read its weights."""
    _check_quota(here, who, len(data))
    decode(data)
    return _published(here, data)


@router.post(
    "/policies",
    response_model=StoredObject,
    status_code=201,
    responses=error_responses() | {201: links("$response.body#/digest", get_document="digest")},
    dependencies=WRITES,
    openapi_extra=raw_body(
        "application/json", OutputPolicy.model_json_schema(), {"circuits": ["linear"], "release": "label"}
    ),
)
def publish_policy(data: Raw, here: State, who: WRITER) -> Response:
    """Publish an output policy for an offer. Fields that are left out take their defaults."""
    _check_quota(here, who, len(data))
    try:
        policy = OutputPolicy.model_validate_json(data)
    except ValidationError as error:
        fault = first_fault(error).encode("ascii", "backslashreplace").decode()
        raise BadInput(f"Not a policy: {fault}.") from None
    if problems := policy_problems(policy):
        raise BadInput(f"This policy cannot be used: {'; '.join(problems)}.", "Correct it.")
    return _published(here, policy.to_bytes())


def _check_quota(here: AppState, who: Caller, bytes: int) -> None:
    """Take an upload from what is kept for the caller's address and account together. Errors: TooManyRequests."""
    if here.uploads and (wait := here.uploads.take(*who.clients, cost=bytes)):
        raise TooManyRequests(
            f"This client's uploads leave no room for {bytes:,} bytes more.",
            f"Wait {max(1, round(wait)):,} s, or publish through a node of your own.",
            retry_after=wait,
        )


def _published(here: AppState, data: bytes) -> Response:
    digest, cid = sha256(data), here.store.put(data)
    return reply(StoredObject(digest=digest, cid=cid, bytes=len(data)), 201, {"location": f"/v1/documents/{digest}"})
