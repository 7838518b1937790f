"""Sums over rows on ciphertext: right values for any range and block, equal bytes, masks that anyone derives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol.errors import BadDocument, BadModel, BadReceipt, MessageOverflow, NoiseOverflow
from fhe.arrays import U64
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.ciphertexts.decrypt_sums import decrypt_sums, key_sums
from fhe.circuit.circuit import Circuit, Linear, Readout
from fhe.circuit.clear import evaluate_clear, sum_blocks
from fhe.circuit.codec import decode, encode
from fhe.circuit.cost import cost
from fhe.compile.check import check
from fhe.engine import sums as module
from fhe.engine.evaluate import evaluate
from fhe.engine.gadget import extract
from fhe.engine.output import OutputStage
from fhe.engine.sums import sum_mask
from fhe.noise.lookup import sum_factor
from fhe.profiles import REFERENCE
from tests.fhe.linear_case import BOOK, CIRCUIT, CODES, DATA, PROFILE, SECRET
from tests.support.encrypted_tables import TableWithKeys, tree_like

TABLE = DATA.table.model_copy(update={"evaluator": "darkroom-canonical-2"})
LAYER = CIRCUIT.layers[0]
assert isinstance(LAYER, Linear)
WIDE = replace(CIRCUIT, layers=(replace(LAYER, width=27),), readout=Readout("value"))


def summing(circuit: Circuit, block: int) -> Circuit:
    return replace(circuit, block=block)


def run(circuit: Circuit, first: int, rows: int, threads: int = 1) -> OutputStage:
    return evaluate(circuit, PROFILE, TABLE, DATA, first, rows, None, threads=threads)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_linear_sum_opens_to_the_sum_of_the_rows(data: st.DataObject) -> None:
    """Any rows, any block, across chunks and shards: each block is the sum of its rows, exactly."""
    first = data.draw(st.integers(0, len(CODES) - 1))
    rows = data.draw(st.integers(1, len(CODES) - first))
    circuit = summing(WIDE, data.draw(st.sampled_from([1, 3, 64, 65, 200, 256])))
    output = OutputStage.from_bytes(run(circuit, first, rows).to_bytes())
    assert output.form == "bodies"
    assert output.rows == circuit.result_rows(rows) == -(-rows // circuit.block)
    words: U64 = output.words.astype(np.uint64)
    opened = decrypt_sums(SECRET, PROFILE, circuit, TABLE, DATA, first, rows, words)
    clear = evaluate_clear(circuit, CODES[first : first + rows][:, [0, 1, 3, 4]])
    assert np.array_equal(opened, sum_blocks(circuit, clear).T)


def test_threads_and_batches_change_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of additions modulo 2^64 is nobody's concern."""
    circuit = summing(WIDE, 100)
    plain = run(circuit, 5, 8000).to_bytes()
    assert run(circuit, 5, 8000, threads=3).to_bytes() == plain
    monkeypatch.setattr(module, "MOST_SUMS", 1)
    assert run(circuit, 5, 8000, threads=2).to_bytes() == plain


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 64), st.integers(0, 64), st.integers(0, 2**32))
def test_the_mask_of_a_sum_is_the_sum_of_the_masks(one: int, other: int, seed: int) -> None:
    """Prefix sums give what extraction row by row gives, and the key's short way takes the same from it."""
    start, stop = sorted((one, other))
    rng = np.random.default_rng(seed)
    mask, key = rng.integers(0, 1 << 64, 64, np.uint64), rng.integers(0, 2, 64, np.uint64)
    rows = [extract(mask[None], mask[None], row)[0, :64] for row in range(start, stop)]
    expected = np.sum(rows, axis=0, dtype=np.uint64) if rows else np.zeros(64, np.uint64)
    found = sum_mask(mask[None], start, stop)[0]
    assert np.array_equal(found, expected)
    assert found @ key == mask @ key_sums(key, start, stop)


@pytest.mark.parametrize(("outputs", "block", "first", "rows"), [(1, 64, 0, 130), (3, 50, 290, 100), (2, 1, 41, 3)])
def test_sums_of_lookups_are_the_sums_in_the_clear(
    world: TableWithKeys, outputs: int, block: int, first: int, rows: int
) -> None:
    """Ciphertexts of lookups are added before they are rounded or packed; both forms open to the sums."""
    plain = tree_like(world, outputs=outputs)
    last = plain.layers[-1]
    assert isinstance(last, Linear)
    few = replace(plain, layers=(*plain.layers[:-1], replace(last, bias=last.bias * 0)))
    circuit = summing(few, block)
    table = world.table.model_copy(update={"evaluator": "darkroom-canonical-2"})
    clear = evaluate_clear(few, world.inputs(few))[first : first + rows]
    wrap = (sum_of(clear, block) + 4096) % 8192 - 4096  # read modulo the width
    for key in (world.key, replace(world.key, packing=None)):
        output = evaluate(circuit, world.profile, table, world.source, first, rows, key)
        output = OutputStage.from_bytes(output.to_bytes())
        opened = decrypt_lookups(world.secret, world.profile, circuit, circuit.result_rows(rows), output)
        assert np.array_equal(opened, wrap.T)


