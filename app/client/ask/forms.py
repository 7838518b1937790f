"""Linear forms of published values: products of two indicators, where the owner publishes what they take."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from app.client.ask.cells import Indicator
from app.client.published import PublishedValues, factor_of
from fhe.circuit.circuit import Input


@dataclass(frozen=True)
class PublishedForm:
    """A sum of weights times published values, plus a constant."""

    weights: Mapping[Input, int]
    constant: int = 0

    def __add__(self, other: PublishedForm) -> PublishedForm:
        weights = dict(self.weights)
        for wire, weight in other.weights.items():
            weights[wire] = weights.get(wire, 0) + weight
        return PublishedForm(
            {wire: weight for wire, weight in weights.items() if weight}, self.constant + other.constant
        )

    def __mul__(self, factor: int) -> PublishedForm:
        return PublishedForm({wire: weight * factor for wire, weight in self.weights.items()}, self.constant * factor)


def form_of(indicator: Indicator) -> PublishedForm:
    """An indicator by itself."""
    return PublishedForm(indicator.weights, indicator.constant)


def product_of(published: PublishedValues, one: PublishedForm, other: PublishedForm) -> PublishedForm | None:
    """The product of two forms as a form of published products; None where one is not published."""
    found = other * one.constant + PublishedForm(
        {wire: weight * other.constant for wire, weight in one.weights.items()}
    )
    for (first, weight), (second, factor) in itertools.product(one.weights.items(), other.weights.items()):
        wire = published.find(factor_of(first), factor_of(second))
        if wire is None:
            return None
        found += PublishedForm({wire: weight * factor})
    return found


def codes_in(published: PublishedValues, column: str, cells: PublishedForm) -> PublishedForm | None:
    """A column's codes on the rows in some cells of another; None where a product is not published."""
    return product_of(published, PublishedForm({Input(column, "affine"): 1}), cells)
