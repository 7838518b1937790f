"""Real tables, from an owner's file to a buyer's scores: encrypted as clear, and as good as a float model on raw rows.

The owner's half of each table is published by its recipe and evaluated encrypted; the buyer's half trains, in the clear
on codes, and on the raw values for comparison. Under a profile without security, since what is at stake are rows and
codes; keys and noise have tests of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from app.client.encoder import CodebookEncoder, without_encoder
from app.custodian.decryption import decrypt_output
from app.execution.execute import execute
from app.execution.inputs import JobInputs
from app.protocol.data.dataset import Codebook
from app.protocol.ids import Address, Seconds
from app.protocol.market.entities import ZERO, DatasetRecord, Job, JobState
from app.storage.folder import BlockStore
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.circuit.codec import digest
from fhe.compile import Compiled, from_model
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.profiles import insecure_test_profile
from ingestion.codes import affine_codes, bin_codes, find
from ingestion.derive import derived
from ingestion.publish import PreparedTable, prepare
from ingestion.recipe import parse_recipe
from tests.support.real_tables import TABLES, RealTable

PROFILE = insecure_test_profile()
SECRET, EVALUATION_KEY = insecure_test_keys(PROFILE)
POINT = 0.01  # of accuracy or R^2
QUICK = ("hours", "penguins", "wages")  # by linear models, and the last by a forest; the others are a deep sweep
TREES = {"max_iter": 12, "max_depth": 3, "early_stopping": False, "random_state": 0}


@dataclass(frozen=True)
class Halves:
    """A table cut in two: what the owner publishes, and what the buyer trains on."""

    table: RealTable
    owner: pl.DataFrame
    buyer: pl.DataFrame
    store: BlockStore
    prepared: PreparedTable

    @property
    def codebook(self) -> Codebook:
        """The published one."""
        return self.prepared.manifest.codebook

    def labels(self, frame: pl.DataFrame) -> npt.NDArray[Any]:
        """What is predicted."""
        return frame[self.table.target].cast(pl.String if self.table.classes else pl.Float64).to_numpy()


def halves(name: str, folder: Path, rows: int) -> Halves:
    """Publish up to `rows` rows of a table's owner's half. Skips where the package is not installed."""
    table = TABLES[name]
    frame = table.frame()
    if frame is None:
        pytest.skip(f"{table.package} is not installed")
    cut = len(frame) // 3
    file, store = folder / "table.csv", BlockStore(folder / "store")
    frame[: min(cut, rows)].write_csv(file)
    cid = store.put(b"".join(EVALUATION_KEY.stream()))
    prepared = prepare(
        file, parse_recipe(table.recipe()), SECRET, PROFILE, store, epoch=1, published="2026-01-01",
        evaluation_key_cid=cid, threads=1,
    )  # fmt: skip
    return Halves(table, frame[:cut], frame[cut:], store, prepared)


def inputs(codebook: Codebook, circuit: Circuit, frame: pl.DataFrame) -> I64:
    """What a circuit reads (rows, inputs) of a frame, by the codebook alone."""
    wanted = sorted({(wire.column, wire.encoding) for wire in circuit.inputs})
    columns = {name: find(codebook, name) for name, _ in wanted}
    values = derived(codebook, frame, list(columns.values()))
    code = {"affine": affine_codes, "bins": bin_codes}
    return gather_inputs(circuit, {(name, how): code[how](columns[name], values[name]) for name, how in wanted})


def encrypted_outputs(own: Halves, circuit: Circuit, rows: int) -> I64:
    """What the circuit gives (outputs, rows) on the published ciphertext, evaluated and decrypted as in a job."""
    table, manifest = own.prepared.manifest.table, own.prepared.manifest
    job = Job(
        id=1, license=1, dataset=1, buyer=Address("0x" + "2" * 40), state=JobState.ASSIGNED, circuit=digest(circuit),
        first_row=0, rows=rows, sealing_key=ZERO, units=1, replicas=1, executions=(), receipt=ZERO, sealed=ZERO,
        decision=ZERO, deadline=Seconds(0), opened_block=1, version=1,
    )  # fmt: skip
    record = DatasetRecord(
        id=1, owner=Address("0x" + "1" * 40), custodian=Address("0x" + "1" * 40), manifest=own.prepared.digest,
        data_root=table.data_root, profile=table.profile, rows=table.rows, version=1, epoch=1, tombstoned=False,
    )  # fmt: skip
    facts = JobInputs(1, "0x" + "0" * 40, job, record, manifest, circuit, PROFILE)
    done = execute(facts, own.store, threads=2)
    return decrypt_output(SECRET, facts, own.store, done.output, threads=1)


def raw(frame: pl.DataFrame, table: RealTable) -> pd.DataFrame:
    """The table as a data scientist has it: numbers, words, and dates as days with their month, weekday and hour."""
    found: dict[str, Any] = {}
    for name in frame.columns:
        if name == table.target or name in table.drop:
            continue
        column = frame[name]
        if column.dtype != pl.String:
            found[name] = column.cast(pl.Float64).to_numpy()
            continue
        times = column.str.replace_all("/", "-").str.slice(0, 19).str.replace("T", " ")
        day = times.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
        if day.null_count() > column.null_count():
            found[name] = column.to_numpy()
            continue
        hour = times.str.slice(11, 2).cast(pl.Float64, strict=False).fill_null(0.0)
        found |= {
            f"{name} day": day.cast(pl.Int32).cast(pl.Float64).to_numpy() + hour.to_numpy() / 24,
            f"{name} year": day.dt.year().cast(pl.Float64).to_numpy(),
            f"{name} month": day.dt.month().cast(pl.Float64).to_numpy(),
            f"{name} yearday": day.dt.ordinal_day().cast(pl.Float64).to_numpy(),
            f"{name} weekday": day.dt.weekday().cast(pl.Float64).to_numpy(),
            f"{name} hour": hour.to_numpy(),
        }
    return pd.DataFrame(found)


def score(table: RealTable, truth: npt.NDArray[Any], said: npt.NDArray[Any]) -> float:
    """Accuracy of classes, R^2 of numbers."""
    return float(accuracy_score(truth, said) if table.classes else r2_score(truth, said))


def linear(table: RealTable) -> Any:
    """A linear model."""
    return LogisticRegression(solver="newton-cg", C=1.0) if table.classes else Ridge(alpha=1.0)


def boosted(table: RealTable) -> Any:
    """A small boosted forest."""
    return (HistGradientBoostingClassifier if table.classes else HistGradientBoostingRegressor)(**TREES)


def float_model(table: RealTable, model: Any, *, trees: bool) -> Any:
    """The usual pipeline on the raw table."""
    words = make_column_selector(dtype_include=object)
    numbers = make_column_selector(dtype_include=np.number)
    if trees:
        ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
        return make_pipeline(ColumnTransformer([("words", ordinal, words), ("numbers", "passthrough", numbers)]), model)
    filled = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="ignore", min_frequency=20)
    return make_pipeline(ColumnTransformer([("words", one_hot, words), ("numbers", filled, numbers)]), model)


def fitted(own: Halves, steps: Sequence[tuple[str, Any]], encoder: CodebookEncoder) -> tuple[Any, Compiled]:
    """The buyer's pipeline on codes, and its circuit."""
    buyer = own.buyer
    pipeline = Pipeline([("codes", encoder), *steps]).fit(buyer, own.labels(buyer))
    parts = without_encoder(pipeline)
    assert parts is not None
    made, rest = parts
    compiled = from_model(
        rest, own.codebook, PROFILE, columns=made.columns_, missing=made.missing,
        fitted_on="codes" if made.encoding == "affine" else "bins",
    )  # fmt: skip
    return pipeline, compiled


