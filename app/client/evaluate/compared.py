"""Testing a classifier by its scores: whatever it reads, they are compared under encryption (docs/adr/0074-digits.md).

Two classes: a score is compared with thresholds, the model's own among them, so that rows fall into buckets of scores;
thresholds that differ by a power of two share the lookups of lower bits. Three or four classes: the greatest score is
found, as for a label under encryption. "Reached" and a cell of the label are one lookup, 2 a + b = 3. What is released
are the cells (bucket, class), which exclude one another: that a row moves two of them is worked out from the circuit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.client.ask.cells import AskedCategory, AskedColumn, AskedTable
from app.client.ask.counting import COUNT_WIDTH
from app.client.evaluate.class_test import ClassTest
from app.client.evaluate.classes import says_the_same
from app.client.evaluate.truth import places_of, truth_of
from app.protocol.errors import BadQuery, MessageOverflow, NoiseOverflow, TooLarge
from fhe.circuit.circuit import Circuit, Mix, Readout
from fhe.compile.check import check, input_ranges
from fhe.compile.decoder import Decoder
from fhe.compile.digits.passes import MOST_CLASSES, signs, winners
from fhe.compile.digits.scores import (
    compared_exactly,
    differences,
    ends_in_label,
    scores_of,
    with_inputs,
    without_unread,
)
from fhe.compile.digits.stages import Stages, WireSum, linear
from fhe.compile.ranges import value_bounds
from fhe.compile.sums import sum_circuit
from fhe.profile import EncryptionProfile

BUCKETS = 4  # of scores, for each of two classes
MOST_BUCKETS = 16
JOINED = ([0, 0, 0, 1], 2)  # the table of "both hold" and its bits
LOGITS = ("sigmoid", "softmax")  # links of which a score of one is a step of the odds


@dataclass(frozen=True)
class _Counts:
    """Sums over wires, each `per` on the rows that meet it: of the buckets from the second on, and of the label's cells
    but the last.
    """

    stages: Stages
    reached: list[WireSum]
    cells: list[WireSum]
    per: int

    def circuit(self, wide: Circuit, table: AskedTable, profile: EncryptionProfile, mix: Mix) -> Circuit:
        """The circuit that counts, and releases a mix of the counts: reached, both (by reached), cells."""
        pairs = [(one, cell) for one in self.reached for cell in self.cells]
        sums = [one * (2 // self.per) + cell for one, cell in pairs]
        both = self.stages.look_up(sums, JOINED[1], [JOINED[0]] * len(sums), COUNT_WIDTH)
        each = [*self.reached, *(one * self.per for one in both), *(cell * self.per for cell in self.cells)]
        layers = (*self.stages.layers, linear(each, COUNT_WIDTH + self.per - 1))
        names = tuple(f"y{number}" for number in range(len(each)))
        plain = replace(wide, layers=layers, outputs=names, readout=Readout("value"), centred=True)
        summed = sum_circuit(without_unread(plain), table.codebook, profile)
        made = replace(summed, mix=mix)
        check(made, table.codebook, profile)
        return made


def plan_compared(
    circuit: Circuit,
    decoder: Decoder,
    table: AskedTable,
    profile: EncryptionProfile,
    label: str,
    buckets: int = BUCKETS,
) -> ClassTest:
    """The counts that a test of a classifier takes, with so many buckets of scores for each of two classes.

    Errors: BadQuery with the nearest that can be tested.
    """
    if not 1 <= buckets <= MOST_BUCKETS:
        raise BadQuery(f"Scores fall into 1 to {MOST_BUCKETS} buckets a class.", "Leave the number out.")
    truth = truth_of(circuit, table, label)
    places = places_of(decoder, truth)
    if ends_in_label(circuit):
        raise BadQuery("This model ends in its label under encryption.", "Test the model that it was made of.")
    if len(places) > MOST_CLASSES:
        raise BadQuery(
            f"The scores of {len(places)} classes are not compared under encryption, only of up to {MOST_CLASSES}.",
            "Test a model of fewer classes, or a shallow tree or naive Bayes on bins of a few columns.",
        )
    try:
        if len(places) == 2:
            return _two(circuit, decoder, table, profile, truth, places, buckets)
        return _several(circuit, table, profile, truth, places)
    except (NoiseOverflow, MessageOverflow, TooLarge) as error:
        raise BadQuery(
            f"This model's scores cannot be compared under encryption: {error.message}",
            "Compile it with fewer bits of a weight (n_bits), fit it on fewer columns, or test a shallow tree on bins.",
        ) from None


def _two(
    circuit: Circuit,
    decoder: Decoder,
    table: AskedTable,
    profile: EncryptionProfile,
    truth: AskedColumn | AskedCategory,
    places: Sequence[int],
    buckets: int,
) -> ClassTest:
    wide, cells = _with_cells(circuit, truth)
    values = scores_of(wide)
    score = values[1] - values[0] - 1 if len(values) > 1 else values[0] - wide.readout.at  # from 0 on: the second class
    ranked = len(truth.cells) == 2
    cuts, step = _cuts(wide, decoder, table, score, buckets if ranked else 1)
    compared = [score - cut for cut in cuts]
    stages, width, sizes = compared_exactly(wide, compared, table.codebook, profile)
    per = 2  # a sign is -1 or 1
    below = signs(stages, compared, width, sizes, COUNT_WIDTH + per - 1)
    order = range(len(cuts) + 1) if places[1] else range(len(cuts), -1, -1)
    counted = _Counts(stages, [sign * -1 + 1 for sign in below], cells, per)
    made = counted.circuit(wide, table, profile, _mix(list(order), len(truth.cells), rising=True))
    said = tuple(places[int(bucket > cuts.index(0))] for bucket in order)
    chances = None
    if ranked and decoder.probabilities and (len(values) == 1 or decoder.link == "softmax"):
        middles = [cuts[0] - step / 2, *(cut + step / 2 for cut in cuts)]
        integers = np.rint(middles).astype(np.int64)
        outputs = integers + wide.readout.at if len(values) == 1 else np.stack([0 * integers, integers + 1])
        every = decoder.predict_proba(np.atleast_2d(outputs))[:, places.index(1)]
        chances = tuple(float(every[bucket]) for bucket in order)
    labels = tuple(cell.label for cell in truth.cells)
    return ClassTest(made, labels, said, ranked, chances, ranked, per, list(order).index(0))


def _several(
    circuit: Circuit,
    table: AskedTable,
    profile: EncryptionProfile,
    truth: AskedColumn | AskedCategory,
    places: Sequence[int],
) -> ClassTest:
    wide, cells = _with_cells(circuit, truth)
    values = scores_of(wide)
    stages, width, sizes = compared_exactly(wide, differences(values), table.codebook, profile)
    won = winners(stages, values, width, sizes, COUNT_WIDTH)
    mix = _mix(list(range(len(values))), len(truth.cells), rising=False)
    made = _Counts(stages, won, cells, 1).circuit(wide, table, profile, mix)
    return ClassTest(made, tuple(cell.label for cell in truth.cells), tuple(places), False, None, False, 1, 0)


def _with_cells(circuit: Circuit, truth: AskedColumn | AskedCategory) -> tuple[Circuit, list[WireSum]]:
    """(the circuit with the label's inputs, its cells but the last as sums over wires that are 0 or 1)."""
    indicators = [truth.indicator(frozenset([place])) for place in range(len(truth.cells) - 1)]
    wide = with_inputs(circuit, [wire for each in indicators for wire in each.weights])
    number = {wire: at for at, wire in enumerate(wide.inputs)}
    return wide, [
        WireSum(tuple(sorted((number[wire], weight) for wire, weight in each.weights.items())), each.constant)
        for each in indicators
    ]


def _mix(order: Sequence[int], classes: int, *, rising: bool) -> Mix:
    """The cells (bucket, class) of counts of buckets 1, 2, ..., of each with each class but the last, and of the
    classes. With `rising`, a bucket's counts hold those after it too. The first bucket's last class lacks all rows.
    """
    after, last = len(order) - 1, classes - 1

    def holding(bucket: int, place: int) -> dict[int, int]:
        """The count of what is in a bucket's counts and a class, by output."""
        if place == last:
            found = {bucket - 1: 1} if bucket else {}
            for other in range(last):
                found |= {output: -weight for output, weight in holding(bucket, other).items()}
            return found
        return {after + (bucket - 1) * last + place if bucket else after + after * last + place: 1}

    def cell(bucket: int, place: int) -> dict[int, int]:
        found = holding(bucket, place)
        taken = ([bucket + 1] if bucket < after else []) if rising else list(range(1, after + 1)) if not bucket else []
        for other in taken:
            for output, weight in holding(other, place).items():
                found[output] = found.get(output, 0) - weight
        return found

    return Mix.of({f"{n} {place}": cell(bucket, place) for n, bucket in enumerate(order) for place in range(classes)})


def _cuts(circuit: Circuit, decoder: Decoder, table: AskedTable, score: WireSum, buckets: int) -> tuple[list[int], int]:
    """(rising thresholds of a score, 0 among them, the step between them): a power of two, at most one of the log-odds
    and half the deviation that the score has on rows drawn from the codes. Errors: BadQuery for a constant.
    """
    ranges = input_ranges(circuit.inputs, table.codebook)
    layers = (*circuit.layers[:-1], linear([score], circuit.layers[-1].width))  # type: ignore[union-attr]
    low, high = value_bounds(replace(circuit, layers=layers), ranges)[-1][0]
    if low >= 0 or high < 0:
        raise says_the_same()
    bounds = list(ranges)
    for layer in circuit.layers[1::2]:
        bounds += [(int(each.min()), int(each.max())) for each in layer.tables]  # type: ignore[union-attr]
    spread = math.sqrt(sum((weight * (bounds[wire][1] - bounds[wire][0])) ** 2 for wire, weight in score.terms) / 12)
    most = spread / 2
    if decoder.probabilities and decoder.link in LOGITS:
        most = min(most, 1 / abs(decoder.scale))
    step = 1 << max(0, math.floor(math.log2(max(1.0, most))))
    cuts = [number * step for number in range(1 - buckets, buckets)]
    return [cut for cut in cuts if low < cut <= high], step
