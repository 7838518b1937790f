"""What is wrong with a field, in the reader's language: pydantic's sentences by error type, said by the catalogue.

Programs read pydantic's English, which is the same everywhere. Each type's message is known to the catalogue of
sentences, values in braces, and so is said as any other sentence is (`app.market.web.language`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import PydanticKnownError

# Error types that the API's fields can have, each with values of the kind that its message has.
TYPES: Mapping[str, Mapping[str, Any] | None] = {
    "missing": None,
    "extra_forbidden": None,
    "value_error": {"error": "x"},
    "json_invalid": {"error": "x"},
    "int_type": None,
    "int_parsing": None,
    "int_parsing_size": None,
    "int_from_float": None,
    "float_type": None,
    "float_parsing": None,
    "finite_number": None,
    "greater_than": {"gt": 1},
    "greater_than_equal": {"ge": 1},
    "less_than": {"lt": 1},
    "less_than_equal": {"le": 1},
    "multiple_of": {"multiple_of": 1},
    "bool_type": None,
    "bool_parsing": None,
    "string_type": None,
    "string_unicode": None,
    "string_too_short": {"min_length": 2},
    "string_too_long": {"max_length": 2},
    "string_pattern_mismatch": {"pattern": "x"},
    "literal_error": {"expected": "x"},
    "enum": {"expected": "x"},
    "list_type": None,
    "tuple_type": None,
    "too_short": {"field_type": "x", "min_length": 2, "actual_length": 1},
    "too_long": {"field_type": "x", "max_length": 2, "actual_length": 3},
    "dict_type": None,
    "model_type": {"class_name": "x"},
    "model_attributes_type": None,
}


def field_messages() -> Iterator[str]:
    """The message of each type, its values in braces; one that has a plural in both forms. And FastAPI's own."""
    yield "JSON decode error"
    yield "Input should be {expected} or {last}"
    for kind, values in TYPES.items():
        message = PydanticKnownError(kind, dict(values) if values else None).message_template  # type: ignore[arg-type]
        for ending in ("", "s") if "{expected_plural}" in message else ("",):
            yield re.sub(r"\{expected_plural\}", ending, message)
