"""Whether a contract can judge a job's results, and if not why: docs/trace.md, sections 7 and 8. Facts only, no key."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from app.protocol.data.dataset import EncryptedTable
from fhe.circuit.circuit import Circuit, Linear, Lookup, selects
from fhe.engine.output import choose_form
from fhe.profile import EncryptionProfile

LOOKS = 3  # in which a sum over rows is narrowed to one of them, by 128 at a time
MOST_SUMMED = 128**LOOKS  # rows of a block
MOST_TERMS = 4096  # of an output: what is shown of it goes into one transaction
MOST_LAYERS = 2  # of lookups, one after the other: a dispute goes through each
MOST_PACKED = 1 << 15  # lookups that one packed ciphertext is made of: a player makes them again in a move's time


class Unjudged(StrEnum):
    """Why a job's order can state no program."""

    LONG_SUMS = "long-sums"
    MANY_TERMS = "many-terms"
    SUMMED_LOOKUPS = "summed-lookups"
    SMALL_BINS = "small-bins"
    SHARED = "shared"
    SELECTS = "selects"
    LAYERS = "layers"
    NO_ROOTS = "no-roots"
    PACKED = "packed"
    MANY_PACKED = "many-packed"


def unjudged(circuit: Circuit, profile: EncryptionProfile, table: EncryptedTable, rows: int) -> Unjudged | None:
    """Why no contract can judge the circuit's results on so many rows of a table; None where one can."""
    found = nameless(circuit, table)
    if found is not None or len(circuit.layers) == 1:
        return found
    if table.key_roots is None:
        return Unjudged.NO_ROOTS
    last = circuit.layers[-1]
    assert isinstance(last, Linear)
    outputs, size = len(last.bias), profile.polynomial_size
    if choose_form(profile, rows * outputs, table.key_roots.packs) == "lwe":
        return None
    if table.key_roots.packing is None:
        return Unjudged.PACKED
    lookups = sum(len(layer.source) for layer in circuit.layers if isinstance(layer, Lookup))
    together = min(rows, (size - 1) // outputs + 2)  # rows that a ciphertext has values of
    return Unjudged.MANY_PACKED if together * lookups > MOST_PACKED else None


def nameless(circuit: Circuit, table: EncryptedTable) -> Unjudged | None:
    """The same of the circuit alone: whether its evaluation has values that the trace has no names for, or too many."""
    layer = circuit.layers[-1]
    assert isinstance(layer, Linear)
    if min(circuit.block, table.rows) > MOST_SUMMED:
        return Unjudged.LONG_SUMS
    if np.diff(layer.indptr).max() > MOST_TERMS:
        return Unjudged.MANY_TERMS
    if len(circuit.layers) == 1:
        return None
    if circuit.block:
        return Unjudged.SUMMED_LOOKUPS
    if circuit.lwe_bins:
        return Unjudged.SMALL_BINS
    if selects(circuit):
        return Unjudged.SELECTS
    if circuit.shared:
        return Unjudged.SHARED
    return Unjudged.LAYERS if len(circuit.layers) > 2 * MOST_LAYERS + 1 else None
