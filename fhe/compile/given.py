"""A model as it was handed in: what its features are, what it reads, and which way it becomes a circuit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadModel
from fhe.circuit.circuit import Linear
from fhe.compile.compiled import Compiled
from fhe.compile.direct import compile_directly, reads_missing
from fhe.compile.features import feature_columns
from fhe.compile.foreign import attribute, kind, origin
from fhe.compile.importers.adapt import adapted
from fhe.compile.importers.core import core, is_concrete_network
from fhe.compile.importers.inputs import Inputs
from fhe.compile.neighbours import compile_neighbours, is_neighbours
from fhe.compile.networks.compiling import compiled_network
from fhe.compile.networks.torch_modules import TorchNetwork, is_torch_module
from fhe.compile.quantize import is_linear
from fhe.compile.reading import read_as
from fhe.compile.sample import OwnRows
from fhe.compile.space import FeatureSpace, FittedOn, MissingAs
from fhe.compile.through_concrete import REFUSALS, compile_through, takes
from fhe.profile import EncryptionProfile


def compile_given(
    model: Any,
    codebook: Codebook,
    profile: EncryptionProfile,
    columns: Sequence[str] | None,
    n_bits: int | None,
    check: Any,
    target: Any,
    fitted_on: FittedOn | None,
    missing: MissingAs | None = None,
    lwe_bins: bool = False,
    packs: bool = False,
) -> Compiled:
    """See `fhe.compile.from_model`."""
    if n_bits is not None and not 2 <= n_bits <= 24:
        raise BadModel(f"Weights of {n_bits} bits are not possible.", "Use 2 to 24.")
    model = TorchNetwork(model) if is_torch_module(model) else adapted(model)
    inside = _float_model(model)
    own = OwnRows.of(check, target, [column.name for column in codebook.columns])
    features, names = feature_columns(codebook, inside, columns, own.order if own is not None else None)
    space = read_as(model, features, names if inside is model else None, own, fitted_on)
    digits = _in_digits(model, space, own, codebook, profile, n_bits, packs)
    if digits is not None:
        return digits
    if missing == "nan" or (missing is None and space.reading == "values" and reads_missing(model, space)):
        gapped = space.with_gaps(codebook)
        if gapped.gaps:
            return compile_directly(inside, gapped, own, codebook, profile, n_bits, lwe_bins)
    if not takes(model, space):
        if origin(model) == "concrete" and not is_linear(model):
            raise BadModel(
                f"A {kind(model)} of Concrete ML is compiled from bin codes, and what it was fitted on is not that.",
                "Fit it on dataset.encode(X, 'bins'), or hand in the plain model of its library.",
            )
        return compile_directly(inside, space, own, codebook, profile, n_bits, lwe_bins)
    if origin(model) == "concrete" or not is_linear(model):
        try:
            return compile_through(model, space, own, codebook, profile, n_bits, lwe_bins)
        except REFUSALS:
            if origin(model) == "concrete" and not is_linear(model):
                raise
    if not is_linear(model):
        return compile_directly(inside, space, own, codebook, profile, n_bits, lwe_bins)
    direct = compile_directly(inside, space, own, codebook, profile, n_bits, lwe_bins)
    try:
        return compile_through(model, space, own, codebook, profile, n_bits, fewest=_weight_bits(direct))
    except REFUSALS:
        return direct


def _in_digits(
    model: Any,
    space: FeatureSpace,
    own: OwnRows | None,
    codebook: Codebook,
    profile: EncryptionProfile,
    n_bits: int | None,
    packs: bool,
) -> Compiled | None:
    """Neighbours and networks, which read wide values under encryption; None for other models."""
    if is_neighbours(core(model, Inputs.of(space)).model):
        return compile_neighbours(model, space, own, codebook, profile, n_bits)
    return compiled_network(model, space, own, codebook, profile, n_bits, packs)


def _weight_bits(compiled: Compiled) -> int:
    """Bits of the largest weight, its sign included."""
    first = compiled.circuit.layers[0]
    assert isinstance(first, Linear)
    return 1 + int(np.abs(first.values).max()).bit_length()


def _float_model(model: Any) -> Any:
    """The model itself, or the float model that a Concrete ML one was quantized from. Errors: BadModel."""
    if origin(model) == "concrete" and not is_concrete_network(model):
        inside = attribute(model, "sklearn_model")
        if inside is None or not hasattr(inside, "predict"):
            raise BadModel(f"This {kind(model)} was not fitted, or is no model that Darkroom compiles.", "Fit it.")
        _check_finite(model, inside)
        return inside
    if not hasattr(model, "predict"):
        raise BadModel(f"A {kind(model)} predicts nothing.", "Hand in a fitted estimator: docs/models.md lists them.")
    _check_finite(model, model)
    return model


def _check_finite(model: Any, inside: Any) -> None:
    for name in ("coef_", "intercept_"):
        found = attribute(inside, name)
        try:
            finite = found is None or bool(np.isfinite(np.asarray(found, np.float64)).all())
        except (TypeError, ValueError):
            continue
        if not finite:
            raise BadModel(f"This {kind(model)} has weights that are not finite.", "Fit it again.")
