"""The columns of a published dataset and their codes, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from app.protocol.data.dataset import Codebook as CodebookDocument
from app.protocol.data.dataset import ColumnCode
from app.protocol.data.derivation import derivation_in_words
from darkroom.display import Listing, Shown

if TYPE_CHECKING:
    import polars as pl


class Codebook(Shown):
    """The columns of a dataset and how their values become integers; iterating gives the columns' names."""

    def __init__(self, document: CodebookDocument) -> None:
        """Made by `Dataset.codebook`."""
        self._columns = {column.name: column for column in document.columns}
        self.document, self.digest = document, document.digest

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __getitem__(self, name: str) -> ColumnCode:
        """One column: `affine` has low, step and levels, `bins` the ordered edges, either may be None; `source` and
        `derivation` say what it is of which column of the owner's table.
        """
        return self._columns[name]

    def to_dicts(self) -> list[dict[str, Any]]:
        """A row for each column: its name, what it is, the least and greatest value that have a code, step, levels,
        bins, the step as a part of the range (0 where nothing is lost), and whether it is a label.
        """
        from ingestion.quantization import step_share

        return [
            {
                "column": each.name,
                "is": derivation_in_words(each.derivation, each.reads, self.document.source(each.reads)),
                "low": each.affine.low if each.affine else None,
                "high": each.affine.low + each.affine.step * (each.affine.levels - 1) if each.affine else None,
                "step": each.affine.step if each.affine else None,
                "levels": each.affine.levels if each.affine else None,
                "bins": len(each.bins) + 1 if each.bins else None,
                "step_share": step_share(each),
                "label": each.label,
            }
            for each in self._columns.values()
        ]

    def to_polars(self) -> pl.DataFrame:
        """The same as a frame."""
        import polars as pl

        return pl.DataFrame(self.to_dicts(), infer_schema_length=None)

    def _facts(self) -> Mapping[str, Any]:
        return {"columns": len(self), "digest": self.digest[:16]}

    def _repr_html_(self) -> str:
        return Listing([_Line(each) for each in self.to_dicts()])._repr_html_()


class _Line(Shown):
    def __init__(self, details: Mapping[str, Any]) -> None:
        self._line = details

    def _facts(self) -> Mapping[str, Any]:
        return self._line
