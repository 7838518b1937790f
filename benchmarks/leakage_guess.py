"""What an attacker guesses from answers, and how often that is exactly right.

Answers about linear forms are intervals of the forms' values, whatever they came as (labels, levels, raw scores) and
from whichever version of the table; outputs with lookups are compared as they are. Two guesses are made from them, by
matching particles of the prior and by lattice decoding, and the better one counts, which no attacker could know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.bits import release_kind
from benchmarks.leakage_lattice import decode
from benchmarks.leakage_market import Answer, released
from benchmarks.leakage_prior import FEW, Prior, mode
from benchmarks.leakage_tables import Table
from fhe.arrays import I64
from fhe.circuit.circuit import Linear

Bool = npt.NDArray[np.bool_]
EXACT = 0.05  # standard deviation of a form's value that is known


@dataclass(frozen=True, eq=False)
class Knowledge:
    """About rows (n,): each form's weights (f, columns) and the interval [low, high) (n, f) of its value, and outputs
    with lookups, as what was said of the rows (n,) and what would be said of the particles (p,).
    """

    weights: I64
    low: I64
    high: I64
    opaque: tuple[tuple[I64, I64], ...]


def learn(table: Table, policy: OutputPolicy, answers: Sequence[Answer], prior: Prior) -> Knowledge:
    """What answers say of all rows of a table."""
    forms: dict[bytes, tuple[I64, I64, I64]] = {}
    opaque = []
    for answer in answers:
        part = slice(answer.first, answer.first + answer.values.shape[1])
        columns = [table.columns.index(name) for name in answer.table.columns]
        if not answer.leak.forms:
            said = np.full(len(table.rows), -1)
            said[part] = answer.values[0]
            given = released(answer.circuit, answer.leak, policy, answer.table, prior.particles[:, columns])
            opaque.append((said, given[0]))
            continue
        for weights, low, high in _intervals(table, policy, answer):
            reach = int(np.minimum(weights, 0) @ (table.levels - 1)), int(np.maximum(weights, 0) @ (table.levels - 1))
            fresh = np.full(len(table.rows), reach[0]), np.full(len(table.rows), reach[1] + 1)
            _, least, most = forms.setdefault(weights.tobytes(), (weights, *fresh))
            least[part], most[part] = np.maximum(least[part], low), np.minimum(most[part], high)
    found = list(forms.values())
    shape = len(found), len(table.rows)
    return Knowledge(
        np.array([weights for weights, _, _ in found], np.int64).reshape(len(found), len(table.columns)),
        np.array([low for _, low, _ in found], np.int64).reshape(shape).T,
        np.array([high for _, _, high in found], np.int64).reshape(shape).T,
        tuple(opaque),
    )


def _intervals(table: Table, policy: OutputPolicy, answer: Answer) -> list[tuple[I64, I64, I64]]:
    """(weights over the table's columns, low, high) of each output of a linear circuit."""
    layer, leak, readout = answer.circuit.layers[0], answer.leak, answer.circuit.readout
    assert isinstance(layer, Linear)
    found = []
    for output, (start, stop) in enumerate(zip(layer.indptr[:-1], layer.indptr[1:], strict=True)):
        weights = np.zeros(len(table.columns), np.int64)
        names = [answer.circuit.inputs[wire].column for wire in layer.columns[start:stop]]
        weights[[table.columns.index(name) for name in names]] = layer.values[start:stop]
        least, most, said = leak.lows[output], leak.highs[output], answer.values[output]
        if release_kind(policy, leak) == "label":
            points = readout.cuts if readout.kind == "cuts" else (readout.at,)
            ends = np.array([least, *points, most + 1], np.int64)
            low, high = ends[said], ends[said + 1]
        elif policy.raw_scores or most - least < policy.levels:
            low, high = said, said + 1
        else:
            count, levels = most - least + 1, policy.levels
            level = (said - least) * levels // count
            low, high = least - (-level * count // levels), least - (-(level + 1) * count // levels)
        found.append((weights, low, high))
    return found


def by_particles(known: Knowledge, prior: Prior, rows: I64, cells: Sequence[int], rng: np.random.Generator) -> I64:
    """Guesses (rows, cells): the mode of the particles that would have given a row's answers."""
    values = [prior.particles @ weights for weights in known.weights]
    spreads = [float(each.std()) + 1e-9 for each in values]
    cache: dict[bytes, I64] = {}
    guesses = []
    for row in rows:
        said_of_row = (known.low[row], known.high[row], *(said[row] for said, _ in known.opaque))
        key = b"".join(each.tobytes() for each in said_of_row)
        if key not in cache:
            alike = np.ones(len(prior.particles), bool)
            for value, low, high in zip(values, known.low[row], known.high[row], strict=True):
                alike &= (value >= low) & (value < high)
            for said, given in known.opaque:
                alike &= given == said[row]
            found = np.flatnonzero(alike)
            if len(found) < FEW:
                away = np.zeros(len(prior.particles))
                for value, spread, low, high in zip(values, spreads, known.low[row], known.high[row], strict=True):
                    away += (np.maximum(np.maximum(low - value, value - high + 1), 0) / spread) ** 2
                for said, given in known.opaque:
                    away += ((given - said[row]) / (given.std() + 1e-9)) ** 2
                found = np.argpartition(away, FEW)[:FEW]
            cache[key] = mode(prior.particles[found][:, list(cells)], rng)
        guesses.append(cache[key])
    return np.array(guesses, np.int64).reshape(len(rows), len(cells))


def by_lattice(known: Knowledge, prior: Prior, rows: I64, cells: Sequence[int], levels: I64) -> I64 | None:
    """Guesses (rows, cells) by lattice decoding; None without an answer about a linear form."""
    if not len(known.weights):
        return None
    used = sorted({*np.flatnonzero(known.weights.any(axis=0)).tolist(), *cells})
    widths = known.high[rows] - known.low[rows] - 1
    deviations = np.maximum(EXACT, np.median(widths, axis=0) / np.sqrt(12))
    middles = (known.low[rows] + known.high[rows] - 1) / 2
    covariance = prior.covariance[np.ix_(used, used)]
    found = decode(prior.mean[used], covariance, known.weights[:, used], middles, deviations)
    guesses: I64 = np.clip(found[:, [used.index(cell) for cell in cells]], 0, levels[list(cells)] - 1)
    return guesses
