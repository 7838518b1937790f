"""Whether a model was fitted on affine codes, bin codes or the columns' own values, where its buyer does not say.

Every reading compiles to a circuit that agrees with the model under that reading, so agreement decides nothing. What
decides is what the fitted model remembers of its data: means and scales of its columns, the places of its splits, the
range of a quantizer; or how well it predicts the buyer's labelled rows. Where two readings remain, it is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.data.dataset import ColumnCode
from app.protocol.errors import BadModel
from app.protocol.vocabulary import Encoding
from fhe.arrays import F64
from fhe.compile.faithful import accuracy_of
from fhe.compile.foreign import asked, attribute, kind
from fhe.compile.importers.family import thresholds
from fhe.compile.sample import OwnRows
from fhe.compile.space import READINGS, FeatureSpace, FittedOn, published, whole

LOCATIONS = ("mean_", "center_", "data_min_", "data_max_", "statistics_", "theta_", "xbar_", "means_")
SCALES = ("scale_", "var_")
SMALLEST_SCALE = 0.004  # of a column's span; a column that varies by less than 1 level of 256 tells nothing
CLEARLY = 0.1  # of accuracy, of one reading over the next
HALF = 1e-3
FEW = 4  # splits, from which on their places tell something
FILLED = 0.3  # of the span of all columns, by the data that one quantizer saw
MOSTLY = 0.5  # of the columns, whose bins the data filled to the last


def spaces(columns: Sequence[ColumnCode], names: tuple[str, ...] | None) -> dict[FittedOn, FeatureSpace]:
    """The readings that the dataset's codes allow, without those that read the same numbers as another."""
    found: dict[FittedOn, FeatureSpace] = {}
    for reading in READINGS:
        encodings: list[Encoding] = [_first(column, reading) for column in columns]
        if not all(published(column, encoding) for column, encoding in zip(columns, encodings)):
            continue
        space = FeatureSpace(tuple(columns), reading, tuple(encodings), names)
        if not any(_same(space, other) for other in found.values()):
            found[reading] = space
    return found


def _first(column: ColumnCode, reading: FittedOn) -> Encoding:
    if reading == "codes":
        return "affine"
    if reading == "bins":
        return "bins"
    return "affine" if published(column, "affine") else "bins"


def _same(one: FeatureSpace, other: FeatureSpace) -> bool:
    return one.encodings == other.encodings and all(
        np.array_equal(one.units(number), other.units(number)) for number in range(len(one.columns))
    )


def read_as(
    model: Any,
    columns: Sequence[ColumnCode],
    names: tuple[str, ...] | None,
    own: OwnRows | None,
    fitted_on: FittedOn | None,
) -> FeatureSpace:
    """The space of a model. Errors: BadModel for a reading that is not possible, or that cannot be told."""
    if fitted_on is not None:
        return _stated(columns, names, fitted_on)
    possible = spaces(columns, names)
    if not possible:
        missing = [column.name for column in columns if not published(column, "affine")]
        raise BadModel(f"The dataset publishes no affine code of {missing[0]!r}.", "Leave that column out.")
    left = {reading: space for reading, space in possible.items() if not contradicted(model, space)}
    if not left:
        raise BadModel(
            f"This {kind(model)} was fitted on values that are neither this dataset's codes nor what they stand for.",
            "Fit it on this dataset's codes: dataset.encode(X).",
        )
    if len(left) == 1:
        return next(iter(left.values()))
    if own is not None and own.target is not None:
        chosen = _most_accurate(model, left, own)
        if chosen is not None:
            return chosen
    choices = " or ".join(f'"{reading}"' for reading in left)
    raise BadModel(
        f"Nothing in this {kind(model)} tells what it was fitted on.",
        f"Say fitted_on={choices}, or give labelled rows (check and target) that decide it.",
    )


def _stated(columns: Sequence[ColumnCode], names: tuple[str, ...] | None, fitted_on: FittedOn) -> FeatureSpace:
    if fitted_on not in READINGS:
        raise BadModel(f"fitted_on={fitted_on!r} is unknown.", 'Say "codes", "bins" or "values".')
    encodings = [_first(column, fitted_on) for column in columns]
    for column, encoding in zip(columns, encodings):
        if not published(column, encoding):
            what = "affine code" if encoding == "affine" else "bins"
            raise BadModel(
                f"The dataset publishes no {what} of column {column.name!r}.",
                "Fit it on columns that have one: darkroom dataset show.",
            )
    return FeatureSpace(tuple(columns), fitted_on, tuple(encodings), names)


