"""The shape of answers: frozen, with no unknown fields; amounts as decimal text in JSON; pages with opaque cursors."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, PlainSerializer

from app.protocol.errors import BadInput, NotFound

MAX_PAGE = 100
MAX_CURSOR = 2048
MAX_ID = (1 << 63) - 1

T = TypeVar("T")

# Token units, or another count that can be above 2^53: an integer here, decimal text in JSON.
Amount = Annotated[int, PlainSerializer(str, return_type=str, when_used="json")]


class View(BaseModel):
    """Base of everything that a query returns."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Page(View, Generic[T]):
    """Some of many. `next` is the cursor of what follows, None at the end."""

    items: tuple[T, ...]
    next: str | None = None


def page_limit(limit: int) -> int:
    """`limit` when it can be served. Errors: BadInput."""
    if not 1 <= limit <= MAX_PAGE:
        raise BadInput(f"A page has 1 to {MAX_PAGE} entries, not {limit}.")
    return limit


def check_id(kind: str, id: int) -> int:
    """`id` when something can have it. Errors: NotFound."""
    if not 1 <= id <= MAX_ID:
        raise missing(kind, id)
    return id


MISSING = {
    "dataset": "There is no dataset {id} in the index.",
    "offer": "There is no offer {id} in the index.",
    "license": "There is no license {id} in the index.",
    "job": "There is no job {id} in the index.",
}


def missing(kind: str, id: int | str) -> NotFound:
    """What is raised for an id that the index does not hold."""
    step = "Check the number; what was just sent appears with the next block."
    return NotFound(MISSING[kind].format(id=id), step)


def write_cursor(*place: int | str) -> str:
    """An opaque cursor for the place after which the next page begins."""
    text = json.dumps(place, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(text: str, *kinds: type) -> tuple[Any, ...]:
    """Inverse of `write_cursor`, for values of these kinds; numbers from -1 to 2^63 - 1. Errors: BadInput."""
    try:
        if len(text) > MAX_CURSOR:
            raise not_a_cursor()
        place = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise not_a_cursor() from None
    if not isinstance(place, list) or [type(value) for value in place] != list(kinds) or not all(map(_fits, place)):
        raise not_a_cursor()
    return tuple(place)


def not_a_cursor() -> BadInput:
    """What is raised for a cursor that no list gave out."""
    return BadInput("This cursor is not one that this list gave out.", "Begin again with the first page.")


def _fits(value: int | str) -> bool:
    """Whether a database can hold a value that came from outside."""
    if isinstance(value, int):
        return -1 <= value <= MAX_ID
    return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
