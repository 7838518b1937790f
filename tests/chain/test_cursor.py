"""Following events through reorganisations: a reader ends on what the chain says, whatever happened on the way."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.chain.cursor import DEPTH, BlockRef, Checkpoint, Cursor, CursorStep, reconcile
from app.chain.events import Event
from app.chain.evm.embedded import EmbeddedChain
from app.protocol.errors import BadDocument, Unavailable
from tests.chain.rewritable import Simulated, _event
from tests.support.market import MarketOnChain


@dataclass
class Reader:
    """What an indexer does with steps: forget, add, store the trail with the effect."""

    chain: Simulated
    start: int = 1
    seen: list[Event] = field(default_factory=list)
    stored: str = ""

    def catch_up(self, limit: int = 40) -> None:
        while True:
            trail = Checkpoint.from_json(json.loads(self.stored)) if self.stored else Checkpoint(self.start)
            cursor = Cursor(self.chain, trail)  # type: ignore[arg-type]
            step = self._apply(cursor.poll(limit))
            if not step.behind and step.forget_after is None and not step.events:
                return

    def _apply(self, step: CursorStep) -> CursorStep:
        if step.forget_after is not None:
            self.seen = [event for event in self.seen if event.block <= step.forget_after]
        self.seen += step.events
        self.stored = json.dumps(step.checkpoint.to_json())
        return step

    def check(self) -> None:
        assert self.seen == [_event(block) for block in self.chain.blocks[self.start :]]


OPERATIONS = st.one_of(
    st.tuples(st.just("extend"), st.integers(1, 60), st.just(0)),
    st.tuples(st.just("rewrite"), st.integers(1, 200), st.integers(0, 90)),
)


def _do(chain: Simulated, operation: tuple[str, int, int]) -> None:
    kind, size, count = operation
    if kind == "extend":
        chain.extend(size)
    else:
        chain.rewrite(size, count)


@given(st.lists(OPERATIONS, max_size=8), st.integers(1, 30), st.integers(5, 300))
def test_a_reader_always_ends_on_the_chain(operations: list[tuple[str, int, int]], start: int, limit: int) -> None:
    """After any mixture of new blocks and reorganisations of any depth, exactly the chain's events are there."""
    reader = Reader(Simulated(), start)
    reader.chain.extend(150)
    for operation in operations:
        reader.catch_up(limit)
        _do(reader.chain, operation)
    reader.catch_up(limit)
    reader.check()


@given(st.lists(st.tuples(st.integers(0, 60), OPERATIONS), min_size=1, max_size=6))
def test_a_reorganisation_between_two_questions_does_no_harm(
    interruptions: list[tuple[int, tuple[str, int, int]]],
) -> None:
    """Blocks that change while a step is being read never leave an event of both branches, nor of none."""
    reader = Reader(Simulated())
    reader.chain.extend(100)
    reader.chain.interruptions = [
        (patience, lambda op=op: _do(reader.chain, op))  # type: ignore[misc]
        for patience, op in interruptions
    ]
    with suppress(Unavailable):  # what it says of a chain that does not rest; whoever asks again goes on
        reader.catch_up()
    reader.chain.interruptions.clear()
    reader.catch_up()
    reader.check()


def test_blocks_of_another_branch_are_not_put_on_the_trail() -> None:
    """The chain is rewritten after the last known block was confirmed and before the next one is read."""
    reader = Reader(Simulated())
    reader.chain.extend(100)
    reader.catch_up(200)
    reader.chain.extend(5)
    reader.chain.interruptions = [(2, lambda: reader.chain.rewrite(20, 30))]
    reader.catch_up()
    assert not reader.chain.interruptions
    reader.check()