def sum_of(clear: np.ndarray, block: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.add.reduceat(clear, np.arange(0, len(clear), block), axis=0)


def test_rows_of_many_outputs_come_in_pieces(world: TableWithKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """A core that takes fewer values at once than a row has outputs changes no byte of a sum."""
    from fhe.engine.reference import ReferenceCore

    circuit = summing(tree_like(world, outputs=5), 4)
    table = world.table.model_copy(update={"evaluator": "darkroom-canonical-2"})
    args = (circuit, world.profile, table, world.source, 10, 6)
    plain = evaluate(*args, world.key, backend="reference").to_bytes()
    monkeypatch.setattr(ReferenceCore, "batch", 2)
    assert evaluate(*args, replace(world.key), backend="reference").to_bytes() == plain


def test_the_first_evaluator_has_no_sums() -> None:
    """A table says which evaluator its jobs run under, and one of before takes no circuit that sums."""
    with pytest.raises(BadModel, match="no sums"):
        evaluate(summing(WIDE, 10), PROFILE, DATA.table, DATA, 0, 10, None)
    assert evaluate(WIDE, PROFILE, TABLE, DATA, 0, 10, None).rows == 10  # the second has all of the first


def test_a_table_of_the_first_evaluator_keeps_its_bytes() -> None:
    """The evaluator is left out of a table's bytes where it is the first, so published manifests keep their digests."""
    assert "evaluator" not in DATA.table.model_dump(mode="json")
    assert TABLE.model_dump(mode="json")["evaluator"] == "darkroom-canonical-2"


def test_a_circuit_that_sums_is_a_document_of_its_own() -> None:
    """Its bytes read back to it; a block of none, of a label's circuit, or one too long is refused."""
    circuit = summing(WIDE, 2048)
    again = decode(encode(circuit))
    assert again.block == 2048
    assert encode(again) == encode(circuit)
    assert b'"kind":"darkroom/circuit-2"' in encode(circuit)
    assert b"block" not in encode(WIDE)
    for bad in (summing(WIDE, -1), summing(WIDE, 1 << 41), replace(tree_label(), block=5)):
        with pytest.raises(BadDocument):
            encode(bad)
    with pytest.raises(BadDocument):
        decode(encode(circuit).replace(b'"block":2048', b'"block":0'))


def tree_label() -> Circuit:
    layer = WIDE.layers[0]
    assert isinstance(layer, Linear)
    one = replace(layer, indptr=layer.indptr[[0, 1]], bias=layer.bias[:1])
    end = int(layer.indptr[1])
    one = replace(one, columns=layer.columns[:end], values=layer.values[:end])
    return replace(WIDE, layers=(one,), outputs=("a",), readout=Readout("threshold"))


def test_blocks_too_long_for_the_width_are_refused() -> None:
    """What a block's sum can reach must fit the last layer's width: the largest that does is taken, one more not."""
    low, high = check(WIDE, BOOK, PROFILE).bounds[0]
    most = min(((1 << 27) - 1) // high, (1 << 27) // -low)
    check(summing(WIDE, min(most, 200)), BOOK, PROFILE)
    with pytest.raises(MessageOverflow, match="sum over"):
        check(summing(WIDE, most + 1), BOOK, PROFILE)


def test_noise_grows_as_the_rows_of_a_block() -> None:
    """The static check multiplies a row's variance by the block's rows, and refuses what could be read wrongly."""
    noisy = PROFILE.model_copy(update={"glwe_variance": 2.0**-90})
    circuit = replace(WIDE, profile=noisy.digest)
    one = check(circuit, BOOK, noisy).log2_failure
    with pytest.raises(NoiseOverflow):
        check(replace(circuit, block=150), BOOK, noisy)
    assert one < -128
    assert sum_factor(REFERENCE, 0) == 1
    assert sum_factor(REFERENCE, 2048) == pytest.approx(2048, rel=1e-3)


def test_a_sum_is_cheaper_than_its_rows_and_gives_few_bytes() -> None:
    """Eight bytes a block and output; work of an addition for each input's word."""
    rows, circuit = 1_000_000, summing(replace(WIDE, profile=REFERENCE.digest), 2048)
    found, plain = cost(circuit, REFERENCE, rows), cost(replace(circuit, block=0), REFERENCE, rows)
    assert found.bytes_out == 2 * 489 * 8
    assert found.multiply_adds < plain.multiply_adds


def test_a_result_of_another_shape_is_not_opened() -> None:
    """As many words as blocks and outputs, or nothing is decrypted."""
    circuit = summing(WIDE, 100)
    with pytest.raises(BadReceipt):
        decrypt_sums(SECRET, PROFILE, circuit, TABLE, DATA, 0, 200, np.zeros((2, 3), np.uint64))
