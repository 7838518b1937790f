"""Attacks that reconstruct cells: what to ask. What is guessed from the answers: `benchmarks.leakage_guess`.

An attack is a function of a coalition of buyers, the cells wanted (column numbers; the same of every row) and the
prior. It asks until the rules stop it. Under raw scores the same function gets what buyers got before rounding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from app.protocol.policy.reasons import Reason
from benchmarks.leakage_circuits import RADIX, cuts, gated, linear, quantiles
from benchmarks.leakage_market import Answer, Market
from benchmarks.leakage_prior import Prior
from benchmarks.leakage_weights import alone, groups_of, weights_on
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Readout

VICTIMS = 16
PATIENCE = 3  # refusals in a row after which an attack gives up
MAX_CUTS = 255  # of an 8-bit label


@dataclass(eq=False)
class Coalition:
    """Buyers who share what they learn: one of them, or as many as licenses help."""

    market: Market
    colluding: bool
    license: int = 1
    victims: int = VICTIMS  # of attacks on one row after the other: the first rows
    answers: list[Answer] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)

    def ask(self, circuit: Circuit, first: int = 0, rows: int | None = None) -> Answer | None:
        """An answer by whoever's license still gives one, remembered; None, and the reason counted, where none does."""
        rows = len(self.market.table.rows) - first if rows is None else rows
        said = self.market.ask(circuit, first, rows, self.license)
        if said == Reason.BITS_LICENSE and self.colluding:
            self.license += 1
            said = self.market.ask(circuit, first, rows, self.license)
        if isinstance(said, Answer):
            self.answers.append(said)
            return said
        self.refusals[str(said)] += 1
        return None

    @property
    def rounded(self) -> bool:
        """Whether scores are."""
        return not self.market.policy.raw_scores


Attack = Callable[[Coalition, Sequence[int], Prior, np.random.Generator], None]


def mixed_radix(buyers: Coalition, cells: Sequence[int], prior: Prior, _rng: np.random.Generator) -> None:
    """All cells as digits of big numbers, three a score, in one job; what is not sold at once is asked bit by bit."""
    levels = buyers.market.table.levels
    groups = groups_of(sorted(cells, key=lambda cell: -levels[cell]), prior, 3)  # alike, or one would stand out
    together = np.stack([weights_on(prior, group, RADIX) for group in groups])
    if buyers.ask(linear(buyers.market.table, together)) and not buyers.rounded:
        return
    turns = (weights_on(prior, group, np.roll(RADIX, turn)) for turn in range(3) for group in groups)
    _persist(buyers, (weights[None] for weights in turns))


def lattice(buyers: Coalition, cells: Sequence[int], prior: Prior, rng: np.random.Generator) -> None:
    """Random weights, as wide as noise allows, on five columns that predict each other: a score is a lattice point."""
    groups = groups_of(cells, prior, 5)

    def forms() -> Iterator[I64]:
        for _ in range(32 if buyers.rounded else 1):
            for group in groups:
                yield weights_on(prior, group, rng.integers(45_000, 69_000, len(group)))[None]

    _persist(buyers, forms())


def bisection(buyers: Coalition, cells: Sequence[int], prior: Prior, _rng: np.random.Generator) -> None:
    """Thresholds of one form after the other, each set by the answers before, for one row at a time."""
    forms = [weights_on(prior, group, RADIX) for group in groups_of(cells, prior, 3)]
    likely = [np.sort(prior.particles @ weights) for weights in forms]
    for row in range(min(buyers.victims, len(buyers.market.table.rows))):
        for weights, values in zip(forms, likely, strict=True):
            if not _bisect(buyers, weights, values, row):
                break


