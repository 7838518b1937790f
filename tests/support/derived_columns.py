"""A codebook with much that is derived, and what it is without: for what is counted, shown and attacked."""

from __future__ import annotations

from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.data.derivation import (
    CategorySource,
    Derivation,
    Elapsed,
    IsMissing,
    Member,
    Part,
    Place,
    TextSource,
    TimePart,
    TimeSource,
)

WORDS = ("f", "m", "x")


def number(name: str, impute: float | None = None) -> ColumnCode:
    """256 codes, and eight bins."""
    affine, bins = Affine(low=0.0, step=1.0), tuple(float(edge) for edge in range(32, 256, 32))
    return ColumnCode(
        name=name, dtype="integer", affine=affine, bins=bins, declared=True, impute=impute,
        missing="reject" if impute is None else "impute",
    )  # fmt: skip


def derived(
    name: str, source: str, derivation: Derivation, levels: int, low: float = 0.0, impute: float | None = None
) -> ColumnCode:
    """A derived column, each whole number a level and between edges, up to 32 of them."""
    bins = tuple(low + edge + 0.5 for edge in range(min(levels - 1, 32)))
    return ColumnCode(
        name=name, dtype="integer", affine=Affine(low=low, step=1.0, levels=levels), bins=bins, declared=True,
        source="" if name == source else source, derivation=derivation, impute=impute,
        missing="reject" if impute is None else "impute",
    )  # fmt: skip


PARTS: tuple[tuple[TimePart, int, int], ...] = (("year", 2020, 4), ("month", 1, 12), ("day", 1, 31), ("weekday", 0, 7))
PLAIN = Codebook(
    columns=(number("a"), number("b"), number("n", 0.0), derived("sex", "sex", Place(), 4),
             derived("when", "when", Elapsed(), 1461), derived("note", "note", Place(), 16)),
    sources=(CategorySource(name="sex", words=WORDS, other=True), TimeSource(name="when", origin="2020-01-01"),
             TextSource(name="note", buckets=16)),
)  # fmt: skip
BOOK = PLAIN.model_copy(
    update={
        "columns": (
            *PLAIN.columns,
            derived("n:missing", "n", IsMissing(), 2),
            *(derived(f"sex={place}", "sex", Member(place=place), 2) for place in range(4)),
            *(derived(f"when:{part}", "when", Part(part=part), levels, float(low)) for part, low, levels in PARTS),
            *(derived(f"note={place}", "note", Member(place=place), 2) for place in range(16)),
        )
    }
)
