"""Whether a circuit says what the buyer's own model says: compared on codes, and refused where it does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Route = Literal["concrete-ml", "direct"]


@dataclass(frozen=True)
class Faithfulness:
    """What comparing decoder(circuit) with the given model's own predictions found."""

    rows: int  # codes compared: random ones, edges, and the buyer's own rows
    labels_differing: int  # of `rows`; 0 for a regressor
    largest_difference: float  # of any score, probability or value, as a share of the model's own range of it
    own_rows: int = 0  # how many of `rows` were the buyer's
    own_labels_differing: int = 0
    accuracy: float | None = None  # of the circuit on the buyer's labelled rows; R^2 of a regressor
    float_accuracy: float | None = None  # of the given model on the same rows
    route: Route = "direct"  # who quantized the model