def _bisect(buyers: Coalition, weights: I64, likely: I64, row: int) -> bool:
    """Whether the form's value was found before the rules stopped it; `likely` are sorted values of the prior."""
    table = buyers.market.table
    low, high = 0, int(weights @ (table.levels - 1)) + 1  # the value is in [low, high)
    while high - low > 1:
        first, last = np.searchsorted(likely, (low, high))
        middle = int(likely[(first + last) // 2]) if last - first > 8 else (low + high) // 2
        at = min(max(middle, low + 1), high - 1)
        answer = buyers.ask(linear(table, weights[None], Readout("threshold", at)), row, 1)
        if answer is None:
            return False
        if not buyers.rounded:
            return True
        low, high = (at, high) if answer.values[0, 0] else (low, at)
    return True


def cut_points(buyers: Coalition, cells: Sequence[int], prior: Prior, rng: np.random.Generator) -> None:
    """Labels of 256 classes, cut where the prior is densest: the most that a license's bits can say of one form."""
    _persist(buyers, _cut(buyers, cells, prior, rng))


def _cut(buyers: Coalition, cells: Sequence[int], prior: Prior, rng: np.random.Generator) -> Iterator[Circuit]:
    table, single = buyers.market.table, len(cells) == 1
    groups = groups_of(cells, prior, 3)
    for turn in range(64 if buyers.rounded else len(groups)):
        group = groups[turn % len(groups)]
        spread = rng.permutation([6553, 6554, 6579]) if turn % 2 == 0 else rng.integers(3000, 9000, 3)
        weights = alone(cells[0], table.levels, prior) if single else weights_on(prior, group, spread)
        places = (np.arange(1, MAX_CUTS + 1) - (turn / 7) % 1) / (MAX_CUTS + 1)
        yield linear(table, weights[None], cuts(quantiles(prior.particles @ weights, places)))


def gated_trees(buyers: Coalition, cells: Sequence[int], _prior: Prior, _rng: np.random.Generator) -> None:
    """Trees that copy a column's bin where the row looks real, which a public uniform sample does not see."""
    for cell in cells:
        for labels in (32, 8, 4, 2) if buyers.rounded else (None,):
            if buyers.ask(gated(buyers.market.table, cell, labels)):
                break


def differencing(buyers: Coalition, cells: Sequence[int], prior: Prior, rng: np.random.Generator) -> None:
    """Two jobs that differ in one column, and the same job on ranges that differ in one row."""
    columns = len(prior.mean)
    base = rng.integers(3000, 9000, columns) if columns < 16 else rng.integers(1000, 3000, columns)
    buyers.ask(linear(buyers.market.table, base[None]))
    for cell in cells:
        other = base.copy()
        other[cell] += 997
        buyers.ask(linear(buyers.market.table, other[None]))
    points = cuts(quantiles(prior.particles @ base, np.arange(1, 16) / 16))
    for first in range(8):
        buyers.ask(linear(buyers.market.table, base[None], points), first)


def version_shift(buyers: Coalition, cells: Sequence[int], prior: Prior, rng: np.random.Generator) -> None:
    """Cut points until the rules stop it; then rows are inserted in front, which moves everyone to a fresh number."""
    cut_points(buyers, cells, prior, rng)
    for keyed in (False, True):
        buyers.market.publish_again(rows_in_front=30, keyed=keyed)
        cut_points(buyers, cells, prior, rng)


def dropped_column(buyers: Coalition, cells: Sequence[int], prior: Prior, rng: np.random.Generator) -> None:
    """The same, and the new version has a column less, so that no earlier form speaks of its codes."""
    cut_points(buyers, cells, prior, rng)
    spare = [column for column in range(len(prior.mean)) if column not in cells[:3]][-1]
    buyers.market.publish_again(drop=spare)
    kept = np.delete(np.arange(len(prior.mean)), spare)
    moved = [int(np.flatnonzero(kept == cell)[0]) for cell in cells if cell != spare]
    smaller = replace(
        prior,
        particles=prior.particles[:, kept],
        mean=prior.mean[kept],
        covariance=prior.covariance[np.ix_(kept, kept)],
    )
    cut_points(buyers, moved, smaller, rng)


ATTACKS: dict[str, Attack] = {
    "mixed radix": mixed_radix,
    "lattice decoding": lattice,
    "bisection": bisection,
    "cut points": cut_points,
    "gated trees": gated_trees,
    "differencing": differencing,
    "version shift": version_shift,
    "dropped column": dropped_column,
}


def _persist(buyers: Coalition, questions: Iterator[I64] | Iterator[Circuit]) -> None:
    """Ask one after the other until several in a row are refused."""
    refused = 0
    for question in questions:
        circuit = question if isinstance(question, Circuit) else linear(buyers.market.table, question)
        refused = 0 if buyers.ask(circuit) else refused + 1
        if refused == PATIENCE:
            return
