"""The products that a recipe publishes, of the codebook that its columns make.

    [products]
    columns = ["age", "bmi", "sex"]    # every two of them, each with itself, and each with the labels
    bins = ["age", "region"]           # the labels with each bit of these: bins, categories, truth values
    groups = ["age", "region", "sex"]  # of every two of these, each bit of the one with each bit of the other

A name stands for all that is published of a column of the table. What is known beforehand is left out: a bit times
itself is the bit, and of two words of one category one is absent.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.data.derivation import Member
from app.protocol.data.product import Factor, Product
from app.protocol.errors import BadRecipe
from ingestion.recipe import ProductsRecipe

TWO = 2  # levels of a bit


def products_in(codebook: Codebook, rule: ProductsRecipe) -> tuple[Product, ...]:
    """The products of a codebook without any. Errors: BadRecipe for names that are not published, and no label."""
    labels = _named(codebook, rule.labels, "labels") if rule.labels is not None else _labels(codebook)
    if rule.bins and not labels:
        raise BadRecipe(
            "[products] has bins, and no column is a label.",
            "Name the label: labels under [products], or label = true under its own table.",
        )
    columns = list(dict.fromkeys([*_coded(_named(codebook, rule.columns, "columns")), *labels]))
    found: dict[frozenset[tuple[str, int | None]], Product] = {}
    for first, second in itertools.combinations_with_replacement([column.name for column in columns], 2):
        one, other = (next(column for column in columns if column.name == name) for name in (first, second))
        if not _known(one, other):
            _add(found, Factor(column=first), Factor(column=second))
    for column in _named(codebook, rule.bins, "bins"):
        for label in labels:
            for bit in _bits(column):
                if column.reads != label.reads:
                    _add(found, bit, Factor(column=label.name))
    for left, right in itertools.combinations(_named(codebook, rule.groups, "groups"), 2):
        if left.reads != right.reads:
            for bits in itertools.product(_bits(left), _bits(right)):
                _add(found, *bits)
    return tuple(found.values())


def _add(found: dict[frozenset[tuple[str, int | None]], Product], one: Factor, other: Factor) -> None:
    found.setdefault(frozenset([(one.column, one.edge), (other.column, other.edge)]), Product(first=one, second=other))


def _known(one: ColumnCode, other: ColumnCode) -> bool:
    """Whether a product tells nothing new."""
    if one.name == other.name:
        return one.affine is not None and one.affine.levels == TWO
    exclusive = isinstance(one.derivation, Member) and isinstance(other.derivation, Member)
    return exclusive and one.reads == other.reads


def _labels(codebook: Codebook) -> list[ColumnCode]:
    return [column for column in codebook.columns if column.label and column.affine is not None]


def _coded(columns: Sequence[ColumnCode]) -> list[ColumnCode]:
    return [column for column in columns if column.affine is not None]


def _bits(column: ColumnCode) -> Iterator[Factor]:
    """The bits of a column: of its bins, else its own code where that is one."""
    if column.bins is not None:
        yield from (Factor(column=column.name, edge=edge) for edge in range(len(column.bins)))
    elif column.affine is not None and column.affine.levels == TWO:
        yield Factor(column=column.name)


def _named(codebook: Codebook, names: Sequence[str], key: str) -> list[ColumnCode]:
    """What is published under these names. Errors: BadRecipe."""
    found: list[ColumnCode] = []
    for name in names:
        own = [column for column in codebook.columns if name in (column.name, column.reads)]
        if not own:
            raise BadRecipe(
                f"{key} under [products] names {name!r}, of which nothing is published.",
                "Name a column that is published.",
            )
        if key == "labels":
            own = _coded(own)
        if key in ("bins", "groups") and not any(True for column in own for _ in _bits(column)):
            raise BadRecipe(
                f"{key} under [products] names {name!r}, which is published without bits.",
                f'Give it bins, under [columns."{name}"].',
            )
        found += own
    return list(dict.fromkeys(found))
