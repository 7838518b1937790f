"""Models whose score adds up over the columns, found by asking the model itself: no class has to be known.

Linear models, whatever scales, selects or projects their columns; naive Bayes in log-odds; scorecards, splines and
one-hot codes; boosted stumps. From a row in the middle, each column is moved by itself; on random rows the sum of
those changes must then be the model's score, else the model is not additive and is refused.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from app.protocol.errors import BadModel
from app.protocol.vocabulary import Encoding
from fhe.arrays import F64, I64
from fhe.compile.form import ScoreForm
from fhe.compile.importers.inputs import MOST_NUMBERS
from fhe.compile.space import FeatureSpace, published

Scores = Callable[[FeatureSpace, I64], F64]  # (rows, outputs) on codes (rows, columns)

CHECKED_ROWS = 400
EXACT = 1e-5  # of the scores' range: scores may be of 32-bit floats
STRAIGHT = 1e-6  # of a column's own effect


def additive_form(
    scores: Scores, space: FeatureSpace, *, as_it_is: bool = False
) -> tuple[FeatureSpace, ScoreForm] | None:
    """(the space whose codes the form reads, the form); None where the scores do not add up.

    A column is read by its affine code where its effect is straight in it, else by its bins. Errors: BadModel for a
    column with neither. With `as_it_is` the space's codes are kept.
    """
    chosen = list(space.encodings)
    if space.reading != "bins" and not as_it_is:
        for number, column in enumerate(space.columns):
            chosen[number] = "affine" if published(column, "affine") else "bins"
        bent = _bent(scores, space.on(chosen))
        for number in bent:
            column = space.columns[number]
            if not published(column, "bins"):
                raise BadModel(
                    f"The model's score is not straight in column {column.name!r}, of which the dataset publishes no"
                    " bins.",
                    "Leave that step or column out, or ask the owner to publish bins of it.",
                )
            chosen[number] = "bins"
    space = space.on(chosen)
    form = _asked(scores, space)
    codes = np.random.default_rng(3).integers(0, np.array(space.levels), (CHECKED_ROWS, len(space.columns)))
    truth = scores(space, codes)
    if not np.isfinite(truth).all() or not np.isfinite(form.constant).all():
        return None
    off, spread = np.abs(form.scores(codes) - truth).max(), float(np.ptp(truth))
    return (space, form) if off <= EXACT * spread else None


def _bent(scores: Scores, space: FeatureSpace) -> list[int]:
    """Columns in whose affine code the scores are not straight."""
    base = space.middle()
    shares = (0.0, 0.21, 0.5, 0.83, 1.0)
    columns = [number for number, encoding in enumerate(space.encodings) if encoding == "affine"]
    if not columns:
        return []
    marks = {n: np.unique(np.rint(np.array(shares) * (space.levels[n] - 1)).astype(np.int64)) for n in columns}
    rows = np.repeat(base[None], sum(len(own) for own in marks.values()), axis=0)
    place = 0
    for number, own in marks.items():
        rows[place : place + len(own), number] = own
        place += len(own)
    seen = _blocks(scores, space, rows)
    bent, place = [], 0
    for number, own in marks.items():
        values = seen[place : place + len(own)]
        place += len(own)
        if len(own) < 3:
            continue
        share = ((own - own[0]) / (own[-1] - own[0]))[:, None]
        line = values[0] + share * (values[-1] - values[0])
        spread = max(float(np.ptp(values, axis=0).max()), 1e-12 * float(np.abs(seen).max()))
        if not np.abs(values - line).max() <= STRAIGHT * spread + 1e-9 * float(np.ptp(seen)):
            bent.append(number)
    return bent


def _asked(scores: Scores, space: FeatureSpace) -> ScoreForm:
    """The form that the changes from one row make."""
    base = space.middle()
    start = scores(space, base[None])[0]
    marks = [
        np.array([0, levels - 1]) if encoding == "affine" else np.arange(levels)
        for levels, encoding in zip(space.levels, space.encodings)
    ]
    rows = np.repeat(base[None], sum(len(own) for own in marks), axis=0)
    place = 0
    for number, own in enumerate(marks):
        rows[place : place + len(own), number] = own
        place += len(own)
    seen = _blocks(scores, space, rows)
    tables: dict[int, F64] = {}
    constant, place = start.copy(), 0
    for number, own in enumerate(marks):
        values = seen[place : place + len(own)]
        place += len(own)
        if space.encodings[number] == "affine":
            levels = space.levels[number]
            slope = (values[-1] - values[0]) / max(1, levels - 1)
            table = np.arange(levels)[:, None] * slope
        else:
            table = values - values[0]
        if np.abs(table).max() > 0:
            tables[number] = table
            constant = constant - table[base[number]]
    return ScoreForm(constant, tables)


def _blocks(scores: Scores, space: FeatureSpace, rows: I64) -> F64:
    step = max(1, MOST_NUMBERS // max(1, rows.shape[1]))
    return np.concatenate([scores(space, rows[first : first + step]) for first in range(0, len(rows), step)])


def read_by_bins(space: FeatureSpace) -> FeatureSpace:
    """The same features through bins wherever they are published: what trees need."""
    chosen: list[Encoding] = ["bins" if published(column, "bins") else "affine" for column in space.columns]
    return space.on(chosen)
