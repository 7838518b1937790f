"""What reconstruction attacks get out of the market, beside the bound that its bits promise: docs/leakage.md.

On the demo's table and two more, eight attacks ask for 1, 3 or all cells of a person, three sets of cells each. Every
question is a circuit that goes through the real checks, rules and rounding (`benchmarks.leakage_market`), under the
default policy once with one license and once with all that collude, and under raw scores, as buyers got them before
there was a budget of bits. Guesses use the answers and a prior fitted on other rows (`benchmarks.leakage_prior`).

The bound of a set of cells is min(1, 2^bits x prior chance). The bits are those that the ledger charged to the row of
which most was said, not the limit. The prior chance is that of the best guess without answers, by a prior fitted on the
known rows' same cells: (hits + 1) / (rows + 1 / c), where that guess hit so many of the attacked rows and the prior
itself gives it the chance c. So it is the measured rate where there is one, and the prior's where the rows are too few
to see any. The mean chance of the true cells would not do: it is below that of the best guess (2^(k/2) times, for a
Gaussian), so that with it even no answer at all could beat the bound.

For a table, a k and an attack, the share of rows on which all k cells are exactly right is divided by the mean bound.
`worst_over_bound` is the largest of these at the lower 95 % confidence limit of the share (Clopper and Pearson), since
a share of a small chance is mostly luck; `worst_over_bound_measured` is the largest of the plain ones with at least ten
hits. An attack that got no answer has nothing to divide: it is counted in `unanswered`. `raw_cells_recovered` is the
smallest share, over tables, of all cells that the best attack reads exactly under raw scores: near 1, or the attacks
would prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from app.protocol.market.receipt import RAW_WORDS, OutputPolicy
from app.protocol.policy.bits import MICRO
from benchmarks.leakage_attacks import ATTACKS, VICTIMS, Coalition
from benchmarks.leakage_figures import Trial, summary
from benchmarks.leakage_guess import by_lattice, by_particles, learn
from benchmarks.leakage_history import budget_check_ms
from benchmarks.leakage_market import Market
from benchmarks.leakage_prior import Prior, blind, fit
from benchmarks.leakage_tables import NAMES, Table, load

SEED = 20_26
PARTICLES = 100_000
SETS = 3  # of 1 and of 3 cells, a table
BLIND = 500_000  # particles for the best guess without answers
RAW = OutputPolicy(
    release="score",
    raw_scores=RAW_WORDS,
    micro_bits_per_license=4000 * MICRO,
    micro_bits_per_person=4000 * MICRO,
)
BARE = RAW.model_copy(update={"max_rank": 32, "max_concentration": 1.0})
DEALS = {
    "license": (OutputPolicy(), False),
    "colluding": (OutputPolicy(), True),
    "raw": (RAW, True),
    "bare": (BARE, True),  # raw, and no limit of rank or concentration: what the attack is worth by itself
}


def run(progress: Callable[[int, int], None]) -> dict[str, Any]:
    """All figures; some minutes."""
    trials: list[Trial] = []
    total = len(NAMES) * 3 * len(ATTACKS)
    for number, name in enumerate(NAMES):
        rng = np.random.default_rng([SEED, number])
        table = load(name)
        prior = fit(table.known, table.levels, PARTICLES, rng)
        for trial in _trials(table, prior, rng):
            trials.append(trial)
            progress(len({(t.table, t.k, t.attack) for t in trials}), total)
    figures = summary(trials)
    return figures | {"budget_check_ms": budget_check_ms()}


def sets_of_cells(columns: int, rng: np.random.Generator) -> Iterator[tuple[str, list[list[int]]]]:
    """(k, sets of column numbers): columns evenly apart, triples of neighbours and of any columns, and all."""
    yield "1", [[column * columns // SETS] for column in range(SETS)]
    yield "3", [[0, 2, 3], *(rng.permutation(columns)[:3].tolist() for _ in range(SETS - 1))]
    yield "all", [list(range(columns))]


def _trials(table: Table, prior: Prior, rng: np.random.Generator) -> Iterator[Trial]:
    for k, sets in sets_of_cells(len(table.columns), rng):
        for number, cells in enumerate(sets):
            guess, own = blind(table.known[:, cells], table.levels[cells], BLIND, rng)
            hits = int((table.rows[:, cells] == guess).all(axis=1).sum())
            chance = np.log2(hits + 1) - np.logaddexp2(np.log2(len(table.rows)), -own)
            for attack in ATTACKS:
                for deal in DEALS:
                    if number == 0 or deal in ("license", "colluding"):
                        yield attempt(table, prior, attack, deal, k, cells, float(chance), rng)


def attempt(
    table: Table,
    prior: Prior,
    attack: str,
    deal: str,
    k: str,
    cells: Sequence[int],
    log2_prior: float,
    rng: np.random.Generator,
    victims: int = VICTIMS,
) -> Trial:
    """Run one attack on a fresh dataset, guess, and compare with the truth."""
    policy, colluding = DEALS[deal]
    market = Market(table, policy)
    buyers = Coalition(market, colluding, victims=victims)
    ATTACKS[attack](buyers, cells, prior, rng)
    rows = np.arange(min(victims, len(table.rows)) if attack == "bisection" else len(table.rows))
    truth = table.rows[rows][:, cells]
    known = learn(table, policy, buyers.answers, prior)
    guesses = [by_lattice(known, prior, rows, cells, table.levels)]
    if guesses[0] is None or known.opaque or not policy.raw_scores:  # no particle has raw values of linear forms
        guesses.append(by_particles(known, prior, rows, cells, rng))
    right = [guess == truth for guess in guesses if guess is not None]
    micro_bits = int(market.charged[rows].max())
    return Trial(
        table=table.name,
        attack=attack,
        deal=deal,
        k=k,
        rows=len(rows),
        hits=max(int(each.all(axis=1).sum()) for each in right),
        cells=max(float(each.mean()) for each in right),
        micro_bits=micro_bits,
        bound=float(2.0 ** min(0.0, micro_bits / MICRO + log2_prior)),
        answered=bool(buyers.answers),
    )
