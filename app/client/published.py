"""Where the products of a codebook are: the input that holds the product of two published values, or none."""

from __future__ import annotations

from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.data.product import Factor
from app.protocol.errors import BadQuery
from fhe.circuit.circuit import Input

TWO = 2  # codes of a bit


class PublishedValues:
    """A codebook's columns and products by name."""

    def __init__(self, codebook: Codebook) -> None:
        self.codebook = codebook
        self._columns = {column.name: column for column in codebook.columns}
        self._products = {frozenset(map(_key, each.factors)): each.name for each in codebook.products}

    def column(self, name: str) -> ColumnCode:
        """A published column. Errors: BadQuery, which names columns that there are."""
        if name not in self._columns:
            shown = ", ".join(list(self._columns)[:8])
            raise BadQuery(f"The dataset has no column {name!r}.", f"It has {shown}. See: darkroom dataset show.")
        return self._columns[name]

    def affine(self, name: str) -> Affine:
        """The code of a column. Errors: BadQuery where it has none."""
        affine = self.column(name).affine
        if affine is None:
            raise BadQuery(f"Column {name!r} is published as bins only, which have no sums.", "Choose another column.")
        return affine

    def is_bit(self, name: str) -> bool:
        """Whether a column has two codes."""
        return self.affine(name).levels == TWO

    def find(self, one: Factor, other: Factor) -> Input | None:
        """The published value that is the product of two; None where it is not published."""
        if one == other and (one.edge is not None or self.is_bit(one.column)):
            return wire_of(one)
        name = self._products.get(frozenset([_key(one), _key(other)]))
        return None if name is None else Input(name, "affine")

    def paired(self, among: list[str]) -> list[str]:
        """Those of these columns every two of which have a product, first come first served."""
        kept: list[str] = []
        for name in among:
            own = Factor(column=name)
            if all(self.find(own, Factor(column=other)) or self.apart(name, other) for other in [*kept, name]):
                kept.append(name)
        return kept

    def apart(self, one: str, other: str) -> bool:
        """Whether two columns are words of one category, so that their product is 0 in every row."""
        from app.protocol.data.derivation import Member

        first, second = self._columns[one], self._columns[other]
        members = isinstance(first.derivation, Member) and isinstance(second.derivation, Member)
        return one != other and members and first.reads == second.reads


def wire_of(factor: Factor) -> Input:
    """A factor by itself."""
    if factor.edge is None:
        return Input(factor.column, "affine")
    return Input(factor.column, "bins", factor.edge)


def factor_of(wire: Input) -> Factor:
    """A published value as a factor of a product."""
    return Factor(column=wire.column, edge=None if wire.encoding == "affine" else wire.index)


def _key(factor: Factor) -> tuple[str, int | None]:
    return factor.column, factor.edge
