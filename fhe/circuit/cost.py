"""What a circuit costs, known before anyone runs it: exact integers from the circuit, the profile and the row count.

`units` is what fees are counted in. One unit is 2^20 word operations (a multiplication and an addition modulo 2^64),
about half a millisecond of one core; a job costs at least one. A keyswitch counts its N * levels * (n + 1) operations.
A bootstrap counts, for each of its n steps, 2 (levels + 1) transforms of N/2 points at (N/2) log2(N/2) / 2 butterflies
and 4 levels N/2 complex products; in vector code each of those takes about as long as one word operation. A selection
packs its entries first: 2 levels N/2 products for each of the N bits of the key, since so few entries have few points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fhe.circuit.circuit import Circuit, Linear, Selection, keyswitched, rotations
from fhe.evaluation_key import packing_gadget
from fhe.profile import EncryptionProfile

UNIT = 1 << 20
WORD_BYTES, BIN_BYTES = 8, 2
PRODUCT = 8  # word operations that one of a product with a factor takes as long as


@dataclass(frozen=True)
class Cost:
    """Static cost of one job."""

    multiply_adds: int  # word operations of the linear layers
    bootstraps: int
    keyswitches: int
    bytes_in: int  # packed bodies fetched, for rows that begin at a chunk's first row
    bytes_out: int  # of the uncompacted result: bodies, or (N + 1) words a value after lookups
    units: int


def cost(circuit: Circuit, profile: EncryptionProfile, rows: int) -> Cost:
    """The cost of a circuit on `rows` rows. A range that begins inside a chunk reads up to one chunk more an input."""
    size, inputs = profile.polynomial_size, len(circuit.inputs)
    packed_row = extracted_row = rotated = switched = selected = 0
    before: Linear | None = None
    for layer in circuit.layers:
        if isinstance(layer, Linear):
            before = layer
            packed = int(np.count_nonzero(layer.columns < inputs))
            packed_row += packed
            extracted_row += (len(layer.columns) - packed) * (size + 1)
        else:
            assert before is not None
            own = rotations(circuit, layer)
            first = np.unique(own, return_index=True)[1]
            rotated += len(first)
            switched += int(keyswitched(circuit, before)[layer.source[first]].sum())
            if isinstance(layer, Selection):
                selected += len(layer.source)
            elif circuit.shared:  # the product with a factor for each table
                products = int(np.count_nonzero(np.bincount(own)[own] > 1))
                extracted_row += products * PRODUCT * layer.tables.shape[1] * size
    outputs, values = len(circuit.outputs), circuit.result_rows(rows)
    chunks = -(-rows // size)
    if circuit.lwe_bins:  # a small ciphertext for each row
        extracted_row += packed_row * (profile.lwe_dimension + 1)
        packed_row = 0
    elif rotated:  # masks are needed as well as bodies, and every row becomes a ciphertext of its own
        extracted_row += 2 * packed_row
        packed_row = 0
    multiply_adds = packed_row * rows + extracted_row * rows
    if circuit.block:  # each input's words are added up once, and weighted as sums; ciphertexts are added as they come
        multiply_adds += outputs * rows * (size + 1) if rotated else inputs * rows + packed_row * (values - rows)
    row = rotated * bootstrap_work(profile) + switched * keyswitch_work(profile) + selected * packing_work(profile)
    total = multiply_adds + rows * row
    return Cost(
        multiply_adds=multiply_adds,
        bootstraps=rotated * rows,
        keyswitches=switched * rows,
        bytes_in=inputs * chunks * size * (BIN_BYTES if circuit.lwe_bins else WORD_BYTES),
        bytes_out=outputs * values * WORD_BYTES * (size + 1 if rotated else 1),
        units=max(1, -(-total // UNIT)),
    )


def bootstrap_work(profile: EncryptionProfile) -> int:
    """Word operations that one bootstrap counts as."""
    half, levels = profile.polynomial_size // 2, profile.bootstrap.levels
    butterflies = 2 * (levels + 1) * half * (half.bit_length() - 1) // 2
    return profile.lwe_dimension * (butterflies + 4 * levels * half)


def packing_work(profile: EncryptionProfile) -> int:
    """Word operations of packing a selection's entries."""
    return profile.polynomial_size**2 * packing_gadget(profile).levels


def keyswitch_work(profile: EncryptionProfile) -> int:
    """Word operations of one keyswitch."""
    return profile.polynomial_size * profile.keyswitch.levels * (profile.lwe_dimension + 1)
