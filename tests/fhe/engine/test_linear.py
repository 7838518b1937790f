"""Linear circuits on ciphertext open to W x + b exactly, and their bytes depend on nothing but their inputs."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol.errors import BadKey, BadModel, BadReceipt, MessageOverflow, RowsOutsideDataset
from app.protocol.ids import Digest
from fhe.arrays import I64
from fhe.ciphertexts.decrypt_linear import decrypt_linear
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup
from fhe.engine.linear import evaluate_bodies
from fhe.engine.source import BATCH, batches, spans
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.profiles import REFERENCE, insecure_test_profile
from tests.fhe.conftest import RealKeys
from tests.fhe.linear_case import BIAS, BOOK, CIRCUIT, CODES, DATA, PROFILE, RNG, SECRET, WEIGHTS
from tests.support.tables import MemoryTable, encrypt_codes, linear_circuit


def opened(first: int, rows: int, threads: int = 1, data: MemoryTable = DATA, circuit: Circuit = CIRCUIT) -> I64:
    """Evaluate and open."""
    bodies = evaluate_bodies(circuit, PROFILE, data.table, data, first, rows, threads=threads)
    return decrypt_linear(SECRET, PROFILE, circuit, data.table, data, first, rows, bodies, threads=threads)


@settings(max_examples=40)
@given(first=st.integers(0, 8999), rows=st.integers(1, 9000), threads=st.integers(1, 3))
def test_every_range_of_rows_opens_to_the_exact_integers(first: int, rows: int, threads: int) -> None:
    """Ranges that begin and end inside chunks and cross shards give W x + b for exactly their rows."""
    rows = min(rows, 9000 - first)
    expected = WEIGHTS @ CODES[first : first + rows].T + BIAS[:, None]
    assert np.array_equal(opened(first, rows, threads), expected)


@settings(max_examples=15)
@given(cuts=st.lists(st.integers(1, 8999), max_size=6, unique=True), threads=st.integers(1, 3))
def test_the_bytes_do_not_depend_on_threads_or_splits(cuts: list[int], threads: int) -> None:
    """Any split of the rows into jobs, on any number of threads, gives the same words."""
    edges = [0, *sorted(cuts), 9000]
    parts = [evaluate_bodies(CIRCUIT, PROFILE, DATA.table, DATA, a, b - a, threads=threads) for a, b in pairwise(edges)]
    assert np.array_equal(np.concatenate(parts, axis=1), WHOLE)


WHOLE = evaluate_bodies(CIRCUIT, PROFILE, DATA.table, DATA, 0, 9000)


def test_bodies_are_the_written_sum() -> None:
    """Every word is the definition's sum modulo 2^64, checked with Python's integers."""
    for row in (0, 1, 70, 8999):
        for output in range(2):
            total = int(BIAS[output]) << (63 - PROFILE.message_width)
            span = spans(DATA.table, 64, row, 1)[0]
            for column, weight in enumerate(WEIGHTS[output].tolist()):
                word = DATA.bodies(Input(f"c{column}", "affine"), span.shard, range(span.chunk, span.chunk + 1))
                total += weight * int(word[0, span.start])
            assert int(WHOLE[output, row]) == total % 2**64


def test_a_narrower_layer_shifts_its_wires() -> None:
    """A layer that reads 20 bits of 27-bit wires gives the same integers, seven bits higher."""
    layer = CIRCUIT.layers[0]
    assert isinstance(layer, Linear)
    narrow = replace(CIRCUIT, layers=(replace(layer, width=20),))
    assert np.array_equal(opened(5, 500, circuit=narrow), WEIGHTS @ CODES[5:505].T + BIAS[:, None])


def test_the_result_can_be_written_in_place_with_progress() -> None:
    """`out` is filled and returned; progress counts chunks up to all of them."""
    out, seen = np.zeros((2, 9000), np.uint64), []
    found = evaluate_bodies(
        CIRCUIT, PROFILE, DATA.table, DATA, 0, 9000, threads=2, out=out, progress=lambda *at: seen.append(at)
    )
    assert found is out
    assert np.array_equal(out, WHOLE)
    assert seen == sorted(seen)
    assert seen[-1] == (len(spans(DATA.table, 64, 0, 9000)),) * 2


def test_many_outputs_and_a_real_key(real_keys: RealKeys) -> None:
    """Seventy outputs of a real key's table open exactly, over a range that starts inside a chunk."""
    weights, bias = RNG.integers(-128, 128, (70, 5)), RNG.integers(-1000, 1000, 70)
    weights[3] = 0
    data = encrypt_codes(CODES, BOOK, real_keys.secret, REFERENCE)
    circuit = linear_circuit(weights, bias, BOOK, REFERENCE)
    bodies = evaluate_bodies(circuit, REFERENCE, data.table, data, 100, 8000, threads=2)
    found = decrypt_linear(real_keys.secret, REFERENCE, circuit, data.table, data, 100, 8000, bodies, threads=2)
    assert np.array_equal(found, weights @ CODES[100:8100].T + bias[:, None])


