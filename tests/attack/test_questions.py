"""Reconstruction from many questions: linear programming on noisy counts, within all that the budget sells."""

from __future__ import annotations

import random

import numpy as np
from scipy.optimize import linprog

from app.client.ask.plan import plan
from app.client.ask.query import parse
from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.bits import noisy_micro_bits, person_limit
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.leakage import leakage_of
from fhe.profiles import REFERENCE

ROWS, KNOWN, EPSILON = 120, 6, 100_000  # micro-epsilon of a question
EDGES = (64.0, 128.0, 192.0)
BOOK = Codebook(
    columns=(
        *(ColumnCode(name=f"k{n}", dtype="float64", bins=EDGES, declared=True) for n in range(KNOWN)),
        ColumnCode(name="ill", dtype="int64", affine=Affine(low=0.0, step=1.0, levels=2), declared=True),
    )
)
POLICY = OutputPolicy(release="aggregate", epsilon_micro_per_job=EPSILON)


def reconstruct(questions: int, noise: bool, seed: int) -> float:
    """The share of the rows' secret bits that an attacker who knows every other column gets right.

    Each question counts the ill among those whom a random condition on two columns picks. The attack finds the bits
    whose counts are nearest to the answers in L1 (Dwork, McSherry, Talwar, "The Price of Privacy and the Limits of LP
    Decoding", STOC 2007), then rounds.
    """
    rng, chance = np.random.default_rng(seed), random.Random(seed)
    known, ill = rng.integers(0, 256, (ROWS, KNOWN)).astype(float), rng.integers(0, 2, ROWS)
    codes = {(f"k{n}", "bins"): np.searchsorted(EDGES, known[:, n], side="right") for n in range(KNOWN)}
    chosen, answers = [], []
    for _ in range(questions):
        one, other = chance.sample(range(KNOWN), 2)
        low, high = chance.choice(EDGES), chance.choice(EDGES)
        circuit = plan(
            parse(f"SELECT count(*) FROM data WHERE (k{one} >= {low} OR k{other} < {high}) AND ill = 1"),
            BOOK,
            REFERENCE,
        ).circuit
        assert circuit is not None
        inputs = gather_inputs(circuit, codes | {("ill", "affine"): ill})  # type: ignore[arg-type]
        answer = float(evaluate_clear(circuit, inputs).sum())
        answers.append(answer + (rng.laplace(0, 10**6 / EPSILON) if noise else 0.0))
        if len(answers) == 1:
            assert leakage_of(circuit, BOOK).sensitivity == 1  # what the noise is scaled to
        chosen.append((known[:, one] >= low) | (known[:, other] < high))
    picked = np.array(chosen, float)
    slack = np.eye(questions)
    bounds = [(0, 1)] * ROWS + [(0, None)] * questions
    found = linprog(
        np.concatenate([np.zeros(ROWS), np.ones(questions)]),
        A_ub=np.block([[picked, -slack], [-picked, -slack]]),
        b_ub=np.concatenate([answers, -np.array(answers)]),
        bounds=bounds,
    )
    return float(((found.x[:ROWS] > 0.5) == ill).mean())


def test_many_questions_reconstruct_no_column() -> None:
    """All questions that all buyers together are sold give hardly more than a coin; the same without noise gives more.

    The attack is a real one: without noise, enough questions give nearly everybody's bit.
    """
    sold = person_limit(POLICY, BOOK) // noisy_micro_bits(EPSILON)
    assert sold == 55
    with_noise = np.mean([reconstruct(sold, True, seed) for seed in range(3)])
    without = np.mean([reconstruct(sold, False, seed) for seed in range(3)])
    assert with_noise < 0.65
    assert with_noise < without
    assert reconstruct(260, False, 9) > 0.9
