"""Cut points: which of a few levels a score is in, put into the circuit, so that a release of labels tells just that.

A score that is rounded by the dataset's policy is cut evenly over all values that it could have on any codes, of which
real rows use a small part. Cut points at the quantiles of the buyer's own rows tell as many bits and waste no level.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from app.protocol.errors import BadModel
from fhe.arrays import I64
from fhe.circuit.circuit import Readout
from fhe.circuit.codec import MAX_CUTS, digest
from fhe.compile.compiled import Compiled
from fhe.compile.decoder import Decoder


def with_levels(compiled: Compiled, levels: int, outputs: I64) -> Compiled:
    """The same model, read as one of `levels` levels of its one output, each with about as many rows of a sample.

    `outputs` (rows, 1) are the circuit's integers on the sample. Fewer levels come out where values repeat.
    Errors: BadModel for several outputs, a number of levels that cannot be, or one value on all rows.
    """
    if not 2 <= levels <= MAX_CUTS + 1:
        raise BadModel(f"A score is cut into 2 to {MAX_CUTS + 1} levels, not {levels}.", "Choose a number in between.")
    if len(compiled.circuit.outputs) != 1:
        raise BadModel(
            f"Levels are of one score, and this model has {len(compiled.circuit.outputs)} outputs.",
            "Leave the levels out: a job on it tells the class.",
        )
    cuts = quantile_cuts(outputs.ravel(), levels)
    if not cuts:
        raise BadModel("The model gives the same score on all rows of the sample.", "Use a sample that differs.")
    circuit = replace(compiled.circuit, readout=Readout("cuts", cuts=cuts))
    decoder = compiled.decoder.model_copy(update={"circuit": digest(circuit)})
    return replace(compiled, circuit=circuit, decoder=decoder)


def quantile_cuts(values: I64, levels: int) -> tuple[int, ...]:
    """At most `levels` - 1 increasing integers that part these values into about equal parts; each part has some."""
    ordered = np.sort(values)
    places = [len(ordered) * number // levels for number in range(1, levels)]
    return tuple(sorted({int(ordered[place]) for place in places if ordered[place] > ordered[0]}))


def intervals(cuts: tuple[int, ...], decoder: Decoder) -> list[tuple[float | None, float | None]]:
    """[low, high) of each level in the model's own units; None where there is no bound.

    The units are those of predictions, or of the classifier's probability of its second class where it gives one.
    """
    points = _units(decoder, np.array([cuts], np.int64))
    bounds: list[float | None] = [None, *points.tolist(), None]
    return list(pairwise(bounds))


def _units(decoder: Decoder, outputs: I64) -> npt.NDArray[np.float64]:
    if decoder.labels is None:
        return np.asarray(decoder.predict(outputs), np.float64).ravel()
    return decoder.predict_proba(outputs)[:, 1] if decoder.probabilities else decoder.scores(outputs).ravel()
