"""A buyer's way with a dataset of words, dates and gaps: preview, training from a file, pipelines, what is left out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from app.client.dataset import Dataset
from app.client.encoder import CodebookEncoder
from app.client.training import ModelRecipe, read_sample, train
from app.home.network import Network
from app.protocol.errors import BadInput, BadTable
from app.protocol.ids import Address
from app.protocol.market.entities import DatasetRecord
from app.storage.folder import BlockStore
from fhe.circuit.clear import evaluate_clear
from fhe.profiles import REFERENCE
from ingestion.publish import prepare
from ingestion.recipe import parse_recipe
from tests.support.custody import random_keys

RECIPE = """
title = "Visits"
description = "Some."
license = "CC0-1.0"
creator = "A clinic"
[columns.age]
low = 0
high = 100
missing = "bit"
[columns.sex]
kind = "category"
categories = ["f", "m"]
[columns.seen]
kind = "date"
origin = 2020-01-01
low = 0
high = 731
parts = ["month"]
[columns.ill]
kind = "boolean"
label = true
encodings = ["affine"]
"""


def rows(count: int, seed: int) -> pl.DataFrame:
    """Visits whose outcome follows from age, its absence and sex."""
    random = np.random.default_rng(seed)
    ages, sexes = random.integers(1, 99, count), random.choice(["f", "m"], count)
    gone = random.random(count) < 0.2
    score = np.where(gone, 80, ages) + 25 * (sexes == "m") + random.normal(0, 4, count)
    days = np.datetime64("2020-01-01") + random.integers(0, 731, count).astype("timedelta64[D]")
    return pl.DataFrame(
        {
            "age": [None if empty else int(age) for age, empty in zip(ages, gone, strict=True)],
            "sex": sexes,
            "seen": days.astype(str),
            "ill": np.where(score > 70, "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A published table of 60 visits, as whoever reads chain and store has it."""
    folder = tmp_path_factory.mktemp("kinds")
    rows(60, 1).write_csv(folder / "visits.csv")
    store = BlockStore(folder / "store")
    prepared = prepare(
        folder / "visits.csv", parse_recipe(RECIPE), random_keys(1), REFERENCE, store, epoch=1, published="2026-01-01"
    )
    table = prepared.manifest.table
    record = DatasetRecord(
        id=1, owner=Address("0x" + "1" * 40), custodian=Address("0x" + "1" * 40), manifest=prepared.digest,
        data_root=table.data_root, profile=table.profile, rows=60, version=1, epoch=1, tombstoned=False,
    )  # fmt: skip
    return Dataset(cast(Network, SimpleNamespace(store=store)), record, prepared.manifest)


def test_sources_features_and_labels_are_told_apart(dataset: Dataset) -> None:
    """What a table of the buyer's own needs, what models read of it, and what is there to be predicted."""
    assert dataset.sources == ["age", "sex", "seen"]
    assert dataset.features == ["age", "age:missing", "sex=f", "sex=m", "seen", "seen:month"]
    assert dataset.columns == [*dataset.features, "ill"]
    codes = dataset.encode(rows(5, 2).drop("ill"))
    assert codes.shape == (5, 6)
    assert dataset.encode(rows(5, 2), columns=["ill"]).shape == (5, 1)


def test_a_preview_is_a_table_to_rehearse_on(dataset: Dataset) -> None:
    """Words, dates and gaps come back from the published file, and every code can be made of them."""
    preview = dataset.preview()
    assert preview.columns == ["age", "sex", "seen", "ill"]
    assert preview["sex"].dtype == pl.String
    assert (dataset.encode(preview).max(axis=0) > 0).all()


def test_training_reads_a_file_as_it_stands(dataset: Dataset, tmp_path: Path) -> None:
    """From a CSV file with words and gaps to a circuit that predicts as well as the outcome can be."""
    sample = tmp_path / "sample.csv"
    rows(600, 3).write_csv(sample)
    recipe = ModelRecipe("affine", True, lambda **settings: LogisticRegression(solver="newton-cg", **settings))
    trained = train(dataset, sample, "ill", recipe)
    assert trained.report.score is not None
    assert trained.report.score > 0.85
    assert "ill" not in {wire.column for wire in trained.compiled.circuit.inputs}
    rows(5, 4).drop("sex").write_csv(sample)
    with pytest.raises(BadTable, match="'sex'"):
        read_sample(dataset, sample, "ill")


def test_a_pipeline_compiles_without_another_word(dataset: Dataset) -> None:
    """An encoder says which columns and codes the model was fitted on; one of another codebook is refused."""
    buyer = rows(400, 5)
    encoder = CodebookEncoder(dataset.codebook)
    model = make_pipeline(encoder, StandardScaler(), LogisticRegression(solver="newton-cg"))
    model.fit(buyer, buyer["ill"].to_numpy())
    compiled = dataset.compile(model, check=buyer.drop("ill"))
    fresh = rows(300, 6)
    said = compiled.decoder.predict(evaluate_clear(compiled.circuit, dataset.inputs(compiled.circuit, fresh)).T)
    assert np.mean(np.asarray(said) == model.predict(fresh)) > 0.99
    other = make_pipeline(CodebookEncoder(), LogisticRegression(solver="newton-cg")).fit(
        np.eye(4), np.array([0, 1, 0, 1])
    )
    with pytest.raises(BadInput, match="another codebook"):
        dataset.compile(cast(Any, other))
