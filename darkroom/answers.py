"""Answers to questions about groups of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from app.protocol.policy.bits import MICRO
from darkroom.display import Shown

if TYPE_CHECKING:
    import polars as pl

    from app.client.ask.order import Reply as Kept


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
