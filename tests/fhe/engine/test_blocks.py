"""A job in blocks of rows: every cut, in any order and with repetitions, gives the bytes of the job in one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol.data.dataset import EncryptedTable
from app.protocol.errors import BadKey, RowsOutsideDataset
from fhe.circuit.circuit import Circuit
from fhe.engine.blocks import BlockPlan, BlockSize
from fhe.engine.evaluate import evaluate
from fhe.engine.source import ChunkSource
from fhe.profiles import REFERENCE
from tests.fhe.linear_case import BIAS, BOOK, CIRCUIT, CODES, DATA, PROFILE, WEIGHTS
from tests.support.encrypted_tables import TableWithKeys, tree_like
from tests.support.tables import linear_circuit

TABLE = DATA.table.model_copy(update={"evaluator": "darkroom-canonical-2"})
ONE = linear_circuit(WEIGHTS[:1], BIAS[:1], BOOK, PROFILE)


def assembled(plan: BlockPlan, source: ChunkSource, rng: np.random.Generator) -> bytes:
    """The output from blocks that were computed in a random order, some of them twice."""
    order = rng.permutation(np.repeat(np.arange(len(plan.blocks)), 1 + rng.integers(0, 2, len(plan.blocks))))
    found = {int(number): plan.words(plan.blocks[number], source) for number in order}
    assert all(found[block.number].shape == plan.shape(block) for block in plan.blocks)
    out = bytearray(plan.size)
    out[: len(plan.header)] = plan.header
    for piece in rng.permutation(np.array(plan.pieces, object)):
        data = plan.data(piece, {number: found[number] for number in piece.blocks})
        for offset, length in plan.stretches(piece):
            out[offset : offset + length], data = data[:length], data[length:]
        assert not data
    return bytes(out)


def whole(plan: BlockPlan, first: int, rows: int) -> None:
    """Blocks cover the rows, and pieces the places, once each."""
    edges = [(block.first, block.first + block.rows) for block in plan.blocks]
    assert (edges[0][0], edges[-1][1]) == (first, first + rows)
    assert all(one[1] == other[0] for one, other in pairwise(edges))
    assert all(one.stop == other.start for one, other in pairwise(plan.pieces))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_cut_of_a_linear_job_gives_the_same_bytes(data: st.DataObject) -> None:
    """Rows or sums, one output or two, whatever the size of a block against that of a sum."""
    first = data.draw(st.integers(0, len(CODES) - 1))
    rows = data.draw(st.integers(1, len(CODES) - first))
    circuit = replace(data.draw(st.sampled_from([CIRCUIT, ONE])), block=data.draw(st.sampled_from([0, 1, 70, 4000])))
    words = data.draw(st.sampled_from([1, 200, 4096]))
    plan = BlockPlan(circuit, PROFILE, TABLE, first, rows, of=BlockSize(linear_words=words))
    whole(plan, first, rows)
    expected = evaluate(circuit, PROFILE, TABLE, DATA, first, rows, None).to_bytes()
    assert assembled(plan, DATA, np.random.default_rng(data.draw(st.integers(0, 99)))) == expected


@pytest.mark.parametrize(
    ("outputs", "block", "first", "rows", "units"),
    [(1, 0, 0, 150, 1), (3, 0, 290, 60, 7), (1, 5, 41, 33, 3), (2, 40, 5, 90, 10), (3, 1, 7, 30, 10**6)],
)
def test_any_cut_of_a_job_with_lookups_gives_the_same_bytes(
    world: TableWithKeys, outputs: int, block: int, first: int, rows: int, units: int
) -> None:
    """Packed ciphertexts that begin and end inside blocks, sums over several blocks, and both forms."""
    circuit: Circuit = replace(tree_like(world, outputs=outputs), block=block)
    table: EncryptedTable = world.table.model_copy(update={"evaluator": "darkroom-canonical-2"})
    for key in (world.key, replace(world.key, packing=None)):
        expected = evaluate(circuit, world.profile, table, world.source, first, rows, key).to_bytes()
        plan = BlockPlan(circuit, world.profile, table, first, rows, key, BlockSize(lookup_units=units))
        whole(plan, first, rows)
        assert assembled(plan, world.source, np.random.default_rng(rows)) == expected


def test_what_cannot_be_computed_is_refused_before_it_is_cut(world: TableWithKeys) -> None:
    """A plan is made of a job that can be computed."""
    with pytest.raises(RowsOutsideDataset):
        BlockPlan(CIRCUIT, PROFILE, TABLE, 0, len(CODES) + 1)
    with pytest.raises(BadKey):
        BlockPlan(tree_like(world), world.profile, world.table, 0, 5)


def test_blocks_are_bounded_whatever_the_job() -> None:
    """Ten million rows of a linear job are blocks of about eight megabytes; the reference profile's rows stay whole."""
    shard, rows = TABLE.shards[0], 10_000_000
    table = TABLE.model_copy(
        update={"profile": REFERENCE.digest, "rows": rows, "shards": (shard.model_copy(update={"rows": rows}),)}
    )
    circuit = replace(ONE, profile=REFERENCE.digest)
    plan = BlockPlan(circuit, REFERENCE, table, 0, rows)
    assert len(plan.blocks) == 10
    assert all(block.rows * 8 <= 8 << 20 for block in plan.blocks)
    assert all(block.rows % (64 * REFERENCE.polynomial_size) == 0 for block in plan.blocks[:-1])
