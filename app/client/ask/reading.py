"""How the sums of a question's circuit are read: each figure as a form of them, evaluated here or in a browser.

A form is plain numbers, so whoever opens a job's sums can turn them into the answer without knowing any SQL: the API
gives it as JSON, and frontend/static/answer.js evaluates the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from app.client.ask.answer import Answer, AnswerRow, Figure, average, quantile, total
from fhe.arrays import I64

FormKind = Literal["total", "average", "quantile"]
KNOWN = -1  # in place of an output: a count that is known without asking


@dataclass(frozen=True)
class FigureForm:
    """One figure: counts, each an output of the circuit or (`KNOWN`) the number in `known`, and a weight for each.

    "total" is the weighted sum of the counts, "average" the same over the sum of the counts, "quantile" the weight of
    the count in which the part `at` of all of them is reached.
    """

    kind: FormKind
    outputs: tuple[int, ...]
    known: tuple[float, ...]
    weights: tuple[float, ...]
    at: float = 0.5

    def figure(self, sums: I64, scale: float) -> Figure:
        """The figure and its interval, from the outputs' sums with discrete Laplace noise of this scale."""
        values = [
            known if output == KNOWN else float(sums[output])
            for output, known in zip(self.outputs, self.known, strict=True)
        ]
        noisy = [float(output != KNOWN) for output in self.outputs]
        if self.kind == "total":
            return total(values, self.weights, noisy, scale)
        if self.kind == "average":
            return average(values, self.weights, noisy, scale)
        return quantile(values, self.weights, noisy, scale, self.at)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "kind": self.kind,
            "outputs": self.outputs,
            "known": self.known,
            "weights": self.weights,
            "at": self.at,
        }


@dataclass(frozen=True)
class ReadingRow:
    """The labels of a group, and the forms of its figures."""

    groups: tuple[str, ...]
    figures: tuple[FigureForm, ...]


@dataclass(frozen=True)
class AnswerReading:
    """A whole answer before its sums are known: group columns, figures' names, rows, and what is to be known of it."""

    groups: tuple[str, ...]
    names: tuple[str, ...]
    rows: tuple[ReadingRow, ...]
    remarks: tuple[str, ...] = ()

    def answer(self, sums: I64, scale: float) -> Answer:
        """The answer from the outputs' sums (outputs,), with discrete Laplace noise of this scale in them."""
        rows = tuple(
            AnswerRow(row.groups, tuple(form.figure(sums, scale) for form in row.figures)) for row in self.rows
        )
        return Answer(self.groups, self.names, rows, self.remarks)

    def half_widths(self, sums: I64, scale: float) -> dict[str, float | None]:
        """Of each figure's 95 % interval in the first row, by name; None where it depends on the answer."""
        found: dict[str, float | None] = {}
        for name, form in zip(self.names, self.rows[0].figures, strict=True):
            figure = form.figure(sums, scale)
            width = (figure.high or 0.0) - (figure.low or 0.0)
            found[name] = width / 2 if form.kind == "total" else None
        return found
