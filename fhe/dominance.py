"""Which groups of linear forms surely rest on no single column: many at once, in floating point, with a margin.

The greatest share of a column c in a group's span is at most trace(G^-1 G_c), with G the forms' covariances and G_c
their part through c (`app.protocol.policy.linear_forms`). A group is cleared when every column's trace is below the
limit by more than rounding can move it; what is not cleared is judged exactly. Nothing is refused here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from app.protocol.policy.linear_forms import MARGIN, STATES, Form, Space, Wire
from fhe.arrays import F64

LARGEST_INVERSE = 1e6  # of a correlation matrix: what is worse conditioned is not cleared
RESIDUAL = 1e-6
AT_ONCE = 64  # groups


def cleared(groups: Sequence[Sequence[Form]], space: Space, share: float) -> list[bool]:
    """For each group of forms whether no combination of them has more than `share` of its variance in one column."""
    distinct = {id(form): form for group in groups for form in group}  # equal ones may be there twice, at no harm
    if not distinct:
        return [True] * len(groups)
    numbers = {key: n for n, key in enumerate(distinct)}
    images, columns = _images(list(distinct.values()), space)
    found = [not group for group in groups]
    by_size: dict[int, list[int]] = {}
    for place, group in enumerate(groups):
        if group:
            by_size.setdefault(len(group), []).append(place)
    for places in by_size.values():
        for start in range(0, len(places), AT_ONCE):
            part = places[start : start + AT_ONCE]
            chosen = images[np.array([[numbers[id(form)] for form in groups[place]] for place in part])]
            for place, well in zip(part, _clear(chosen, columns, share), strict=True):
                found[place] = bool(well)
    return found


def _images(forms: Sequence[Form], space: Space) -> tuple[F64, npt.NDArray[np.int64]]:
    """(forms as vectors whose products are correlations (forms, parts), the number of each part's column)."""
    place: dict[Wire, int] = {wire: n for n, wire in enumerate(sorted({wire for form in forms for wire, _ in form}))}
    weights = np.zeros((len(forms), len(place)))
    for n, form in enumerate(forms):
        largest = max((abs(weight) for _, weight in form), default=1)
        for wire, weight in form:
            weights[n, place[wire]] = weight / largest  # of integers of any size
    names = sorted({space.source(column) for column, _ in place})
    parts = [
        _image(weights, {w: n for w, n in place.items() if space.source(w[0]) == name}, name, space) for name in names
    ]
    columns = np.repeat(np.arange(len(names)), [part.shape[1] for part in parts])
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        images = np.concatenate(parts, axis=1)
        lengths = np.linalg.norm(images, axis=1, keepdims=True)
        return images / lengths, columns


def _image(weights: F64, place: dict[Wire, int], name: str, space: Space) -> F64:
    """The part of forms' weights (forms, wires) on some wires of one column, as vectors with its covariances."""
    chosen, wires = weights[:, list(place.values())], list(place)
    if (joint := space.joint.get(name)) is not None:
        chance = np.array(joint.counts) / STATES
        moves = np.array([joint.wire(wire) for wire in wires], np.float64)  # (wires, states)
        moves -= (moves @ chance)[:, None]
        return np.asarray(chosen @ moves * np.sqrt(chance), np.float64)
    scale = space.scale
    covariance = np.array([[space.covariance(name, i[1], k[1], scale) / scale for k in wires] for i in wires])
    return np.asarray(chosen @ np.linalg.cholesky(covariance), np.float64)


def _clear(chosen: F64, columns: npt.NDArray[np.int64], share: float) -> npt.NDArray[np.bool_]:
    """`chosen`: (groups, forms, wires)."""
    correlations = chosen @ chosen.transpose(0, 2, 1)
    identity = np.eye(chosen.shape[1])
    well: npt.NDArray[np.bool_] = np.isfinite(correlations).all(axis=(1, 2))
    safe = np.where(well[:, None, None], correlations, identity)
    try:
        inverse = np.linalg.inv(safe)
    except np.linalg.LinAlgError:
        inverse = np.stack([_inverse(each) for each in safe])
    with np.errstate(invalid="ignore", over="ignore"):  # of what is not well
        well &= np.abs(inverse).max(axis=(1, 2)) < LARGEST_INVERSE
        well &= np.abs(safe @ inverse - identity).max(axis=(1, 2)) < RESIDUAL
        traces = (chosen * (inverse @ chosen)).sum(axis=1)  # (groups, wires)
    for number in range(int(columns.max()) + 1):
        well &= traces[:, columns == number].sum(axis=1) < share - MARGIN
    return well


def _inverse(matrix: F64) -> F64:
    try:
        return np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        return np.full_like(matrix, np.inf)
