"""The live jobs of a market: what the chain says after any reorganisation and restart, whatever came before."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.chain.cursor import Checkpoint, Cursor
from app.chain.events import Event
from app.chain.evm.embedded import EmbeddedChain
from app.chain.live import OVER, JobSpan, LiveJobs, follow
from app.chain.market import Market
from app.chain.node import ChainNode
from app.chain.rpc.node import AnvilNode
from app.custodian.market_chain import MarketChain
from app.node.keeper import keep
from app.protocol.errors import Unavailable
from app.protocol.ids import TxHash
from app.protocol.market.entities import LIVE, JobState
from app.provider.agent import ProviderAgent
from app.storage.folder import BlockStore
from tests.chain.rewritable import Simulated
from tests.support.anvil import undone
from tests.support.market import HOUR, MarketOnChain, digest, open_market, set_stage


@dataclass
class Jobs(Simulated):
    """A simulated chain whose blocks open and end jobs; what a block holds goes with it."""

    held: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    opened: int = 0

    def add(self, *happened: tuple[str, int]) -> None:
        self.extend(1)
        self.held[self.blocks[-1].hash] = list(happened)

    def events(self, first: int, last: int) -> list[Event]:
        self._asked()
        return [
            Event("JobMarket", name, {"job": job}, block.number, block.hash, TxHash("tx"), index)
            for block in self.blocks[first : last + 1]
            for index, (name, job) in enumerate(self.held.get(block.hash, ()))
        ]

    def live(self) -> list[int]:
        """By all of history."""
        found: set[int] = set()
        for event in Jobs.events(self, 1, len(self.blocks)):
            found = found - {event.args["job"]} if event.name in OVER else found | {event.args["job"]}
        return sorted(found)


WAYS = sorted(OVER)
OPERATIONS = st.one_of(
    st.tuples(st.just("open"), st.integers(1, 3)),
    st.tuples(st.just("end"), st.integers(0, 50)),
    st.tuples(st.just("blocks"), st.integers(1, 700)),
    st.tuples(st.just("rewrite"), st.integers(1, 300)),
    st.tuples(st.just("read"), st.integers(1, 400)),
)


@given(st.lists(OPERATIONS, max_size=25), st.booleans())
def test_it_ends_on_what_the_chain_says(operations: list[tuple[str, int]], restart: bool) -> None:
    """Whatever is opened, ended, reorganised at any depth and stored in between, exactly the live jobs are there."""
    chain, jobs, trail = Jobs(), dict[int, JobSpan](), Checkpoint(1)

    def read(limit: int) -> None:
        nonlocal jobs, trail
        while True:
            step = Cursor(chain, trail, sparse=True).poll(limit)  # type: ignore[arg-type]
            jobs, trail = follow(jobs, step), step.checkpoint
            if restart:
                trail = Checkpoint.from_json(json.loads(json.dumps(trail.to_json())))
            if not step.behind:
                return

    for what, size in operations:
        if what == "open":
            for _ in range(size):
                chain.opened += 1
                chain.add(("JobOpened", chain.opened))
        elif what == "end" and (live := chain.live()):
            chain.add((WAYS[size % len(WAYS)], live[size % len(live)]))
        elif what == "blocks":
            chain.extend(size)
        elif what == "rewrite":
            chain.rewrite(size, size // 2)
        elif what == "read":
            read(size)
    read(1000)
    assert sorted(number for number, life in jobs.items() if life.over is None) == chain.live()


def test_all_of_history_is_read_in_few_questions() -> None:
    """A hundred thousand blocks with ten thousand finished jobs are some hundred questions, and then two a look."""
    chain = Jobs()
    for number in range(1, 10_001):
        chain.add(("JobOpened", number))
        chain.add(("JobSettled", number))
        chain.extend(8)
    chain.add(("JobOpened", 10_001))
    asked = Counter[str]()
    for name in ("head", "block", "events"):
        real = getattr(chain, name)
        setattr(chain, name, lambda *args, real=real, name=name: (asked.update([name]), real(*args))[1])
    jobs, cursor = dict[int, JobSpan](), Cursor(chain, Checkpoint(1), sparse=True)  # type: ignore[arg-type]
    while (step := cursor.poll()).behind:
        jobs = follow(jobs, step)
    jobs = follow(jobs, step)
    assert sum(asked.values()) < 100 * 5 + 3 * 128
    assert [number for number, life in jobs.items() if life.over is None] == [10_001]
    assert len(jobs) < 3 * 128  # ended jobs are forgotten once no reorganisation reaches them
    asked.clear()
    follow(jobs, cursor.poll())
    assert asked == {"head": 1, "block": 1}


class Counting:
    """A node that counts the questions it is asked."""

    def __init__(self, node: ChainNode) -> None:
        self._node, self.asked = node, 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._node, name)
        if not callable(found):
            return found

        def asked(*args: Any, **named: Any) -> Any:
            self.asked += len(args[0]) if name == "blocks_at" else 1
            return found(*args, **named)

        return asked


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[MarketOnChain]:
    """A market on an embedded chain."""
    chain = EmbeddedChain(tmp_path / "chain.sqlite")
    yield set_stage(open_market(chain, tmp_path / "deployment.json"))
    chain.close()


def finish(stage: MarketOnChain, count: int) -> None:
    """Jobs that nobody draws and somebody ends."""
    opened = [stage.open(f"finished {number}") for number in range(count)]
    stage.market.node.advance(2 * HOUR + 1)  # type: ignore[attr-defined]
    for job in opened:
        stage.market.expire(stage.buyer, job)
        assert stage.market.job(job).state.terminal


def test_an_idle_step_costs_the_same_however_many_jobs_are_finished(stage: MarketOnChain, tmp_path: Path) -> None:
    """Keeper, provider and custodian ask as much over ten finished jobs as over two, with a live one or none."""
    node = Counting(stage.market.node)
    market = Market.open(node, tmp_path / "deployment.json")
    store, live = BlockStore(tmp_path / "store"), market.live_jobs()
    agent = ProviderAgent(market, store, stage.owner, tmp_path, threads=1, keep_drawing=False)
    seam = MarketChain(market, stage.owner, tmp_path)
    steps: dict[str, Callable[[], object]] = {
        "keeper": lambda: keep(market, stage.owner, live),
        "provider": agent.step,
        "custodian": lambda: list(seam.computed(lambda *_: None)),
    }

    def costs() -> dict[str, int]:
        found = {}
        for name, step in steps.items():
            step()  # sees what is new
            node.asked = 0
            assert not step()
            found[name] = node.asked
        return found

    finish(stage, 2)
    few = costs()
    finish(stage, 8)
    assert costs() == few
    assert max(few.values()) <= 3
    stage.open("live")
    one = costs()
    finish(stage, 3)
    assert costs() == one
    assert max(one.values()) <= 8


def test_a_look_at_many_live_jobs_takes_few_questions(stage: MarketOnChain, tmp_path: Path) -> None:
    """The live jobs are read in one go, equal to one by one, also by an agent that was just started."""
    node = Counting(stage.market.node)
    market = Market.open(node, tmp_path / "deployment.json")
    jobs = [stage.open(f"live {number}") for number in range(5)]
    finish(stage, 1)
    over = stage.market.job_count()
    told: list[object] = []
    assert market.live([*jobs, over, over + 7], lambda *trouble: told.append(trouble)) == [market.job(n) for n in jobs]

    def cost(market: Market, numbers: list[int]) -> int:
        node.asked = 0
        market.live(numbers)
        return node.asked

    assert (cost(market, jobs[:1]), cost(market, jobs), told) == (1, 1, [])
    fresh = [Market.open(node, tmp_path / "deployment.json") for _ in range(2)]
    assert cost(fresh[0], jobs[:1]) == cost(fresh[1], jobs) <= 3


def test_a_job_that_cannot_be_read_ends_no_look(stage: MarketOnChain, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that lacks one job's event is told about that job; the others are looked at."""
    jobs = [stage.open(f"live {number}") for number in range(2)]
    found = stage.market.client.events_in
    monkeypatch.setattr(
        stage.market.client,
        "events_in",
        lambda *words: [each for each in found(*words) if each.args.get("job") != jobs[0]],
    )
    told: list[int] = []
    assert [each.id for each in stage.market.live(jobs, lambda job, _: told.append(job))] == jobs[1:]
    assert told == jobs[:1]
    with pytest.raises(Unavailable, match="no event of job"):
        stage.market.live(jobs)


