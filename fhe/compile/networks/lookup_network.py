"""Lookup networks: classifiers of tables over three published bits each, exact by construction.

A table reads three bits "code > i" of a row's bin codes and gives a whole number for each class; their sums are the
scores, in steps of `step_`. On a circuit that is one lookup a table, whatever the bits are, so that `predict` and the
encrypted run cannot differ. Tables are chosen one after the other, each bit the one that gains most for all cells
together: gradient boosting on oblivious trees of depth three, by Newton steps of the log loss.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_array, check_is_fitted, check_X_y

from app.protocol.errors import BadInput
from fhe.arrays import F64, I64

BITS = 3  # that a table reads
CELLS = 1 << BITS
MOST_TABLES = 1024
MOST_EDGES = 4095
SCORE_BITS = ((64, 13), (256, 12), (MOST_TABLES, 11))  # of a score, besides its sign: what a sum of so many is read at


class LookupNetwork(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """`tables` tables of three bits, fitted on bin codes (rows, columns): `dataset.encode(rows, "bins")`.

    `learning_rate` shrinks each table's entries; `penalty` is their L2 penalty. After `fit`: `bits_` (tables, 3, 2), a
    column and an edge for each bit; `entries_` (tables, 8, scores), whole numbers, the first bit counting four;
    `constant_` (scores,); `step_`. Two classes have one score.
    """

    def __init__(
        self,
        tables: int = 200,
        *,
        learning_rate: float = 0.15,
        penalty: float = 1.0,
    ) -> None:
        """Nothing is checked before `fit`, as scikit-learn has it."""
        self.tables = tables
        self.learning_rate = learning_rate
        self.penalty = penalty

    def fit(self, X: Any, y: Any) -> LookupNetwork:
        """Choose tables and fit their entries. Errors: BadInput for codes that are no bins, one class or no tables."""
        values, labels = check_X_y(X, y)
        codes = values.astype(np.int64)
        if (codes != values).any() or codes.min() < 0 or codes.max() > MOST_EDGES:
            raise BadInput("A LookupNetwork is fitted on bin codes.", 'Encode the rows: dataset.encode(rows, "bins").')
        if not 1 <= self.tables <= MOST_TABLES:
            raise BadInput(f"{self.tables} tables are not possible.", f"Use 1 to {MOST_TABLES}.")
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise BadInput("All rows have the same label.", "Give rows of two classes at least.")
        self.n_features_in_ = codes.shape[1]
        wanted = np.eye(len(self.classes_))[numbers]
        wanted = wanted[:, 1:] if len(self.classes_) == 2 else wanted
        bits, entries, constant = _boosted(codes, wanted, self.tables, self.learning_rate, self.penalty)
        self._set(bits, entries, constant)
        return self

    def _set(self, bits: I64, entries: F64, constant: F64) -> None:
        """Whole numbers, as fine as a score's bits hold on every row."""
        entries, constant = entries - entries.mean(axis=1, keepdims=True), constant + entries.mean(axis=1).sum(axis=0)
        reach = float((np.abs(entries).max(axis=1).sum(axis=0) + np.abs(constant)).max())
        width = next(width for most, width in SCORE_BITS if len(bits) <= most)
        self.step_ = (reach or 1.0) / ((1 << width) - 1 - len(bits))
        self.bits_ = bits
        self.entries_ = np.rint(entries / self.step_).astype(np.int64)
        self.constant_ = np.rint(constant / self.step_).astype(np.int64)

    def integers(self, X: Any) -> I64:
        """Scores (rows, scores) in whole steps: what the circuit gives."""
        check_is_fitted(self, "entries_")
        codes = check_array(X).astype(np.int64)
        cells = _cells(codes, self.bits_)
        total = np.repeat(self.constant_[None], len(codes), axis=0)
        for table, cell in zip(self.entries_, cells.T, strict=True):
            total += table[cell]
        return total

    def decision_function(self, X: Any) -> F64:
        """Scores (rows,) of two classes, else (rows, classes): log-odds, or logarithms of chances up to a constant."""
        scores: F64 = self.integers(X) * self.step_
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict_proba(self, X: Any) -> F64:
        """Chances (rows, classes)."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            second = 1 / (1 + np.exp(-scores))
            return np.stack([1 - second, second], axis=1)
        return _softmax(scores)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Labels (rows,)."""
        scores = self.integers(X)
        chosen = (scores[:, 0] > 0).astype(np.int64) if scores.shape[1] == 1 else scores.argmax(axis=1)
        labels: npt.NDArray[Any] = self.classes_[chosen]
        return labels


def _cells(codes: I64, bits: I64) -> I64:
    """Which of its eight entries (rows, tables) each table gives."""
    found = np.zeros((len(codes), len(bits)), np.int64)
    for place in range(BITS):
        found = 2 * found + (codes[:, bits[:, place, 0]] > bits[:, place, 1])
    return found


def _chances(scores: F64) -> F64:
    return 1 / (1 + np.exp(-scores)) if scores.shape[1] == 1 else _softmax(scores)


def _softmax(scores: F64) -> F64:
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    found: F64 = shares / shares.sum(axis=1, keepdims=True)
    return found


def _boosted(codes: I64, wanted: F64, tables: int, rate: float, penalty: float) -> tuple[I64, F64, F64]:
    """(bits, entries, constant): Newton steps of the log loss, one table after the other."""
    share = wanted.mean(axis=0).clip(1e-6, 1 - 1e-6)
    constant = np.log(share / (1 - share)) if len(share) == 1 else np.log(share)
    scores = np.repeat(constant[None], len(codes), axis=0)
    bits, entries = np.zeros((tables, BITS, 2), np.int64), np.zeros((tables, CELLS, wanted.shape[1]))
    for number in range(tables):
        chance = _chances(scores)
        slope, curve = wanted - chance, chance * (1 - chance)
        cell = np.zeros(len(codes), np.int64)
        for place in range(BITS):
            column, edge = _best(codes, cell, 1 << place, slope, curve, penalty)
            bits[number, place] = column, edge
            cell = 2 * cell + (codes[:, column] > edge)
        sums = _summed(cell, CELLS, slope), _summed(cell, CELLS, curve)
        entries[number] = rate * sums[0] / (sums[1] + penalty)
        scores += entries[number][cell]
    return bits, entries, constant


def _summed(places: I64, count: int, values: F64) -> F64:
    return np.stack([np.bincount(places, own, count) for own in values.T], axis=1)


def _best(codes: I64, cell: I64, cells: int, slope: F64, curve: F64, penalty: float) -> tuple[int, int]:
    """The bit that splits all cells best together."""
    best, found = -1.0, (0, 0)
    for column, own in enumerate(codes.T):
        levels = int(own.max()) + 1
        if levels < 2:
            continue
        place = cell * levels + own
        g, h = (_summed(place, cells * levels, each).reshape(cells, levels, -1) for each in (slope, curve))
        low_g, low_h = g.cumsum(axis=1)[:, :-1], h.cumsum(axis=1)[:, :-1]
        high_g, high_h = g.sum(axis=1, keepdims=True) - low_g, h.sum(axis=1, keepdims=True) - low_h
        gain = (low_g**2 / (low_h + penalty) + high_g**2 / (high_h + penalty)).sum(axis=(0, 2))
        if gain.max() > best:
            best, found = float(gain.max()), (column, int(gain.argmax()))
    return found
