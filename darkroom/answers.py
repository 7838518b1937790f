"""Answers to questions about groups of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from app.protocol.policy.bits import MICRO
from darkroom.display import Shown

if TYPE_CHECKING:
    import polars as pl

    from app.client.ask.order import Reply as Kept
    from app.client.evaluate.found import TestFigures
    from app.client.evaluate.testing import TestReport


class Reply(Shown):
    """An answer: a row for each group, each figure with its 95 % interval, and what it took of the budget."""

    def __init__(self, reply: Kept) -> None:
        """Made by `Dataset.ask`."""
        self._reply = reply

    @property
    def job(self) -> int | None:
        """The job that gave it; None for what is public already."""
        return self._reply.job

    @property
    def epsilon(self) -> float:
        """Of differential privacy, that it cost each person."""
        return self._reply.epsilon

    @property
    def bits(self) -> float:
        """The most that it tells about any person, in bits."""
        return self._reply.micro_bits / MICRO

    @property
    def bits_left(self) -> float:
        """What the license may still be told about the person of whom it was told most, in bits."""
        return self._reply.left_license / MICRO

    @property
    def remarks(self) -> list[str]:
        """What is to be known of how it was worked out."""
        return list(self._reply.answer.remarks)

    def to_dicts(self) -> list[dict[str, Any]]:
        """A row for each group: its labels, and each figure `name` with its interval `name_low` to `name_high`."""
        return self._reply.answer.to_dicts()

    def to_polars(self) -> pl.DataFrame:
        """The same as a frame."""
        import polars as pl

        return pl.DataFrame(self.to_dicts(), infer_schema_length=None)

    def __len__(self) -> int:
        return len(self._reply.answer.rows)

    def _facts(self) -> Mapping[str, Any]:
        return {"job": self.job, "groups": len(self), "epsilon": self.epsilon, "bits": self.bits}

    def _repr_html_(self) -> str:
        return super()._repr_html_() + self.to_polars()._repr_html_()


class Evaluation(Shown):
    """How good a model is on a dataset: figures with 95 % intervals, confusion, calibration, and what it took."""

    def __init__(self, found: TestFigures, report: TestReport) -> None:
        """Made by `Dataset.evaluate`."""
        self._found, self._report = found, report

    def __getitem__(self, figure: str) -> float | None:
        """One figure by name (`accuracy`, `precision`, `recall`, `auc`, `mse`, `r2`); None where noise says nothing."""
        return self._found.figures[figure].value

    @property
    def job(self) -> int:
        """The job that gave it."""
        return self._report.job

    @property
    def epsilon(self) -> float:
        """Of differential privacy, that it cost each person."""
        return self._report.epsilon

    @property
    def report(self) -> dict[str, Any]:
        """Job, receipt, epsilon, noise scale, rows."""
        return self._report.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """Everything: each figure `name` with its interval `name_low` to `name_high`, confusion, calibration."""
        return self._found.to_dict()

    def confusion(self) -> pl.DataFrame:
        """A row for each pair of classes: `true`, `said`, and how many `rows`, with noise."""
        import polars as pl

        return pl.DataFrame(self.to_dict()["confusion"], infer_schema_length=None)

    def _facts(self) -> Mapping[str, Any]:
        return {name: figure.value for name, figure in self._found.figures.items()} | {"job": self.job}
