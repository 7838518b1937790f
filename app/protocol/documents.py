"""Canonical documents: one meaning, one byte string, one digest.

Rules:
1. A document is JSON in RFC 8785 form (sorted keys, shortest numbers, no spaces), so equal values have equal bytes.
2. Its digest is the SHA-256 of those bytes, in lower-case hex. As it fits one IPFS block, its CID holds the same hash.
3. Bytes that are longer than the limit, not canonical, or not of the schema are refused before anything reads them.
4. Integer arrays travel as base64 of little-endian 64-bit words: JSON numbers are exact only up to 2^53.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

import rfc8785
from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    model_serializer,
)

from app.protocol.errors import BadDocument, TooLarge
from app.protocol.ids import Digest

MAX_DOCUMENT_BYTES = 1 << 20  # one IPFS block, so that a document's CID is its digest
MAX_DEPTH = 64
_MARKS = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\Z)|[\[{\]}]', re.DOTALL)  # whole strings, or one bracket

Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Sha256 = Annotated[Digest, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Hex16 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


def sha256(data: bytes | bytearray | memoryview) -> Digest:
    """SHA-256 in lower-case hex."""
    return Digest(hashlib.sha256(data).hexdigest())


def canonical(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value; `BadDocument` for what JSON cannot say exactly."""
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeError) as error:
        raise BadDocument(f"This value has no canonical JSON form: {error}.") from None


def parse_canonical(data: bytes, limit: int = MAX_DOCUMENT_BYTES) -> Any:
    """The JSON value of canonical bytes. Errors: `TooLarge`, `BadDocument`."""
    if len(data) > limit:
        raise TooLarge(f"A document of {len(data)} bytes is over the limit of {limit}.", "Use a smaller one.")
    if _depth(data) > MAX_DEPTH:
        raise BadDocument(f"This JSON is nested deeper than {MAX_DEPTH} levels.", "Ask its author for a flat one.")
    try:
        value = json.loads(data, parse_int=_number)
    except (ValueError, RecursionError):
        raise BadDocument("These bytes are not JSON.", "Fetch the document again from another source.") from None
    if canonical(value) != data:
        raise BadDocument("This JSON is not in canonical (RFC 8785) form.", "Ask its author to publish it again.")
    return value


def _number(text: str) -> int | float:
    """An integer that JSON says exactly, else the double whose canonical spelling has no point (such as 1e17)."""
    value = int(text)
    return value if abs(value) < 1 << 53 else float(text)


def _depth(data: bytes) -> int:
    """How deep brackets nest, without recursion: JSON readers recurse, and a deep enough text ends the process."""
    depth = deepest = 0
    for mark in _MARKS.finditer(data):
        first = data[mark.start()]
        if first in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif first in b"]}":
            depth -= 1
    return deepest


def words_to_text(words: bytes) -> str:
    """Base64 of little-endian words, for arrays inside a document."""
    return base64.b64encode(words).decode()


def text_to_words(text: str) -> bytes:
    """Inverse of `words_to_text`; `BadDocument` unless it is whole 64-bit words in strict base64."""
    try:
        words = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadDocument("An array in this document is not base64.") from None
    if len(words) % 8 or words_to_text(words) != text:
        raise BadDocument("An array in this document is not a whole number of 64-bit words.")
    return words


def first_fault(error: ValidationError, whole: str = "the document") -> str:
    """Where a model's first fault is, and what: never the value, which may be private. `whole` stands for all of it."""
    fault = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in fault["loc"]) or whole
    return f"{where}: {fault['msg']}"


class Document(BaseModel):
    """Base of all documents: frozen, strict, with no unknown fields."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)
    max_bytes: ClassVar[int] = MAX_DOCUMENT_BYTES  # bytes; more only for what never travels as one block

    def to_bytes(self) -> bytes:
        """Canonical bytes. Errors: `TooLarge`."""
        data = canonical(self.model_dump(mode="json", by_alias=True))
        if len(data) > self.max_bytes:
            raise TooLarge(f"A {type(self).__name__} of {len(data)} bytes is over the limit of {self.max_bytes}.")
        return data

    @cached_property
    def digest(self) -> Digest:
        """SHA-256 of the canonical bytes, hex; worked out once, since a document never changes."""
        return sha256(self.to_bytes())

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other values, and so with another digest."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("digest", None)
        return copy

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The document of canonical bytes. Errors: `TooLarge`, `BadDocument`."""
        parse_canonical(data, cls.max_bytes)
        try:
            document = cls.model_validate_json(data)
        except ValidationError as error:
            raise BadDocument(f"Not a valid {cls.__name__}: {first_fault(error)}.") from None
        if document.to_bytes() != data:
            raise BadDocument(f"This {cls.__name__} leaves out fields or writes numbers in another way.")
        return document


class GrownDocument(Document):
    """A document that was given fields after its first ones were published: those in `later` are left out of its bytes
    while they have their defaults, so that what was published before keeps its bytes and its digest.
    """

    later: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        value: dict[str, Any] = dump(self)
        for name in self.later:
            if getattr(self, name) == type(self).model_fields[name].default:
                value.pop(name, None)
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema of its fields: that some may be left out hides none of them."""
        schema: Any = {key: value for key, value in core.items() if key != "serialization"}
        return handler(schema)
