"""All attacks: each sets up jobs that must not be released, and says how they must end."""

from __future__ import annotations

from tests.attack import forged_outputs, greedy_circuits, swapped_facts
from tests.attack.stage import ATTACKS

MODULES = (forged_outputs, swapped_facts, greedy_circuits)  # importing them registers their attacks

__all__ = ["ATTACKS", "MODULES"]
