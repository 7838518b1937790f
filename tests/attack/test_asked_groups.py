"""Attacks by questions: differencing, conditions that single one row out, overlapping groups, many marginals.

Each attack is run without noise, where it succeeds, and through the market, where it is held to the promise: the chance
of a right guess about a person is at most 2 to the bits charged, times what it was before. What goes beyond is refused.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.reasons import Reason
from fhe.arrays import I64
from tests.attack.asking import AskedDataset, Codes, chance_bound, compiled

ROWS, KNOWN = 60, 4
EPSILON, MICRO_BITS = 100_000, 144_270  # a question's, in millionths
EDGES = (64.0, 128.0, 192.0)
VICTIM = (2, 1, 2, 1)  # the first row's cells, which the attacker knows
STEPS = tuple(float(step) for step in range(32, 256, 32))
BOOK = Codebook(
    columns=(
        *(ColumnCode(name=f"k{n}", dtype="float64", bins=EDGES, declared=True) for n in range(KNOWN)),
        ColumnCode(name="income", dtype="float64", bins=STEPS, declared=True),
        ColumnCode(name="ill", dtype="int64", affine=Affine(low=0.0, step=1.0, levels=2), declared=True),
    )
)


def policy(bits_license: float, bits_person: float) -> OutputPolicy:
    """Aggregates at epsilon 0.1 a question, and so many bits."""
    return OutputPolicy(
        release="aggregate", circuits=("linear", "additive", "trees", "lookup"), min_group=20,
        epsilon_micro_per_job=EPSILON, micro_bits_per_license=int(bits_license * 1e6),
        micro_bits_per_person=int(bits_person * 1e6), max_bootstraps=10**9,
    )  # fmt: skip


def people(seed: int) -> tuple[I64, Codes]:
    """(cells of the known columns, all codes) of a table whose last two columns are secret."""
    rng = np.random.default_rng(seed)
    known = rng.integers(0, len(EDGES) + 1, (ROWS, KNOWN))
    known[0] = VICTIM
    codes = {(f"k{n}", "bins"): known[:, n] for n in range(KNOWN)}
    codes |= {("income", "bins"): rng.integers(0, len(STEPS) + 1, ROWS), ("ill", "affine"): rng.integers(0, 2, ROWS)}
    return known, codes


def surely_within(right: int, trials: int, bound: float) -> bool:
    """Whether so many right guesses are no more than a chance of `bound` gives, but for one in a million such tests."""
    return right <= bound * trials + 4.8 * math.sqrt(trials * bound * (1 - bound)) + 1e-9


def test_differencing_by_rows_is_refused() -> None:
    """Two buyers count the ill on ranges that differ by one person: the second is refused."""
    sql, asked = "SELECT count(*) FROM data WHERE ill = 1", AskedDataset(BOOK, people(1)[1], policy(8, 8))
    assert not isinstance(asked.ask(sql, license=1), Reason)
    assert asked.ask(sql, license=2, first=1) == Reason.RANGES_TOO_CLOSE
    assert asked.ask(sql, license=3, rows=ROWS - 1) == Reason.RANGES_TOO_CLOSE


def test_differencing_by_conditions_learns_what_the_answers_say() -> None:
    """Two buyers count the ill with and without one person's cells: the difference is their bit, in the noise."""
    whole = "SELECT count(*) FROM data WHERE ill = 1"
    without = f"{whole} AND NOT ({_singling_out()[0]})"
    trials, right, bare = 300, 0, 0
    for seed in range(trials):
        known, codes = people(seed)
        ill, asked = codes["ill", "affine"], AskedDataset(BOOK, codes, policy(8, 8))
        first, second = asked.ask(whole, license=1), asked.ask(without, license=2)
        assert not isinstance(first, Reason)
        assert not isinstance(second, Reason)
        alike = (known == VICTIM).all(axis=1)
        right += (first[0] - second[0] - ill[1:][alike[1:]].sum() > 0.5) == ill[0]
        bare += (ill.sum() - ill[~alike].sum() - ill[1:][alike[1:]].sum() > 0.5) == ill[0]
    assert bare == trials
    assert surely_within(right, trials, chance_bound(2 * MICRO_BITS, 0.5))


def test_a_condition_that_singles_one_row_out_is_charged_and_then_refused() -> None:
    """Equivalent conditions on one person: each is charged, an equal one answered alike, and the budget ends it."""
    trials, right, answered = 120, 0, 0
    for seed in range(trials):
        _, codes = people(1000 + seed)
        secret, asked = int(codes["ill", "affine"][0]), AskedDataset(BOOK, codes, policy(0.6, 1.0))
        evidence, refusals = 0.0, []
        for number, condition in enumerate(_singling_out()):
            for state in (1, 0):
                sql = f"SELECT count(*) FROM data WHERE {condition} AND ill = {state}"
                said = asked.ask(sql, license=number + 1)
                if isinstance(said, Reason):
                    refusals.append(said)
                    continue
                again = asked.ask(sql, license=99)
                assert isinstance(again, np.ndarray)
                assert np.array_equal(again, said)  # the same noise: nothing to average
                evidence += (said[0] - 0.5) * (1 if state else -1)
        right += (evidence > 0) == secret
        answered = len(asked.history)
        assert set(refusals) <= {Reason.BITS_PERSON, Reason.BITS_LICENSE}
        assert refusals, "the attack stops somewhere"
    assert answered == 6  # of 0.144 bits, in one bit
    assert surely_within(right, trials, chance_bound(6 * MICRO_BITS, 0.5))


