"""A compiled model: the circuit that runs on ciphertext, and what its outputs mean to you."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from app.client import models
from darkroom.display import Shown


class Model(Shown):
    """A model of yours, compiled for a dataset and kept in your role's folder. Jobs publish its circuit and no more."""

    def __init__(self, kept: models.Model) -> None:
        """Made by `Dataset.compile` and `Market.model`."""
        self._kept = kept

    @property
    def digest(self) -> str:
        """Its name on this machine: 64 hex digits over everything that it means."""
        return self._kept.digest

    @property
    def circuit(self) -> str:
        """Digest of the circuit, which is all that chain, providers and owner get to know of it."""
        return self._kept.circuit_digest

    @property
    def features(self) -> tuple[str, ...]:
        """The dataset's columns that it reads."""
        return self._kept.card.features

    @property
    def target(self) -> str | None:
        """What it predicts, in your own word."""
        return self._kept.card.target

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the integers that the circuit gives for each row."""
        return tuple(self._kept.circuit.outputs)

    @property
    def faithfulness(self) -> dict[str, Any] | None:
        """What comparing the circuit with the model that was handed in found: rows compared, labels that differ, the
        largest difference as a share of the model's range, accuracies on rows of yours. None where it was not compared.
        """
        found = self._kept.card.faithfulness
        return None if found is None else asdict(found)

    def _facts(self) -> Mapping[str, Any]:
        return {
            "digest": self.digest[:16],
            "made_from": self._kept.decoder.model,
            "features": len(self.features),
            "outputs": self.outputs,
            "target": self.target,
        }
