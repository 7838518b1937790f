"""Sums over rows on ciphertext: questions and second moments on real keys, read from a store, opened by the owner.

`ask_s` is a whole answer: the provider reads, verifies and sums, the owner derives the masks and decrypts. Every answer
is compared with the sums in the clear before its time counts. `*_cpu_s` is processor time, for machines that are not
idle. Keys:

- `ask_s`, `provider_s`, `owner_s`, `decrypt_values`, `result_bytes`: means of 30 columns of 8 bits on 1,000,000 rows;
- of a two-condition group-by on published products, `benchmarks/sums_groups.py` says what its keys are;
- `ask_lookups_s`: a two-condition group-by of two groups by lookups on `lookup_rows` rows, on the CPU;
- `lookups_a_row`, `lookup_decrypt_values`: bootstraps a row and values decrypted of the question by lookups;
- of models fitted from sums, `benchmarks/sums_fit.py` says what its keys are.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from app.client.ask.plan import plan
from app.client.ask.query import Aggregate, Compared, Junction, Query
from app.execution.source import StoreSource
from app.protocol.data.dataset import Codebook, ColumnCode, EncryptedTable
from app.protocol.ports import Progress
from app.storage.folder import BlockStore
from benchmarks.bin_table import encrypt_bins
from benchmarks.columns import codebook, codes, publish
from benchmarks.machine import cores
from benchmarks.sums_fit import fit_figures
from benchmarks.sums_groups import group_figures
from fhe.arrays import I64
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.ciphertexts.decrypt_sums import decrypt_sums
from fhe.circuit.circuit import Circuit, Input, Linear, Readout
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.compile.sums import sum_circuit
from fhe.engine.evaluate import evaluate
from fhe.keys.secret_keys import SecretKeys, generate
from fhe.profile import EVALUATOR
from fhe.profiles import REFERENCE

ROWS = 1_000_000
LOOKUP_ROWS = 2_000


def run(progress: Progress) -> dict[str, Any]:
    """Encrypt, ask, compare; figures by name."""
    secret, key = generate(REFERENCE, 1)
    found: dict[str, Any] = {"rows": ROWS, "lookup_rows": LOOKUP_ROWS}
    with tempfile.TemporaryDirectory() as folder:
        store, book = BlockStore(Path(folder)), codebook()
        table, _ = publish(ROWS, book, secret, store, progress)
        values = codes(ROWS).astype(np.int64)
        names = [column.name for column in book.columns]
        provider, owner, worked, circuit = _ask(secret, store, table, names, values)
        found |= {"ask_s": provider + owner, "provider_s": provider, "owner_s": owner, "ask_cpu_s": worked}
        blocks = circuit.result_rows(ROWS)
        found |= {"decrypt_values": blocks * len(names), "result_bytes": 24 + 8 * blocks * len(names)}
    found |= group_figures(ROWS, secret, progress)
    found |= fit_figures(secret, progress)
    found |= _lookups(secret, key)
    return found


def _sum_of(columns: list[str], book: Codebook) -> Circuit:
    count = np.arange(len(columns))
    layer = Linear(REFERENCE.message_width, np.arange(len(columns) + 1), count, np.ones_like(count), 0 * count)
    inputs = tuple(Input(name, "affine") for name in columns)
    return sum_circuit(
        Circuit(REFERENCE.digest, book.digest, inputs, (layer,), tuple(columns), Readout("value")), book, REFERENCE
    )


def _ask(
    secret: SecretKeys, store: BlockStore, table: EncryptedTable, columns: list[str], values: I64
) -> tuple[float, float, float, Circuit]:
    """(seconds of the provider, of the owner, processor seconds, the circuit) of sums of some columns, checked."""
    circuit, source = _sum_of(columns, table.codebook), StoreSource(table, REFERENCE, store)
    start, began = time.perf_counter(), time.process_time()
    output = evaluate(circuit, REFERENCE, table, source, 0, table.rows, None, threads=cores())
    middle = time.perf_counter()
    words = output.words.astype(np.uint64)
    opened = decrypt_sums(secret, REFERENCE, circuit, table, source, 0, table.rows, words, threads=cores())
    end, worked = time.perf_counter(), time.process_time() - began
    if not np.array_equal(opened.sum(axis=1), values.sum(axis=0)):
        raise AssertionError("the sums on ciphertext are not the sums in the clear")
    return middle - start, end - middle, worked, circuit


def _lookups(secret: SecretKeys, key: Any) -> dict[str, Any]:
    """A group-by under two conditions by lookups: SELECT c, count(*) WHERE a >= 128 AND b < 64 GROUP BY c."""
    edges = {"a": (128.0,), "b": (64.0,), "c": (100.0,)}
    book = Codebook(
        columns=tuple(ColumnCode(name=name, dtype="float64", bins=bins, declared=True) for name, bins in edges.items())
    )
    rng = np.random.default_rng(3)
    bins = rng.integers(0, 2, (LOOKUP_ROWS, len(edges)))
    made = encrypt_bins(bins, book, secret, REFERENCE)
    table = made.table.model_copy(update={"evaluator": EVALUATOR})
    where = Junction("and", (Compared("a", ">=", 128.0), Compared("b", "<", 64.0)))
    asked = plan(Query((Aggregate("count", "", "count"),), where, ("c",), explain=False), book, REFERENCE)
    assert asked.circuit is not None
    start, began = time.perf_counter(), time.process_time()
    output = evaluate(asked.circuit, REFERENCE, table, made, 0, LOOKUP_ROWS, key, cores(), "cpu")
    opened = decrypt_lookups(secret, REFERENCE, asked.circuit, output.rows, output)
    seconds, worked = time.perf_counter() - start, time.process_time() - began
    inputs = gather_inputs(asked.circuit, {(name, "bins"): bins[:, at] for at, name in enumerate(edges)})
    if not np.array_equal(opened.sum(axis=1), evaluate_clear(asked.circuit, inputs).sum(axis=0)):
        raise AssertionError("the counts by lookups are not the counts in the clear")
    return {
        "ask_lookups_s": seconds,
        "ask_lookups_cpu_s": worked,
        "lookups_a_row": asked.lookups,
        "lookup_decrypt_values": opened.size,
    }
