"""From a model's thresholds to the dataset's edges, exactly.

A buyer trains on bin codes: the code of a value is the number of the column's edges that are not above it, 0 to
len(bins). The model quantizes these codes once more, each column in its own way. Because a column has only finitely
many codes, tabulating the model's own quantizer over them says which codes fall below a threshold; that set is always
{0, ..., cut - 1}, and "code < cut" is the complement of the published bit "value >= bins[cut - 1]".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.errors import BadModel
from fhe.arrays import I64
from fhe.compile.trees.graph import Forest, Node, Split, rebuild, splits


@dataclass(frozen=True)
class BinColumns:
    """The model's features in their order: each one's name, and its edges (none: no bins published)."""

    names: tuple[str, ...]
    edges: tuple[tuple[float, ...], ...]

    @property
    def levels(self) -> tuple[int, ...]:
        """Number of codes of each column."""
        return tuple(len(edges) + 1 for edges in self.edges)


def bin_columns(codebook: Codebook, model: Any, features: int, names: Sequence[str] | None = None) -> BinColumns:
    """Which of the dataset's columns are the model's features.

    `names` says it; else the names the model was fitted with; else a model with as many features as the codebook has
    columns reads all of them in order, and one with as many as there are binned columns reads those.
    Errors: `BadModel`.
    """
    unnamed = tuple(column for column in codebook.columns if not column.label)
    binned = tuple(column for column in unnamed if column.bins)
    if names is None and getattr(model, "feature_names_in_", None) is not None:
        names = [str(name) for name in model.feature_names_in_]
    if names is not None:
        chosen = _named(codebook, names, features)
    elif features in (len(unnamed), len(binned)):
        chosen = unnamed if features == len(unnamed) else binned
    else:
        raise BadModel(
            f"The model has {features} features; the dataset has {len(unnamed)} columns, "
            f"{len(binned)} of them with bins.",
            "Fit it on this dataset's bin codes, or name the columns that it reads.",
        )
    return BinColumns(tuple(c.name for c in chosen), tuple(c.bins or () for c in chosen))


def _named(codebook: Codebook, names: Sequence[str], features: int) -> tuple[ColumnCode, ...]:
    by_name = {column.name: column for column in codebook.columns}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        known = tuple(column.name for column in codebook.columns if column.bins)
        raise BadModel(f"The dataset has no column {unknown[0]!r}.", f"Its columns with bins are: {_listed(known)}.")
    if len(names) != features or len(set(names)) != len(names):
        raise BadModel(
            f"The model has {features} features, not the {len(set(names))} different columns that were named.",
            "Name each of its columns once, in order.",
        )
    return tuple(by_name[name] for name in names)


def on_edges(forest: Forest, model: Any, columns: BinColumns) -> Forest:
    """The same trees with every cut in bin codes.

    Errors: `BadModel` for a split on a column without bins, or at a value that no published edge separates.
    """
    tables = {column: _tabulate(model, columns, column) for column in _used(forest)}

    def moved(split: Split) -> tuple[int, int]:
        below = tables[split.column] < split.cut  # (precisions, codes)
        cut = int(below[0].sum())
        if (below != (np.arange(below.shape[1]) < cut)).any():
            raise BadModel(
                f"The model's quantizer of column {columns.names[split.column]!r} does not order its codes reliably.",
                "Fit it with one more input bit.",
            )
        if not 0 < cut < below.shape[1]:
            raise _off_the_edges(columns, split, cut)
        return split.column, cut

    trees: tuple[Node, ...] = tuple(rebuild(tree, lambda leaf: leaf, moved) for tree in forest.trees)
    return Forest(trees, forest.columns, forest.outputs)


def _used(forest: Forest) -> set[int]:
    return {split.column for tree in forest.trees for split in splits(tree)}


def _tabulate(model: Any, columns: BinColumns, column: int) -> I64:
    """The model's quantized values of a column's codes (2, codes), in the precisions a buyer may hand it codes in."""
    name, levels = columns.names[column], columns.levels[column]
    if levels == 1:
        raise BadModel(
            f"The model splits on column {name!r}, whose bins the dataset does not publish.",
            f"Fit it on the columns with bins: {_listed([n for n, own in zip(columns.names, columns.edges) if own])}.",
        )
    quantizer = model.input_quantizers[column]
    codes = np.arange(levels)
    if quantizer.rmax is not None and (quantizer.rmax > levels or quantizer.rmin < -1):
        # one code of slack: imported models get their range from thresholds, which lie between codes
        raise BadModel(
            f"The model was fitted on values from {quantizer.rmin:g} to {quantizer.rmax:g} in column {name!r}, "
            f"whose codes run from 0 to {levels - 1}.",
            "Fit it on this dataset's bin codes.",
        )
    return np.stack([np.asarray(quantizer.quant(codes.astype(kind)), np.int64) for kind in (np.float64, np.float32)])


def _off_the_edges(columns: BinColumns, split: Split, cut: int) -> BadModel:
    edges = columns.edges[split.column]
    where = "below all" if cut == 0 else "above all"
    return BadModel(
        f"The model splits column {columns.names[split.column]!r} {where} of its {len(edges)} published edges; "
        f"the nearest are {nearest(edges, edges[0] if cut == 0 else edges[-1])}.",
        "Fit it on this dataset's bin codes, or import it with more bits.",
    )


def nearest(edges: Sequence[float], value: float, count: int = 2) -> str:
    """The edges nearest to a value, for an error's sentence."""
    return ", ".join(f"{edge:g}" for edge in sorted(sorted(edges, key=lambda edge: abs(edge - value))[:count]))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") or "none"
