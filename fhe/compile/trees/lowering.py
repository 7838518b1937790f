"""Tree models of Concrete ML (and of scikit-learn and XGBoost through it) as circuits on published bins.

The passes, in order: read the trees off the quantized graph; move thresholds to the dataset's edges; drop splits that
decide nothing; cover each tree of each output with lookups; merge lookups; lay out the circuit. The result is then
checked against the model itself on a sample of codes, so that a change in Concrete ML is noticed here and not by a
buyer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadModel, TooLarge
from app.protocol.ids import Digest
from fhe.circuit.circuit import Circuit, Lookup, Readout
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.circuit.codec import digest
from fhe.compile import concrete_models
from fhe.compile.check import check
from fhe.compile.compiled import Compiled
from fhe.compile.decoder import Decoder, Labels, Link
from fhe.compile.ir import PACKED, SMALL_KEY, AffineExpr, TableSizes, total
from fhe.compile.trees.cover import NEVER, Cover
from fhe.compile.trees.edges import BinColumns, bin_columns, on_edges
from fhe.compile.trees.emit import emit
from fhe.compile.trees.graph import Forest, leaves, read_forest
from fhe.compile.trees.merge import merge
from fhe.compile.trees.passes import drop_decided, drop_equal, only, summed
from fhe.profile import EncryptionProfile
from fhe.profiles import REFERENCE

FAMILIES = ("DecisionTree", "RandomForest", "XGB")
KINDS = tuple(family + kind for family in FAMILIES for kind in ("Classifier", "Regressor"))
CHECKED_ROWS = 256
IMPORT_BITS = 8  # places 33 codes and the midpoints between them on a grid of 256; also the bits of a leaf


def is_tree_model(model: Any) -> bool:
    """Whether `lower_tree_model` takes a model of this type."""
    return type(model).__name__ in KINDS and _origin(model) in ("concrete", "sklearn", "xgboost")


def import_tree_model(
    model: Any, codebook: Codebook, *, columns: Sequence[str] | None = None, n_bits: int = IMPORT_BITS
) -> Any:
    """The Concrete ML model of a scikit-learn or XGBoost one that was fitted on bin codes.

    Its input quantizer is spread over each column's codes, so with 8 bits every threshold keeps its place among them.
    """
    name = type(model).__name__
    if name not in KINDS or _origin(model) not in ("sklearn", "xgboost"):
        raise BadModel(f"A {name} cannot be imported as a tree model.", f"Use one of {', '.join(KINDS)}.")
    named = bin_columns(codebook, model, int(model.n_features_in_), columns)
    ends = np.array([[0] * len(named.levels), [max(levels - 1, 1) for levels in named.levels]], np.float64)
    return getattr(concrete_models.load(), name).from_sklearn_model(model, X=ends, n_bits=n_bits)


def lower_tree_model(
    model: Any,
    codebook: Codebook,
    *,
    profile: EncryptionProfile = REFERENCE,
    columns: Sequence[str] | None = None,
    n_bits: int = IMPORT_BITS,
    lwe_bins: bool = False,
) -> Compiled:
    """The circuit and decoder of a tree model fitted on this codebook's bin codes.

    Its outputs are Concrete ML's quantized integers summed over trees, one for each class (one in all for a regression
    or boosted binary classes). Where two classes of a forest have exactly equal sums, the decoder takes the first;
    Concrete ML adds rounded floats there, so that their last bits choose. `columns` names the model's features where
    their number does not say it; `n_bits` is for models that are imported here;
    with `lwe_bins` the circuit reads bins under the small key.
    Errors: `BadModel`, `TooLarge`, `NoiseOverflow`.
    """
    if not is_tree_model(model):
        raise BadModel(f"A {type(model).__name__} is not a tree model.", f"Use one of {', '.join(KINDS)}.")
    if _origin(model) != "concrete":
        model = import_tree_model(model, codebook, columns=columns, n_bits=n_bits)
    forest = read_forest(model)
    named = bin_columns(codebook, model, forest.columns, columns)
    forest = Forest(tuple(drop_equal(tree) for tree in forest.trees), forest.columns, forest.outputs)
    forest = on_edges(forest, model, named)
    names, readout = _outputs(model, forest.outputs)
    outputs = lower_forest(forest, named.levels, SMALL_KEY if lwe_bins else PACKED)
    circuit = emit(
        outputs,
        _bounds(forest),
        columns=named.names,
        names=names,
        readout=readout,
        codebook=codebook.digest,
        profile=profile,
        lwe_bins=lwe_bins,
    )
    name = _name(circuit)
    _verify(circuit, model, named)
    return Compiled(circuit, _decoder(model, name, forest.outputs), check(circuit, codebook, profile), model)


def lower_forest(forest: Forest, levels: Sequence[int], sizes: TableSizes = PACKED) -> list[AffineExpr]:
    """Each output as an Affine over bits and tables, with as few tables as the passes find."""
    parts: list[list[tuple[AffineExpr, int]]] = [[] for _ in range(forest.outputs)]
    for number, tree in enumerate(forest.trees):
        own = [Cover(drop_equal(drop_decided(only(tree, o))), levels, sizes).lower() for o in range(forest.outputs)]
        dearest = max(range(forest.outputs), key=lambda o: own[o][0])
        if own[dearest][0] >= NEVER:
            raise TooLarge(
                f"Tree {number} of this model asks about too many columns on one path.",
                "Fit it with a lower max_depth.",
            )
        if forest.outputs > 1:  # class shares nearly add up, so the dearest class may follow from the others
            cost, together = Cover(drop_equal(drop_decided(summed(tree))), levels, sizes).lower()
            if cost < own[dearest][0]:
                others = [(value, -1) for o, (_, value) in enumerate(own) if o != dearest]
                own[dearest] = (cost, total([(together, 1), *others]))
        for output, (_, value) in zip(parts, own):
            output.append((value, 1))
    return [merge(total(output), sizes) for output in parts]


def _bounds(forest: Forest) -> list[tuple[int, int]]:
    """Bounds of each output: the sums of every tree's least and largest leaf."""
    values = [np.array([leaf.values for leaf in leaves(tree)], np.int64) for tree in forest.trees]
    low = np.sum([own.min(axis=0) for own in values], axis=0)
    high = np.sum([own.max(axis=0) for own in values], axis=0)
    return list(zip(low.tolist(), high.tolist()))


