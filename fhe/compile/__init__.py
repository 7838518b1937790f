"""Fitted models -> circuits. `from_model` takes any supported model of Concrete ML or scikit-learn.

It imports neither Concrete ML nor scikit-learn before a model is given: whoever only checks circuits needs neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadModel
from fhe.compile.additive import AdditiveModel, additive_model
from fhe.compile.check import Report, check
from fhe.compile.compiled import Compiled
from fhe.compile.decoder import Decoder, Labels
from fhe.compile.levels import with_levels
from fhe.compile.linear import from_linear_model
from fhe.compile.quantize import FAMILY, is_linear
from fhe.profile import EncryptionProfile
from fhe.profiles import REFERENCE

__all__ = ["AdditiveModel", "Compiled", "Decoder", "Labels", "Report", "check", "from_model", "with_levels"]


def from_model(
    model: Any,
    codebook: Codebook,
    profile: EncryptionProfile = REFERENCE,
    *,
    columns: Sequence[str] | None = None,
    n_bits: int | None = None,
) -> Compiled:
    """Compile a model fitted on this codebook's codes by Concrete ML, scikit-learn or xgboost, or a scorecard.

    `columns` names the dataset's columns in the order of the model's features; it may be left out when the model was
    fitted on named columns or on all of them. `n_bits` is the number of bits of a weight (the model's own by default,
    8 for scikit-learn's). Errors: BadModel, MessageOverflow, NoiseOverflow.
    """
    if is_linear(model):
        return from_linear_model(model, codebook, profile, columns=columns, n_bits=n_bits)
    if isinstance(model, AdditiveModel):
        return additive_model(model, codebook, profile=profile, **({} if n_bits is None else {"n_bits": n_bits}))
    from fhe.compile.trees import lowering

    if lowering.is_tree_model(model):
        bits = {} if n_bits is None else {"n_bits": n_bits}
        return lowering.lower_tree_model(model, codebook, profile=profile, columns=columns, **bits)
    raise BadModel(
        f"Darkroom does not compile a {type(model).__name__}.",
        f"Use one of the linear family ({', '.join(FAMILY)}), a tree model or an AdditiveModel.",
    )