@pytest.mark.parametrize("depth", [1, 2, 63, 64, DEPTH - 1, DEPTH, DEPTH + 1, 500])
def test_a_step_names_the_common_ancestor(depth: int) -> None:
    """A reader is sent back to the newest block both branches share; beyond its memory, to the beginning."""
    reader = Reader(Simulated())
    reader.chain.extend(600)
    reader.catch_up(1000)
    reader.chain.rewrite(depth, 3)
    cursor = Cursor(reader.chain, Checkpoint.from_json(json.loads(reader.stored)))  # type: ignore[arg-type]
    assert cursor.poll().forget_after == (600 - depth if depth < DEPTH else 0)


def test_a_chain_that_never_rests_is_unavailable() -> None:
    """When every try is torn, the caller hears it as a typed error and its place is kept."""
    chain = Simulated()
    chain.extend(10)
    chain.interruptions = [(0, lambda: chain.rewrite(1000, 12))] * 1000
    cursor = Cursor(chain, Checkpoint(1))  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        cursor.poll()
    assert cursor.checkpoint == Checkpoint(1)


def test_two_nodes_behind_one_address_are_not_mixed() -> None:
    """When events come from another branch than blocks, nothing is handed out until both agree."""
    chain, other = Simulated(), Simulated(made=1000)
    chain.extend(10)
    other.extend(10)
    honest = chain.events
    answers = [other.events, other.events, honest]

    def any_backend(first: int, last: int) -> list[Event]:
        return answers.pop(0)(first, last)

    chain.events = any_backend  # type: ignore[method-assign]
    cursor = Cursor(chain, Checkpoint(1))  # type: ignore[arg-type]
    assert list(cursor.poll().events) == honest(1, 10)
    assert not answers


def test_confirmations_leave_the_newest_blocks_for_later() -> None:
    """With three confirmations the last three blocks are not read yet."""
    chain = Simulated()
    chain.extend(10)
    cursor = Cursor(chain, Checkpoint(1), confirmations=3)  # type: ignore[arg-type]
    assert [event.block for event in cursor.poll().events] == list(range(1, 8))
    assert cursor.poll().events == ()


def test_a_step_is_no_longer_than_asked() -> None:
    """A limit splits the way into steps, each with how much is left."""
    chain = Simulated()
    chain.extend(25)
    cursor = Cursor(chain, Checkpoint(1))  # type: ignore[arg-type]
    assert [(len(step.events), step.behind) for step in (cursor.poll(10), cursor.poll(10), cursor.poll(10))] == [
        (10, 15),
        (10, 5),
        (5, 0),
    ]


def test_reconciling_asks_few_questions() -> None:
    """The common ancestor is searched by halves: 128 marks need at most eight questions and the first one."""
    asked: list[int] = []

    def hash_at(number: int) -> str | None:
        asked.append(number)
        return f"{number}" if number <= 40 else "other"

    trail = Checkpoint(1, tuple(BlockRef(number, f"{number}") for number in range(1, DEPTH + 1)))
    assert reconcile(trail, hash_at).marks[-1] == BlockRef(40, "40")
    assert len(asked) <= 9


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"start": 1},
        {"start": "x", "marks": []},
        {"start": 1, "marks": [[1]]},
        {"start": 1, "marks": [[2, "a"], [1, "b"]]},
    ],
)
def test_a_damaged_trail_is_a_bad_document(value: Any) -> None:
    """What is not a stored trail is refused."""
    with pytest.raises(BadDocument):
        Checkpoint.from_json(value)


def test_the_cursor_reads_a_real_market(embedded_stage: MarketOnChain, staged_chain: EmbeddedChain) -> None:
    """On the embedded chain the cursor hands out each event once, in order, across restarts."""
    market = embedded_stage.market
    cursor = market.cursor()
    first = cursor.poll()
    embedded_stage.open()
    second = market.cursor(cursor.checkpoint).poll()
    assert "JobOpened" in [event.name for event in second.events]
    assert second.forget_after is None
    everything = market.events(market.first_block, staged_chain.head().number)
    assert [*first.events, *second.events] == everything
