"""Ten boosted trees of depth three over 30 encrypted columns of 32 bins: ours, and Concrete ML's compiled circuit.

The model is Concrete ML's XGBClassifier on the breast-cancer table in 5-bit bin codes. Concrete's circuit is compiled
as a user would, at the `p_error` that it chooses by itself (`concrete_p_error`); ours runs at 2^-128. Both run the same
rows, one after the other, on all cores of this machine, server side only, and both results must equal the model's
quantized inference in the clear. `batch_s_per_row` is ours on a batch of 64 rows; `ratio_vs_concrete` uses the slower
`s_per_row`. Sizes are those of results as they are stored: of the same rows, and of 2,048 packed ones.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.ports import Progress
from benchmarks.bin_table import BinTable, encrypt_bins
from benchmarks.machine import cores
from benchmarks.rivals import fastest
from fhe.arrays import I64
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.ciphertexts.packing_key import with_packing
from fhe.circuit.circuit import Circuit, Lookup
from fhe.compile import from_model
from fhe.engine.evaluate import evaluate
from fhe.engine.output import OutputStage
from fhe.evaluation_key import EvaluationKey
from fhe.keys.secret_keys import SecretKeys, generate
from fhe.profiles import REFERENCE

BINS, TREES, DEPTH = 32, 10, 3
SAME_ROWS, BATCH_ROWS, PACKED_ROWS = 4, 64, 2_048
STEPS = 8


@dataclass(frozen=True, eq=False)
class Work:
    """What both sides compute."""

    model: Any
    codebook: Codebook
    codes: I64  # (rows, columns), 0 to BINS - 1


@dataclass(frozen=True, eq=False)
class Ours:
    """Keys and a table under them."""

    secret: SecretKeys
    key: EvaluationKey
    table: BinTable


def run(progress: Progress) -> dict[str, Any]:
    """All figures, in one run of about two minutes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Concrete's imports
        work = _work()
        circuit = from_model(work.model, work.codebook).circuit
        progress(1, STEPS)
        ours = _ours(work, BATCH_ROWS)
        progress(2, STEPS)
        seconds, output = _timed(ours, circuit, SAME_ROWS, _expected(work, SAME_ROWS))
        progress(3, STEPS)
        batch_seconds, _ = _timed(ours, circuit, BATCH_ROWS, _expected(work, BATCH_ROWS), repeats=1)
        progress(4, STEPS)
        packed_bytes = _packed_bytes(work)
        progress(6, STEPS)
        theirs, p_error, theirs_bootstraps = _concrete(work, SAME_ROWS)
    progress(STEPS, STEPS)
    return {
        "rows": SAME_ROWS,
        "s_per_row": seconds / SAME_ROWS,
        "batch_s_per_row": batch_seconds / BATCH_ROWS,
        "concrete_s_per_row": theirs / SAME_ROWS,
        "ratio_vs_concrete": theirs / seconds,
        "bootstraps_per_row": _bootstraps(circuit),
        "concrete_bootstraps_per_row": theirs_bootstraps,
        "concrete_p_error": p_error,
        "result_bytes_per_value": len(output.to_bytes()) / SAME_ROWS,
        "packed_result_bytes_per_value": packed_bytes / PACKED_ROWS,
        "cores": cores(),
    }


def _work(trees: int = TREES, depth: int = DEPTH) -> Work:
    from concrete.ml.sklearn import XGBClassifier
    from sklearn.datasets import load_breast_cancer

    values, labels = load_breast_cancer(return_X_y=True)
    quantiles = np.linspace(0, 1, BINS + 1)[1:-1]
    edges = [tuple(float(edge) for edge in np.unique(np.quantile(column, quantiles))) for column in values.T]
    codebook = Codebook(
        columns=tuple(
            ColumnCode(name=f"c{number}", dtype="float64", bins=own, declared=False) for number, own in enumerate(edges)
        )
    )
    codes = np.stack([np.searchsorted(own, column, side="right") for own, column in zip(edges, values.T)], axis=1)
    model = XGBClassifier(n_bits=5, n_estimators=trees, max_depth=depth, random_state=0)
    model.fit(codes.astype(np.float32), labels)
    return Work(model, codebook, codes.astype(np.int64))


def _ours(work: Work, rows: int) -> Ours:
    secret, key = generate(REFERENCE, 1)
    return Ours(secret, key, encrypt_bins(work.codes[:rows], work.codebook, secret, REFERENCE))


def _expected(work: Work, rows: int) -> I64:
    """Concrete ML's quantized inference in the clear, summed over trees, (outputs, rows)."""
    quantized = work.model.quantize_input(work.codes[:rows].astype(np.float32))
    sums: I64 = work.model._inference(quantized).sum(axis=-1).reshape(rows, -1).T
    return sums


def _timed(ours: Ours, circuit: Circuit, rows: int, expected: I64, repeats: int = 2) -> tuple[float, OutputStage]:
    """Seconds of the fastest run, without preparing the key, and its result, which must be right."""
    results: list[OutputStage] = []

    def work() -> None:
        results.append(evaluate(circuit, REFERENCE, ours.table.table, ours.table, 0, rows, ours.key, threads=cores()))

    work()  # prepares the key, once for a dataset
    seconds = fastest(work, repeats)
    found = decrypt_lookups(ours.secret, REFERENCE, circuit, rows, results[-1])
    if not np.array_equal(found, expected):
        raise AssertionError("the encrypted run does not agree with the model in the clear")
    return seconds, results[-1]


def _packed_bytes(work: Work) -> int:
    """Bytes of a packed result of 2,048 values, from a model of one lookup so that it takes seconds."""
    small = _work(trees=1, depth=2)
    circuit = from_model(small.model, small.codebook).circuit
    rows = np.resize(np.arange(len(work.codes)), PACKED_ROWS)
    small = Work(small.model, small.codebook, small.codes[rows])
    ours = _ours(small, PACKED_ROWS)
    ours = Ours(ours.secret, with_packing(ours.key, ours.secret, REFERENCE), ours.table)
    output = evaluate(circuit, REFERENCE, ours.table.table, ours.table, 0, PACKED_ROWS, ours.key, threads=cores())
    found = decrypt_lookups(ours.secret, REFERENCE, circuit, PACKED_ROWS, output)
    if output.form != "packed" or not np.array_equal(found, _expected(small, PACKED_ROWS)):
        raise AssertionError("the packed result does not agree with the model in the clear")
    return len(output.to_bytes())


def _concrete(work: Work, rows: int) -> tuple[float, float, int]:
    """(seconds of Concrete's own circuit on the rows, its p_error, its bootstraps a row)."""
    codes = work.codes.astype(np.float32)
    circuit = work.model.compile(codes)
    circuit.keygen()
    quantized = work.model.quantize_input(codes[:rows])
    encrypted = [circuit.encrypt(row[None]) for row in quantized]
    results: list[Any] = []
    seconds = fastest(lambda: results.extend(circuit.run(item) for item in encrypted), 1)
    found = np.concatenate([circuit.decrypt(result) for result in results])
    if not np.array_equal(found, work.model._inference(quantized)):
        raise AssertionError("Concrete's circuit does not agree with the model in the clear")
    return seconds, float(circuit.p_error), int(circuit.programmable_bootstrap_count)


def _bootstraps(circuit: Circuit) -> int:
    return sum(len(layer.source) for layer in circuit.layers if isinstance(layer, Lookup))
