"""Packed columns on a GPU: masks expanded from their seeds, and linear layers over any number of chunks at once.

Words that are on the device already are combined at the memory's speed. For a linear job whose words come from a store
the bus sets the pace, and NumPy on the host is about as fast, so `evaluate` uses this only when it is told to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import numpy.typing as npt

from app.protocol.errors import Unavailable
from fhe.arrays import U32, U64
from fhe.circuit.circuit import Circuit, Linear
from fhe.engine.cuda.device import Array, Device
from fhe.engine.source import Batch
from fhe.profile import EncryptionProfile

THREADS = 256
STREAMS = 8  # blocks of a multiprocessor that expand masks
INPUTS = 64  # columns on the device at once: 64 MiB of a batch of 64 chunks


def _double(x: int) -> int:
    """x times 2 in AES's field of 256 elements."""
    return x << 1 ^ (0x11B if x & 0x80 else 0)


@cache
def substitution() -> tuple[int, ...]:
    """The S-box of AES (FIPS 197 section 5.1.1): the inverse in the field, then an affine map of bits."""
    power, logarithm, x = [0] * 256, [0] * 256, 1
    for exponent in range(255):
        power[exponent], logarithm[x] = x, exponent
        x ^= _double(x)  # times 3, which generates all 255
    found = []
    for value in range(256):
        inverse = power[(255 - logarithm[value]) % 255] if value else 0
        turned = [inverse << turn & 0xFF | inverse >> (8 - turn) for turn in range(5)]
        found.append(turned[0] ^ turned[1] ^ turned[2] ^ turned[3] ^ turned[4] ^ 0x63)
    return tuple(found)


@cache
def mixing() -> U32:
    """(256,): SubBytes and MixColumns of a byte in the first row of a column, row 0 in the lowest byte."""
    words = [_double(s) | s << 8 | s << 16 | (_double(s) ^ s) << 24 for s in substitution()]
    return np.array(words, np.uint32)


def round_keys(seed: bytes) -> U32:
    """(44,): the key schedule of AES-128 (FIPS 197 section 5.2), words with their first byte lowest."""
    box, words, factor = substitution(), [list(seed[at : at + 4]) for at in range(0, 16, 4)], 1
    for number in range(4, 44):
        word = words[-1]
        if number % 4 == 0:
            word = [box[byte] for byte in word[1:] + word[:1]]
            word[0] ^= factor
            factor = _double(factor)
        words.append([a ^ b for a, b in zip(words[-4], word, strict=True)])
    return np.array(words, np.uint8).view("<u4").reshape(44).astype(np.uint32)


class Columns:
    """Linear layers over packed columns of one profile on one device. Errors of every method: Unavailable."""

    def __init__(self, profile: EncryptionProfile, device: Device) -> None:
        self._profile, self._device = profile, device
        self._kernels = device.compile(profile)
        self._mixing = device.upload(mixing())

    def masks(self, seed: bytes, first_poly: int, polys: int) -> Array:
        """Mask words (polys, N) on the device, of a file's polynomials from `first_poly`; as `fhe.mask.mask`."""
        size = self._profile.polynomial_size
        out, pairs = self._device.empty((polys, size), np.uint64), polys * size // 2
        blocks = min(-(-pairs // THREADS), STREAMS * self._device.multiprocessors())
        arguments = (self._mixing, self._device.upload(round_keys(seed)), out, first_poly * size // 2, pairs)
        self._kernels.launch("expand_mask", (blocks, 1), THREADS, 1024, arguments)
        return out

    def add(self, words: Array, layer: Linear, weights: U64, sums: Array, *, length: int) -> None:
        """Add to `sums` (outputs, length) the rows of a layer over `words` (inputs, length), both on the device."""
        parts = layer.indptr.astype(np.int64), layer.columns.astype(np.int64), weights
        indptr, columns, values = (self._device.upload(np.ascontiguousarray(part)) for part in parts)
        pairs, outputs = length // 2, len(layer.bias)
        arguments = (words, indptr, columns, values, sums, pairs, outputs)
        self._kernels.launch("combine", (-(-pairs // THREADS) * outputs, 1), THREADS, 0, arguments)

    def combine(
        self, layer: Linear, profile: EncryptionProfile, circuit: Circuit, read: Callable[..., U64], batch: Batch
    ) -> U64:
        """As `fhe.engine.linear.combine_words`: sums of weight times words, u64 (outputs, chunks, N)."""
        size, outputs = len(batch.chunks) * profile.polynomial_size, len(layer.bias)
        if 8 * size * (outputs + INPUTS) > self._device.free_bytes() // 2:
            raise Unavailable(f"The memory of {self._device.name} is full.", "Use --device cpu.")
        sums = self._device.upload(np.zeros((outputs, size), np.uint64))
        for part, wires in _parts(layer):
            words = np.stack([read(circuit.inputs[wire], batch.shard, batch.chunks).reshape(-1) for wire in wires])
            weights = part.values.view(np.uint64) << np.uint64(profile.message_width - layer.width)
            self.add(self._device.upload(words), part, weights, sums, length=size)
        total: U64 = self._device.download(sums)
        return total.reshape(outputs, len(batch.chunks), profile.polynomial_size)


def _parts(layer: Linear) -> Iterator[tuple[Linear, npt.NDArray[np.int64]]]:
    """A layer in parts that read at most `INPUTS` wires each, renumbered from 0, and which wires those are."""
    row_of = np.repeat(np.arange(len(layer.bias)), np.diff(layer.indptr))
    used = np.unique(layer.columns)
    for start in range(0, len(used), INPUTS):
        wires = used[start : start + INPUTS]
        chosen = np.isin(layer.columns, wires)
        counts = np.bincount(row_of[chosen], minlength=len(layer.bias))
        indptr = np.concatenate([[0], np.cumsum(counts)])
        columns = np.searchsorted(wires, layer.columns[chosen])
        yield Linear(layer.width, indptr, columns, layer.values[chosen], layer.bias), wires
