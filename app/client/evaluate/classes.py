"""Testing a classifier on bits: rows are counted by what it says, how sure it is, and the published label.

Every (bucket of scores, label) is a count of rows; they exclude one another, so a row moves two of them. A box of bins
together with a bit of the label is a lookup or a few. Classes, scores and probabilities are the model's own, by its
decoder, on the boxes; nothing else is released.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.client.ask.cells import AskedTable
from app.client.ask.counting import CountingCircuit
from app.client.ask.formula import both, in_cells
from app.client.evaluate.boxes import Grid, boxes_of
from app.client.evaluate.class_test import ClassTest
from app.client.evaluate.truth import places_of, truth_of
from app.protocol.errors import BadQuery
from fhe.arrays import F64, I64
from fhe.circuit.circuit import Circuit, Mix
from fhe.compile.check import check
from fhe.compile.decoder import Decoder
from fhe.profile import EncryptionProfile

MOST_BUCKETS = 16  # of scores, for each class that is said


def plan_classes(
    circuit: Circuit, decoder: Decoder, grid: Grid, table: AskedTable, profile: EncryptionProfile, label: str
) -> ClassTest | None:
    """The counts that a test takes of a classifier that tells the combinations of a grid apart; None for too many
    boxes. Errors: BadQuery with the nearest that can be tested.
    """
    truth = truth_of(circuit, table, label)
    places = places_of(decoder, truth)
    assert decoder.labels is not None
    classes = decoder.labels.array().tolist()
    said = np.array([places[classes.index(each)] for each in decoder.predict(grid.outputs.T).tolist()])
    two = len(truth.cells) == 2 and len(places) == 2
    scores = _scores(decoder, grid.outputs) if two else None
    if scores is not None and places[0] == 1:
        scores = -scores
    buckets, values, merged = _bucketed(said, scores)
    if values.max() == 0:
        raise says_the_same()
    chances = None
    if two and decoder.probabilities:
        chance = decoder.predict_proba(grid.outputs.T)[:, places.index(1)]
        chances = tuple(float(chance[values == bucket].mean()) for bucket in range(len(buckets)))
    boxes = boxes_of(grid, values)
    if boxes is None:
        return None
    building = CountingCircuit(table, profile)
    mix: dict[str, dict[int, int]] = {f"{b} {c}": {} for b in range(len(buckets)) for c in range(len(truth.cells))}
    last = len(truth.cells) - 1
    for bucket, box in boxes:
        whole = both(table, [in_cells(table, name, cells) for name, cells in box.items()])
        every = building.count(whole)
        mix[f"{bucket} {last}"][every] = 1
        for place in range(last):
            own = building.count(both(table, [whole, in_cells(table, truth.name, frozenset([place]))]))
            mix[f"{bucket} {place}"][own] = 1
            mix[f"{bucket} {last}"][own] = -1
    made = replace(building.circuit(), mix=Mix.of(mix))
    check(made, table.codebook, profile)
    labels = tuple(cell.label for cell in truth.cells)
    return ClassTest(made, labels, tuple(buckets), scores is not None, chances, merged)


def says_the_same() -> BadQuery:
    """What is said of a model without anything to test."""
    return BadQuery("This model says the same of every row.", "Ask a question: docs/ask.md.")


def _scores(decoder: Decoder, outputs: I64) -> F64:
    """One number (combinations,) that rises with the second of two classes."""
    if outputs.shape[1] == 1:
        return decoder.scores(outputs.T)
    first, second = decoder.zero_points[:2]  # integers, so that equal scores are equal
    return decoder.scale * ((outputs[:, 1] - second) - (outputs[:, 0] - first)).astype(np.float64)


def _bucketed(said: I64, scores: F64 | None) -> tuple[list[int], I64, bool]:
    """(the class that each bucket says, the bucket of each combination, whether scores were merged)."""
    if scores is None:
        classes, values = np.unique(said, return_inverse=True)
        return classes.tolist(), values.astype(np.int64), False
    keys: list[tuple[float, int]] = []
    merged, found = False, np.empty(len(said), object)
    for one in np.unique(said):
        own = np.unique(scores[said == one])
        ends = own
        if len(own) > MOST_BUCKETS:
            merged, ends = True, own[np.linspace(0, len(own) - 1, MOST_BUCKETS).round().astype(int)]
        for at in np.flatnonzero(said == one):
            found[at] = (float(ends[np.searchsorted(ends, scores[at])]), int(one))
        keys += [(float(end), int(one)) for end in ends]
    keys = sorted(set(found.tolist()))
    places = {key: number for number, key in enumerate(keys)}
    return [one for _, one in keys], np.array([places[key] for key in found.tolist()], np.int64), merged
