"""Boosted trees over 30 encrypted columns of 32 bins: ours, and Concrete ML's compiled circuit.

The models are Concrete ML's XGBClassifier on the breast-cancer table in 5-bit bin codes: ten trees of depth three, and
a hundred of depth six (of which Concrete runs ten, and the rest is multiplied). Concrete's circuits are compiled as a
user would, at the `p_error` that it chooses by itself (`concrete_p_error`); ours run at 2^-128, on bins under the small
key. Both run the same rows, server side only, and both results must equal the model's quantized inference in the clear.

A machine is never alone: all that is compared runs in turns, and counts CPU seconds of the whole process (`_cpu_`), of
each the least of some turns. Seconds by the clock (`s_per_row`, `batch_s_per_row`) are of this machine as it was. Sizes
are those of results as they are stored, of the same rows and of 2,048 packed ones, and of a bin in its file. Figures
that begin with `avx2_` are of this machine as if it had no AVX-512 (`as_avx2.py`), where it has.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.ports import Progress
from benchmarks import as_avx2
from benchmarks.bin_table import BinTable, encrypt_bins
from benchmarks.machine import cores
from benchmarks.rivals import fastest
from fhe.arrays import I64
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.ciphertexts.packing_key import with_packing
from fhe.circuit.circuit import Circuit, Lookup
from fhe.compile import from_model
from fhe.engine.evaluate import evaluate
from fhe.engine.native.library import widest
from fhe.engine.output import OutputStage
from fhe.evaluation_key import EvaluationKey
from fhe.keys.secret_keys import SecretKeys, generate
from fhe.profiles import REFERENCE

BINS, TREES, DEPTH = 32, 10, 3
DEEP_TREES, DEEP_DEPTH, DEEP_RUN = 100, 6, 10  # of the last, Concrete runs so many
SAME_ROWS, BATCH_ROWS, PACKED_ROWS, DEEP_ROWS = 2, 64, 2_048, 1
TURNS = 2
STEPS = 10
PARTS = ("ratio", "avx2")


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


@dataclass(frozen=True, eq=False)
class Theirs:
    """Concrete's circuit of a model, rows encrypted for it, and what they must give."""

    circuit: Any
    encrypted: list[Any]
    expected: Any

    def run(self) -> None:
        """All rows once, which must be right."""
        found = np.concatenate([self.circuit.decrypt(self.circuit.run(item)) for item in self.encrypted])
        if not np.array_equal(found, self.expected):
            raise AssertionError("Concrete's circuit does not agree with the model in the clear")


def run(progress: Progress, part: str = "") -> dict[str, Any]:
    """All figures, in one run of some minutes, or those of a part: `ratio`, or `avx2`, which is the former there."""
    if part == "avx2":
        return _on_avx2()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Concrete's imports
        work = _work()
        circuit, packed = (from_model(work.model, work.codebook, lwe_bins=lwe).circuit for lwe in (True, False))
        progress(1, STEPS)
        ours = _ours(work, BATCH_ROWS)
        theirs = _concrete(work, SAME_ROWS)
        progress(2, STEPS)
        cpu = least_cpu(
            {
                "small": lambda: _right(ours, circuit, SAME_ROWS, work),
                "packed": lambda: _right(ours, packed, SAME_ROWS, work),
                "concrete": theirs.run,
            }
        )
        ratio = {
            "ratio_vs_concrete": cpu["concrete"] / cpu["small"],
            "cpu_s_per_row": cpu["small"] / SAME_ROWS,
            "concrete_cpu_s_per_row": cpu["concrete"] / SAME_ROWS,
            "doubles_at_once": widest(),
        }
        if part:
            return ratio
        progress(5, STEPS)
        seconds = {
            threads: fastest(lambda: _right(ours, circuit, BATCH_ROWS, work, threads), 2)  # noqa: B023 - called at once
            for threads in (1, cores())
        }
        s_per_row = fastest(lambda: _right(ours, circuit, SAME_ROWS, work), 2) / SAME_ROWS
        output = _right(ours, circuit, SAME_ROWS, work)
        progress(6, STEPS)
        packed_bytes = _packed_bytes(work)
        progress(7, STEPS)
        deep = _deep(ours)
        progress(9, STEPS)
        narrow = _on_avx2() if as_avx2.needed() else {}
    progress(STEPS, STEPS)
    return {
        "rows": SAME_ROWS,
        "s_per_row": s_per_row,
        "batch_s_per_row": seconds[cores()] / BATCH_ROWS,
        "thread_speedup": seconds[1] / seconds[cores()],
        **ratio,
        "packed_cpu_s_per_row": cpu["packed"] / SAME_ROWS,
        "ratio_vs_packed": cpu["packed"] / cpu["small"],
        "bootstraps_per_row": bootstraps(circuit),
        "packed_bootstraps_per_row": bootstraps(packed),
        "concrete_bootstraps_per_row": int(theirs.circuit.programmable_bootstrap_count),
        "concrete_p_error": float(theirs.circuit.p_error),
        "bin_bytes": _bin_bytes(ours.table),
        "result_bytes_per_value": len(output.to_bytes()) / SAME_ROWS,
        "packed_result_bytes_per_value": packed_bytes / PACKED_ROWS,
        **deep,
        **narrow,
        "cores": cores(),
    }


