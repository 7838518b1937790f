"""Whole circuits on encrypted tables: right answers, the same bytes always, and typed refusals."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.protocol.documents import sha256
from app.protocol.errors import BadDocument, BadKey, BadModel, BadReceipt, RowsOutsideDataset
from app.protocol.ids import Digest
from fhe.arrays import U64
from fhe.ciphertexts.decrypt_linear import decrypt_linear
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.circuit.circuit import Circuit, Linear, Lookup
from fhe.circuit.clear import evaluate_clear
from fhe.engine import evaluate as module
from fhe.engine import layer_values
from fhe.engine.evaluate import evaluate
from fhe.engine.native.core import NativeCore
from fhe.engine.output import OutputStage
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.profiles import insecure_test_profile
from tests.support.encrypted_tables import TableWithKeys, make_table, sparse, tree_like

ROOT = Path(__file__).parents[3]


def run(world: TableWithKeys, circuit: Circuit, first: int, rows: int, **options: object) -> OutputStage:
    key = options.pop("key", world.key)
    return evaluate(circuit, world.profile, world.table, world.source, first, rows, key, **options)  # type: ignore[arg-type]


def _digest_in_a_new_process(backend: str, threads: str) -> str:
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from tests.fhe.engine import determinism; print(determinism.digest(sys.argv[1], int(sys.argv[2])))"
    )
    command = [sys.executable, "-c", script, backend, threads]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, encoding="utf-8", timeout=120
    ).stdout.strip()


@pytest.mark.parametrize(("stages", "outputs"), [(1, 1), (1, 3), (2, 2)])
@pytest.mark.parametrize(("first", "rows"), [(0, 600), (299, 2), (41, 1), (290, 100)])
def test_encrypted_results_are_the_circuit_in_the_clear(
    world: TableWithKeys, stages: int, outputs: int, first: int, rows: int
) -> None:
    """Every row and output equals the circuit's integers, across shards and chunks, in both forms."""
    circuit = tree_like(world, stages=stages, outputs=outputs)
    expected = evaluate_clear(circuit, world.inputs(circuit))[first : first + rows].T
    for key in (world.key, replace(world.key, packing=None)):
        output = OutputStage.from_bytes(run(world, circuit, first, rows, key=key).to_bytes())
        assert np.array_equal(decrypt_lookups(world.secret, world.profile, circuit, rows, output), expected)


def test_a_linear_circuit_needs_no_key_and_gives_bodies(world: TableWithKeys) -> None:
    """One Linear layer gives the form "bodies", which opens to the circuit's integers."""
    circuit = tree_like(world)
    first = circuit.layers[0]
    linear = replace(circuit, layers=(first,), outputs=("a", "b", "c"))
    output = OutputStage.from_bytes(run(world, linear, 10, 333, key=None).to_bytes())
    opened = decrypt_linear(
        world.secret, world.profile, linear, world.table, world.source, 10, 333, output.words.astype(np.uint64)
    )
    assert output.form == "bodies"
    assert np.array_equal(opened, evaluate_clear(linear, world.inputs(linear))[10:343].T)


def test_the_form_follows_from_the_size_of_the_job(world: TableWithKeys) -> None:
    """One value is smaller as a rounded LWE ciphertext, several are smaller packed; no packing key, no packing."""
    circuit = tree_like(world)
    forms = [run(world, circuit, 0, rows).form for rows in (1, 2, 300)]
    assert forms == ["lwe", "packed", "packed"]
    assert run(world, circuit, 0, 5, key=replace(world.key, packing=None)).form == "lwe"


def test_reference_and_native_give_the_same_bytes(world: TableWithKeys) -> None:
    """The whole path, with both backends, for both forms."""
    circuit = tree_like(world, stages=2, outputs=2)
    for key in (world.key, replace(world.key, packing=None)):
        results = [run(world, circuit, 280, 40, key=key, backend=name).to_bytes() for name in ("reference", "native")]
        assert results[0] == results[1]


