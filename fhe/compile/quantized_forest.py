"""A form with trees as a circuit of lookups: leaves as fine as their noise allows, and no finer than needed.

The sum of the trees is read at one width. The wider, the finer a leaf's step; the noise of all lookups of a sum bounds
the width. The step halves until no compared label differs. Where noise stops it earlier, that width is taken if
what it says is within the tolerance for forests (`fhe.compile.faithful`); else the model is refused, with the number
of trees that would fit and what leaving out the others would cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadModel, DarkroomError, MessageOverflow, NoiseOverflow, TooLarge
from fhe.arrays import F64, I64
from fhe.circuit.circuit import Circuit, Linear, Lookup
from fhe.circuit.codec import digest
from fhe.compile.check import Report, check
from fhe.compile.compiled import Compiled
from fhe.compile.decoder import Decoder
from fhe.compile.faithful import AIMED_OF_TREES, Comparison
from fhe.compile.foreign import comparable, kind
from fhe.compile.form import ScoreForm
from fhe.compile.ir import PACKED, SMALL_KEY, AffineExpr, Bit, constant, total, wire
from fhe.compile.meaning import Meaning
from fhe.compile.quantized import Whole, decoder_of, output_names, readout_of
from fhe.compile.rounding import balanced_leaves
from fhe.compile.space import FeatureSpace
from fhe.compile.trees.emit import emit
from fhe.compile.trees.graph import MAX_CLASSES, MAX_DEPTH, MAX_TREES, Forest, Leaf, Node, depth, leaves, rebuild
from fhe.compile.trees.lowering import lower_forest
from fhe.compile.trees.merge import merge
from fhe.compile.trees.passes import drop_decided, drop_equal
from fhe.noise.linear import log2_failure
from fhe.noise.lookup import layer_variances, result_variance
from fhe.profile import EncryptionProfile

WIDTHS = range(3, 21)  # of the sum
MARGIN = 4.0  # log2 of failure that a width foreseen keeps from the limit


def compile_forest(
    model: Any,
    form: ScoreForm,
    meaning: Meaning,
    comparison: Comparison,
    codebook: Codebook,
    profile: EncryptionProfile,
    n_bits: int | None,
    *,
    lwe_bins: bool = False,
) -> Compiled:
    """Errors: BadModel, TooLarge, NoiseOverflow, MessageOverflow; each names what would fit."""
    _check_size(model, form)
    space = comparison.space
    for feature in form.tables:
        if space.encodings[feature] != "bins":
            raise BadModel(
                f"This {kind(model)} adds trees to column {space.columns[feature].name!r}, which has no bins.",
                "Leave that column out, or ask the owner to publish bins of it.",
            )
    reached = form.reached(comparison.codes)
    wanted = n_bits if n_bits is not None else _fewest(model, form, meaning, comparison, reached)
    widest = WIDTHS[-1]
    for width in _downwards(wanted):
        if width > widest:
            continue
        whole = Whole.of(form, space, _step(form, width))
        if width < wanted:  # noise allows no finer leaves
            whole = replace(whole, leaves=balanced_leaves(form, space, whole.step))
        try:
            circuit, decoder = _circuit(model, whole, meaning, space, codebook, profile, lwe_bins=lwe_bins)
        except TooLarge as error:
            raise _too_large(model, form, comparison, reached, meaning, error) from None
        try:
            report = check(circuit, codebook, profile)
        except (NoiseOverflow, MessageOverflow) as error:
            widest = _readable_width(circuit, profile, width)
            if n_bits is not None or widest < WIDTHS[0] or widest >= width:
                raise _too_noisy(model, form, circuit, error) from None
            continue
        return _judged(model, comparison, circuit, decoder, report, form, reached, meaning)
    raise TooLarge(f"The sum of this {kind(model)}'s trees is too noisy to read.", "Fit it with fewer trees.")


def _judged(
    model: Any,
    comparison: Comparison,
    circuit: Circuit,
    decoder: Decoder,
    report: Report,
    form: ScoreForm,
    reached: I64,
    meaning: Meaning,
) -> Compiled:
    last = circuit.layers[-1]
    assert isinstance(last, Linear)
    whole = comparison.outputs(circuit)
    try:
        comparison.refuse(decoder, whole, f"with leaves rounded to a sum of {last.width} bits", forest=True)
    except BadModel as error:
        raise BadModel(
            f"{error.message} Noise leaves no finer ones.",
            _fewer(form, comparison, reached, meaning, len(form.trees) // 2),
        ) from None
    found = comparison.judge(circuit, decoder, route="direct", forest=True)
    return Compiled(circuit, decoder, report, model, found)


def _check_size(model: Any, form: ScoreForm) -> None:
    if len(form.trees) > MAX_TREES:
        raise TooLarge(f"This {kind(model)} has {len(form.trees)} trees; the limit is {MAX_TREES}.", "Fit fewer.")
    if form.outputs > MAX_CLASSES:
        raise TooLarge(
            f"This {kind(model)} has {form.outputs} classes; the limit is {MAX_CLASSES}.", "Merge rare classes."
        )
    for number, tree in enumerate(form.trees):
        if depth(drop_decided(tree)) > MAX_DEPTH:
            raise TooLarge(
                f"Tree {number} of this {kind(model)} is {depth(drop_decided(tree))} splits deep; the limit is"
                f" {MAX_DEPTH}.",
                f"Fit it again with max_depth={MAX_DEPTH} or less; 3 or 4 is cheapest.",
            )


def _ranges(form: ScoreForm) -> list[tuple[F64, F64]]:
    """(least, greatest) (outputs,) of everything that is added up."""
    found = []
    for tree in form.trees:
        own = form.leaves[[leaf.values[0] for leaf in leaves(tree)]]
        found.append((own.min(axis=0), own.max(axis=0)))
    found += [(table.min(axis=0), table.max(axis=0)) for table in form.tables.values()]
    return found


def _step(form: ScoreForm, width: int) -> float:
    """The step at which the sum takes `width` bits and a sign, whatever row comes."""
    parts = _ranges(form)
    low = np.sum([part[0] for part in parts], axis=0)
    high = np.sum([part[1] for part in parts], axis=0)
    if form.outputs > 1:  # outputs are compared with one another, so they share one zero
        low, high = low + form.constant, high + form.constant
    span = float(high.max() - low.min())
    room = (2 << width) - 2 - 2 * len(parts) - 2  # each part's ends are rounded down or up
    return (span or 1.0) / max(room, 2)


def _fewest(model: Any, form: ScoreForm, meaning: Meaning, comparison: Comparison, reached: I64) -> int:
    """The smallest width at which no compared label differs, by the form's integers; the widest if none does."""
    for width in WIDTHS:
        whole = Whole.of(form, comparison.space, _step(form, width))
        outputs = whole.outputs(comparison.codes, reached)
        if comparison.fits(decoder_of(model, meaning, whole), outputs, AIMED_OF_TREES):
            return width
    return WIDTHS[-1]