def _outputs(model: Any, outputs: int) -> tuple[list[str], Readout]:
    """Names of the outputs, and how they become a label."""
    if not hasattr(model, "classes_"):
        return ["score"] if outputs == 1 else [f"value {number}" for number in range(outputs)], Readout("value")
    if outputs == 1:
        return ["score"], Readout("threshold", 1)  # a positive score: the second class is the likelier
    return [f"class {number}" for number in range(outputs)], Readout("argmax")


def _decoder(model: Any, circuit: Digest, outputs: int) -> Decoder:
    """Concrete ML's own dequantization and post-processing of this model."""
    quantizer, classifies = model.output_quantizers[0], hasattr(model, "classes_")
    boosted = type(model).__name__.startswith("XGB")
    link: Link = "identity"  # trees and forests add up class shares
    if boosted and classifies:
        link = "sigmoid" if outputs == 1 else "softmax"
    return Decoder(
        model=type(model).__name__,
        circuit=circuit,
        scale=float(quantizer.scale),
        zero_points=(int(quantizer.zero_point),) * outputs,
        shift=0.0 if classifies or not boosted else 0.5,  # Hummingbird's base score, which is cut off the graph
        centre=(0,) * outputs,
        link=link,
        labels=Labels.of(np.asarray(model.classes_)) if classifies else None,
        probabilities=classifies,
    )


def _name(circuit: Circuit) -> Digest:
    """The circuit's digest. Errors: `TooLarge` in the buyer's words."""
    try:
        return digest(circuit)
    except TooLarge:
        lookups = sum(len(layer.source) for layer in circuit.layers if isinstance(layer, Lookup))
        raise TooLarge(
            f"This model takes {lookups} lookups a row, and its circuit is larger than a document may be.",
            "Fit it with fewer or shallower trees.",
        ) from None


def _verify(circuit: Circuit, model: Any, columns: BinColumns) -> None:
    """Compare circuit and model on random codes, each column's extremes among them."""
    random = np.random.default_rng(0)
    levels = np.array(columns.levels)
    codes = random.integers(0, levels, (CHECKED_ROWS, len(levels)))
    codes[0], codes[1] = 0, levels - 1
    expected = model._inference(model.quantize_input(codes.astype(np.float64))).sum(axis=-1)
    found = evaluate_clear(
        circuit, gather_inputs(circuit, {(n, "bins"): codes[:, i] for i, n in enumerate(columns.names)})
    )
    if not np.array_equal(found, expected.reshape(found.shape)):
        raise BadModel(
            "The compiled circuit does not reproduce this model's quantized results.",
            "Use Concrete ML 1.9, and report this model if it does.",
        )


def _origin(model: Any) -> str:
    return type(model).__module__.partition(".")[0]
