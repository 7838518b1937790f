"""Second moments of some columns, as one job releases them: means, products of any two, and of the label with each.

A column's code x, of L levels, is taken as z = (x - c) / (L - 1), where c is the middle (L - 1) / 2; for a word of a
category, of which no row has two, c is 0. In these units every code spans 1 and every centred product of two a half,
so that one scale of noise fits all: the job's mix multiplies each sum by a whole number near `UNIT` over the product of
its spans, and adds what centring needs. A mean is worth half as much as a product: the column of ones is a column of
halves.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from app.client.fit.linear_sums import sums_of
from app.client.published import PublishedValues
from app.protocol.data.dataset import Codebook
from app.protocol.data.derivation import Member
from app.protocol.data.product import Factor
from app.protocol.errors import BadQuery
from fhe.arrays import F64, I64
from fhe.circuit.circuit import Circuit, Input
from fhe.profile import EncryptionProfile

UNIT = 1 << 24  # what a number that spans one is multiplied by
MOST = 64  # columns: 2,145 products


@dataclass(frozen=True)
class Moments:
    """Sums over `rows` rows in the units of the module: of the columns, the last of which is the label if there is one.

    `noise` is the standard deviation of what was added to each product (columns, columns); `sums` and its own noise
    are of the columns themselves.
    """

    columns: tuple[str, ...]
    rows: int
    sums: F64  # (columns,)
    products: F64  # (columns, columns)
    noise: F64  # (columns, columns)
    doubled: I64  # (columns,) twice the codes that z is taken from
    spans: I64  # (columns,) levels - 1

    def __add__(self, other: Moments) -> Moments:
        """Of the rows of both."""
        noise: F64 = np.hypot(self.noise, other.noise)
        return Moments(
            self.columns, self.rows + other.rows, self.sums + other.sums, self.products + other.products, noise,
            self.doubled, self.spans,
        )  # fmt: skip

    def against(self, features: int, place: int | None) -> Moments:
        """Of the first columns, and as a label whether a row is of a class: of the column of number `place` after them,
        or (None) of none of these. The label is z = -1/2 or 1/2.
        """
        own = slice(features, None) if place is None else slice(features + place, features + place + 1)
        count, with_class = self.sums[own].sum(), self.products[:features, own].sum(axis=1)
        if place is None:
            count, with_class = self.rows - count, self.sums[:features] - with_class
        kept = slice(0, features)
        products, noise = np.zeros((features + 1,) * 2), np.zeros((features + 1,) * 2)
        products[kept, kept], noise[kept, kept] = self.products[kept, kept], self.noise[kept, kept]
        products[kept, -1] = products[-1, kept] = with_class - self.sums[kept] / 2
        noise[kept, -1] = noise[-1, kept] = np.sqrt((self.noise[kept, own] ** 2).sum(axis=1))
        products[-1, -1] = self.rows / 4
        return Moments(
            (*self.columns[:features], "class"), self.rows, np.append(self.sums[kept], count - self.rows / 2),
            products, noise, np.append(self.doubled[kept], 1), np.append(self.spans[kept], 1),
        )  # fmt: skip

    def opposite(self) -> Moments:
        """With the last column turned: -z for z, as of a label's other class."""
        turned = np.append(np.ones(len(self.columns) - 1), -1.0)
        return replace(self, sums=self.sums * turned, products=self.products * np.outer(turned, turned))

    @property
    def mean(self) -> F64:
        """(columns,)"""
        return self.sums / self.rows

    @property
    def scatter(self) -> F64:
        """Centred products (columns, columns): sum of (z - mean)(z - mean)'."""
        return self.products - self.rows * np.outer(self.mean, self.mean)


@dataclass(frozen=True)
class MomentPlan:
    """What to ask for second moments, and how to read the answer."""

    columns: tuple[str, ...]
    circuit: Circuit
    label: str | None
    doubled: I64  # (columns,) twice the centres
    spans: I64  # (columns,) levels - 1
    _terms: tuple[tuple[int, int, int], ...] = field(repr=False)  # of each released number: places (-1: a mean), weight

    def read(self, released: I64, rows: int, scale: float) -> Moments:
        """The moments of the released numbers (released,) of a job on `rows` rows, with noise of this Laplace scale."""
        size = len(self.columns)
        sums, products, noise = np.zeros(size), np.zeros((size, size)), np.zeros((size, size))
        deviation = np.sqrt(2) * scale
        for value, (i, j, weight) in zip(released.tolist(), self._terms, strict=True):
            if j < 0:
                sums[i] = (value / weight - rows * int(self.doubled[i]) / 2) / self.spans[i]
                if self.spans[i] == 1:  # a bit is its own square, and centred its square is known
                    products[i, i] = rows / 4 if self.doubled[i] else value / weight
                    noise[i, i] = 0.0 if self.doubled[i] else deviation / weight
            else:
                spans = int(self.spans[i]) * int(self.spans[j])
                known = rows * int(self.doubled[i] * self.doubled[j]) / 4  # of (x - c)(y - c'), what no row changes
                products[i, j] = products[j, i] = (value / weight + known) / spans
                noise[i, j] = noise[j, i] = deviation / weight / spans
        return Moments(self.columns, rows, sums, products, noise, self.doubled, self.spans)


def plan_moments(
    codebook: Codebook, profile: EncryptionProfile, columns: Sequence[str], label: str | None = None
) -> MomentPlan:
    """The sums that moments of columns take. Errors: BadQuery where a product is not published, with what is."""
    published = PublishedValues(codebook)
    names = [*columns, *([label] if label else [])]
    if not columns or len(names) > MOST or len(set(names)) < len(names):
        raise BadQuery(f"Moments are of 1 to {MOST} different columns.", "Name fewer columns, or the label apart.")
    spans = [published.affine(name).levels - 1 for name in names]
    doubled = [0 if isinstance(published.column(name).derivation, Member) else span for name, span in zip(names, spans)]
    released: dict[str, dict[Input, int]] = {}
    terms = []
    for i, name in enumerate(names):
        weight = max(1, UNIT // (2 * spans[i]))
        released[name] = {Input(name, "affine"): weight}
        terms.append((i, -1, weight))
    for i, j in itertools.combinations_with_replacement(range(len(names)), 2):
        if (i == j and spans[i] == 1) or published.apart(names[i], names[j]):
            continue
        wire = published.find(Factor(column=names[i]), Factor(column=names[j]))
        if wire is None:
            raise _missing(published, names, i, j)
        weight = 2 * max(1, UNIT // (2 * spans[i] * spans[j]))
        own = {wire: weight}
        for at, twice in ((i, doubled[j]), (j, doubled[i])):
            if twice:
                one = Input(names[at], "affine")
                own[one] = own.get(one, 0) - weight // 2 * twice
        released[f"{names[i]} * {names[j]}"] = own
        terms.append((i, j, weight))
    circuit = sums_of(released, codebook, profile)
    return MomentPlan(
        tuple(names), circuit, label, np.array(doubled, np.int64), np.array(spans, np.int64), tuple(terms)
    )


def _missing(published: PublishedValues, names: Sequence[str], i: int, j: int) -> BadQuery:
    kept = published.paired([name for name in names if published.column(name).affine is not None])
    nearest = f"Every two of these have one: {', '.join(kept)}." if len(kept) > 1 else "No two of these have one."
    return BadQuery(
        f"The dataset publishes no product of {names[i]} and {names[j]}.",
        f"{nearest} Name columns that have, or ask the owner for [products].",
    )
