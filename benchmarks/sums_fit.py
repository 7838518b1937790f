"""Fitting a linear model to encrypted rows: one pass of sums over products, beside encrypted gradient descent.

- `moments_rows_per_s`: from the question to the fitted model, 10 columns and a label of 8 bits, 66 products of 16: the
  provider reads, verifies and sums, the owner derives masks and decrypts, the buyer solves; on `moments_rows` rows;
- `moments_rows_per_cpu_s`: the same by processor time, for machines that are not idle;
- `moments_decrypt_values`: what the owner decrypts for it: blocks times sums, and no row; `moments_result_bytes`;
- `fit_concrete_s_per_row`: Concrete ML's `SGDClassifier(fit_encrypted=True)` on as many columns, seconds for a row and
  epoch, of one batch of `fit_concrete_rows` rows executed on ciphertext, keys and compilation not counted;
- `fit_ratio_vs_concrete`: how many times less a row and epoch takes here. It is extrapolated from that one batch, and
  one epoch of many; `fit_ratio_extrapolated` says so.

Without noise the fitted model is compared with scikit-learn's on the same codes before its time counts.
"""

from __future__ import annotations

import itertools
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LinearRegression

from app.client.fit.fitting import plan_fit
from app.client.sums import SumsReleased
from app.execution.source import StoreSource
from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.data.product import Factor, Product
from app.protocol.ports import Progress
from app.storage.folder import BlockStore
from benchmarks.columns import codes, publish
from benchmarks.machine import cores
from fhe.ciphertexts.decrypt_sums import decrypt_sums
from fhe.engine.evaluate import evaluate
from fhe.keys.secret_keys import SecretKeys, generate
from fhe.profiles import REFERENCE

ROWS = 262_144
FEATURES = 10
BATCH = 8  # rows of one step of Concrete ML's descent


def fit_figures(
    secret: SecretKeys | None = None, progress: Progress = lambda _done, _all: None, *, concrete: bool = True
) -> dict[str, Any]:
    """All figures by name; without `concrete` those of this project alone."""
    found = _moments(secret or generate(REFERENCE, 1)[0], progress)
    if concrete:
        theirs = _concrete()
        found |= {
            "fit_concrete_rows": BATCH,
            "fit_concrete_s_per_row": theirs,
            "fit_ratio_vs_concrete": theirs * found["moments_rows_per_s"],
            "fit_ratio_extrapolated": True,
        }
    return found


def _book() -> Codebook:
    names = [f"x{number}" for number in range(FEATURES)] + ["y"]
    code = Affine(low=0.0, step=1.0)
    columns = tuple(ColumnCode(name=name, dtype="int64", affine=code, declared=True) for name in names)
    pairs = itertools.combinations_with_replacement(names, 2)
    return Codebook(
        columns=columns, products=tuple(Product(first=Factor(column=a), second=Factor(column=b)) for a, b in pairs)
    )


def _moments(secret: SecretKeys, progress: Progress) -> dict[str, Any]:
    book = _book()
    plain = codes(ROWS).astype(np.int64)[:, :FEATURES]
    noise = np.random.default_rng(7).normal(0, 20, ROWS)
    label = np.clip(np.rint(plain @ np.linspace(-0.3, 0.5, FEATURES) + 100 + noise), 0, 255).astype(np.int64)
    values = {f"x{number}": plain[:, number] for number in range(FEATURES)} | {"y": label}
    stored = [*values.values(), *(values[p.first.column] * values[p.second.column] for p in book.products)]
    with tempfile.TemporaryDirectory() as folder:
        store, flat = BlockStore(Path(folder)), Codebook(columns=book.published)
        table, _ = publish(ROWS, flat, secret, store, progress, np.stack(stored, axis=1))
        table = table.model_copy(update={"codebook": book})
        plan = plan_fit(book, REFERENCE, LinearRegression(), label="y")
        circuit, source = plan.plan.circuit, StoreSource(table, REFERENCE, store)
        start, began = time.perf_counter(), time.process_time()
        output = evaluate(circuit, REFERENCE, table, source, 0, ROWS, None, threads=cores())
        words = output.words.astype(np.uint64)
        opened = decrypt_sums(secret, REFERENCE, circuit, table, source, 0, ROWS, words, threads=cores())
        assert circuit.mix is not None
        released = SumsReleased(circuit.mix.apply(opened.sum(axis=1)), ROWS, 0.0, 0.0, 0, "")
        fitted, _ = plan.solve([released])
        seconds, worked = time.perf_counter() - start, time.process_time() - began
    usual = LinearRegression().fit(plain, label)
    if not np.allclose(fitted.coef_, usual.coef_, rtol=1e-6):
        raise AssertionError("the model fitted on ciphertext is not the rows' own")
    return {
        "moments_rows": ROWS,
        "moments_rows_per_s": ROWS / seconds,
        "moments_rows_per_cpu_s": ROWS / worked,
        "moments_decrypt_values": int(opened.size),
        "moments_result_bytes": 24 + 8 * int(opened.size),
    }


def _concrete() -> float:
    """Seconds a row and epoch of Concrete ML's encrypted descent: one batch, executed on ciphertext."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from concrete.ml.sklearn import SGDClassifier

        rng = np.random.default_rng(1)
        rows = rng.uniform(-1, 1, (4 * BATCH, FEATURES))
        label = (rows.sum(axis=1) > 0).astype(np.int64)
        model = SGDClassifier(
            random_state=1, fit_encrypted=True, parameters_range=(-1.0, 1.0), penalty=None, learning_rate="constant"
        )
        model.partial_fit(rows, label, fhe="execute", classes=np.array([0, 1]))  # with compilation and keys
        start = time.perf_counter()
        model.partial_fit(rows, label, fhe="execute")
        return (time.perf_counter() - start) / BATCH
