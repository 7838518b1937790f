"""Opening the result of a linear job with the secret key.

The caller must have recomputed the bodies or had them recomputed by someone independent: a crafted ciphertext handed to
a decryptor gives away the key. Masks are derived here from the dataset's public seeds and the circuit's weights, so
nobody else chooses them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from app.protocol.data.dataset import EncryptedTable
from app.protocol.errors import BadReceipt
from fhe.arrays import I64, U64
from fhe.ciphertexts.packing import Decryptor
from fhe.circuit.circuit import Circuit
from fhe.engine.linear import mask_batches, masks, only_linear
from fhe.engine.source import Batch, ChunkSource
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EncryptionProfile


def decrypt_linear(
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
    """The outputs int64 (outputs, rows) of a linear circuit, from its bodies u64 (outputs, rows).

    `source` is asked for masks only. Errors: BadKey, BadModel, RowsOutsideDataset, BadReceipt for a wrong shape.
    """
    layer = only_linear(circuit, profile)
    if bodies.shape != (len(layer.bias), rows) or bodies.dtype != np.uint64:
        raise BadReceipt(f"A result of shape {bodies.shape} is not that of {len(layer.bias)} outputs and {rows} rows.")
    opener = Decryptor(secret, profile)
    result = np.empty(bodies.shape, np.int64)
    size = profile.polynomial_size

    def work(batch: Batch) -> None:
        polys = masks(circuit, profile, source, batch)
        words = np.zeros(polys.shape, np.uint64)
        places, column = [], batch.column
        for index, span in enumerate(batch.parts):
            places.append((index, slice(span.start, span.stop), slice(column, column + span.rows)))
            words[:, index, span.start : span.stop] = bodies[:, column : column + span.rows]
            column += span.rows
        opened = opener.open(polys.reshape(-1, size), words.reshape(-1, size), layer.width).reshape(polys.shape)
        for index, inside, outside in places:
            result[:, outside] = opened[:, index, inside]

    with ThreadPoolExecutor(max(1, threads)) as pool:
        for _ in pool.map(work, mask_batches(circuit, profile, table, first_row, rows)):
            pass
    return result
