"""Reconstruction attacks read the table from raw scores, and under the default policy no more than its bits say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.bits import MICRO, person_limit
from app.protocol.policy.reasons import Reason
from benchmarks.leakage import RAW, attempt
from benchmarks.leakage_attacks import ATTACKS, Coalition, bisection, cut_points, mixed_radix
from benchmarks.leakage_circuits import RADIX, gated, linear
from benchmarks.leakage_figures import ratio
from benchmarks.leakage_guess import by_lattice, learn
from benchmarks.leakage_lattice import decode
from benchmarks.leakage_market import Answer, Market
from benchmarks.leakage_prior import Prior, blind, fit
from benchmarks.leakage_tables import Table, load
from fhe.leakage import leakage_of

SAME_FIVE = [0, 2, 3, 20, 22]  # radius, perimeter, area and two worst values: each predicts the others
THREE = [1, 4, 9]  # cells of a wine
DEFAULT = OutputPolicy()


@pytest.fixture(scope="module")
def cancer() -> tuple[Table, Prior]:
    """The demo's table, and what its buyer's half tells of it."""
    table = load("breast cancer")
    return table, fit(table.known, table.levels, 5_000, np.random.default_rng(1))


@pytest.fixture(scope="module")
def wine() -> tuple[Table, Prior]:
    """A small table of 13 columns: 26 bits a person in all."""
    table = load("wine")
    return table, fit(table.known, table.levels, 20_000, np.random.default_rng(2))


@pytest.fixture(scope="module")
def log2_chance(wine: tuple[Table, Prior]) -> float:
    """Of the best guess of three of its cells without any answer."""
    table, _ = wine
    return blind(table.known[:, THREE], table.levels[THREE], 100_000, np.random.default_rng(7))[1]


def _radix(columns: int) -> npt.NDArray[Any]:
    weights = np.zeros((columns // 3, columns), np.int64)
    for output in range(columns // 3):
        weights[output, 3 * output : 3 * output + 3] = RADIX
    return weights


def test_ten_scores_gave_the_whole_table(cancer: tuple[Table, Prior]) -> None:
    """Mixed radix reads all 8,550 cells of the demo's table from one raw job; the default sells none of it."""
    table, prior = cancer
    circuit, rows = linear(table, _radix(30)), len(table.rows)
    raw = Market(table, RAW).ask(circuit, 0, rows, license=1)
    assert isinstance(raw, Answer)
    known = learn(table, RAW, [raw], prior)
    read = by_lattice(known, prior, np.arange(rows), range(30), table.levels)
    assert read is not None
    assert read.size == 8550
    assert (read == table.rows).mean() > 0.999
    market = Market(table, DEFAULT)
    assert market.ask(circuit, 0, rows, license=1) == Reason.BITS_LICENSE
    assert not market.charged.any()


def test_one_score_gave_five_columns(cancer: tuple[Table, Prior]) -> None:
    """Lattice decoding reads five columns from one raw score on most rows, and on none from the score in levels."""
    table, prior = cancer
    weights = np.zeros((1, 30), np.int64)
    weights[0, SAME_FIVE] = [67_891, 53_653, 61_979, 68_947, 57_529]
    exact = {}
    for policy in (RAW, DEFAULT):
        answer = Market(table, policy).ask(linear(table, weights), 0, len(table.rows), license=1)
        assert isinstance(answer, Answer)
        known = learn(table, policy, [answer], prior)
        read = by_lattice(known, prior, np.arange(len(table.rows)), SAME_FIVE, table.levels)
        assert read is not None
        exact[policy.digest] = float((read == table.rows[:, SAME_FIVE]).all(axis=1).mean())
    assert exact[RAW.digest] > 0.6
    assert exact[DEFAULT.digest] == 0.0


def test_larger_weights_do_not_buy_finer_levels(wine: tuple[Table, Prior]) -> None:
    """Weights a thousand times as large give the same sixteen levels at the same price."""
    table, _ = wine
    small = np.arange(20, 33)[None]
    seen = []
    for weights in (small, small * 1000):
        market = Market(table, DEFAULT)
        answer = market.ask(linear(table, weights), 0, len(table.rows), license=1)
        assert isinstance(answer, Answer)
        assert set(market.charged) == {4 * MICRO}
        seen.append(np.unique(answer.values[0], return_inverse=True)[1])
    assert len(np.unique(seen[0])) <= 16
    assert np.array_equal(*seen)


