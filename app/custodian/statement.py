"""The state of a dataset's budgets, for its owner: how much of each stretch of rows was given away. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from app.protocol.forms import Space
from app.protocol.leak import Released, dimensions
from app.protocol.receipt import OutputPolicy
from app.protocol.release import rank_limit


@dataclass(frozen=True)
class Stretch:
    """Rows [first, end), which the same releases cover."""

    first: int
    end: int
    jobs: tuple[int, ...]
    rank: int
    rank_left: int
    micro_epsilon: int
    micro_epsilon_left: int


def statement(history: Sequence[Released], policy: OutputPolicy, space: Space, rows: int) -> list[Stretch]:
    """Every stretch of a dataset of `rows` rows, in order, with what is left under a policy."""
    cuts = sorted({0, rows, *(e.first for e in history), *(min(e.end, rows) for e in history)})
    found = []
    for first, end in itertools.pairwise(cuts):
        entries = [entry for entry in history if entry.first <= first < entry.end]
        forms, opaque = dimensions(entries)
        rank, spent = len(forms) + len(opaque), sum(entry.micro_epsilon for entry in entries)
        found.append(
            Stretch(
                first=first,
                end=end,
                jobs=tuple(entry.job for entry in entries),
                rank=rank,
                rank_left=max(0, rank_limit(policy, space) - rank),
                micro_epsilon=spent,
                micro_epsilon_left=max(0, policy.epsilon_micro_budget - spent),
            )
        )
    return found
