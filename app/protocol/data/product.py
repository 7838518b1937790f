"""Products of two published values, published as columns of their own: sums of them are second moments.

A factor is a column's affine code, or its bit "value >= edge". A product is the exact integer product of two of them in
each row, from 0 to the product of their greatest values, and nothing that a table holds: it follows from two published
values, so it tells nothing that they do not tell, and no source is counted for it. Circuits may read it only to sum
over rows (`fhe.compile.check`): what a form says of one column could hide behind a product.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from app.protocol.data.derivation import SourceName
from app.protocol.documents import Document, GrownDocument

MAX_EDGE = 31  # number of a column's last edge, at most


class Factor(GrownDocument):
    """One published value of a row: a column's affine code, or whether its value reaches an edge."""

    later: ClassVar[frozenset[str]] = frozenset({"edge"})

    column: SourceName
    edge: Annotated[int, Field(ge=0, le=MAX_EDGE)] | None = None  # number of the edge; None for the affine code

    @property
    def name(self) -> str:
        """How it is called in the product's name."""
        return self.column if self.edge is None else f"{self.column}[{self.edge}]"


class Product(Document):
    """The product of two published values of a row."""

    first: Factor
    second: Factor

    @property
    def name(self) -> str:
        """Its name among the published columns."""
        return f"{self.first.name} * {self.second.name}"

    @property
    def factors(self) -> tuple[Factor, Factor]:
        """Both."""
        return self.first, self.second
