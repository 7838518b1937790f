"""Policies for tests that look at something else than what is released."""

from __future__ import annotations

from typing import Any

from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.rules import MAX_LEVELS

PLENTY = 1 << 30  # micro-bits: about a thousand bits


def roomy(**changes: Any) -> OutputPolicy:
    """Scores come out exactly where they have at most 65,536 values, and bits do not run out in a test."""
    room = {"release": "score", "levels": MAX_LEVELS, "max_rank": 4, "micro_bits_per_license": PLENTY}
    return OutputPolicy.model_validate({**room, "micro_bits_per_person": 2 * PLENTY, **changes})
