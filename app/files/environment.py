"""Settings that name a variable of the environment in place of a value, so that no token lies in a file."""

from __future__ import annotations

import os

from app.protocol.errors import UsageError


def from_environment(text: str) -> str:
    """The text itself, or what the variable of `env:NAME` holds. Errors: UsageError."""
    scheme, _, name = text.partition(":")
    if scheme != "env":
        return text
    if not (value := os.environ.get(name, "")):
        raise UsageError(f"The settings want the environment variable {name}, which is not set.", "Set it.")
    return value
