"""MLCommons' own reader of Croissant reads what we publish, and finds in it what we say."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from app.storage.folder import BlockStore
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EncryptionProfile
from ingestion.publish import PreparedTable, prepare
from ingestion.recipe import parse_recipe
from tests.ingestion.conftest import RECIPE

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of a parser that comes with it, when Python first reads its source
    import mlcroissant

PREVIEW_ROWS = 40


@pytest.fixture
def prepared(table_file: Path, secret: SecretKeys, profile: EncryptionProfile, store: BlockStore) -> PreparedTable:
    """A small published table in two shards, with a synthetic preview."""
    return prepare(
        table_file, parse_recipe(RECIPE), secret, profile, store, epoch=1, published="2026-01-31",
        preview_rows=PREVIEW_ROWS, most_rows=512,
    )  # fmt: skip


def read(document: dict[str, Any], **options: Any) -> tuple[mlcroissant.Dataset, list[str]]:
    """The dataset of a JSON-LD document, and every remark of its reader's."""
    remarks: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: remarks.append(record.getMessage())  # type: ignore[method-assign]
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        return mlcroissant.Dataset(document, **options), remarks
    finally:
        root.removeHandler(handler)


def test_the_reference_reader_finds_nothing_wrong(prepared: PreparedTable) -> None:
    """A manifest is valid Croissant 1.1: no error, no warning, and what it names is ours."""
    document = json.loads(prepared.manifest.to_bytes())
    dataset, remarks = read(document)
    metadata = dataset.metadata
    assert remarks == []
    assert (sorted(metadata.ctx.issues.errors), sorted(metadata.ctx.issues.warnings)) == ([], [])
    assert metadata.name == "Measurements"
    assert metadata.conforms_to == ["http://mlcommons.org/croissant/1.1"]
    files = {file["@id"]: (file["contentUrl"], file["sha256"]) for file in document["distribution"]}
    assert {file.uuid: (file.content_url, file.sha256) for file in metadata.file_objects} == files


def test_its_one_record_set_is_the_preview(prepared: PreparedTable, store: BlockStore, tmp_path: Path) -> None:
    """What can be read in the clear are the preview's rows, as the store has them, under the codebook's columns."""
    manifest = prepared.manifest
    assert manifest.preview is not None
    path = tmp_path / "preview.csv"
    path.write_bytes(store.read(manifest.preview.cid, limit=1 << 20))
    dataset, _ = read(json.loads(manifest.to_bytes()), mapping={"preview.csv": path})
    (preview,) = dataset.metadata.record_sets
    columns = [column.name for column in manifest.codebook.columns]
    assert preview.uuid == "preview"
    assert [field.name for field in preview.fields] == columns
    rows = list(dataset.records("preview"))
    assert len(rows) == PREVIEW_ROWS
    expected = pl.read_csv(path)
    for number, column in enumerate(columns):
        found = np.array([row[f"preview/{number}"] for row in rows], dtype=float)
        np.testing.assert_allclose(found, expected[column].to_numpy(), rtol=1e-12)


FAULTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no files": lambda document: document.pop("distribution"),
    "no hash": lambda document: document["distribution"][0].pop("sha256"),
    "no kind of file": lambda document: document["distribution"][0].pop("encodingFormat"),
    "a field of no file": lambda document: document["recordSet"][0]["field"][0]["source"].update(
        fileObject={"@id": "nowhere"}
    ),
    "a field of no type": lambda document: document["recordSet"][0]["field"][0].pop("dataType"),
    "two files of one name": lambda document: document["distribution"][0].update(
        {"@id": document["distribution"][1]["@id"]}
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_reader_sees_what_is_wrong(prepared: PreparedTable, fault: str) -> None:
    """The reader is no rubber stamp: it refuses a manifest of ours that lacks or contradicts something."""
    document = json.loads(prepared.manifest.to_bytes())
    FAULTS[fault](document)
    with pytest.raises(mlcroissant.ValidationError):
        read(document)
