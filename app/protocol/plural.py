"""A count with its noun, in English: said alike by commands, audits and pages."""

from __future__ import annotations


def plural(value: int, one: str, many: str = "") -> str:
    """A count with its noun: "1 job", "1,200 jobs"."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"
