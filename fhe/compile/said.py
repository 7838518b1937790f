"""What a model says of some rows, in its own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fhe.arrays import F64
from fhe.compile.foreign import asked, has


@dataclass(frozen=True, eq=False)
class Said:
    """What a model says of some rows."""

    predicted: npt.NDArray[Any]
    scores: F64 | None  # decision_function
    chances: F64 | None  # predict_proba

    @classmethod
    def by(cls, model: Any, table: Any, *, classifies: bool) -> Said:
        """Ask it. Errors: BadModel."""
        scores = asked(model, "decision_function", table) if classifies and has(model, "decision_function") else None
        chances = asked(model, "predict_proba", table) if classifies and has(model, "predict_proba") else None
        return cls(asked(model, "predict", table), scores, chances)

    def margin(self) -> F64 | None:
        """How far (rows,) the model is from another label, in units of its range; None where it does not say."""
        said = self.scores if self.scores is not None else self.chances
        if said is None:
            return None
        if said.ndim == 1 or said.shape[1] == 1:
            flat = np.abs(said.ravel())
        else:
            top = np.partition(said, -2, axis=1)[:, -2:]
            flat = top[:, 1] - top[:, 0]
        spread = float(np.ptp(said))
        share: F64 = flat / spread if spread else flat
        return share
