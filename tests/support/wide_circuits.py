"""Circuits with wide values over the small encrypted tables: linear classifiers, and readings of digits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fhe.circuit.circuit import Circuit, Input, Readout
from fhe.circuit.codec import digest
from fhe.compile.check import check
from fhe.compile.compiled import Compiled
from fhe.compile.decoder import Decoder, Labels
from fhe.compile.digits.passes import groups, signs
from fhe.compile.digits.stages import Stages, WireSum, linear
from tests.support.encrypted_tables import TableWithKeys

WIDTH = 20  # of a score that nobody reads in digits


def scores(weights: Sequence[Sequence[int]], biases: Sequence[int]) -> list[WireSum]:
    """One sum over the inputs for each row of weights."""
    rows = zip(weights, biases, strict=True)
    return [WireSum(tuple((wire, weight) for wire, weight in enumerate(row) if weight), bias) for row, bias in rows]


def classifier(world: TableWithKeys, weights: Sequence[Sequence[int]], biases: Sequence[int], at: int = 0) -> Compiled:
    """A linear classifier on the affine codes of a small table, one score a class, or one that reaches `at`."""
    count = len(weights)
    readout = Readout("threshold", at) if count == 1 else Readout("argmax")
    circuit = wide_circuit(
        world, readout, [f"class {n}" for n in range(count)], (linear(scores(weights, biases), WIDTH),)
    )
    decoder = Decoder(
        model="Made", circuit=digest(circuit), scale=1.0, zero_points=(0,) * count, centre=(0,) * count,
        link="identity", labels=Labels.of(np.array([f"label {n}" for n in range(max(2, count))])),
    )  # fmt: skip
    return Compiled(circuit, decoder, check(circuit, world.table.codebook, world.profile), None)


def wide_circuit(world, readout, names, layers, *, centred=False) -> Circuit:  # type: ignore[no-untyped-def]
    """A circuit over the affine codes of all columns."""
    inputs = tuple(Input(f"c{column}", "affine") for column in range(world.codes.shape[1]))
    return Circuit(
        world.profile.digest, world.table.codebook.digest, inputs, tuple(layers), tuple(names), readout, centred=centred
    )


def sign_circuit(world: TableWithKeys, weights: Sequence[int], bias: int, width: int) -> Circuit:
    """Whether a sum over three columns, of `width` bits, is below zero: 1, else -1."""
    stages = Stages(len(weights))
    sizes = groups(width, 0.0, world.profile)
    sign = signs(stages, scores([weights], [bias]), width, sizes, 3)
    return wide_circuit(world, Readout("value"), ["below"], [*stages.layers, linear(sign, 3)], centred=True)
