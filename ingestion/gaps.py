"""What stands for nothing in a column of Python values."""

from __future__ import annotations

from typing import Any


def is_gap(value: Any) -> bool:
    """Whether a Python value stands for nothing: None, NaN, NaT, pandas.NA."""
    if value is None:
        return True
    if isinstance(value, str):
        return False
    try:
        return bool(value != value)  # noqa: PLR0124 - what is not equal to itself
    except TypeError:  # pandas.NA
        return True
