"""Opening the sums over rows of a linear job with the secret key: one value a block and output, and never a row.

The caller must have recomputed the bodies or had them recomputed by someone independent, as for `decrypt_linear`. The
mask of a block's sum is `fhe.engine.sums.sum_mask`, and what the key takes from it is reached on a shorter way: the
sum of coefficients [f, e) of a * S is the product of the words of a with

    Q_i = sum of S~[r - i] over f <= r < e,     S~[d] = S_d for d >= 0, -S_(N + d) below

which follows from the key and the range alone. So a whole chunk takes one product of N words, whatever the circuit.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from app.protocol.data.dataset import EncryptedTable
from app.protocol.errors import BadReceipt
from fhe.arrays import I64, U64
from fhe.ciphertexts.packing import decode
from fhe.circuit.circuit import Circuit
from fhe.engine.linear import only_linear
from fhe.engine.source import ChunkSource
from fhe.engine.sums import SumBatch, sum_batches, weigh
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EncryptionProfile


def decrypt_sums(
    secret: SecretKeys,
    profile: EncryptionProfile,
    circuit: Circuit,
    table: EncryptedTable,
    source: ChunkSource,
    first_row: int,
    rows: int,
    bodies: U64,
    *,
    threads: int = 1,
) -> I64:
    """The sums int64 (outputs, blocks) of a linear circuit that sums, from its bodies u64 (outputs, blocks).

    `source` is asked for masks only. Errors: BadKey, BadModel, RowsOutsideDataset, BadReceipt for a wrong shape.
    """
    layer, blocks = only_linear(circuit, profile), circuit.result_rows(rows)
    if bodies.shape != (len(layer.bias), blocks) or bodies.dtype != np.uint64:
        raise BadReceipt(f"A result of shape {bodies.shape} is not that of {len(layer.bias)} outputs, {blocks} blocks.")
    secret.check(profile)
    key, size = secret.glwe.astype(np.uint64), profile.polynomial_size
    whole = key_sums(key, 0, size)
    masked = np.zeros_like(bodies)

    def work(part: SumBatch) -> U64:
        chunks = part.chunks
        ranges = [
            whole if each.stop - each.start == size else key_sums(key, each.start, each.stop) for each in part.pieces
        ]
        found = np.zeros((len(circuit.inputs), part.blocks), np.uint64)
        for number, wire in enumerate(circuit.inputs):
            words = source.mask(wire, chunks.shard, chunks.chunks)
            if all(each is whole for each in ranges):
                products = words @ whole
            else:
                products = np.array([words[p.index] @ q for p, q in zip(part.pieces, ranges, strict=True)], np.uint64)
            np.add.at(found[number], [piece.block - part.first for piece in part.pieces], products)
        return found

    with ThreadPoolExecutor(max(1, threads)) as pool:
        parts = sum_batches(circuit, profile, table, first_row, rows)
        for part, sums in zip(parts, pool.map(work, parts), strict=True):
            weigh(layer, profile, sums, masked[:, part.first : part.first + part.blocks])
    return decode(bodies - masked, layer.width)


def key_sums(key: U64, start: int, stop: int) -> U64:
    """Q (N,) of the range [start, stop), from the key's bits as words (N,). It is as secret as the key."""
    size = len(key)
    prefix = np.zeros(size + 1, np.uint64)
    np.cumsum(key, out=prefix[1:])
    i = np.arange(size)
    plain = prefix[np.maximum(stop - i, 0)] - prefix[np.maximum(start - i, 0)]
    wrapped = prefix[size + np.minimum(stop - i, 0)] - prefix[size + np.minimum(start - i, 0)]
    found: U64 = plain - wrapped
    return found
