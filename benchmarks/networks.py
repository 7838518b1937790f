"""Networks on encrypted columns: ours, and what Concrete ML and Concrete compile of the same model and table.

*A network*: Concrete ML's NeuralNetClassifier with 30 inputs, one hidden layer of 120 units and its default bit widths,
on the breast-cancer table in codes of 16 levels. Concrete compiles it with exact rounding, as it does by default; both
sides run the same rows at p_error 2^-128, on all cores, in turn, server side only, and both must equal the clear
quantized inference. Seconds are of CPU (all threads of this process), since machines are shared; those of the clock
stand beside them.

*A lookup of six bits*: a random table, and a ReLU, of a value of six bits under the same two.

*A lookup network*: 200 tables, fitted on 16,000 rows like the census table's and scored on 8,000 others, as is XGBoost
with its defaults.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.execution.source import StoreSource
from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.ports import Progress
from app.storage.folder import BlockStore
from benchmarks.bin_table import encrypt_bins
from benchmarks.columns import publish
from benchmarks.machine import cores
from fhe.arrays import I64
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.ciphertexts.packing_key import with_packing
from fhe.circuit.circuit import Circuit, Input, Readout
from fhe.circuit.cost import cost
from fhe.compile import check, from_model
from fhe.compile.digits.selected import selected
from fhe.compile.digits.stages import Stages, WireSum, linear
from fhe.engine.evaluate import evaluate
from fhe.evaluation_key import EvaluationKey
from fhe.keys.secret_keys import SecretKeys, generate
from fhe.profiles import REFERENCE

LEVELS, STEP = 16, 0.5
ROWS, LOOKUP_ROWS, TABLE_ROWS = 1, 32, 8
P_ERROR = 2.0**REFERENCE.p_error_log2
STEPS = 6
TABLES, TRAINED, HELD_OUT = 200, 16_000, 8_000


@dataclass(frozen=True)
class Seconds:
    """Of CPU and of the clock."""

    cpu: float
    wall: float

    @classmethod
    def of(cls, work: Callable[[], object]) -> Seconds:
        """One run."""
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        return cls(time.process_time() - cpu, time.perf_counter() - wall)


@dataclass(frozen=True, eq=False)
class Keys:
    """Ours, for all parts."""

    secret: SecretKeys
    key: EvaluationKey


def run(progress: Progress) -> dict[str, Any]:
    """All figures; minutes, of which most are Concrete's keys."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Concrete's imports
        keys = made()
        progress(1, STEPS)
        figures = _network(keys)
        progress(3, STEPS)
        for name, table in _six_bits().items():
            figures |= _six(keys, name, table)
        progress(5, STEPS)
        figures |= _lookup_network(keys)
    progress(STEPS, STEPS)
    return figures | {"p_error_log2": REFERENCE.p_error_log2, "cores": cores()}


def made() -> Keys:
    """Real keys, with the packing key that datasets publish."""
    secret, key = generate(REFERENCE, 1)
    return Keys(secret, with_packing(key, secret, REFERENCE))


def _network(keys: Keys) -> dict[str, Any]:
    import torch
    from concrete.ml.sklearn import NeuralNetClassifier
    from sklearn.datasets import load_breast_cancer

    values, labels = load_breast_cancer(return_X_y=True)
    low = -STEP * LEVELS / 2
    codes = np.clip(np.rint(((values - values.mean(0)) / values.std(0) - low) / STEP), 0, LEVELS - 1).astype(np.int64)
    read = (low + STEP * codes).astype(np.float32)
    torch.manual_seed(0)
    model = NeuralNetClassifier(module__n_layers=2, max_epochs=15, verbose=0).fit(read, labels)
    code = Affine(low=low, step=STEP, levels=LEVELS)
    names = [f"c{number}" for number in range(codes.shape[1])]
    book = Codebook(columns=tuple(ColumnCode(name=n, dtype="float64", affine=code, declared=True) for n in names))
    plain, compiled = (from_model(model, book, fitted_on="values", packs=packs) for packs in (False, True))
    circuit = model.compile(read, p_error=P_ERROR)
    circuit.keygen()
    rows = codes[:ROWS]
    expected = model.quantized_module_.forward(read[:ROWS], fhe="disable")
    encrypted = [circuit.encrypt(row[None]) for row in model.quantize_input(read[:ROWS])]
    results: list[Any] = []
    with tempfile.TemporaryDirectory() as folder:
        ours, found = _timed(keys, compiled.circuit, book, rows, Path(folder))
    theirs = Seconds.of(lambda: results.extend(circuit.run(each) for each in encrypted))
    said = model.dequantize_output(np.concatenate([circuit.decrypt(each) for each in results]))
    if not np.array_equal(said, expected) or not np.array_equal(found.T * compiled.decoder.scale, expected):
        raise AssertionError("an encrypted run does not agree with the network in the clear")
    return {
        "rows": ROWS,
        "bootstraps_per_row": _bootstraps(compiled.circuit),
        "bootstraps_per_row_without_packing": _bootstraps(plain.circuit),
        "s_per_row": ours.cpu / ROWS,
        "wall_s_per_row": ours.wall / ROWS,
        "concrete_bootstraps_per_row": int(circuit.programmable_bootstrap_count),
        "concrete_s_per_row": theirs.cpu / ROWS,
        "concrete_wall_s_per_row": theirs.wall / ROWS,
        "ratio_vs_concrete": theirs.cpu / ours.cpu,
        "log2_failure": compiled.report.log2_failure,
    }


