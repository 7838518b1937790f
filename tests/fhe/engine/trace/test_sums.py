"""Running totals of linear values end in the engine's own words, and each follows from the one before."""

from __future__ import annotations

import numpy as np

from fhe.engine.linear import evaluate_bodies, only_linear
from fhe.engine.trace.referee import add_term
from fhe.engine.trace.sums import LinearTrace
from tests.fhe.linear_case import CIRCUIT, DATA, PROFILE, WEIGHTS

FIRST, ROWS = 40, 200
TRACE = LinearTrace(CIRCUIT, PROFILE, DATA.table, DATA, FIRST)


def test_totals_end_in_the_engines_words() -> None:
    """Over several shards: the last total is the body word, the first the bias, each term one product more."""
    words = evaluate_bodies(CIRCUIT, PROFILE, DATA.table, DATA, FIRST, ROWS, threads=1)
    for value in (0, 1, 46, 47, 2 * ROWS - 1):
        row, output = divmod(value, len(WEIGHTS))
        sums = TRACE.sums(value)
        assert len(sums) == np.count_nonzero(WEIGHTS[output]) + 1
        assert sums[-1] == words[output, row]


def test_each_total_follows_from_the_one_before() -> None:
    """One multiply-add by scalars: what a contract checks of a linear value."""
    layer = only_linear(CIRCUIT, PROFILE)
    shift = PROFILE.message_width - layer.width
    for value in (0, 1, 46, 47):
        row, output = divmod(value, len(WEIGHTS))
        sums, words = TRACE.sums(value).tolist(), TRACE.words(row).tolist()
        terms = slice(layer.indptr[output], layer.indptr[output + 1])
        weights, columns = layer.values[terms].tolist(), layer.columns[terms].tolist()
        for number, (weight, column) in enumerate(zip(weights, columns, strict=True)):
            assert add_term(sums[number], weight, shift, words[column]) == sums[number + 1]
