"""Which columns of a dataset a model's features are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.errors import BadModel

AGAIN = "Fit the model on this dataset's codes: dataset.encode(X)."
LISTED = 8  # names in an error's sentence


def affine_columns(codebook: Codebook, model: Any, features: int, names: Sequence[str] | None) -> list[ColumnCode]:
    """The columns of a model's features, in the model's order.

    `names` says them; else the names the model was fitted with; else all columns with an affine code, if the model has
    as many features. Errors: BadModel.
    """
    published = [column for column in codebook.columns if column.affine is not None]
    if names is None:
        fitted = getattr(model, "feature_names_in_", None)
        unnamed = [column.name for column in published if not column.label]
        names = [str(name) for name in fitted] if fitted is not None else unnamed
        if fitted is None and features != len(unnamed):
            raise BadModel(
                f"The model has {features} features; the dataset publishes {len(unnamed)} columns of affine codes.",
                AGAIN if features > len(unnamed) else "Name the columns it was fitted on, in order.",
            )
    if len(names) != features:
        raise BadModel(f"The model has {features} features, not the {len(names)} that were named.", AGAIN)
    if len(set(names)) != len(names):
        raise BadModel("The model names a column twice.", AGAIN)
    by_name = {column.name: column for column in published}
    missing = [name for name in names if name not in by_name]
    if missing:
        shown = ", ".join(repr(name) for name in missing[:LISTED])
        raise BadModel(f"The dataset publishes no affine code of {shown}.", AGAIN)
    return [by_name[name] for name in names]
