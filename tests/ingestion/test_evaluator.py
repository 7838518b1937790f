"""Which evaluator a dataset's jobs run under, and how it moves to the present one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from app.protocol.data.manifest import Manifest, read_manifest, write_manifest
from app.protocol.documents import canonical
from app.storage.folder import BlockStore
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EVALUATOR, EncryptionProfile
from ingestion.publish import prepare
from ingestion.recipe import parse_recipe
from tests.ingestion.conftest import RECIPE


def test_a_dataset_moves_to_the_present_evaluator_by_its_manifest_alone(
    tmp_path: Path, secret: SecretKeys, profile: EncryptionProfile
) -> None:
    """The next version of an unchanged table has the same files, keys, codes and data root: only the name is new."""
    rows = [{"size": 0.5 * row, "count": row % 10, "load": 0.0} for row in range(100)]
    pl.DataFrame(rows).write_parquet(tmp_path / "t.parquet")
    store, recipe = BlockStore(tmp_path / "blocks"), parse_recipe(RECIPE)

    def version(**before: Any) -> Manifest:
        place = tmp_path / "t.parquet"
        return prepare(place, recipe, secret, profile, store, epoch=1, published="2026-01-31", **before).manifest

    present = version()
    old_table = present.table.model_copy(update={"evaluator": "darkroom-canonical-1"})
    old = read_manifest(write_manifest(present.model_copy(update={"table": old_table})))
    assert b"evaluator" not in canonical(old.model_dump(mode="json"))
    moved = version(before=old)
    assert moved.table == old.table.model_copy(update={"evaluator": EVALUATOR})
    assert (moved.checks, moved.policy, moved.card) == (old.checks, old.policy, old.card)
