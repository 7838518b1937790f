"""Passes over the lowered outputs (one Affine each) that save lookups; each is exact on every row.

behind_tables  where outputs read no bits, bits become tables: in lookups that tell them already, or in their own
same_message   lookups of one output on the same message become one, with the sum of their tables
fused          lookups of one output that together tell no more cells apart than a table has become one on those cells
reduced        a table that is affine in its message is no lookup at all; others lose their constant and their sign,
               so that equal tables of different outputs are seen to be equal
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import accumulate

import numpy as np

from fhe.arrays import I64
from fhe.compile.ir import (
    PACKED,
    AffineExpr,
    Bit,
    TableExpr,
    TableSizes,
    constant,
    cuts,
    evaluate,
    reached,
    tables,
    tabulate,
    total,
    wire,
)


def merge(output: AffineExpr, sizes: TableSizes = PACKED) -> AffineExpr:
    """All passes."""
    if sizes.bare:
        return reduced(fused(same_message(output), sizes), sizes)
    return reduced(fused(behind_tables(same_message(output), sizes), sizes), sizes)


def behind_tables(output: AffineExpr, sizes: TableSizes) -> AffineExpr:
    """Without bits: each is added to the table of a lookup whose message tells it, or is told by one of its column."""
    own = {which.of: list(which.entries) for which in tables(output) if not tables(which.of)}
    weights = {which: weight for which, weight in output.terms if isinstance(which, TableExpr)}
    parts = [(wire(which, weight), 1) for which, weight in weights.items() if which.of not in own]
    for which, weight in weights.items():
        if which.of in own:
            own[which.of] = [weight * entry for entry in which.entries]
    left: dict[int, dict[int, int]] = {}
    for bit, weight in output.terms:
        if isinstance(bit, Bit):
            told = next(filter(None, (_telling(of, bit, sizes) for of in own)), None)
            if told is None:
                left.setdefault(bit.column, {})[bit.cut] = weight
            else:
                entries = own[told.of]
                own[told.of] = [entry + weight * one for entry, one in zip(entries, told.entries, strict=True)]
    parts += [(wire(TableExpr(of, tuple(entries))), 1) for of, entries in own.items()]
    parts += [(each, 1) for column, cuts_of in left.items() for each in _column_tables(column, cuts_of, sizes)]
    return total([(constant(output.constant), 1), *parts])


def _telling(of: AffineExpr, bit: Bit, sizes: TableSizes) -> TableExpr | None:
    """The bit as a table on a message, where that tells it."""
    if bit.cut not in cuts(of).get(bit.column, ()):
        return None
    try:
        return tabulate(of, lambda codes: (codes[bit.column] >= bit.cut).astype(np.int64), {}, sizes.of(of))
    except ValueError:
        return None


def _column_tables(column: int, weights: Mapping[int, int], sizes: TableSizes) -> list[AffineExpr]:
    """A sum of bits of one column as tables on how many of them are set."""
    found, ordered = [], sorted(weights)
    for start in range(0, len(ordered), sizes.first - 1):
        part = ordered[start : start + sizes.first - 1]
        entries = list(accumulate((weights[cut] for cut in part), initial=0))
        entries += [0] * (sizes.first - len(entries))
        found.append(wire(TableExpr(total((wire(Bit(column, cut)), 1) for cut in part), tuple(entries))))
    return found


def same_message(output: AffineExpr) -> AffineExpr:
    """One table for each message."""
    together: dict[AffineExpr, list[int]] = {}
    for which, weight in output.terms:
        if isinstance(which, TableExpr):
            entries = together.setdefault(which.of, [0] * len(which.entries))
            for message, entry in enumerate(which.entries):
                entries[message] += weight * entry
    merged = [(wire(TableExpr(of, tuple(entries))), 1) for of, entries in together.items()]
    return total([(_bits(output), 1), *merged])


def fused(output: AffineExpr, sizes: TableSizes = PACKED) -> AffineExpr:
    """Small lookups joined, greedily, while they fit one message."""
    small = [which for which in tables(output) if not tables(which.of) and _states(cuts(which.of)) <= sizes.first]
    weights = dict(output.terms)
    groups: list[tuple[dict[int, set[int]], list[TableExpr]]] = []
    for which in sorted(small, key=lambda table: -_states(cuts(table.of))):
        own = cuts(which.of)
        for number, (known, members) in enumerate(groups):
            joint = {column: known.get(column, set()) | own.get(column, set()) for column in {*known, *own}}
            if _states(joint) <= sizes.first:
                groups[number] = (joint, [*members, which])
                break
        else:
            groups.append((own, [which]))
    parts = [(output, 1)]
    for known, members in groups:
        if len(members) > 1:
            parts += [(wire(member), -weights[member]) for member in members]
            parts.append((_joined(known, [(member, weights[member]) for member in members], sizes), 1))
    return total(parts)


def reduced(output: AffineExpr, sizes: TableSizes = PACKED) -> AffineExpr:
    """Tables in normal form; those that need no lookup gone."""
    return total([(_bits(output), 1), *((_reduced(which, sizes), weight) for which, weight in output.terms
                                        if isinstance(which, TableExpr))])  # fmt: skip


def _bits(output: AffineExpr) -> AffineExpr:
    """The part of an output that needs no lookup."""
    return AffineExpr(tuple(term for term in output.terms if isinstance(term[0], Bit)), output.constant)


def _states(by_column: Mapping[int, set[int]]) -> int:
    return math.prod(len(own) + 1 for own in by_column.values())


def _joined(by_column: Mapping[int, set[int]], members: list[tuple[TableExpr, int]], sizes: TableSizes) -> AffineExpr:
    """Mixed radix over the cells of all columns, and the members' sum on it."""
    parts, stride = [], 1
    for column, own in sorted(by_column.items()):
        parts += [(wire(Bit(column, cut)), stride) for cut in sorted(own)]
        stride *= len(own) + 1
    together = total((wire(member), weight) for member, weight in members)

    def value(codes: Mapping[int, I64]) -> I64:
        return evaluate(together, codes)

    return wire(tabulate(total(parts), value, {}, sizes.first))


def _reduced(which: TableExpr, sizes: TableSizes) -> AffineExpr:
    messages = reached(which.of)
    first, base = messages[0], which.entries[messages[0]]
    if sizes.bare and not tables(which.of):  # a first stage's output is narrow: only bits are used without a lookup
        slope = 0
        if len(messages) > 1:
            slope, rest = divmod(which.entries[messages[1]] - base, messages[1] - first)
            slope = 0 if rest else slope
        if all(which.entries[message] == base + slope * (message - first) for message in messages):
            return which.of * slope + constant(base - slope * first)
    elif all(which.entries[message] == base for message in messages):
        return constant(base)
    entries = [which.entries[message] - base if message in messages else 0 for message in range(len(which.entries))]
    sign = 1 if next(entry for entry in entries if entry) > 0 else -1
    return wire(TableExpr(which.of, tuple(sign * entry for entry in entries)), sign) + constant(base)