def check(own: Halves, compiled: Compiled, raw_model: Any) -> None:
    """Encrypted as clear on every published row, and within a point of the float model on all the owner's rows."""
    circuit, rows = compiled.circuit, own.prepared.manifest.table.rows
    clear = evaluate_clear(circuit, inputs(own.codebook, circuit, own.owner))
    assert np.array_equal(encrypted_outputs(own, circuit, rows), clear[:rows].T)
    raw_model.fit(raw(own.buyer, own.table), own.labels(own.buyer))
    truth = own.labels(own.owner)
    wanted = score(own.table, truth, raw_model.predict(raw(own.owner, own.table)))
    found = score(own.table, truth, np.asarray(compiled.decoder.predict(clear.T)).ravel())
    assert found > wanted - POINT, f"{found:.4f} where the raw table gives {wanted:.4f}"
    assert wanted > 0.1  # the table does say something


def deep(quick: Sequence[str]) -> list[Any]:
    """All tables: some in every run, the others in the sweep."""
    return [name if name in quick else pytest.param(name, marks=pytest.mark.deep) for name in sorted(TABLES)]


@pytest.mark.parametrize("name", deep(QUICK))
def test_a_linear_model_on_a_real_table(name: str, tmp_path: Path) -> None:
    """One-hot words, parts of dates and missing bits in a linear model."""
    own = halves(name, tmp_path, 200 if name in QUICK else 1000)
    steps = [("scale", StandardScaler()), ("fit", linear(own.table))]
    _, compiled = fitted(own, steps, CodebookEncoder(own.codebook))
    check(own, compiled, float_model(own.table, linear(own.table), trees=False))


@pytest.mark.parametrize("name", deep(QUICK[-1:]))
def test_a_boosted_forest_on_a_real_table(name: str, tmp_path: Path) -> None:
    """Bins with gaps that the forest learnt directions for."""
    own = halves(name, tmp_path, 24 if name in QUICK else 200)
    encoder = CodebookEncoder(own.codebook, encoding="bins", missing="nan")
    _, compiled = fitted(own, [("fit", boosted(own.table))], encoder)
    check(own, compiled, float_model(own.table, boosted(own.table), trees=True))