def _downwards(width: int) -> Iterator[int]:
    yield from range(min(max(width, WIDTHS[0]), WIDTHS[-1]), WIDTHS[0] - 1, -1)


def _circuit(
    model: Any,
    whole: Whole,
    meaning: Meaning,
    space: FeatureSpace,
    codebook: Codebook,
    profile: EncryptionProfile,
    *,
    lwe_bins: bool,
) -> tuple[Circuit, Decoder]:
    trees = tuple(
        drop_equal(drop_decided(rebuild(tree, whole_leaf(whole), lambda split: (split.column, split.cut))))
        for tree in whole.form.trees
    )
    sizes = SMALL_KEY if lwe_bins else PACKED
    outputs = lower_forest(Forest(trees, len(space.columns), whole.form.outputs), space.levels, sizes)
    outputs = [total([(output, 1), (_tables(whole, o), 1)]) for o, output in enumerate(outputs)]
    if not sizes.bare:
        outputs = [merge(output, sizes) for output in outputs]
    bounds = _bounds(whole, trees)
    zero = -round((min(low for low, _ in bounds) + max(high for _, high in bounds)) / 2)
    outputs = [total([(output, 1), (constant(zero), 1)]) for output in outputs]
    decoder = decoder_of(model, meaning, whole, zero=zero)
    readout = readout_of(decoder)
    circuit = emit(
        outputs,
        [(low + zero, high + zero) for low, high in bounds],
        columns=[column.name for column in space.columns],
        names=output_names(whole.form.outputs, readout),
        readout=readout,
        codebook=codebook.digest,
        profile=profile,
        lwe_bins=lwe_bins,
    )
    return circuit, decoder.model_copy(update={"circuit": digest(circuit)})


