"""Passes over the lowered outputs (one Affine each) that save lookups; each is exact on every row.

same_message   lookups of one output on the same message become one, with the sum of their tables
fused          lookups of one output that together tell at most 8 cells apart become one on those cells
reduced        a table that is affine in its message is no lookup at all; others lose their constant and their sign,
               so that equal tables of different outputs are seen to be equal
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from fhe.arrays import I64
from fhe.compile.ir import (
    ENTRIES,
    AffineExpr,
    Bit,
    TableExpr,
    constant,
    cuts,
    evaluate,
    reached,
    tables,
    tabulate,
    total,
    wire,
)


def merge(output: AffineExpr) -> AffineExpr:
    """All passes."""
    return reduced(fused(same_message(output)))


def same_message(output: AffineExpr) -> AffineExpr:
    """One table for each message."""
    together: dict[AffineExpr, list[int]] = {}
    for which, weight in output.terms:
        if isinstance(which, TableExpr):
            entries = together.setdefault(which.of, [0] * ENTRIES)
            for message, entry in enumerate(which.entries):
                entries[message] += weight * entry
    merged = [(wire(TableExpr(of, tuple(entries))), 1) for of, entries in together.items()]
    return total([(_bits(output), 1), *merged])


def fused(output: AffineExpr) -> AffineExpr:
    """Small lookups joined, greedily, while they fit one message."""
    small = [which for which in tables(output) if not tables(which.of) and _states(cuts(which.of)) <= ENTRIES]
    weights = dict(output.terms)
    groups: list[tuple[dict[int, set[int]], list[TableExpr]]] = []
    for which in sorted(small, key=lambda table: -_states(cuts(table.of))):
        own = cuts(which.of)
        for number, (known, members) in enumerate(groups):
            joint = {column: known.get(column, set()) | own.get(column, set()) for column in {*known, *own}}
            if _states(joint) <= ENTRIES:
                groups[number] = (joint, [*members, which])
                break
        else:
            groups.append((own, [which]))
    parts = [(output, 1)]
    for known, members in groups:
        if len(members) > 1:
            parts += [(wire(member), -weights[member]) for member in members]
            parts.append((_joined(known, [(member, weights[member]) for member in members]), 1))
    return total(parts)


def reduced(output: AffineExpr) -> AffineExpr:
    """Tables in normal form; those that need no lookup gone."""
    return total([(_bits(output), 1), *((_reduced(which), weight) for which, weight in output.terms
                                        if isinstance(which, TableExpr))])  # fmt: skip


def _bits(output: AffineExpr) -> AffineExpr:
    """The part of an output that needs no lookup."""
    return AffineExpr(tuple(term for term in output.terms if isinstance(term[0], Bit)), output.constant)


def _states(by_column: Mapping[int, set[int]]) -> int:
    return math.prod(len(own) + 1 for own in by_column.values())


def _joined(by_column: Mapping[int, set[int]], members: list[tuple[TableExpr, int]]) -> AffineExpr:
    """Mixed radix over the cells of all columns, and the members' sum on it."""
    parts, stride = [], 1
    for column, own in sorted(by_column.items()):
        parts += [(wire(Bit(column, cut)), stride) for cut in sorted(own)]
        stride *= len(own) + 1
    together = total((wire(member), weight) for member, weight in members)

    def value(codes: Mapping[int, I64]) -> I64:
        return evaluate(together, codes)

    return wire(tabulate(total(parts), value, {}))


def _reduced(which: TableExpr) -> AffineExpr:
    messages = reached(which.of)
    first, base = messages[0], which.entries[messages[0]]
    if not tables(which.of):  # a first stage's output is narrow: only bits may be used without a lookup
        slope = 0
        if len(messages) > 1:
            slope, rest = divmod(which.entries[messages[1]] - base, messages[1] - first)
            slope = 0 if rest else slope
        if all(which.entries[message] == base + slope * (message - first) for message in messages):
            return which.of * slope + constant(base - slope * first)
    elif all(which.entries[message] == base for message in messages):
        return constant(base)
    entries = [which.entries[message] - base if message in messages else 0 for message in range(ENTRIES)]
    sign = 1 if next(entry for entry in entries if entry) > 0 else -1
    return wire(TableExpr(which.of, tuple(sign * entry for entry in entries)), sign) + constant(base)
