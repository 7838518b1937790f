"""Static checks of a circuit against a dataset: published inputs, ranges of values, failure probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadModel, MessageOverflow, NoiseOverflow
from fhe.circuit.circuit import Circuit, Input, Linear, Selection
from fhe.circuit.compatible import SMALLER, check_compatible, check_widths
from fhe.circuit.well_formed import check_form
from fhe.compile.ranges import strays, value_bounds, whole_bounds, zero_bits
from fhe.noise.linear import linear_failures
from fhe.profile import EncryptionProfile


@dataclass(frozen=True)
class Report:
    """What the checks found, for quotes and for people."""

    bounds: tuple[tuple[int, int], ...]  # lowest and highest value of each output
    log2_failure: float  # of the output or lookup most likely to fail, at most the profile's


def check(circuit: Circuit, codebook: Codebook, profile: EncryptionProfile) -> Report:
    """Refuse a circuit that this dataset cannot run rightly.

    Of a sum of many lookups only an estimate of the range is known here, which may be wider than the truth. Its outputs
    are therefore not refused: who compiled the circuit answers for them, and they are read modulo their width anyway.
    Errors: BadDocument (not well-formed), BadModel (other codes, unpublished input), MessageOverflow, NoiseOverflow.
    """
    check_form(circuit)
    check_compatible(circuit, profile.digest, codebook.digest)
    check_widths(circuit, profile)
    ranges = input_ranges(circuit.inputs, codebook)
    products = {product.name for product in codebook.products}
    if not circuit.block and any(wire.column in products for wire in circuit.inputs):
        raise BadModel(
            "This circuit reads products of columns, which are published to be summed over rows only.",
            "Sum it: darkroom model sum; or leave the products out.",
        )
    layers = value_bounds(circuit, ranges)
    last = circuit.layers[-1]
    assert isinstance(last, Linear)
    if len(layers) > 1:
        layers[-1] = [_representable(pair, last.width) for pair in layers[-1]]
    for number, (layer, bounds) in enumerate(zip(circuit.layers[::2], layers, strict=True)):
        assert isinstance(layer, Linear)
        if layer is last or not circuit.centred:
            _check_width(layer, bounds, 2 * number, last=layer is last)
    if circuit.centred:
        _check_digits(circuit, layers, zero_bits(circuit, ranges), whole_bounds(circuit, ranges))
    if circuit.block:
        _check_sums(last, layers[-1], circuit.block)
    worst = worst_failure(circuit, profile, strays(circuit, ranges) if circuit.shared else None)
    if worst[2] > profile.p_error_log2:
        raise NoiseOverflow(
            f"Layer {worst[0]}, value {worst[1]}: it would be read wrongly with probability 2^{worst[2]:.1f}, and the"
            f" profile allows 2^{profile.p_error_log2}.",
            SMALLER,
        )
    return Report(tuple(layers[-1]), worst[2])


def worst_failure(
    circuit: Circuit, profile: EncryptionProfile, off: Sequence[Sequence[int]] | None = None
) -> tuple[int, int, float]:
    """(layer, value, log2 of its failure probability) of the output or lookup most likely to be read wrongly.

    `off`: how far off its box every value may be (`fhe.compile.ranges.strays`).
    """
    return max(_failures(circuit, profile, off), key=lambda found: found[2])


def input_ranges(inputs: Sequence[Input], codebook: Codebook) -> list[tuple[int, int]]:
    """(lowest, highest) value of each input. Errors: BadModel for one that the dataset does not publish."""
    columns = {column.name: column for column in codebook.published}
    ranges = []
    for wire in inputs:
        column = columns.get(wire.column)
        if wire.encoding == "affine" and column is not None and column.affine is not None:
            ranges.append((0, column.affine.levels - 1))
        elif wire.encoding == "bins" and column is not None and wire.index < len(column.bins or ()):
            ranges.append((0, 1))
        else:
            what = f"bin {wire.index}" if wire.encoding == "bins" else "affine code"
            raise BadModel(
                f"The dataset does not publish the {what} of column {wire.column!r}.",
                "See what it publishes: darkroom dataset show.",
            )
    return ranges


def _representable(bounds: tuple[int, int], width: int) -> tuple[int, int]:
    """The bounds themselves if values cannot leave the width, else all that it holds."""
    low, high = -(1 << width), (1 << width) - 1
    return bounds if low <= bounds[0] and bounds[1] <= high else (low, high)


def _check_width(layer: Linear, bounds: Sequence[tuple[int, int]], number: int, *, last: bool) -> None:
    lowest, highest = (-(1 << layer.width), (1 << layer.width) - 1) if last else (0, (1 << layer.width) - 1)
    for row, (low, high) in enumerate(bounds):
        if low < lowest or high > highest:
            raise MessageOverflow(
                f"Layer {number}, value {row}: it can reach {low} to {high}, and {layer.width} bits hold {lowest} to"
                f" {highest}.",
                SMALLER,
            )


def _check_digits(
    circuit: Circuit,
    layers: Sequence[Sequence[tuple[int, int]]],
    zeros: Sequence[Sequence[int]],
    whole: Sequence[Sequence[tuple[int, int]]],
) -> None:
    """Whether tables read all the bits that their values have, and the padding bit only where it is one of them.

    A value between two boxes would be read by its noise, of which nobody may learn anything. Errors: MessageOverflow.
    """
    for number, layer in enumerate(circuit.layers):
        if isinstance(layer, Linear):
            continue
        before = circuit.layers[number - 1]
        assert isinstance(before, Linear)
        if isinstance(layer, Selection):
            _check_entries(layer, before, whole[number // 2], number - 1)
        for row in np.unique(layer.source).tolist():
            high, loose = layers[number // 2][row][1], before.width - layer.bits() - zeros[number // 2][row]
            if loose > 0:
                raise MessageOverflow(
                    f"Layer {number - 1}, value {row}: tables read its top {layer.bits()} bits, and it may have {loose}"
                    " lower ones.",
                    SMALLER,
                )
            if not layer.negacyclic and high >= 1 << before.width:
                raise MessageOverflow(
                    f"Layer {number - 1}, value {row}: it can reach {high}, and {before.width} bits hold"
                    f" {(1 << before.width) - 1}.",
                    SMALLER,
                )


def _check_entries(layer: Selection, before: Linear, whole: Sequence[tuple[int, int]], number: int) -> None:
    """Whether what is selected among fits its width, with its sign. Errors: MessageOverflow."""
    for row in np.unique(layer.entries).tolist():
        low, high = whole[row]
        if low < -(1 << before.width) or high >= 1 << before.width:
            raise MessageOverflow(
                f"Layer {number}, value {row}: it is selected, can reach {low} to {high}, and {before.width} bits hold"
                f" {-(1 << before.width)} to {(1 << before.width) - 1}.",
                SMALLER,
            )


def _check_sums(last: Linear, bounds: Sequence[tuple[int, int]], block: int) -> None:
    """Whether the last layer's width holds every sum over a block. Errors: MessageOverflow."""
    lowest, highest = -(1 << last.width), (1 << last.width) - 1
    for row, (low, high) in enumerate(bounds):
        if block * low < lowest or block * high > highest:
            raise MessageOverflow(
                f"Output {row}: a sum over {block} rows can reach {block * low} to {block * high}, and {last.width}"
                f" bits hold {lowest} to {highest}.",
                "Sum over fewer rows at a time.",
            )


def _failures(
    circuit: Circuit, profile: EncryptionProfile, off: Sequence[Sequence[int]] | None
) -> list[tuple[int, int, float]]:
    """(layer, value, log2 of the failure probability) of everything that is read."""
    if len(circuit.layers) == 1:
        return [(0, row, failure) for row, failure in enumerate(linear_failures(circuit, profile))]
    from fhe.noise.lookup import check_lookups

    return [(layer, row, failure) for layer, row, failure in check_lookups(circuit, profile, off)]
