"""Linear circuits on packed columns: scalar-times-ciphertext sums, exact modulo 2^64.

The output of a linear circuit is "bodies": one word for each output and row, 8 bytes. Its mask is the same sum over the
mask words, which follow from public seeds, so whoever decrypts derives it (`masks`) and nobody can lie about it.

    body[r]  = sum_k values[k] * 2^(message_width - width) * body_of(input columns[k]) + bias[r] * 2^(63 - width)

Addition modulo 2^64 is associative, so every order of operations, number of threads and split of rows gives the same
bytes. Work goes input by input over batches of chunks that one block of a store holds, in tiles that stay in cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from app.protocol.data.dataset import EncryptedTable
from app.protocol.errors import BadModel
from app.protocol.ports import Progress
from fhe.arrays import I64, U64
from fhe.circuit.circuit import Circuit, Linear
from fhe.circuit.compatible import check_widths
from fhe.engine.mask_sums import native_add_mask
from fhe.engine.source import BATCH, Batch, ChunkSource, SeededSource, batches, check_runs_on, spans
from fhe.profile import EncryptionProfile

TILE = 16384  # words: a tile, its products and its sums fill half of a 1 MiB second-level cache
Read = Callable[..., U64]
Combine = Callable[[Linear, EncryptionProfile, Circuit, Read, Batch], U64]
MOST_SUMS = 4096  # chunks times outputs in one batch: 64 MiB of sums a thread at N = 2048


def only_linear(circuit: Circuit, profile: EncryptionProfile) -> Linear:
    """The layer of a linear circuit. Errors: BadModel for one with lookups, MessageOverflow for one too wide."""
    layer = circuit.layers[0]
    if len(circuit.layers) != 1 or not isinstance(layer, Linear):
        raise BadModel("This circuit has lookups, so it is not linear.", "Evaluate it with the evaluation key.")
    check_widths(circuit, profile)
    return layer


def evaluate_bodies(
    circuit: Circuit,
    profile: EncryptionProfile,
    table: EncryptedTable,
    source: ChunkSource,
    first_row: int,
    rows: int,
    *,
    threads: int = 1,
    out: U64 | None = None,
    progress: Progress | None = None,
    combine: Combine | None = None,
) -> U64:
    """Output bodies u64 (outputs, rows) of a linear circuit on rows [first_row, first_row + rows).

    `out`, if given, is filled instead of a new array (it may be a mapped file). Memory beyond it is bounded.
    `combine` sums one batch, as this module's does; a GPU's may stand there.
    Errors: BadModel, MessageOverflow, RowsOutsideDataset, and what the source raises.
    """
    layer = only_linear(circuit, profile)
    check_runs_on(circuit, profile, table)
    result = np.empty((len(layer.bias), rows), np.uint64) if out is None else out
    bias = layer.bias.view(np.uint64) << np.uint64(63 - layer.width)

    def work(batch: Batch) -> int:
        sums = (combine or combine_words)(layer, profile, circuit, source.bodies, batch)
        sums += bias[:, None, None]
        column = batch.column
        for index, span in enumerate(batch.parts):
            result[:, column : column + span.rows] = sums[:, index, span.start : span.stop]
            column += span.rows
        return len(batch.parts)

    found = spans(table, profile.polynomial_size, first_row, rows)
    _each(work, list(batches(found, _most(layer))), threads, len(found), progress)
    return result


def masks(circuit: Circuit, profile: EncryptionProfile, source: ChunkSource, batch: Batch) -> U64:
    """Output masks u64 (outputs, len(batch.chunks), N): whole polynomials, for whoever holds the key.

    Where the source names its seeds and the processor has the instructions, mask words never touch memory.
    """
    layer, add = only_linear(circuit, profile), native_add_mask()
    if add is None or not isinstance(source, SeededSource):
        return combine_words(layer, profile, circuit, source.mask, batch)
    sums = np.zeros((len(layer.bias), len(batch.chunks) * profile.polynomial_size), np.uint64)
    for terms, rows, weights in _by_input(layer, profile):
        seed, first = source.seed(circuit.inputs[layer.columns[terms[0]]], batch.shard, batch.chunks)
        add(seed, first, weights[terms], rows[terms], sums)
    return sums.reshape(len(layer.bias), len(batch.chunks), profile.polynomial_size)


def mask_batches(
    circuit: Circuit, profile: EncryptionProfile, table: EncryptedTable, first_row: int, rows: int
) -> list[Batch]:
    """The batches in which `masks` covers the rows. Errors: BadModel, MessageOverflow, RowsOutsideDataset."""
    check_runs_on(circuit, profile, table)
    found = spans(table, profile.polynomial_size, first_row, rows)
    return list(batches(found, _most(only_linear(circuit, profile))))


def _most(layer: Linear) -> int:
    return max(1, min(BATCH, MOST_SUMS // len(layer.bias)))


def _by_input(layer: Linear, profile: EncryptionProfile) -> Iterator[tuple[I64, I64, U64]]:
    """The terms that read each input; and of all terms the output, and the weight in the ciphertext's scale."""
    row_of = np.repeat(np.arange(len(layer.bias)), np.diff(layer.indptr))
    weights = layer.values.view(np.uint64) << np.uint64(profile.message_width - layer.width)
    order = np.argsort(layer.columns, kind="stable")
    for terms in np.split(order, np.flatnonzero(np.diff(layer.columns[order])) + 1):
        if len(terms):
            yield terms, row_of, weights


def combine_words(layer: Linear, profile: EncryptionProfile, circuit: Circuit, read: Read, batch: Batch) -> U64:
    """Sum of weight times words, u64 (outputs, chunks, N)."""
    size = len(batch.chunks) * profile.polynomial_size
    sums = np.zeros((len(layer.bias), size), np.uint64)
    products = np.empty(min(TILE, size), np.uint64)
    for terms, row_of, weights in _by_input(layer, profile):
        words = read(circuit.inputs[layer.columns[terms[0]]], batch.shard, batch.chunks).reshape(-1)
        for begin in range(0, size, TILE):
            tile = words[begin : begin + TILE]
            product = products[: len(tile)]
            for term in terms:
                np.multiply(tile, weights[term], out=product)
                total = sums[row_of[term], begin : begin + TILE]
                np.add(total, product, out=total)
    return sums.reshape(len(layer.bias), len(batch.chunks), profile.polynomial_size)


def _each(
    work: Callable[[Batch], int], parts: list[Batch], threads: int, total: int, progress: Progress | None
) -> None:
    """Do every part, `threads` at a time; report chunks done of `total`."""
    done = 0
    if threads <= 1 or len(parts) <= 1:
        for part in parts:
            done += work(part)
            if progress is not None:
                progress(done, total)
        return
    with ThreadPoolExecutor(min(threads, len(parts))) as pool:
        try:
            for count in pool.map(work, parts):
                done += count
                if progress is not None:
                    progress(done, total)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