def whole_leaf(whole: Whole) -> Any:
    """A leaf's number -> the leaf with its integers."""
    return lambda leaf: Leaf(tuple(int(value) for value in whole.leaves[leaf.values[0]]))


def _tables(whole: Whole, output: int) -> AffineExpr:
    """What the columns' own tables add to one output."""
    parts = [(constant(int(whole.constant[output])), 1)]
    for feature, table in whole.tables.items():
        own = table[:, output]
        parts.append((constant(int(own[0])), 1))
        parts += [
            (wire(Bit(feature, edge + 1)), int(own[edge + 1] - own[edge]))
            for edge in range(len(own) - 1)
            if own[edge + 1] != own[edge]
        ]
    return total(parts)


def _bounds(whole: Whole, trees: tuple[Node, ...]) -> list[tuple[int, int]]:
    """Bounds of each output: the sums of every part's least and greatest."""
    low, high = whole.constant.copy(), whole.constant.copy()
    for tree in trees:
        own = np.array([leaf.values for leaf in leaves(tree)], np.int64)
        low, high = low + own.min(axis=0), high + own.max(axis=0)
    for table in whole.tables.values():
        low, high = low + table.min(axis=0), high + table.max(axis=0)
    return list(zip(low.tolist(), high.tolist()))


def _readable_width(circuit: Circuit, profile: EncryptionProfile, width: int) -> int:
    """The widest sum, this one at most, that is read reliably at the noise that these lookups add up to."""
    last = layer_variances(circuit, profile)[-1]
    variance = float(last.max()) + result_variance(profile)
    for smaller in range(width, 0, -1):
        margin = MARGIN if smaller < width else 0.0
        if log2_failure(variance, smaller) <= profile.p_error_log2 - margin:
            return smaller
    return 0


def lookups(circuit: Circuit) -> int:
    """Bootstraps of a row."""
    return sum(len(layer.source) for layer in circuit.layers if isinstance(layer, Lookup))


def _too_noisy(model: Any, form: ScoreForm, circuit: Circuit, error: DarkroomError) -> NoiseOverflow:
    return NoiseOverflow(
        f"The {lookups(circuit)} lookups a row of this {kind(model)} add up to more noise than can be read:"
        f" {error.message}",
        f"Fit it with fewer or shallower trees than {len(form.trees)} of {max(map(depth, form.trees))} splits.",
    )


def _too_large(
    model: Any, form: ScoreForm, comparison: Comparison, reached: I64, meaning: Meaning, error: TooLarge
) -> TooLarge:
    sizes = [sum(1 for _ in leaves(tree)) for tree in form.trees]
    fit = max(1, int(len(sizes) * 6_000 / max(1, sum(sizes))))
    return TooLarge(
        f"{error.message} This {kind(model)} has {len(sizes)} trees of {sum(sizes)} leaves in all.",
        _fewer(form, comparison, reached, meaning, min(fit, len(sizes) - 1)),
    )


def _fewer(form: ScoreForm, comparison: Comparison, reached: I64, meaning: Meaning, trees: int) -> str:
    """What its first trees alone would say."""
    trees = max(1, trees)
    if meaning.labels is None or len(form.trees) < 2:
        return f"Fit it with about {trees} trees of this depth, or shallower ones."
    scores = np.repeat(form.constant[None], len(comparison.codes), axis=0)
    for feature, table in form.tables.items():
        scores += table[comparison.codes[:, feature]]
    kept = form.leaves[reached[:, :trees]].sum(axis=1) * (len(form.trees) / trees if meaning.link == "share" else 1)
    whole = scores + kept
    labels = (whole[:, 0] > meaning.threshold).astype(int) if form.outputs == 1 else whole.argmax(axis=1)
    said = comparable(comparison.said.predicted)
    off = float(np.mean(comparable(meaning.labels.array())[labels] != said))
    cost = ""
    if comparison.own is not None and comparison.own.target is not None and len(comparison.mine):
        mine = slice(len(labels) - len(comparison.mine), None)
        truth = comparable(comparison.own.target)
        lost = float(np.mean(said[mine] == truth) - np.mean(comparable(meaning.labels.array())[labels[mine]] == truth))
        cost = f", {100 * lost:.1f} points of accuracy on your rows"
    return f"Fit about {trees} trees: its first {trees} alone give another label on {100 * off:.1f} % of rows{cost}."
