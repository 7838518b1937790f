"""Objects that jobs wait for, asked for several at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.execution.checkpoint import Checkpoints
from app.execution.execute import execute
from app.execution.inputs import load_job_inputs
from app.protocol.documents import sha256
from app.protocol.errors import NotFound
from app.protocol.ids import CidText, Digest
from app.provider.agent import MISSING_PART, ProviderAgent
from app.provider.fetches import AT_ONCE, Fetches
from app.storage.cid import digest_to_cid
from fhe.circuit.codec import encode
from tests.provider.shop import Shop
from tests.support.custody import BUYER_PUBLIC, linear_circuit

NEVER = threading.Event()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Set it, and whoever waits goes on; it is set in the end, so that no thread is left behind."""
    made = threading.Event()
    yield made
    made.set()


def name(number: int) -> Digest:
    """A digest."""
    return Digest(sha256(bytes([number])))


def until(holds: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    for _ in range(1000):
        if holds():
            return
        threading.Event().wait(0.01)
    raise AssertionError


def test_one_missing_object_keeps_no_other(gate: threading.Event) -> None:
    """While nobody has said yet that one object is nowhere, another one is here; the missing one is told once, and is
    asked for again when it is wanted again.
    """
    bad, good, asked = name(1), name(2), []

    def fetch(which: Digest) -> None:
        asked.append(which)
        if which == bad:
            gate.wait(20)
            raise NotFound("No store has it.")

    fetches = Fetches(fetch)
    fetches.want([bad, good])
    fetches.settle(NEVER)
    assert (fetches.answered(good), fetches.came(good)) == (True, True)
    assert (fetches.answered(bad), fetches.came(bad)) == (False, False)
    fetches.check(good)
    fetches.want([bad, good])
    assert asked.count(bad) == asked.count(good) == 1  # what is known or under way is not asked for again
    gate.set()
    until(lambda: fetches.answered(bad))
    with pytest.raises(NotFound):
        fetches.check(bad)
    assert not fetches.answered(bad)
    fetches.want([bad])
    until(lambda: fetches.answered(bad))
    assert asked.count(bad) == 2


def test_so_many_at_a_time_in_their_order(gate: threading.Event) -> None:
    """More than a few wait for their turn; those that nobody wants any more are left out."""
    began, names = [], [name(number) for number in range(AT_ONCE + 4)]

    def fetch(which: Digest) -> None:
        began.append(which)
        gate.wait(20)

    fetches = Fetches(fetch)
    fetches.want(names)
    until(lambda: len(began) == AT_ONCE)
    fetches.want([*names[:AT_ONCE], *names[AT_ONCE + 2 :]])
    gate.set()
    until(lambda: fetches.came(names[-1]))
    assert set(began) == {*names[:AT_ONCE], *names[AT_ONCE + 2 :]}


def test_a_stop_is_heard(gate: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that is told to end does not wait for a store."""
    monkeypatch.setattr("app.provider.fetches.LONG_SECONDS", 3600.0)
    stopping = threading.Event()
    fetches = Fetches(lambda _: gate.wait(20))
    fetches.want([name(1)])
    stopping.set()
    fetches.settle(stopping)
    assert not fetches.answered(name(1))


class Gateway:
    """A store that says nothing of one object until the gate opens, and then that it has not got it."""

    def __init__(self, store: Any, missing: CidText, gate: threading.Event) -> None:
        self._store, self._missing, self._gate = store, missing, gate

    def read(self, cid: str, offset: int = 0, length: int | None = None, *, limit: int) -> bytes:
        """As a store."""
        if cid == self._missing:
            self._gate.wait(60)
            raise NotFound("No store has it.")
        data: bytes = self._store.read(cid, offset, length, limit=limit)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


OTHER = encode(linear_circuit([[1, 2, 3, 4, 5, 6, 7, 8]]))


def a_job_nobody_can_read(shop: Shop) -> int:
    """A drawn job on a circuit that no store has."""
    job = shop.stage.open(circuit=sha256(OTHER), license=shop.license, rows=40, sealing_key=BUYER_PUBLIC)
    shop.stage.market.draw(shop.stage.buyer, job)
    return job


def test_what_is_asked_for_holds_up_nothing(shop: Shop, gate: threading.Event) -> None:
    """A reveal that is due goes out and a good job is computed while a store is still asked for another job's circuit,
    also where something is half computed, so that what is done of each job is looked up.
    """
    market, account = shop.stage.market, shop.stage.providers[0]
    first = shop.open()
    market.draw(shop.stage.buyer, first)
    store = Gateway(shop.world.store, digest_to_cid(Digest(sha256(OTHER))), gate)
    folder = shop.folder / account.address
    agent = ProviderAgent(market, store, account, folder, threads=1, keep_drawing=False, units_per_second=1e6)
    assert [each.what for each in agent.step()] == ["committed"]
    assert [each.what for each in shop.agent(shop.stage.providers[1], keep_drawing=False).step()] == [
        "committed",
        "revealed",
    ]
    a_job_nobody_can_read(shop)
    good = shop.open()
    market.draw(shop.stage.buyer, good)
    facts = load_job_inputs(market, shop.world.store, good)
    execute(facts, shop.world.store, threads=1, checkpoints=Checkpoints(market.folder(folder) / "blocks"))
    assert [(each.job, each.what) for each in agent.step()] == [(first, "revealed"), (good, "committed")]


def test_what_no_store_has_is_given_up_early(shop: Shop) -> None:
    """A circuit that nobody has is waited for in a part of the time to commit; then the stake is free for other jobs,
    and the job for other providers, or over.
    """
    market, account = shop.stage.market, shop.stage.providers[0]
    job = a_job_nobody_can_read(shop)
    agent = shop.agent(account, keep_drawing=False)
    assert [(each.job, each.what) for each in agent.step()] == [(job, "failed")]
    market.node.advance(market.commit_window() // MISSING_PART + 60)  # type: ignore[attr-defined]
    assert [(each.job, each.what) for each in agent.step()] == [(job, "declined")]
    assert market.provider(account.address).locked == 0
