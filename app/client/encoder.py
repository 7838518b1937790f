"""A dataset's codebook as a scikit-learn transformer: rows as people have them in, the codes that circuits read out."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.data.derivation import IsMissing, Member
from app.protocol.errors import BadInput
from app.protocol.vocabulary import Encoding
from fhe.arrays import F64
from ingestion.codes import encode, encode_bins, find
from ingestion.derive import derived

LEVELS = 256  # of a column that is measured for want of a codebook
EDGES = 15


class CodebookEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Codes float64 (rows, columns) of a frame, a mapping or an array of a table's own columns, by a codebook.

    `codebook` is a dataset's (`dataset.codebook`), or None to measure one of the rows it is fitted on: 256 levels of
    each column's range and sixteen bins, which shows what codes cost a model. `encoding` is "affine" or "bins",
    `columns` names published columns (default: all but labels). With `missing="nan"` a value that a published bit calls
    missing is NaN, and the bits themselves are left out: for models that learn where a missing value goes. As the first
    step of a Pipeline it tells `dataset.compile` everything that the model was fitted on. Errors when it encodes:
    OutOfRange, BadTable, BadInput; ValueError for arrays without a codebook that are no finite numbers.
    """

    def __init__(
        self,
        codebook: Any = None,
        *,
        encoding: Encoding = "affine",
        columns: Any = None,
        missing: Literal["impute", "nan"] = "impute",
    ) -> None:
        """Nothing is checked before `fit`, as scikit-learn has it."""
        self.codebook = codebook
        self.encoding = encoding
        self.columns = columns
        self.missing = missing

    def fit(self, X: Any, y: Any = None) -> CodebookEncoder:  # noqa: ARG002 - scikit-learn's names
        """Remember the codebook, or measure one. The rows of a dataset's codebook are not looked at."""
        if self.encoding not in ("affine", "bins") or self.missing not in ("impute", "nan"):
            raise BadInput("An encoder's encoding is affine or bins, its missing values impute or nan.", "Correct it.")
        if self.codebook is None:
            table = self._validate_data(X, dtype=np.float64)
            self.codebook_ = _measured(table, getattr(self, "feature_names_in_", None))
        else:
            self.codebook_ = _document(self.codebook)
            self._check_feature_names(X, reset=True) if hasattr(X, "columns") else None
        self.columns_ = self._chosen()
        self.n_features_in_ = len({find(self.codebook_, name).reads for name in self.columns_})
        return self

    def transform(self, X: Any) -> npt.NDArray[np.float64]:
        """The codes (rows, columns)."""
        check_is_fitted(self, "codebook_")
        if self.codebook is None:
            names = [column.name for column in self.codebook_.columns]
            table = self._validate_data(X, dtype=np.float64, reset=False)
            X = dict(zip(names, table.T, strict=True))
        code = encode if self.encoding == "affine" else encode_bins
        codes: F64 = code(self.codebook_, X, self.columns_).astype(np.float64)
        if self.missing == "nan":
            chosen = [find(self.codebook_, name) for name in self.columns_]
            bits = [column for column in self.codebook_.columns if isinstance(column.derivation, IsMissing)]
            known = {column.reads for column in chosen}
            gaps = derived(self.codebook_, X, [*chosen, *(bit for bit in bits if bit.reads in known)])
            empty = {bit.reads: gaps[bit.name] == 1 for bit in bits if bit.reads in known}
            for number, column in enumerate(chosen):
                if column.reads in empty and not isinstance(column.derivation, Member):
                    codes[empty[column.reads], number] = np.nan
        return codes

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:  # noqa: ARG002
        """The names of the published columns, in the order of the codes."""
        check_is_fitted(self, "codebook_")
        return np.asarray(self.columns_, object)

    def _chosen(self) -> list[str]:
        if self.columns is not None:
            return [find(self.codebook_, name).name for name in self.columns]
        return [
            column.name
            for column in self.codebook_.columns
            if not column.label and not (self.missing == "nan" and isinstance(column.derivation, IsMissing))
        ]

    def _more_tags(self) -> dict[str, Any]:
        return {"allow_nan": False, "preserves_dtype": [np.float64]}


def without_encoder(model: Any) -> tuple[CodebookEncoder, Any] | None:
    """(the encoder that a pipeline begins with, what reads its codes); of a search, of its best pipeline."""
    pipeline = getattr(model, "best_estimator_", model)
    steps = getattr(pipeline, "steps", None)
    if not isinstance(steps, list) or len(steps) < 2 or not isinstance(steps[0][1], CodebookEncoder):
        return None
    return steps[0][1], steps[1][1] if len(steps) == 2 else pipeline[1:]


def _document(codebook: Any) -> Codebook:
    """The codebook's document, of it or of what `dataset.codebook` gives."""
    found = codebook if isinstance(codebook, Codebook) else getattr(codebook, "document", None)
    if not isinstance(found, Codebook):
        raise BadInput("A CodebookEncoder needs a dataset's codebook.", "Give it dataset.codebook.")
    return found


def _measured(table: F64, names: Any) -> Codebook:
    """Codes over each column's own range; what lies outside later is clipped."""
    check_array(table)
    columns = []
    for number, (low, high) in enumerate(zip(table.min(axis=0).tolist(), table.max(axis=0).tolist(), strict=True)):
        step = high / (LEVELS - 1) - low / (LEVELS - 1)  # never beyond what floats hold
        step = step if step > 0 and math.isfinite(step) else max(abs(low), 1.0) * 1e-9
        edges = sorted({low + step * (LEVELS - 1) * edge / (EDGES + 1) for edge in range(1, EDGES + 1)})
        name = f"x{number}" if names is None else str(names[number])
        columns.append(
            ColumnCode(
                name=name, dtype="real", affine=Affine(low=low, step=step, levels=LEVELS), bins=tuple(edges),
                outside="clip", declared=False,
            )
        )  # fmt: skip
    return Codebook(columns=tuple(columns))
