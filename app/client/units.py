"""Released integers in the buyer's own units: classes by name, probabilities, scores, margins. Pure.

The units are those of the model that the job was ordered with. A score that the policy rounded stands for the middle of
its level; a label read from it is `certain` where no value of the level would give another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from app.client.models import Model
from app.seal.result import Result, ResultHeader
from fhe.arrays import F64
from fhe.compile.decoder import Decoder
from fhe.compile.levels import intervals

Columns = dict[str, npt.NDArray[Any]]


def half_widths(header: ResultHeader, scale: float) -> F64:
    """How far each score (outputs,) may be from the middle of its level, in units of `scale`; zeros if not rounded."""
    counts = np.array(header.highs, np.float64) - np.array(header.lows, np.float64) + 1
    if not header.levels or not len(counts):
        return np.zeros(len(header.outputs))
    widths: F64 = np.where(counts > header.levels, counts / (2 * header.levels), 0.0) * abs(scale)
    return widths


def columns_in_units(result: Result, model: Model) -> Columns:
    """What a result says in a model's units, by column name, one value a row (one in all for an aggregate)."""
    header, values, decoder = result.header, result.values, model.decoder
    match header.released:
        case "score":
            return _scores(header, values, decoder)
        case "aggregate":
            mean = np.atleast_2d(decoder.scale * (values / header.group - np.array([decoder.zero_points]).T))
            names = _names("mean_score", decoder, len(header.outputs))
            return {name: mean[at] + decoder.shift for at, name in enumerate(names)}
        case "label":
            if decoder.tells_levels(model.circuit.readout):
                bounds = intervals(model.circuit.readout.cuts, decoder)
                lows, highs = (np.array(each, np.float64) for each in zip(*bounds, strict=True))
                return {"level": values[0], "from": lows[values[0]], "to": highs[values[0]]}
            return {} if decoder.labels is None else {"prediction": decoder.labels.array()[values[0]]}


def _scores(header: ResultHeader, values: npt.NDArray[np.int64], decoder: Decoder) -> Columns:
    found: Columns = {"prediction": decoder.predict(values)}
    if decoder.labels is None or decoder.link == "label":
        return found
    if decoder.probabilities:
        chances = decoder.predict_proba(values)
        names = [f"probability_{label}" for label in decoder.labels.array().tolist()]
        shown = range(1, 2) if len(names) == 2 else range(len(names))
        found |= {names[at]: chances[:, at] for at in shown}
    scores = np.atleast_2d(decoder.scores(values).T)
    found |= {name: scores[at] for at, name in enumerate(_names("score", decoder, len(scores)))}
    found["margin"] = margin = decoder.margin(values)
    if header.levels and not header.noise_scale_milli:
        widest = np.sort(half_widths(header, decoder.scale))[-2:].sum()  # of the two that are compared
        found["certain"] = np.abs(margin) > widest
    return found


def _names(stem: str, decoder: Decoder, outputs: int) -> list[str]:
    if outputs == 1:
        return [stem]
    labels = [] if decoder.labels is None else decoder.labels.array().tolist()
    return [f"{stem}_{label}" for label in (labels if len(labels) == outputs else range(outputs))]


def meaning(result: Result, model: Model) -> dict[str, Any]:
    """How the columns are to be read: what is predicted, classes, the score's threshold, noise, rounding."""
    decoder, header = model.decoder, result.header
    labels = None if decoder.labels is None else decoder.labels.array().tolist()
    one_score = labels is not None and len(decoder.zero_points) == 1 and decoder.link != "label"
    per_row = header.group if header.released == "aggregate" else 1
    return {
        "class": decoder.model,
        "target": model.card.target,
        "classes": labels,
        "above_threshold": labels[1] if labels is not None and one_score else None,
        "threshold": decoder.threshold if one_score else None,
        "link": decoder.link,
        "group": header.group,
        "rounded_by": half_widths(header, decoder.scale).tolist() if header.levels else None,
        "noise_scale": header.noise_scale_milli / 1000 * abs(decoder.scale) / per_row or None,
    }