def test_a_restart_goes_on_where_the_file_says(stage: MarketOnChain, tmp_path: Path) -> None:
    """What was read is kept; a damaged file, or another market's, is read again from the chain."""
    file = tmp_path / "live-jobs.json"
    finish(stage, 2)
    job = stage.open("live")
    assert stage.market.live_jobs(file).ids() == [job]
    stage.market.node.mine(5)  # type: ignore[attr-defined]
    node = Counting(stage.market.node)
    market = Market.open(node, tmp_path / "deployment.json")
    again, anew = market.live_jobs(file), market.live_jobs()
    node.asked = 0
    assert again.ids() == [job]
    with_file, node.asked = node.asked, 0
    assert anew.ids() == [job]
    assert with_file <= 10 < node.asked
    good = json.loads(file.read_text("utf-8"))
    for bad in ("", "[]", json.dumps(good | {"trail": 7}), json.dumps(good | {"market": [1, "0x0", 0], "jobs": []})):
        file.write_text(bad, "utf-8")
        assert LiveJobs(market.client, market.first_block, file).ids() == [job]
    assert json.loads(file.read_text("utf-8"))["jobs"] == good["jobs"]


def test_every_end_of_a_job_is_one(stage: MarketOnChain) -> None:
    """Settled, refused, expired before and after its draw: live are exactly those whose state says so."""
    market = stage.market
    live, chain = market.live_jobs(), market.node
    stage.open("open"), stage.compute("computed")
    settled, refused, late = stage.compute("settled"), stage.compute("refused"), stage.compute("late")
    market.release(stage.owner, settled, sealed=digest("sealed"), decision=digest("decision"))
    market.refuse(stage.owner, refused, reason="concentration", decision=digest("decision"))
    silent = stage.open("silent")
    stage.draw(silent)

    def agree() -> set[JobState]:
        jobs = list(market.jobs())
        assert live.ids() == [job.id for job in jobs if job.state in LIVE]
        return {job.state for job in jobs}

    seen = agree()
    for _ in range(4):  # windows pass: draw, commit, release
        chain.advance(3 * HOUR + 1)  # type: ignore[attr-defined]
        for provider in stage.providers:
            market.heartbeat(provider)
        for number in live.ids():
            market.expire(stage.buyer, number)
            seen |= agree()
    assert seen >= LIVE - {JobState.RELEASED} | {JobState.SETTLED, JobState.REFUSED, JobState.EXPIRED}
    assert market.job(late).state is JobState.EXPIRED
    assert live.ids() == []


@pytest.mark.anvil
@pytest.mark.parametrize("depth", [1, 64, 200])
def test_a_reorganisation_takes_back_what_was_opened_and_ended(
    start_anvil: Callable[[], AnvilNode], tmp_path: Path, depth: int
) -> None:
    """A job whose opening vanished is not live, and one whose end vanished is live again, on a real node."""
    stage = set_stage(open_market(start_anvil(), tmp_path / "deployment.json"))
    market, node = stage.market, stage.market.node
    assert isinstance(node, AnvilNode)
    live = market.live_jobs(tmp_path / "live-jobs.json")
    job = stage.compute("first")
    assert live.ids() == [job]
    seen: list[list[int]] = []

    def end() -> None:
        market.release(stage.owner, job, sealed=digest("sealed"), decision=digest("decision"))
        stage.open("second")
        node.mine(depth)
        seen.append(live.ids())

    undone(node, end, 1)
    node.mine(1)
    assert seen == [[job + 1]]
    assert live.ids() == [job]
    assert market.live_jobs(tmp_path / "live-jobs.json").ids() == [job]