@settings(max_examples=50)
@given(first=st.integers(0, 8999), rows=st.integers(1, 9000), most=st.integers(1, 80))
def test_spans_and_batches_cover_each_row_once(first: int, rows: int, most: int) -> None:
    """Batches are consecutive chunks of one shard inside one block, and cover the rows in order without a gap."""
    rows = min(rows, 9000 - first)
    found = spans(DATA.table, 64, first, rows)
    row = first
    column = 0
    for batch in batches(found, most):
        assert len(batch.chunks) == len(batch.parts) <= min(most, BATCH)
        assert batch.chunks[0] // BATCH == batch.chunks[-1] // BATCH
        assert batch.column == column
        for chunk, span in zip(batch.chunks, batch.parts, strict=True):
            assert (span.shard, span.chunk) == (batch.shard, chunk)
            assert DATA.table.shards[span.shard].first_row + span.chunk * 64 + span.start == row
            row += span.rows
        column = row - first
    assert row == first + rows


@pytest.mark.parametrize(("first", "rows"), [(-1, 5), (0, 0), (0, 9001), (8999, 2), (9000, 1)])
def test_rows_outside_the_dataset_are_refused(first: int, rows: int) -> None:
    """A range that is not all in the table is refused before anything is read."""
    with pytest.raises(RowsOutsideDataset):
        evaluate_bodies(CIRCUIT, PROFILE, DATA.table, DATA, first, rows)


def test_a_circuit_of_another_dataset_is_refused() -> None:
    """Another codebook, another profile or lookups raise BadModel, a layer wider than the profile MessageOverflow."""
    layer = CIRCUIT.layers[0]
    assert isinstance(layer, Linear)
    lookup = Lookup(8, np.array([0]), np.zeros((1, 8), np.int64))
    for wrong in (
        replace(CIRCUIT, codebook=Digest("0" * 64)),
        replace(CIRCUIT, profile=Digest("0" * 64)),
        replace(CIRCUIT, layers=(layer, lookup, layer)),
    ):
        with pytest.raises(BadModel):
            evaluate_bodies(wrong, PROFILE, DATA.table, DATA, 0, 1)
    with pytest.raises(MessageOverflow):
        evaluate_bodies(replace(CIRCUIT, layers=(replace(layer, width=28),)), PROFILE, DATA.table, DATA, 0, 1)
    with pytest.raises(BadModel):
        evaluate_bodies(CIRCUIT, REFERENCE, DATA.table, DATA, 0, 1)


def test_a_result_of_a_wrong_shape_or_key_is_not_opened() -> None:
    """Bodies of other outputs or rows, and a key of another profile, are refused."""
    for wrong in (WHOLE[:1], WHOLE[:, :-1], WHOLE.astype(np.int64)):
        with pytest.raises(BadReceipt):
            decrypt_linear(SECRET, PROFILE, CIRCUIT, DATA.table, DATA, 0, 9000, wrong)  # type: ignore[arg-type]
    other = insecure_test_keys(insecure_test_profile())[0]
    with pytest.raises(BadKey):
        decrypt_linear(other, PROFILE, CIRCUIT, DATA.table, DATA, 0, 9000, WHOLE)


def test_without_the_key_the_bodies_say_nothing() -> None:
    """Words of a circuit on constant data are spread evenly over the whole range, as random words are."""
    data = encrypt_codes(np.full((6400, 5), 7), BOOK, SECRET, PROFILE)
    words = evaluate_bodies(CIRCUIT, PROFILE, data.table, data, 0, 6400)
    counts = np.bincount((words.ravel() >> np.uint64(60)).astype(np.int64), minlength=16)
    expected = words.size / 16
    assert ((counts - expected) ** 2 / expected).sum() < 60  # chi-square with 15 degrees: beyond 60 once in 10^7