def contradicted(model: Any, space: FeatureSpace) -> bool:
    """Whether what the model remembers of its data cannot be of this reading."""
    lows = np.array([space.units(number).min() for number in range(len(space.columns))])
    highs = np.array([space.units(number).max() for number in range(len(space.columns))])
    span = np.where(highs > lows, highs - lows, 1.0)
    for holder in _holders(model):
        for name in LOCATIONS:
            for row in _rows(attribute(holder, name), len(lows)):
                if (row < lows - 0.05 * span).any() or (row > highs + 0.05 * span).any():
                    return True
        # other steps call other things a scale
        spreads = attribute(holder, "mean_") is not None or attribute(holder, "theta_") is not None
        for name in SCALES if spreads else ():
            for row in _rows(attribute(holder, name), len(lows)):
                scale = np.sqrt(row) if name == "var_" else row
                if np.median(scale / span) < SMALLEST_SCALE or (scale > 1.5 * span).any():
                    return True
    if _quantized_elsewhere(model, space, lows, highs):
        return True
    return _split_elsewhere(model, space)


def _quantized_elsewhere(model: Any, space: FeatureSpace, lows: F64, highs: F64) -> bool:
    """Whether a Concrete ML model's quantizers, one for all columns or one for each, saw other numbers."""
    ranges = [
        (float(quantizer.rmin), float(quantizer.rmax))
        for quantizer in attribute(model, "input_quantizers") or []
        if attribute(quantizer, "rmin") is not None and attribute(quantizer, "rmax") is not None
    ]
    if not ranges:
        return False
    if len(ranges) == 1:
        low, high = ranges[0]
        bottom, top = float(lows.min()), float(highs.max())
        slack = max(1.0, 0.02 * (top - bottom))
        if low < bottom - slack or high > top + slack or high - low < FILLED * (top - bottom):
            return True
    else:
        found: F64 = np.array(ranges)
        if len(found) != len(lows):
            return False
        room = np.maximum(1.0, 0.02 * (highs - lows))
        if (found[:, 0] < lows - room).any() or (found[:, 1] > highs + room).any():
            return True
        edges = np.array([len(column.bins or ()) for column in space.columns], np.float64)
        bins = (found[:, 0] >= -1).all() and (found[:, 1] <= edges + 1).all() and edges.all()
        if bins and np.mean(found[:, 1] == edges) > MOSTLY:
            return space.reading != "bins"
    counted = all(number == round(number) for pair in ranges for number in pair)
    return counted and space.reading == "values" and not any(_has_halves(column) for column in space.columns)


def _split_elsewhere(model: Any, space: FeatureSpace) -> bool:
    """Whether some split is beyond a column's ends, or at places that whole numbers do not have."""
    places = thresholds(model)
    if places is None:
        return False
    measured: list[npt.NDArray[np.bool_]] = []  # splits of columns whose own values are not whole
    for feature, values in places.items():
        if feature >= len(space.columns) or not len(values):
            continue
        read = space.units(feature)
        if (values < read.min() - 1e-6).any() or (values > read.max() + 1e-6).any():
            return True
        if space.reading != "values" and not _halves(values).all():
            return True
        if not _has_halves(space.columns[feature]):
            measured.append(_halves(values))
    # codes: measured values are not all midway between whole numbers
    found = np.concatenate(measured) if measured else np.zeros(0, np.bool_)
    return space.reading == "values" and len(found) >= FEW and bool(found.all())


def _halves(values: F64) -> npt.NDArray[np.bool_]:
    near: npt.NDArray[np.bool_] = np.abs(2 * values - np.rint(2 * values)) < HALF
    return near


def _has_halves(column: ColumnCode) -> bool:
    """Whether a column's own values may be whole numbers."""
    if whole(column):
        return True
    if column.bins and not _halves(np.array(column.bins)).all():
        return False
    return column.affine is None or float(column.affine.step).is_integer()


def _holders(model: Any) -> list[Any]:
    """The estimators whose statistics are of the model's own features: itself, and the first step of what it wraps."""
    found, layer = [], model
    for _ in range(8):
        inner = None
        for name in ("best_estimator_", "regressor_", "estimator_"):
            inner = inner or attribute(layer, name)
        steps = attribute(layer, "steps")
        if isinstance(steps, list) and steps:
            inner = next((step for _, step in steps if step is not None and step != "passthrough"), None)
        if inner is None:
            break
        layer = inner
    found.append(layer)
    return found


def _rows(values: Any, features: int) -> list[F64]:
    try:
        table = np.atleast_2d(np.asarray(values, np.float64))
    except (TypeError, ValueError):
        return []
    return [row for row in table if np.isfinite(row).all()] if table.shape[1] == features else []


def _most_accurate(model: Any, left: dict[FittedOn, FeatureSpace], own: OwnRows) -> FeatureSpace | None:
    """The reading under which the model predicts the buyer's labels clearly better than under any other."""
    scores: dict[FittedOn, float] = {}
    assert own.target is not None
    classifies = attribute(model, "classes_") is not None
    for reading, space in left.items():
        try:
            predicted = asked(model, "predict", own.table(space))
            scores[reading] = accuracy_of(own.target, predicted, classifies=classifies)
        except BadModel:
            continue
    order = sorted(scores, key=lambda reading: -scores[reading])
    if not order or (len(order) > 1 and scores[order[0]] - scores[order[1]] < CLEARLY):
        return None
    return left[order[0]]