def test_threads_and_batches_change_no_byte(world: TableWithKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """1 or 2 threads, and batches of one row, a few rows or a whole chunk."""
    circuit = tree_like(world, outputs=5)
    results = set()
    for bootstraps, threads in ((1, 1), (1, 2), (3, 1), (37, 2), (512, 1), (512, 2), (100_000, 2)):
        monkeypatch.setattr(NativeCore, "batch", bootstraps)
        results.add(run(world, circuit, 250, 60, threads=threads).to_bytes())
    assert len(results) == 1


def test_memory_limits_change_no_byte(world: TableWithKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values summed one at a time, and inputs read again because only two are kept: the same bytes."""
    circuit = tree_like(world, stages=2, outputs=2)
    expected = run(world, circuit, 250, 60).to_bytes()
    monkeypatch.setattr(layer_values, "BLOCK", 1)
    monkeypatch.setattr(layer_values, "CACHED_INPUTS", 2)
    assert run(world, circuit, 250, 60).to_bytes() == expected


def test_batches_stay_as_small_as_promised(world: TableWithKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more ciphertexts than a core's `batch` are computed together, whatever the number of rows."""
    core = module.core_for(world.profile, world.table, world.key, 1, "native")
    plain, counts = type(core).bootstrap, list[int]()

    def counted(self: Any, lwe: U64, *rest: Any, **options: Any) -> U64:
        counts.append(len(lwe))
        return plain(self, lwe, *rest, **options)

    monkeypatch.setattr(type(core), "batch", 50)
    monkeypatch.setattr(type(core), "bootstrap", counted)
    run(world, tree_like(world), 0, 600, backend="native")
    assert sum(counts) == 600 * 4
    assert max(counts) <= 50


def test_ten_fresh_processes_give_the_same_digest() -> None:
    """Ten new interpreters, both thread counts and backends among them, agree on the digest of a job."""
    runs = [_digest_in_a_new_process(("native", "reference")[i % 5 == 4], str(1 + i % 2)) for i in range(10)]
    assert len(set(runs)) == 1


def test_row_ranges_agree_where_they_overlap(world: TableWithKeys) -> None:
    """As LWE results, rows computed alone have the bytes they have in a larger job."""
    circuit, key = tree_like(world), replace(world.key, packing=None)
    whole = run(world, circuit, 295, 50, key=key).words
    for first, rows in ((295, 1), (299, 2), (310, 35)):
        assert np.array_equal(run(world, circuit, first, rows, key=key).words, whole[first - 295 : first - 295 + rows])


def test_progress_counts_every_lookup_once(world: TableWithKeys) -> None:
    """Progress rises to the number of lookups of the job."""
    seen: list[tuple[int, int]] = []
    run(world, tree_like(world), 0, 320, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (320 * 4, 320 * 4)
    assert seen == sorted(seen)
    assert len(seen) > 2


def test_equal_sources_share_their_keyswitch(world: TableWithKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four lookups on three values take three keyswitches a row."""
    core = module.core_for(world.profile, world.table, world.key, 1, "native")
    plain, counts = type(core).keyswitch, list[int]()

    def counted(self: Any, lwe: U64) -> U64:
        counts.append(len(lwe))
        return plain(self, lwe)

    monkeypatch.setattr(type(core), "keyswitch", counted)
    run(world, tree_like(world), 0, 10, backend="native")
    assert sum(counts) == 30


def test_prepared_keys_are_kept_as_long_as_their_key(world: TableWithKeys) -> None:
    """Two jobs with one key prepare it once; when the key goes, so does what was prepared."""
    for backend in ("native", "reference"):
        key = replace(world.key)
        first = module.core_for(world.profile, world.table, key, 1, backend)
        assert module.core_for(world.profile, world.table, key, 1, backend) is first
        gone = weakref.ref(first)
        del key, first
        gc.collect()
        assert gone() is None


def test_a_job_without_its_evaluation_key_is_refused(world: TableWithKeys) -> None:
    """No key, a key of another profile, of another epoch, or of wrong shapes: BadKey before any work."""
    circuit = tree_like(world)
    other = insecure_test_keys(insecure_test_profile(128, 24))[1]
    short = replace(world.key, keyswitch=world.key.keyswitch[:, :-1])
    for key, reason in (
        (None, "need the dataset's evaluation key"),
        (other, "another encryption profile"),
        (replace(world.key, epoch=9), "epoch 9"),
        (short, "shape"),
    ):
        with pytest.raises(BadKey, match=reason):
            run(world, circuit, 0, 5, key=key)


def test_rows_outside_the_table_are_refused(world: TableWithKeys) -> None:
    """A range beyond the table raises RowsOutsideDataset."""
    for first, rows in ((0, 601), (600, 1), (-1, 2), (5, 0)):
        with pytest.raises(RowsOutsideDataset):
            run(world, tree_like(world), first, rows)


def test_circuits_that_do_not_fit_are_refused(world: TableWithKeys) -> None:
    """Other codes or profile: BadModel. Lookups whose input does not fit, wires that do not exist: BadDocument."""
    circuit = tree_like(world)
    first, lookup, last = circuit.layers
    assert isinstance(lookup, Lookup)
    assert isinstance(last, Linear)
    wide = replace(lookup, tables=np.tile(lookup.tables, (1, 2)))
    beyond = replace(lookup, source=lookup.source + 3)
    large = replace(lookup, tables=np.full_like(lookup.tables, 1 << 12))
    far = sparse(12, np.ones((1, 40), np.int64), np.zeros(1, np.int64))
    up = replace(last, width=13)  # a 12-bit wire cannot be read at 13 bits
    for wrong in (
        replace(circuit, layers=(first, wide, last)),
        replace(circuit, layers=(first, beyond, last)),
        replace(circuit, layers=(first, large, last)),
        replace(circuit, layers=(first, lookup, far)),
        replace(circuit, layers=(first, lookup, up)),
        replace(circuit, layers=(first, lookup)),
    ):
        with pytest.raises(BadDocument):
            run(world, wrong, 0, 5)
    for other in (replace(circuit, codebook=Digest("0" * 64)), replace(circuit, profile=Digest("0" * 64))):
        with pytest.raises(BadModel):
            run(world, other, 0, 5)


def test_a_result_of_another_job_is_not_opened(world: TableWithKeys) -> None:
    """Results of another row count, circuit or key do not decrypt to something."""
    circuit = tree_like(world)
    output = run(world, circuit, 0, 5)
    with pytest.raises(BadReceipt):
        decrypt_lookups(world.secret, world.profile, circuit, 6, output)
    with pytest.raises(BadReceipt):
        decrypt_lookups(world.secret, world.profile, tree_like(world, outputs=2), 5, output)
    profile = insecure_test_profile(128)
    with pytest.raises(BadKey):
        decrypt_lookups(insecure_test_keys(profile)[0], world.profile, circuit, 5, output)


def test_one_level_profiles_work_too() -> None:
    """The other gadget, with 24-bit words in results."""
    profile = insecure_test_profile(levels=1)
    secret, key = insecure_test_keys(profile)
    small = make_table(profile, secret, key, (30,))
    circuit = tree_like(small)
    output = run(small, circuit, 3, 20)
    expected = evaluate_clear(circuit, small.inputs(circuit))[3:23].T
    assert output.bits == 24
    assert np.abs(decrypt_lookups(secret, profile, circuit, 20, output) - expected).max() <= 1  # 12 bits are its limit
    assert len(sha256(output.to_bytes())) == 64
