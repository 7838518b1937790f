"""Which orders state a program, and by what: the manifest's word about its key, and one's own look at it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.execution.key_roots import KeyRootsKept
from app.execution.program import stated_program
from app.policy.judging import why_unjudged
from app.protocol.data.dataset import EncryptedTable, KeyRoots
from app.protocol.data.manifest import read_manifest, write_manifest
from app.protocol.market.entities import ZERO
from fhe.circuit.circuit import Circuit, Linear, Selection
from fhe.engine.trace import judged
from fhe.engine.trace.judged import MOST_LAYERS, Unjudged, unjudged
from fhe.engine.trace.lookups import KeyTables
from fhe.engine.trace.program import program_of
from fhe.evaluation_key import EvaluationKey
from fhe.profiles import insecure_test_profile
from tests.support.custody import EncryptedDataset, linear_circuit, tree_circuit

PROFILE = insecure_test_profile(64, 8)
TREE = tree_circuit([(0, 1), (1, 2), (3, 4)], [1, 2, 3, 4, 5, 6, 7, 8], PROFILE)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> EncryptedDataset:
    """A dataset whose manifest says what its key is judged by; the key packs."""
    return EncryptedDataset(tmp_path_factory.mktemp("world"), insecure=PROFILE, packing=True, roots=True)


def test_a_manifest_states_what_its_key_is_judged_by(world: EncryptedDataset) -> None:
    """The roots are the key's, in the manifest's bytes; a manifest without them has the bytes that it had."""
    table = world.manifest.table
    key = EvaluationKey.fetch(world.store, str(table.evaluation_key), PROFILE, table.epoch)
    assert table.key_roots is not None
    assert table.key_roots.digests == KeyTables.of(key).digests
    assert table.key_roots.packs
    assert table.key_roots.packing == KeyTables.of(key).packing.root  # type: ignore[union-attr]
    assert read_manifest(write_manifest(world.manifest)).table.key_roots == table.key_roots
    silent = world.manifest.model_copy(update={"table": table.model_copy(update={"key_roots": None})})
    assert b"key_roots" not in write_manifest(silent)
    before = table.key_roots.model_copy(update={"packing": None})
    former = world.manifest.model_copy(update={"table": table.model_copy(update={"key_roots": before})})
    assert b'"packing"' not in write_manifest(former)
    assert b"key_roots" in write_manifest(world.manifest)


def test_roots_are_worked_out_once_a_key(
    world: EncryptedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process finds them; what was damaged, or is another key's, is worked out again."""
    table, fetched = world.manifest.table, 0
    fetch = EvaluationKey.fetch

    def counted(*words: object) -> EvaluationKey:
        nonlocal fetched
        fetched += 1
        return fetch(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(EvaluationKey, "fetch", counted)

    def roots() -> KeyRoots:
        return KeyRootsKept(world.store, tmp_path).of(table.evaluation_key, PROFILE, table.epoch)

    assert [roots(), roots()] == [table.key_roots] * 2
    assert fetched == 1
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    for damaged in (b"", whole[:-9], whole.replace(table.key_roots.points[:8].encode(), b"00000000")):  # type: ignore[union-attr]
        kept.write_bytes(damaged)
        assert roots() == table.key_roots
        assert kept.read_bytes() == whole
    assert fetched == 4


def test_what_can_be_judged_states_its_program(world: EncryptedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trees do, by manifest and by key alike; all else says why it cannot."""
    table = world.manifest.table
    key = EvaluationKey.fetch(world.store, str(table.evaluation_key), PROFILE, table.epoch)
    true = program_of(TREE, PROFILE, table, KeyTables.of(key))
    assert true is not None
    assert stated_program(TREE, PROFILE, table, 1) == true.digest
    assert why_unjudged(TREE, PROFILE, table, 1) == ""

    def why(circuit: Circuit, rows: int = 1, of: EncryptedTable = table) -> Unjudged | None:
        found = unjudged(circuit, PROFILE, of, rows)
        assert (stated_program(circuit, PROFILE, of, rows) == ZERO) == (found is not None)
        assert bool(why_unjudged(circuit, PROFILE, of, rows)) == (found is not None)
        return found

    assert table.key_roots is not None
    loose = table.key_roots.model_copy(update={"packs": False})
    assert why(TREE, 40) is None
    before = table.key_roots.model_copy(update={"packing": None})
    assert why(TREE, 40, table.model_copy(update={"key_roots": before})) is Unjudged.PACKED
    assert why(TREE, 1, table.model_copy(update={"key_roots": before})) is None
    assert why(TREE, 40, table.model_copy(update={"key_roots": loose})) is None
    monkeypatch.setattr(judged, "MOST_PACKED", 39)
    assert why(TREE, 39) is None
    assert why(TREE, 40) is Unjudged.MANY_PACKED
    monkeypatch.undo()
    assert why(TREE, 1, table.model_copy(update={"key_roots": None})) is Unjudged.NO_ROOTS
    assert why(replace(TREE, block=20), 40) is Unjudged.SUMMED_LOOKUPS
    assert why(linear_circuit([[1, 2, 3, 4, 5, 6, 7, 8]], profile=PROFILE, bins=True), 40) is None
    chosen = Selection(3, np.array([0]), np.zeros((1, 8), np.int64))
    assert unjudged(replace(TREE, layers=(TREE.layers[0], chosen, TREE.layers[2])), PROFILE, table, 1) is (
        Unjudged.SELECTS
    )
    between = Linear(3, np.array([0, 1]), np.array([3]), np.array([1]), np.zeros(1, np.int64))
    deep = [*TREE.layers[:2], *[between, TREE.layers[1]] * MOST_LAYERS, TREE.layers[2]]
    assert unjudged(replace(TREE, layers=tuple(deep)), PROFILE, table, 1) is Unjudged.LAYERS
