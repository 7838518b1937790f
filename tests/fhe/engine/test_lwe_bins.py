"""Circuits on bins under the small key: the clear results, the same bytes from all, and typed refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from app.protocol.errors import BadModel, NoiseOverflow
from fhe.arrays import U64
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.ciphertexts.packing_key import with_packing
from fhe.circuit.circuit import Linear, Lookup
from fhe.circuit.clear import evaluate_clear
from fhe.circuit.codec import decode, encode
from fhe.circuit.cost import cost
from fhe.compile.check import check
from fhe.engine.evaluate import evaluate, output_ciphertexts
from fhe.engine.native.core import NativeCore
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.noise.lookup import check_lookups
from fhe.profiles import REFERENCE, insecure_test_profile
from tests.support.encrypted_tables import TableWithKeys, make_table, small_key_trees

ROWS = 530


@pytest.fixture(scope="module")
def small() -> TableWithKeys:
    """Two shards under a small profile whose polynomials have room for 16 entries, bins in both forms."""
    profile = insecure_test_profile(polynomial_size=512)
    secret, key = insecure_test_keys(profile)
    world = make_table(profile, secret, key, (520, 40), lwe=True)
    return replace(world, table=world.table.model_copy(update={"evaluator": "darkroom-canonical-2"}))


def test_tables_of_sixteen_entries_give_the_clear_scores(small: TableWithKeys) -> None:
    """Rows across chunks and shards, two stages, one of them of bits and lookups together: all as in the clear."""
    circuit = small_key_trees(small)
    check(circuit, small.table.codebook, small.profile)
    expected = evaluate_clear(circuit, small.inputs(circuit))[505:530]
    output = evaluate(circuit, small.profile, small.table, small.source, 505, 25, small.key, 2, "native")
    assert np.array_equal(decrypt_lookups(small.secret, small.profile, circuit, 25, output), expected.T)


@pytest.mark.parametrize(("block", "first", "rows"), [(7, 505, 25), (64, 0, 130), (1, 518, 4)])
def test_sums_over_rows_are_the_sums_in_the_clear(small: TableWithKeys, block: int, first: int, rows: int) -> None:
    """Blocks across chunks and shards, by the reference and the native core, in both forms of a result."""
    plain = small_key_trees(small, trees=1)
    circuit = decode(encode(replace(plain, block=block)))
    scores = evaluate_clear(plain, small.inputs(plain))[first : first + rows]
    clear = np.add.reduceat(scores, np.arange(0, rows, block), axis=0)
    for key in (small.key, with_packing(small.key, small.secret, small.profile, 1)):
        output = evaluate(circuit, small.profile, small.table, small.source, first, rows, key, 2, "native")
        found = decrypt_lookups(small.secret, small.profile, circuit, circuit.result_rows(rows), output)
        assert np.array_equal(found, (clear + 4096).T % 8192 - 4096)  # read modulo the width
    if rows < 5:
        same = evaluate(circuit, small.profile, small.table, small.source, first, rows, small.key, 1, "reference")
        fast = evaluate(circuit, small.profile, small.table, small.source, first, rows, small.key, 1, "native")
        assert same.to_bytes() == fast.to_bytes()


def test_backends_threads_and_batches_do_not_matter(small: TableWithKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference, the native core on two threads, and a row at a time give the same bytes."""
    circuit = small_key_trees(small, trees=2)

    def output(first: int, rows: int, threads: int, backend: Any) -> bytes:
        return evaluate(
            circuit, small.profile, small.table, small.source, first, rows, small.key, threads, backend
        ).to_bytes()

    whole = output(508, 6, 1, "reference")
    assert output(508, 6, 2, "native") == whole
    monkeypatch.setattr(NativeCore, "batch", 1)
    assert output(508, 6, 3, "native") == whole


def test_bits_alone_take_no_keyswitch(small: TableWithKeys) -> None:
    """Only what reads lookups is keyswitched, in the engine as in the quote, and bodies cost two bytes."""
    circuit, asked = small_key_trees(small), list[int]()

    class Counting:
        name, batch = "reference", 512

        def keyswitch(self, lwe: U64) -> U64:
            asked.append(len(lwe))
            return np.zeros((len(lwe), small.profile.lwe_dimension + 1), np.uint64)

        def bootstrap(
            self, small_: U64, polynomials: U64, which: Any, *, centred: bool = False, bodies: int = 1
        ) -> U64:
            assert (centred, bodies) == (True, 1)
            return np.zeros((len(small_), small.profile.polynomial_size + 1), np.uint64)

    list(output_ciphertexts(circuit, small.profile, small.table, small.source, 0, 10, cast("Any", Counting())))
    found = cost(circuit, small.profile, 10)
    assert sum(asked) == found.keyswitches == 3 * 10
    assert found.bootstraps == 9 * 10
    assert found.bytes_in == len(circuit.inputs) * small.profile.polynomial_size * 2


def test_a_table_without_such_bins_is_refused(small: TableWithKeys) -> None:
    """Packed bins do not do for a circuit of small-key bins, and whoever evaluates says so before any work."""
    circuit = small_key_trees(small)
    profile = small.profile
    bare = make_table(profile, small.secret, small.key, (40,))
    table = bare.table.model_copy(update={"evaluator": "darkroom-canonical-2"})
    with pytest.raises(BadModel, match="bins under the small key of column"):
        evaluate(circuit, profile, table, bare.source, 0, 4, small.key)
    with pytest.raises(BadModel, match="darkroom-canonical-1"):
        evaluate(
            circuit,
            profile,
            small.table.model_copy(update={"evaluator": "darkroom-canonical-1"}),
            bare.source,
            0,
            4,
            small.key,
        )


def test_what_is_told_apart_by_the_noise_is_refused(small: TableWithKeys) -> None:
    """16 entries after a keyswitch are too fine, which the static check says before anybody runs them."""
    circuit = replace(small_key_trees(small), profile=REFERENCE.digest)
    worst = {layer: max(f for at, _, f in check_lookups(circuit, REFERENCE) if at == layer) for layer in (0, 2, 4, 6)}
    assert worst[0] == worst[2] < -180
    assert -170 < worst[4] < -140
    linear, lookup = circuit.layers[4:6]
    assert isinstance(linear, Linear)
    assert isinstance(lookup, Lookup)
    wider = replace(linear, width=4), replace(lookup, tables=np.repeat(lookup.tables, 2, axis=1))
    noisy = replace(circuit, layers=(*circuit.layers[:4], *wider, circuit.layers[6]))
    with pytest.raises(NoiseOverflow):
        check(noisy, small.table.codebook, REFERENCE)
