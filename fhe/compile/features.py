"""Which columns of a dataset a model's features are, found without asking what they mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.errors import BadModel
from app.protocol.vocabulary import Encoding
from fhe.compile.columns import AGAIN, LISTED
from fhe.compile.foreign import attribute, has, kind, origin
from fhe.compile.space import published

_AUTOMATIC = re.compile(r"(?:f|x|feature_|Column_|)0*(\d+)")  # names that libraries give to an array's columns


def feature_names(model: Any) -> tuple[str, ...] | None:
    """The names that a model was fitted with, or None where it was an array."""
    found = attribute(model, "feature_names_in_")
    if found is None and origin(model) == "catboost":
        found = attribute(model, "feature_names_")
    if found is None and has(model, "get_booster"):
        found = _booster_names(model)
    if found is None or callable(found):
        found = attribute(model, "feature_names")
    if found is None or callable(found) or not len(found):
        return None
    return tuple(str(name) for name in found)


def _booster_names(model: Any) -> Any:
    try:
        return attribute(model.get_booster(), "feature_names")
    except Exception:  # noqa: BLE001 - xgboost's own, of a model that was not fitted
        return None


def automatic(names: Sequence[str]) -> bool:
    """Whether names only count the columns of an array."""
    matches = [_AUTOMATIC.fullmatch(name) for name in names]
    return all(match is not None and int(match[1]) == number for number, match in enumerate(matches))


def feature_count(model: Any, names: Sequence[str] | None) -> int:
    """How many features a fitted model reads. Errors: BadModel."""
    for name in ("n_features_in_", "n_features_", "num_features", "module__input_dim"):
        found = attribute(model, name)
        if callable(found):
            found = found()
        if isinstance(found, int) or hasattr(found, "__index__"):
            return int(found)
    if names is not None:
        return len(names)
    raise BadModel(f"This {kind(model)} does not say how many features it reads; it was not fitted.", "Call fit().")


def feature_columns(
    codebook: Codebook,
    model: Any,
    columns: Sequence[str] | None,
    order: Sequence[str] | None,
    needs: Sequence[Encoding] = ("affine", "bins"),
) -> tuple[tuple[ColumnCode, ...], tuple[str, ...] | None]:
    """(a column for each feature in the model's order, the names of the frame that the model wants).

    `columns` says it; else the names the model was fitted with; else `order`, the columns of the buyer's own frame;
    else all columns that publish a code in `needs`, if the model has as many features. Errors: BadModel.
    """
    own = feature_names(model)
    features = feature_count(model, own)
    by_name = {column.name: column for column in codebook.columns}
    if own is not None and automatic(own) and not set(own) <= set(by_name):
        wanted = own if attribute(model, "feature_names_in_") is not None and origin(model) == "sklearn" else None
        own = None
    else:
        wanted = own
    names: Sequence[str] | None = columns if columns is not None else own
    if names is None and order is not None and len(order) == features:
        names = order
    if names is None:
        names = _all(codebook, kind(model), features, needs)
    if len(names) != features:
        raise BadModel(f"The model has {features} features, not the {len(names)} that were named.", AGAIN)
    if len(set(names)) != len(names):
        raise BadModel("The model names a column twice.", AGAIN)
    missing = [name for name in names if name not in by_name]
    if missing:
        shown = ", ".join(repr(name) for name in missing[:LISTED])
        raise BadModel(
            f"The dataset has no column {shown}, which this {kind(model)} reads.",
            "Fit it on the dataset's columns, or name them in the model's order (columns).",
        )
    return tuple(by_name[name] for name in names), wanted


def _all(codebook: Codebook, model: str, count: int, needs: Sequence[Encoding]) -> list[str]:
    features = [column for column in codebook.columns if not column.label]
    coded = [column.name for column in features if any(published(column, need) for need in needs)]
    everything = [column.name for column in features]
    chosen = coded if len(coded) == count else everything
    if len(chosen) != count:
        raise BadModel(
            f"This {model} has {count} features; the dataset publishes {len(coded)} columns.",
            AGAIN if count > len(coded) else "Name the columns it was fitted on, in order.",
        )
    return chosen