def _on_avx2() -> dict[str, Any]:
    """How both do on a processor with AVX2 alone."""
    return {f"avx2_{name}": value for name, value in as_avx2.measured("trees", "ratio").items()}


def least_cpu(turns: Mapping[str, Callable[[], object]], rounds: int = TURNS) -> dict[str, float]:
    """CPU seconds of each, the least of some rounds in which all of them run one after the other."""
    found: dict[str, float] = {}
    for name, turn in turns.items():
        turn() if name != "concrete" else None  # prepares keys
    for _ in range(rounds):
        for name, turn in turns.items():
            start = time.process_time()
            turn()
            found[name] = min(found.get(name, np.inf), time.process_time() - start)
    return found


def _deep(ours: Ours) -> dict[str, Any]:
    """A forest of a hundred deep trees, against what ten of them take Concrete."""
    work, few = _work(DEEP_TREES, DEEP_DEPTH), _work(DEEP_RUN, DEEP_DEPTH)
    circuit = from_model(work.model, work.codebook, lwe_bins=True).circuit
    theirs = _concrete(few, DEEP_ROWS)
    turns = {"small": lambda: _right(ours, circuit, DEEP_ROWS, work), "concrete": theirs.run}
    cpu = least_cpu(turns, rounds=2)
    whole = cpu["concrete"] * DEEP_TREES / DEEP_RUN
    return {
        "deep_cpu_s_per_row": cpu["small"] / DEEP_ROWS,
        "deep_bootstraps_per_row": bootstraps(circuit),
        "deep_concrete_cpu_s_per_row": whole / DEEP_ROWS,
        "deep_concrete_trees_run": DEEP_RUN,
        "deep_ratio_vs_concrete": whole / cpu["small"],
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


def _right(ours: Ours, circuit: Circuit, rows: int, work: Work, threads: int | None = None) -> OutputStage:
    """The encrypted result of the first rows, which must be that of the model in the clear."""
    table = ours.table
    output = evaluate(circuit, REFERENCE, table.table, table, 0, rows, ours.key, threads=threads or cores())
    found = decrypt_lookups(ours.secret, REFERENCE, circuit, rows, output)
    if not np.array_equal(found, _expected(work, rows)):
        raise AssertionError("the encrypted run does not agree with the model in the clear")
    return output


def _packed_bytes(work: Work) -> int:
    """Bytes of a packed result of 2,048 values, from a model of one lookup so that it takes seconds."""
    small = _work(trees=1, depth=2)
    circuit = from_model(small.model, small.codebook, lwe_bins=True).circuit
    rows = np.resize(np.arange(len(work.codes)), PACKED_ROWS)
    small = Work(small.model, small.codebook, small.codes[rows])
    ours = _ours(small, PACKED_ROWS)
    ours = Ours(ours.secret, with_packing(ours.key, ours.secret, REFERENCE), ours.table)
    output = evaluate(circuit, REFERENCE, ours.table.table, ours.table, 0, PACKED_ROWS, ours.key, threads=cores())
    found = decrypt_lookups(ours.secret, REFERENCE, circuit, PACKED_ROWS, output)
    if output.form != "packed" or not np.array_equal(found, _expected(small, PACKED_ROWS)):
        raise AssertionError("the packed result does not agree with the model in the clear")
    return len(output.to_bytes())


def _concrete(work: Work, rows: int) -> Theirs:
    """Concrete's own circuit, with keys, and the first rows encrypted for it."""
    codes = work.codes.astype(np.float32)
    circuit = work.model.compile(codes)
    circuit.keygen()
    quantized = work.model.quantize_input(codes[:rows])
    return Theirs(circuit, [circuit.encrypt(row[None]) for row in quantized], work.model._inference(quantized))


def _bin_bytes(table: BinTable) -> float:
    """Bytes of a bin and row in its file."""
    bodies = [words for _, words in table.small.values()]
    return sum(words.nbytes for words in bodies) / sum(words.size for words in bodies)


def bootstraps(circuit: Circuit) -> int:
    """Lookups of a row."""
    return sum(len(layer.source) for layer in circuit.layers if isinstance(layer, Lookup))
