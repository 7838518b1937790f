"""From single attacks to the figures of `benchmarks.leakage`, which says what they mean."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

CONFIDENCE = 0.95
ENOUGH = 10  # hits from which a share is measured rather than met by luck


@dataclass(frozen=True)
class Trial:
    """One attack on one set of cells of a table."""

    table: str
    attack: str
    deal: str
    k: str  # "1", "3" or "all"
    rows: int
    hits: int  # rows on which all k cells were right
    cells: float  # share of single cells that were right
    micro_bits: int
    bound: float
    answered: bool


@dataclass(frozen=True)
class Ratio:
    """A share of rows over its bound, for the trials of one attack that belong together."""

    measured: float
    sure: float  # with the share's lower confidence limit
    hits: int
    where: str


def summary(trials: Sequence[Trial]) -> dict[str, Any]:
    """The figures, flat; each attack's share of rows under the default policy, its bound, and under raw scores."""
    ours = [trial for trial in trials if trial.deal in ("license", "colluding")]
    ratios = [ratio(group) for group in _groups(ours) if any(trial.answered for trial in group)]
    worst = max(ratios, key=lambda each: each.sure)
    whole = [trial for trial in ours if trial.k == "all"]
    figures: dict[str, Any] = {
        "worst_over_bound": worst.sure,
        "worst_over_bound_where": worst.where,
        "worst_over_bound_measured": max((each.measured for each in ratios if each.hits >= ENOUGH), default=0.0),
        "whole_person_recovered": max(trial.hits / trial.rows for trial in whole),
        "cells_recovered_license": max(trial.cells for trial in whole if trial.deal == "license"),
        "cells_recovered_colluding": max(trial.cells for trial in whole if trial.deal == "colluding"),
        "raw_cells_recovered": _raw(trials, "raw"),
        "raw_cells_recovered_without_limits": _raw(trials, "bare"),
        "attacks": len({trial.attack for trial in trials}),
        "tables": len({trial.table for trial in trials}),
        "tried": len(trials),
        "unanswered": sum(not trial.answered for trial in ours),
    }
    for attack in dict.fromkeys(trial.attack for trial in trials):
        for k in dict.fromkeys(trial.k for trial in trials):
            figures |= _beside(attack, k, [trial for trial in trials if (trial.attack, trial.k) == (attack, k)])
    return figures


def ratio(trials: Sequence[Trial]) -> Ratio:
    """Of trials whose rows count together: their share of hits over their mean bound."""
    rows, hits = sum(trial.rows for trial in trials), sum(trial.hits for trial in trials)
    bound = sum(trial.rows * trial.bound for trial in trials) / rows
    first = trials[0]
    where = f"{first.attack}, {first.k} of {first.table}, {first.deal}"
    return Ratio(hits / rows / bound, lower_limit(hits, rows) / bound, hits, where)


def lower_limit(hits: int, rows: int) -> float:
    """The chance below which so many hits or more would come less often than once in twenty."""
    low, high = 0.0, hits / rows
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_least(hits, rows, middle) < 1 - CONFIDENCE else (low, middle)
    return low


def _at_least(hits: int, rows: int, chance: float) -> float:
    """The binomial tail."""
    if chance <= 0:
        return float(hits == 0)
    if chance >= 1:
        return 1.0
    log = [
        math.lgamma(rows + 1) - math.lgamma(n + 1) - math.lgamma(rows - n + 1)
        + n * math.log(chance) + (rows - n) * math.log1p(-chance)
        for n in range(hits, rows + 1)
    ]  # fmt: skip
    return math.fsum(map(math.exp, log))


def _groups(trials: Iterable[Trial]) -> list[list[Trial]]:
    def key(trial: Trial) -> tuple[str, str, str, str]:
        return trial.table, trial.attack, trial.deal, trial.k

    return [list(group) for _, group in groupby(sorted(trials, key=key), key)]


def _raw(trials: Sequence[Trial], deal: str) -> float:
    """The best attack's share of all cells, on the table where it is least."""
    whole = [trial for trial in trials if trial.deal == deal and trial.k == "all"]
    tables = {trial.table for trial in whole}
    return min(max(trial.cells for trial in whole if trial.table == table) for table in tables)


def _beside(attack: str, k: str, trials: Sequence[Trial]) -> dict[str, float]:
    """One attack on k cells, over all tables: with one license, all of them, and raw; shares of rows and bounds."""
    name, found = f"{attack.replace(' ', '_')}_{k}", {}
    for deal in dict.fromkeys(trial.deal for trial in trials):
        part = [trial for trial in trials if trial.deal == deal]
        rows = sum(trial.rows for trial in part)
        found[f"{name}_{deal}"] = sum(trial.hits for trial in part) / rows
        if deal in ("license", "colluding"):
            found[f"{name}_{deal}_bound"] = sum(trial.rows * trial.bound for trial in part) / rows
    return found
