"""A group-by on two conditions, read from published products: no lookup, and four counts a job.

`SELECT smoker, sex, count(*) FROM data GROUP BY smoker, sex`, planned as for anybody: of two columns of two codes and
their product, `ask_groups_columns` published columns in all. The answer is compared with the rows' own counts before
its time counts.

- `ask_groups_s`: the whole answer on all rows: the provider reads, verifies and sums, the owner derives the masks and
  decrypts; `ask_groups_cpu_s` is processor time;
- `ask_groups_decrypt_values`: what the owner decrypts for it.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from app.client.ask.plan import plan
from app.client.ask.query import parse
from app.execution.source import StoreSource
from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.data.product import Factor, Product
from app.protocol.ports import Progress
from app.storage.folder import BlockStore
from benchmarks.columns import publish
from benchmarks.machine import cores
from fhe.ciphertexts.decrypt_sums import decrypt_sums
from fhe.engine.evaluate import evaluate
from fhe.keys.secret_keys import SecretKeys
from fhe.profiles import REFERENCE

SQL = "SELECT smoker, sex, count(*) FROM data GROUP BY smoker, sex"
SHARES = {"smoker": 0.2, "sex": 0.5}  # of rows with the second code


def group_figures(rows: int, secret: SecretKeys, progress: Progress) -> dict[str, Any]:
    """All figures by name."""
    bit = Affine(low=0.0, step=1.0, levels=2)
    columns = tuple(ColumnCode(name=name, dtype="int64", affine=bit, declared=True) for name in SHARES)
    product = Product(first=Factor(column="smoker"), second=Factor(column="sex"))
    book = Codebook(columns=columns, products=(product,))
    rng = np.random.default_rng(11)
    values = {name: (rng.random(rows) < share).astype(np.int64) for name, share in SHARES.items()}
    stored = [*values.values(), values["smoker"] * values["sex"]]
    with tempfile.TemporaryDirectory() as folder:
        store, flat = BlockStore(Path(folder)), Codebook(columns=book.published)
        table, _ = publish(rows, flat, secret, store, progress, np.stack(stored, axis=1))
        table = table.model_copy(update={"codebook": book})
        start, began = time.perf_counter(), time.process_time()
        asked = plan(parse(SQL), book, REFERENCE)
        circuit, source = asked.circuit, StoreSource(table, REFERENCE, store)
        assert circuit is not None
        output = evaluate(circuit, REFERENCE, table, source, 0, rows, None, threads=cores())
        words = output.words.astype(np.uint64)
        opened = decrypt_sums(secret, REFERENCE, circuit, table, source, 0, rows, words, threads=cores())
        answer = asked.answer(opened.sum(axis=1), rows, 0.0).to_dicts()
        seconds, worked = time.perf_counter() - start, time.process_time() - began
    truth = np.bincount(2 * values["smoker"] + values["sex"], minlength=4)
    if asked.lookups or [row["count"] for row in answer] != truth.tolist():
        raise AssertionError("the counts by products are not the rows' own")
    return {
        "ask_groups_s": seconds,
        "ask_groups_cpu_s": worked,
        "ask_groups_columns": len(circuit.inputs),
        "ask_groups_decrypt_values": int(opened.size),
    }
