"""Cut points: quantiles of a sample, in the circuit, with their intervals in the model's own units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.errors import BadModel
from fhe.circuit.codec import decode, digest, encode
from fhe.compile.compiled import Compiled
from fhe.compile.decoder import Decoder
from fhe.compile.levels import intervals, quantile_cuts, with_levels
from tests.support.custody import linear_circuit


def compiled(outputs: int = 1) -> Compiled:
    """A model of one score that is half its integer plus three."""
    circuit = linear_circuit([[1, 2, 3, 4, 5, 6, 7, 8]] * outputs)
    decoder = Decoder(
        model="LinearRegression", circuit=digest(circuit), scale=0.5, zero_points=(0,) * outputs,
        centre=(0,) * outputs, link="identity", labels=None, shift=3.0,
    )  # fmt: skip
    return Compiled(circuit, decoder, None, None)  # type: ignore[arg-type]


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=200), st.integers(2, 20))
def test_every_level_has_some_of_the_sample(values: list[int], levels: int) -> None:
    """Cuts increase, part the sample into at most so many levels, and none of these is empty."""
    sample = np.array(values)
    cuts = quantile_cuts(sample, levels)
    assert list(cuts) == sorted(set(cuts))
    parts = np.searchsorted(cuts, sample, side="right")
    assert len(cuts) < levels
    assert set(parts.tolist()) == set(range(len(cuts) + 1))


def test_levels_of_distinct_scores_are_equal() -> None:
    """Where no score repeats, each level has the same number of rows."""
    outputs = np.random.default_rng(1).permutation(800)[:, None]
    made = with_levels(compiled(), 8, outputs)
    labels = made.circuit.readout.label(outputs.T)
    assert np.bincount(labels[0]).tolist() == [100] * 8


def test_the_circuit_carries_its_cuts_and_the_decoder_its_digest() -> None:
    """The cut points are in the circuit's own bytes, under another digest, which the decoder names."""
    made = with_levels(compiled(), 4, np.arange(40)[:, None])
    assert decode(encode(made.circuit)).readout.cuts == (10, 20, 30)
    assert made.decoder.circuit == digest(made.circuit) != compiled().decoder.circuit


def test_intervals_are_in_the_models_units() -> None:
    """A level's interval is what the model predicts at its cut points, open at both ends."""
    made = with_levels(compiled(), 4, np.arange(40)[:, None])
    assert intervals(made.circuit.readout.cuts, made.decoder) == [(None, 8.0), (8.0, 13.0), (13.0, 18.0), (18.0, None)]


@pytest.mark.parametrize(("outputs", "levels"), [(1, 1), (1, 4097), (2, 4)])
def test_levels_that_cannot_be(outputs: int, levels: int) -> None:
    """One level, more than a circuit can say, and levels of several outputs are refused."""
    with pytest.raises(BadModel):
        with_levels(compiled(outputs), levels, np.arange(40)[:, None].repeat(outputs, axis=1))


def test_one_score_for_all_cannot_be_cut() -> None:
    """A model that says the same of every row of the sample has no levels."""
    with pytest.raises(BadModel):
        with_levels(replace(compiled()), 4, np.full((10, 1), 7))
