"""Fitted models -> circuits. `from_model` takes what people bring, and gives the model's own circuit or a refusal.

It imports no other library before a model of it is given: whoever only checks circuits needs none.
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
from fhe.compile.digits.label import with_label
from fhe.compile.faithful import Faithfulness
from fhe.compile.foreign import has, kind, origin
from fhe.compile.levels import with_levels
from fhe.compile.space import FittedOn, MissingAs
from fhe.profile import EncryptionProfile
from fhe.profiles import REFERENCE

__all__ = [
    "AdditiveModel",
    "Compiled",
    "Decoder",
    "Faithfulness",
    "FittedOn",
    "Labels",
    "MissingAs",
    "Report",
    "check",
    "from_model",
    "with_label",
    "with_levels",
]


def from_model(
    model: Any,
    codebook: Codebook,
    profile: EncryptionProfile = REFERENCE,
    *,
    columns: Sequence[str] | None = None,
    n_bits: int | None = None,
    check: Any = None,
    target: Any = None,
    fitted_on: FittedOn | None = None,
    missing: MissingAs | None = None,
    lwe_bins: bool = False,
    packs: bool = False,
) -> Compiled:
    """Compile a fitted model, or refuse it: the circuit says what the model says, within `fhe.compile.faithful`.

    `columns` names the dataset's columns in the order of the model's features; it may be left out when the model was
    fitted on named columns or on all of them. `n_bits` is the number of bits of a weight, or of a forest's sum; by
    default the fewest at which no label differs. `check` holds rows of the buyer's own, with their values (a frame, a
    mapping, or an array with the dataset's columns), to compare on as well; `target` their labels, or the name of
    that column. `fitted_on` says whether the model reads affine codes ("codes"), bin codes ("bins") or the columns'
    own values ("values"); by default what the model remembers of its data decides, and where it does not, the model is
    refused. `missing` says what the model reads where the dataset publishes that a value is missing: the value that
    the codebook imputes ("impute"), or NaN ("nan"), which trees send where they learnt to; by default NaN for trees
    that read the columns' own values and know such directions (XGBoost, LightGBM, histogram boosting). `lwe_bins` says
    that the dataset publishes its bins under the small key: trees read those, with fewer lookups. `packs` says that its
    evaluation key has a packing key: networks select among encrypted tables where that is cheaper, and such a circuit
    runs on datasets with one only. Errors: BadModel, TooLarge, MessageOverflow, NoiseOverflow.
    """
    if isinstance(model, AdditiveModel):
        return additive_model(model, codebook, profile=profile, **({} if n_bits is None else {"n_bits": n_bits}))
    # What follows needs the libraries that models are made with
    from fhe.compile.given import compile_given

    if not has(model, "predict") and origin(model) in ("builtins", "numpy"):
        raise BadModel(f"A {kind(model)} is no model.", "Hand in a fitted estimator: docs/models.md lists them.")
    return compile_given(model, codebook, profile, columns, n_bits, check, target, fitted_on, missing, lwe_bins, packs)
