"""Several tables of one value by one blind rotation: a common test polynomial, and a small factor for each table.

With Y = X^(N/E) a table's test polynomial is the common one, half of g in every box, times the polynomial in Y whose
coefficients are the table's differences, divided by g (docs/canonical-evaluator.md, section 14): every table is a sum
of steps, and a rotated step is a coefficient further on. It is the factorisation of Carpov, Izabachène and Mollimard,
"New techniques for multi-value input homomorphic evaluation and applications" (CT-RSA 2019), in the ring of E boxes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fhe.arrays import F64, I64, U64
from fhe.engine.gadget import table_polynomials


@dataclass(frozen=True, eq=False)
class Factored:
    """Tables (tables, E) of one width over one value: the step g that they are made of, and factors (tables, E)."""

    step: int
    factors: I64

    def polynomial(self, width_out: int, size: int) -> U64:
        """The common test polynomial (N,): half a step in every box, as words."""
        box = np.full((1, self.factors.shape[1]), self.step, np.int64)
        found: U64 = table_polynomials(box, width_out + 1, size)[0]
        return found


def factored(tables: I64) -> Factored:
    """The tables (tables, E) as a common step and factors. Tables that are zero have the step 1."""
    differences = tables - np.concatenate([-tables[:, -1:], tables[:, :-1]], axis=1)
    step = int(np.gcd.reduce(differences, axis=None)) or 1
    return Factored(step, differences // step)


def combine(rotated: U64, factors: I64) -> U64:
    """Coefficient 0 of each table's product: (batch, N + E) as rotated -> (tables, batch, N + 1)."""
    entries = factors.shape[1]
    size = rotated.shape[1] - entries
    parts = rotated[:, :size].reshape(len(rotated), entries, size // entries)
    turns = np.arange(entries)
    place = turns[None, :] - turns[:, None]  # (box out, box in): which power of Y brings one there
    out = np.empty((len(factors), len(rotated), size + 1), np.uint64)
    for number, factor in enumerate(factors.view(np.uint64)):
        # of Y^k (A, B) the mask's words are those k boxes on, negated past the end, and the body is -B at E - k
        matrix = np.where(place >= 0, factor[place % entries], np.uint64(0) - factor[place % entries])
        out[number, :, :size] = (matrix @ parts).reshape(len(rotated), size)
        out[number, :, size] = rotated[:, size:] @ np.concatenate([factor[:1], np.uint64(0) - factor[:0:-1]])
    return out


def noise_gains(found: Factored, tables: I64) -> F64:
    """How many times a bootstrap's variance each table (tables, E) has at most.

    Errors of E coefficients are weighted by the factor. Those that come from the key's and the transforms' errors are
    uncorrelated; those of rounding are products with the GLWE key, whose bits have the mean 1/2: half of their variance
    is common to all coefficients up to the sign of X^N = -1, and that half is weighted by twice the table itself.
    """
    squares: F64 = (found.factors.astype(np.float64) ** 2).sum(axis=1)
    common: F64 = 4.0 * (tables.astype(np.float64) ** 2).mean(axis=1) / float(found.step) ** 2
    return np.maximum(squares, (squares + common) / 2)
