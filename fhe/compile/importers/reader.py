"""What each file of importers offers."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from fhe.arrays import F64
from fhe.compile.form import ScoreForm
from fhe.compile.importers.inputs import Inputs

Kind = Literal["share", "margin", "value"]  # of scores: class probabilities, log-odds or votes, a regressor's values


class Reader(Protocol):
    """Trees of one family, and the scores that they add up to."""

    missing: bool  # whether its trees say where a missing value goes

    def kind(self, model: Any) -> Kind:
        """What its scores are."""

    def scores(self, model: Any, table: Any) -> F64:
        """The estimator's own scores (rows, outputs)."""

    def form(self, model: Any, inputs: Inputs) -> ScoreForm:
        """Its trees; the constant may be left at zero, since it is measured. Errors: BadModel."""

    def thresholds(self, model: Any) -> dict[int, F64] | None:
        """The places of its splits, by feature; None where they are not known."""
