"""What a release costs a person: the charge, the limits, and that a charge bounds what anybody can learn."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.ids import Digest
from app.protocol.market.receipt import RAW_WORDS, OutputPolicy
from app.protocol.policy.bits import (
    LEAST_PERSON_BITS,
    MICRO,
    charge,
    default_person_limit,
    describe_bits,
    micro_bits,
    noisy_micro_bits,
    person_limit,
    release_kind,
    row_charge,
    row_micro_bits,
)
from app.protocol.policy.leakage import Leakage

SCORES = Leakage(
    Digest("c" * 64), "p" * 64, Digest("b" * 64), "linear", 0, ("a", "b"), (), (0, -50), (255, 49), (), 1.0
)
LABEL = replace(SCORES, labels=3)
SCORE, RAW = OutputPolicy(release="score"), OutputPolicy(release="score", raw_scores=RAW_WORDS)


def table(levels: int, columns: int, edges: int = 0) -> Codebook:
    bins = tuple(float(edge) for edge in range(1, edges + 1)) or None
    codes = (Affine(low=0.0, step=1.0, levels=levels), bins)
    return Codebook(
        columns=tuple(
            ColumnCode(name=f"c{n}", dtype="float", affine=codes[0], bins=codes[1], declared=True)
            for n in range(columns)
        )
    )


@given(st.integers(1, 1 << 60))
def test_micro_bits_are_never_too_few(answers: int) -> None:
    """2^bits is at least the number of answers, and less than a millionth of a bit above it."""
    exact = math.log2(answers) * MICRO
    assert exact <= micro_bits(answers) < exact + 1


def test_powers_of_two_cost_whole_bits() -> None:
    """One yes-or-no answer is one bit."""
    assert [micro_bits(1 << bits) for bits in range(40)] == [bits * MICRO for bits in range(40)]


@given(st.integers(0, 1 << 30))
def test_noise_costs_log2_e_for_each_epsilon(micro_epsilon: int) -> None:
    """Rounded up, and never below what e^epsilon allows."""
    assert 0 <= noisy_micro_bits(micro_epsilon) - micro_epsilon * math.log2(math.e) < 1.001


def test_a_label_costs_the_number_of_its_classes() -> None:
    """Three classes say log2 3 bits of each row, whatever the outputs' ranges."""
    assert row_charge(OutputPolicy(), LABEL) == micro_bits(3)


def test_where_labels_are_sold_a_circuit_without_one_gives_levels() -> None:
    """Each output costs its levels, or fewer where it has fewer values."""
    assert release_kind(OutputPolicy(), SCORES) == "score"
    assert row_charge(OutputPolicy(), SCORES) == 2 * 4 * MICRO
    assert row_charge(OutputPolicy(levels=200), SCORES) == micro_bits(200) + micro_bits(100)


def test_raw_scores_cost_their_whole_range() -> None:
    """Scaling the weights makes them dearer, never cheaper."""
    assert row_charge(RAW, SCORES) == 8 * MICRO + micro_bits(100)
    scaled = replace(SCORES, lows=(0, -5000), highs=(25500, 4900))
    assert row_charge(RAW, scaled) > row_charge(RAW, SCORES)
    assert row_charge(SCORE, scaled) == row_charge(SCORE, SCORES)


def test_noise_on_rows_costs_the_smaller_of_both_bounds() -> None:
    """A noisy score never costs more than its levels, and little noise does not make it free."""
    assert row_charge(OutputPolicy(release="score", epsilon_micro_per_job=MICRO), SCORES) == noisy_micro_bits(MICRO)
    assert row_charge(OutputPolicy(release="score", epsilon_micro_per_job=90 * MICRO), SCORES) == 8 * MICRO


def test_a_persons_rows_all_count() -> None:
    """Each row pays for all rows of a person, since they may be asked about in different jobs; noise covers them."""
    assert [charge(OutputPolicy(), LABEL, rows) for rows in (1, 3)] == [micro_bits(3), 3 * micro_bits(3)]
    noisy = OutputPolicy(release="aggregate", epsilon_micro_per_job=MICRO)
    assert charge(noisy, SCORES, 3) == noisy_micro_bits(MICRO)


def test_the_default_limit_is_a_quarter_of_a_row() -> None:
    """60 bits for thirty columns of 8, and at least 8 for a table that holds little."""
    assert row_micro_bits(table(256, 30)) == 240 * MICRO
    assert row_micro_bits(table(2, 3, edges=7)) == 9 * MICRO
    assert default_person_limit(table(256, 30)) == person_limit(OutputPolicy(), table(256, 30)) == 60 * MICRO
    assert default_person_limit(table(2, 3)) == LEAST_PERSON_BITS * MICRO
    assert person_limit(OutputPolicy(micro_bits_per_person=9 * MICRO), table(256, 30)) == 9 * MICRO


@pytest.mark.parametrize(("micro", "words"), [(MICRO, "1"), (8 * MICRO, "8"), (1_584_963, "1.6"), (14_427, "0.014")])
def test_bits_in_words(micro: int, words: str) -> None:
    """Whole bits without a point, others short."""
    assert describe_bits(micro) == words


@given(st.integers(1, 6), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_a_guess_gains_at_most_the_charge(answers: int, secrets: int, seed: int) -> None:
    """For any prior and any way to answer, the best guess after the answer is at most 2^bits times likelier."""
    rng = np.random.default_rng(seed)
    prior = rng.dirichlet(np.full(secrets, 0.3))
    channel = rng.dirichlet(np.full(answers, 0.3), size=secrets)
    guessed = (prior[:, None] * channel).max(axis=0).sum()
    assert guessed <= 2 ** (micro_bits(answers) / MICRO) * prior.max() * (1 + 1e-12)


def test_every_release_of_a_policy_has_a_charge() -> None:
    """No kind of release is free."""
    for kind in get_args(OutputPolicy.model_fields["release"].annotation):
        policy = OutputPolicy(release=kind, epsilon_micro_per_job=MICRO if kind == "aggregate" else 0)
        assert charge(policy, LABEL, 1) > 0
