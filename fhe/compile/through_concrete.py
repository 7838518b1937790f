"""Models that Concrete ML has: quantized by Concrete ML, lowered from its integers.

A Concrete ML model keeps its own quantization where the dataset's codes allow; then the circuit equals its quantized
inference on every row. A plain model of a kind that Concrete ML imports gets the fewest weight bits at which it still
says the same. What comes out is held against the model that was handed in, as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadModel, MessageOverflow, NoiseOverflow, TooLarge
from fhe.compile.compiled import Compiled
from fhe.compile.faithful import SCORES, Comparison
from fhe.compile.foreign import attribute, guarded, origin
from fhe.compile.linear import from_linear_model
from fhe.compile.quantize import is_linear
from fhe.compile.sample import OwnRows
from fhe.compile.space import FeatureSpace
from fhe.profile import EncryptionProfile

MOST_BITS = 20  # of a weight, that are tried here
MOST_LEAVES = 400  # of a plain forest that is imported: Concrete ML's matrices grow with their square


def takes(model: Any, space: FeatureSpace) -> bool:
    """Whether Concrete ML has such a model, fitted on codes that it can quantize as themselves."""
    if is_linear(model):
        return all(encoding == "affine" for encoding in space.encodings) and _identity(space)
    from fhe.compile.trees import lowering  # last, since it is the larger part

    if not lowering.is_tree_model(model) or space.reading != "bins":
        return False
    return origin(model) == "concrete" or _leaves(model) <= MOST_LEAVES


def compile_through(
    model: Any,
    space: FeatureSpace,
    own: OwnRows | None,
    codebook: Codebook,
    profile: EncryptionProfile,
    n_bits: int | None,
    lwe_bins: bool = False,
    *,
    fewest: int | None = None,
) -> Compiled:
    """With weights of `fewest` bits our own quantization is faithful, where that was found already.

    Errors: BadModel, TooLarge, MessageOverflow, NoiseOverflow.
    """
    comparison: Comparison | None = None
    names = [column.name for column in space.columns]
    refused: Exception | None = None
    for bits in _bits(model, n_bits, fewest):
        with guarded(model, "Importing"):
            compiled = _lowered(model, names, codebook, profile, bits, lwe_bins=lwe_bins)
        if comparison is None:
            given = _given(model, compiled)
            comparison = Comparison(given, space, own, classifies=attribute(given, "classes_") is not None)
        if fewest is not None and not comparison.fits(compiled.decoder, comparison.outputs(compiled.circuit), SCORES):
            continue
        try:
            found = comparison.judge(compiled.circuit, compiled.decoder, route="concrete-ml", forest=False)
        except BadModel as error:
            refused = error
            continue
        return replace(compiled, faithfulness=found)
    raise refused or BadModel("Concrete ML's quantization of this model says something else.", "Report this model.")


def _lowered(
    model: Any,
    names: list[str],
    codebook: Codebook,
    profile: EncryptionProfile,
    bits: int | None,
    *,
    lwe_bins: bool,
) -> Compiled:
    if is_linear(model):
        return from_linear_model(model, codebook, profile, columns=names, n_bits=bits)
    from fhe.compile.trees import lowering

    bits = lowering.IMPORT_BITS if bits is None else bits
    return lowering.lower_tree_model(model, codebook, profile=profile, columns=names, n_bits=bits, lwe_bins=lwe_bins)


def _bits(model: Any, n_bits: int | None, fewest: int | None) -> Iterator[int | None]:
    """Bits of a weight to try; None: the model's own."""
    if n_bits is not None or not is_linear(model):
        yield n_bits
        return
    if fewest is None:
        yield None
        return
    yield from (bits for bits in (fewest - 3, fewest - 1, fewest + 1, fewest + 3) if 2 <= bits <= MOST_BITS)


def _given(model: Any, compiled: Compiled) -> Any:
    """Whose words count: the model's, or those of the float model inside where its own quantization cannot be kept."""
    if origin(model) != "concrete" or compiled.model is model:
        return model
    return model.sklearn_model


def _identity(space: FeatureSpace) -> bool:
    return all(np.array_equal(space.units(n), np.arange(levels)) for n, levels in enumerate(space.levels))


def _leaves(model: Any) -> int:
    trees = attribute(model, "estimators_")
    if trees is not None:
        return sum(int(tree.tree_.n_leaves) for tree in np.ravel(trees))
    if attribute(model, "tree_") is not None:
        return int(model.tree_.n_leaves)
    if origin(model) == "xgboost":
        with guarded(model, "Reading the booster of"):
            return sum(text.count("leaf=") for text in model.get_booster().get_dump())
    return MOST_LEAVES + 1


REFUSALS = (BadModel, TooLarge, MessageOverflow, NoiseOverflow)