def test_gated_tree_pays_for_what_it_copies(cancer: tuple[Table, Prior]) -> None:
    """A tree whose gate the public sample does not open copies a bin on most rows, at the bin's full price."""
    table, _ = cancer
    column = 4
    bins = table.codes(table.rows)[table.columns[column], "bins"]
    leak = leakage_of(gated(table, column), table.codebook)
    assert leak.shares[0][1] < 0.9, "the public sample shows the column"
    raw = Market(table, RAW).ask(gated(table, column), 0, len(bins), license=1)
    assert isinstance(raw, Answer)
    assert (raw.values[0] == bins).mean() > 0.9
    market = Market(table, DEFAULT)
    copied = market.ask(gated(table, column, 32), 0, len(bins), license=1)
    assert isinstance(copied, Answer)
    assert set(market.charged) == {5 * MICRO}
    assert market.ask(gated(table, column + 1, 32), 0, len(bins), license=1) == Reason.BITS_LICENSE


def test_bisection_stops_at_the_licenses_bits(wine: tuple[Table, Prior]) -> None:
    """Adaptive thresholds get eight answers about a person, whatever they ask next."""
    market = Market(wine[0], DEFAULT)
    buyers = Coalition(market, colluding=False, victims=4)
    bisection(buyers, [0, 1, 2], wine[1], np.random.default_rng(3))
    assert market.charged.max() == DEFAULT.micro_bits_per_license
    assert set(buyers.refusals) == {Reason.BITS_LICENSE}


def test_colluding_licenses_stop_at_the_persons_limit(wine: tuple[Table, Prior]) -> None:
    """However many licenses share what they learn, no person gives away more than the table sells of one."""
    market = Market(wine[0], DEFAULT)
    buyers = Coalition(market, colluding=True, victims=4)
    rng = np.random.default_rng(4)
    for attack in (cut_points, mixed_radix, bisection):
        attack(buyers, list(range(13)), wine[1], rng)
    limit = person_limit(DEFAULT, wine[0].codebook)
    assert buyers.license > 3
    assert limit - MICRO < market.charged.max() <= limit
    assert Reason.BITS_PERSON in buyers.refusals


@pytest.mark.parametrize("keyed", [False, True])
def test_a_new_version_is_no_new_budget(wine: tuple[Table, Prior], keyed: bool) -> None:
    """Who was asked about to the limit stays so when rows come in front of them or a column goes."""
    table, _ = wine
    market = Market(table, OutputPolicy(micro_bits_per_person=8 * MICRO))
    rows = len(table.rows)
    for license in (1, 2):
        assert isinstance(market.ask(linear(table, np.arange(20, 33)[None] + license), 0, rows, license), Answer)
    for drop in (None, 12):
        market.publish_again(rows_in_front=30, drop=drop, keyed=keyed)
        columns = len(market.table.columns)
        circuit = linear(market.table, np.arange(50, 50 + columns)[None])
        assert market.ask(circuit, 0, rows, license=3) == Reason.BITS_PERSON
        fresh = market.ask(circuit, -market.shift, 30, license=3) if keyed else Reason.BITS_PERSON
        assert isinstance(fresh, Answer) == keyed, "rows that no job touched keep their bits only where it is known"
        market.history = [entry for entry in market.history if entry.license != 3]
    assert market.charged.max() == 8 * MICRO


def test_a_persons_rows_share_one_budget(wine: tuple[Table, Prior]) -> None:
    """Who has two rows gives no more away when they are asked about in jobs of one row each."""
    market = Market(wine[0], DEFAULT)
    market.encrypted = market.encrypted.model_copy(update={"rows_per_person": 2})
    said = [market.ask(linear(wine[0], np.arange(20, 33)[None] * n), row, 1, 1) for row in (0, 1) for n in (1, 3)]
    answers = [each for each in said if isinstance(each, Answer)]
    bits = sum(math.log2(min(DEFAULT.levels, each.leak.ranges[0] + 1)) for each in answers)
    assert bits == 8
    assert Reason.BITS_LICENSE in said


@pytest.mark.parametrize("deal", ["license", "colluding"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_no_attack_beats_the_bound(wine: tuple[Table, Prior], log2_chance: float, attack: str, deal: str) -> None:
    """Three given cells are guessed no more often than 2 to the bits charged, times the chance of the best guess."""
    table, prior = wine
    rng = np.random.default_rng(5)
    trial = attempt(table, prior, attack, deal, "3", THREE, log2_chance, rng, victims=4)
    assert trial.micro_bits <= (8 if deal == "license" else 26) * MICRO
    assert ratio([trial]).sure <= 1.0


def test_lattice_decoding_finds_integers_from_one_exact_sum() -> None:
    """Nearest plane on a reduced basis recovers four unknowns of a few bits from one wide linear equation."""
    rng = np.random.default_rng(6)
    truth = rng.integers(90, 111, (50, 4))
    weights = np.array([[70_001, 83_177, 91_463, 99_991]])
    read = decode(np.full(4, 100.0), 40 * np.eye(4), weights, (truth @ weights.T).astype(float), np.array([0.05]))
    assert (read == truth).all(axis=1).mean() > 0.9