def _timed(keys: Keys, circuit: Circuit, book: Codebook, rows: I64, folder: Path) -> tuple[Seconds, I64]:
    """One run without preparing the key, and the outputs (outputs, rows)."""
    store = BlockStore(folder)
    table, _ = publish(len(rows), book, keys.secret, store, lambda done, total: None, rows)
    source = StoreSource(table, REFERENCE, store)
    results: list[Any] = []

    def work() -> None:
        results.append(evaluate(circuit, REFERENCE, table, source, 0, len(rows), keys.key, threads=cores()))

    work()  # prepares the key, once for a dataset
    seconds = Seconds.of(work)
    return seconds, decrypt_lookups(keys.secret, REFERENCE, circuit, len(rows), results[-1])


def _six_bits() -> dict[str, Sequence[int]]:
    random = np.random.default_rng(6).integers(0, 64, 64)
    return {"lookup_6bit": random.tolist(), "relu_6bit": np.maximum(np.arange(64) - 32, 0).tolist()}


def _six(keys: Keys, name: str, entries: Sequence[int]) -> dict[str, Any]:
    """A table of six bits on `LOOKUP_ROWS` rows, Concrete's as one circuit over all of them."""
    from concrete import fhe

    table = fhe.LookupTable(list(entries))

    function: Any = fhe.Compiler(lambda x: table[x], {"x": "encrypted"})
    rows = np.random.default_rng(7).integers(0, 64, LOOKUP_ROWS)
    inputs = [np.full(LOOKUP_ROWS, 0), np.full(LOOKUP_ROWS, 63)]
    theirs = function.compile(inputs, fhe.Configuration(p_error=P_ERROR))
    theirs.keygen()
    code = Affine(low=0.0, step=1.0, levels=64)
    book = Codebook(columns=(ColumnCode(name="x", dtype="int", affine=code, declared=True),))
    stages, width = Stages(1), 10
    values, more = selected(stages, [WireSum(((0, 1),))], 6, np.array(entries), width)
    layers = (*stages.layers, linear(values, width))
    named = (Input("x", "affine"),), layers, ("value",), Readout("value")
    circuit = Circuit(REFERENCE.digest, book.digest, *named, centred=True, shared=True)
    check(circuit, book, REFERENCE)
    encrypted, results = theirs.encrypt(rows), list[Any]()
    with tempfile.TemporaryDirectory() as folder:
        ours, found = _timed(keys, circuit, book, rows[:, None], Path(folder))
    seconds = Seconds.of(lambda: results.append(theirs.run(encrypted)))
    expected = np.array(entries)[rows]
    if not np.array_equal(theirs.decrypt(results[0]), expected) or not np.array_equal(found[0], expected << more):
        raise AssertionError("a table of six bits was read wrongly")
    return {
        f"{name}_bootstraps": _bootstraps(circuit),
        f"{name}_ms": 1e3 * ours.cpu / LOOKUP_ROWS,
        f"concrete_{name}_ms": 1e3 * seconds.cpu / LOOKUP_ROWS,
        f"{name}_ratio_vs_concrete": seconds.cpu / ours.cpu,
    }


def _lookup_network(keys: Keys) -> dict[str, Any]:
    from xgboost import XGBClassifier

    from fhe.compile.networks.lookup_network import LookupNetwork
    from tests.support.adults import adults

    frame = adults(TRAINED + HELD_OUT)
    labels = frame["rich"].to_numpy().astype(np.int64)
    values = frame.drop("rich").to_numpy().astype(np.float64)
    quantiles = np.linspace(0, 1, 33)[1:-1]
    edges = [tuple(float(edge) for edge in np.unique(np.quantile(own, quantiles))) for own in values.T]
    names = frame.drop("rich").columns
    book = Codebook(
        columns=tuple(
            ColumnCode(name=name, dtype="float64", bins=own, declared=False) for name, own in zip(names, edges)
        )
    )
    codes = np.stack([np.searchsorted(own, v, side="right") for own, v in zip(edges, values.T)], axis=1)
    model = LookupNetwork(TABLES).fit(codes[:TRAINED], labels[:TRAINED])
    rival = XGBClassifier(random_state=0).fit(codes[:TRAINED], labels[:TRAINED])
    compiled = from_model(model, book, fitted_on="bins")
    table = encrypt_bins(codes[TRAINED : TRAINED + TABLE_ROWS].astype(np.int64), book, keys.secret, REFERENCE)
    results: list[Any] = []
    seconds = Seconds.of(
        lambda: results.append(
            evaluate(compiled.circuit, REFERENCE, table.table, table, 0, TABLE_ROWS, keys.key, threads=cores())
        )
    )
    found = decrypt_lookups(keys.secret, REFERENCE, compiled.circuit, TABLE_ROWS, results[0])
    if not np.array_equal(found.T, model.integers(codes[TRAINED : TRAINED + TABLE_ROWS])):
        raise AssertionError("the encrypted lookup network does not agree with itself in the clear")
    return {
        "lookup_network_tables": TABLES,
        "lookup_network_bootstraps": _bootstraps(compiled.circuit),
        "accuracy": float(np.mean(model.predict(codes[TRAINED:]) == labels[TRAINED:])),
        "xgboost_accuracy": float(np.mean(rival.predict(codes[TRAINED:]) == labels[TRAINED:])),
        "lookup_network_s_per_row": seconds.cpu / TABLE_ROWS,
    }


def _bootstraps(circuit: Circuit) -> int:
    return cost(circuit, REFERENCE, 1).bootstraps
