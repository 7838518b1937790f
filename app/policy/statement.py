"""The state of a dataset's budgets, for its owner: how much of each stretch of rows was given away. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from app.protocol.data.dataset import EncryptedTable
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.bits import person_limit
from app.protocol.policy.leakage import Released, dimensions
from app.protocol.policy.linear_forms import Space
from app.protocol.policy.rules import rank_limit, spent_on


@dataclass(frozen=True)
class Stretch:
    """Rows [first, end) of one version, which the same releases cover; micro-bits about each of their persons."""

    first: int
    end: int
    jobs: tuple[int, ...]
    rank: int
    rank_left: int
    micro_bits: int
    micro_bits_left: int


def statement(
    history: Sequence[Released], policy: OutputPolicy, space: Space, table: EncryptedTable, version: int
) -> list[Stretch]:
    """Every stretch of a version's rows, in order, with what is left under a policy."""
    own = [entry for entry in history if entry.version == version]
    ends = [(stretch.first_row, stretch.first_row + stretch.rows) for stretch in table.carried]
    ends += [(entry.first, min(entry.end, table.rows)) for entry in own]
    cuts = sorted({0, table.rows, *itertools.chain.from_iterable(ends)})
    limit, found = person_limit(policy, table.codebook), []
    for first, end in itertools.pairwise(cuts):
        entries = [entry for entry in own if entry.first <= first < entry.end]
        forms, opaque = dimensions(entries)
        rank = len(forms) + len(opaque)
        spent = spent_on(table, history, version, first, end)
        found.append(
            Stretch(
                first=first,
                end=end,
                jobs=tuple(entry.job for entry in entries),
                rank=rank,
                rank_left=max(0, rank_limit(policy, space.columns) - rank),
                micro_bits=spent,
                micro_bits_left=max(0, limit - spent),
            )
        )
    return found
