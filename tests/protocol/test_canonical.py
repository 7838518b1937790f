"""What canonical documents promise: equal values have equal bytes, and anything else is refused before it is read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.documents import (
    MAX_DEPTH,
    MAX_DOCUMENT_BYTES,
    canonical,
    parse_canonical,
    text_to_words,
    words_to_text,
)
from app.protocol.errors import BadDocument, TooLarge
from app.protocol.market.receipt import OutputPolicy

PLAIN = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text()
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    PLAIN | NUMBERS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_canonical_bytes_are_read_back(value: object) -> None:
    """What is written in canonical form is accepted and means the same."""
    data = canonical(value)
    assert canonical(parse_canonical(data)) == data


@given(VALUES, st.integers(1, 3))
def test_any_other_spelling_is_refused(value: object, indent: int) -> None:
    """The same value with other spaces is not the same document."""
    data = json.dumps(value, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if data != canonical(value):
        with pytest.raises(BadDocument):
            parse_canonical(data)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"nan", b"NaN", b'{"a":1,"a":1}', b'{"b":1,"a":1}', b"1.0", b'"\xff"', b"[1,]"]
)
def test_what_is_not_canonical_json(text: bytes) -> None:
    """Damaged JSON, repeated keys, unsorted keys and long numbers are refused."""
    with pytest.raises(BadDocument):
        parse_canonical(text)


@pytest.mark.parametrize("start", [b"[", b'{"a":'])
def test_deep_nesting_is_refused_without_recursion(start: bytes) -> None:
    """A text that would exhaust a reader's stack is refused by counting its brackets."""
    assert parse_canonical(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    for depth in (MAX_DEPTH + 1, 200_000):
        with pytest.raises(BadDocument):
            parse_canonical(start * depth)


def test_brackets_in_strings_do_not_count() -> None:
    """Text may hold any number of brackets, quotes and backslashes."""
    value = ["[" * 1000 + '"\\' * 500]
    assert parse_canonical(canonical(value)) == value


def test_hostile_quotes_take_linear_time() -> None:
    """A megabyte of escaped quotes without an end is refused at once."""
    with pytest.raises(BadDocument):
        parse_canonical(b'"' + b'\\"' * (MAX_DOCUMENT_BYTES // 2 - 1))


def test_size_is_bounded_on_both_sides() -> None:
    """A document of exactly the limit is read, one byte more is not."""
    fits = b'"' + b"a" * (MAX_DOCUMENT_BYTES - 2) + b'"'
    assert len(parse_canonical(fits)) == MAX_DOCUMENT_BYTES - 2
    with pytest.raises(TooLarge):
        parse_canonical(fits + b" ")


def test_unknown_and_missing_fields_are_refused() -> None:
    """A policy with a field more, or less, than its schema is no policy."""
    fields = json.loads(OutputPolicy().to_bytes())
    assert OutputPolicy.from_bytes(canonical(fields)) == OutputPolicy()
    with pytest.raises(BadDocument):
        OutputPolicy.from_bytes(canonical(fields | {"extra": 1}))
    for name in fields:
        with pytest.raises(BadDocument):
            OutputPolicy.from_bytes(canonical({key: value for key, value in fields.items() if key != name}))


@given(st.binary(max_size=80))
def test_words_travel_as_text(data: bytes) -> None:
    """Whole 64-bit words come back as they were; anything else is refused."""
    if len(data) % 8 == 0:
        assert text_to_words(words_to_text(data)) == data
    else:
        with pytest.raises(BadDocument):
            text_to_words(words_to_text(data))


def test_a_changed_copy_has_another_digest() -> None:
    """A digest is kept with its document, and never with a copy that says something else."""
    policy = OutputPolicy()
    first = policy.digest
    assert policy.digest is first
    assert policy == OutputPolicy()
    other = policy.model_copy(update={"levels": 17})
    assert other.digest == OutputPolicy(levels=17).digest != first
    assert policy.model_copy(deep=True).digest == first