def _singling_out() -> list[str]:
    """Conditions that the first row meets, by what is known of it; each of other columns, so of another circuit."""
    parts = [f"k{n} >= {EDGES[cell - 1]:g} AND k{n} < {EDGES[cell]:g}" for n, cell in enumerate(VICTIM)]
    return [" AND ".join(parts), *(" AND ".join(parts[:n] + parts[n + 1 :]) for n in range(KNOWN))]


def test_overlapping_group_bys_tell_no_more_than_their_bits() -> None:
    """Tables of the same rows by other columns: the best sum of all cells that a person is in is held to the bits."""
    trials, right = 150, 0
    for seed in range(trials):
        known, codes = people(5000 + seed)
        secret, asked = int(codes["ill", "affine"][0]), AskedDataset(BOOK, codes, policy(8, 8))
        evidence = 0.0
        for n in range(KNOWN):
            said = asked.ask(f"SELECT k{n}, ill, count(*) FROM data GROUP BY k{n}, ill", license=n + 1)
            assert not isinstance(said, Reason)
            cell = int(known[0, n])
            others = codes["ill", "affine"][1:][known[1:, n] == cell].sum()  # the attacker knows everybody else
            evidence += float(said[2 * cell + 1]) - others - 0.5
        right += (evidence > 0) == secret
    assert surely_within(right, trials, chance_bound(KNOWN * MICRO_BITS, 0.5))


QUESTIONS = [
    (one, other, low, high)
    for one in range(KNOWN) for other in range(KNOWN) if one != other
    for low in range(1, 4) for high in range(1, 4)
]  # fmt: skip


def reconstruct(picked: I64, counts: I64) -> I64:
    """Each row's most likely cell of a secret column, from counts of its cells (questions, cells) in picked rows.

    The linear program that is nearest to all answers in L1 (Dwork, McSherry, Talwar, STOC 2007), over shares of each
    row in each cell, which add up to one.
    """
    cells = counts.shape[1]
    spread = np.kron(picked.astype(float), np.eye(cells))  # (questions * cells, rows * cells)
    slack, wanted = np.eye(len(spread)), counts.ravel().astype(float)
    rows = picked.shape[1]
    found = linprog(
        np.concatenate([np.zeros(rows * cells), np.ones(len(spread))]),
        A_ub=np.block([[spread, -slack], [-spread, -slack]]),
        b_ub=np.concatenate([wanted, -wanted]),
        A_eq=np.hstack([np.kron(np.eye(rows), np.ones(cells)), np.zeros((rows, len(spread)))]),
        b_eq=np.ones(rows),
        bounds=(0, None),
    )
    shares: I64 = found.x[: rows * cells].reshape(rows, cells)
    best: I64 = shares.argmax(axis=1)
    return best


def test_many_marginals_reconstruct_no_column() -> None:
    """All marginals that are sold, by linear programming: within the promise. As many as one likes: nearly all rows."""
    known, codes = people(9)
    income, cells = codes["income", "bins"], len(STEPS) + 1
    asked, rng = AskedDataset(BOOK, codes, policy(1.8, 1.8)), np.random.default_rng(9)
    picks: list[Any] = []
    answers: list[Any] = []
    refused, sql = None, ""
    for number in rng.permutation(len(QUESTIONS)):
        one, other, low, high = QUESTIONS[number]
        sql = (
            f"SELECT income, count(*) FROM data WHERE k{one} >= {EDGES[low - 1]:g} AND k{other} < {EDGES[high - 1]:g}"
            " GROUP BY income"
        )
        said = asked.ask(sql, license=len(answers) + 1)
        if isinstance(said, Reason):
            refused = said
            break
        picks.append((known[:, one] >= low) & (known[:, other] < high))
        answers.append(said)
    assert (len(answers), refused) == (12, Reason.BITS_PERSON)
    assert compiled(sql, BOOK)[2].sensitivity == 2  # cells exclude one another: what the noise is scaled to
    right = int((reconstruct(np.array(picks), np.array(answers)) == income).sum())
    assert surely_within(right, ROWS, chance_bound(12 * MICRO_BITS, 1 / cells))
    every = np.array([(known[:, one] >= low) & (known[:, other] < high) for one, other, low, high in QUESTIONS])
    exact = every.astype(np.int64) @ np.eye(cells, dtype=np.int64)[income]
    bare = (reconstruct(every, exact) == income).mean()
    assert bare > 0.85


@pytest.mark.parametrize("rows", [1, 19])
def test_the_least_group_is_of_the_public_range(rows: int) -> None:
    """A job on few rows is refused by its public range; a condition that few rows meet is answered, with its noise."""
    _, codes = people(3)
    asked = AskedDataset(BOOK, codes, policy(8, 8))
    assert asked.ask("SELECT count(*) FROM data WHERE ill = 1", license=1, rows=rows) == Reason.GROUP_TOO_SMALL
    nobody = {name: each * 0 for name, each in codes.items()}
    for table in (codes, nobody):
        said = AskedDataset(BOOK, table, policy(8, 8)).ask("SELECT count(*) FROM data WHERE ill = 1", license=1)
        assert not isinstance(said, Reason)  # whether anybody is ill decides nothing
