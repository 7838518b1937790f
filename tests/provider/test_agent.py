"""The provider's agent on the real contracts and real circuits."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import pytest

from app.execution.checkpoint import Checkpoints
from app.execution.execute import Evaluation, execute
from app.execution.inputs import JobInputs, load_job_inputs
from app.execution.runner import LocalRunner
from app.protocol.errors import BadBlock, NotFound, Unavailable
from app.protocol.market.entities import ZERO, JobState
from app.protocol.ports import Progress
from app.provider import agent as agents
from app.provider.actions import Action, Done
from app.provider.agent import ProviderAgent
from app.provider.attempts import Attempts
from app.provider.plan import turn
from tests.provider.shop import Shop
from tests.support.market import DOLLAR, crowd


def test_a_job_that_does_not_pay_its_gas_any_more_is_declined(shop: Shop) -> None:
    """Its stake is let go, and whoever is paid enough goes on."""
    one, other = shop.stage.providers
    market, job = shop.stage.market, shop.open()
    market.draw(shop.stage.buyer, job)
    asked: list[float] = []

    def pays(fee: float) -> bool:
        asked.append(fee)
        return False

    agent = ProviderAgent(market, shop.world.store, one, shop.folder / "poor", threads=1, keep_drawing=False, pays=pays)
    (done,) = agent.step()
    assert (done.what, done.detail) == (Done.DECLINED, "Its fee does not cover the gas any more.")
    assert asked == [each.fee for each in market.job(job).executions if each.provider == one.address]
    assert market.provider(one.address).locked == 0
    assert [each.what for each in shop.agent(other, keep_drawing=False).step()] == [Done.COMMITTED]


def test_a_job_that_cannot_be_ready_in_time_is_declined(shop: Shop) -> None:
    """The slow provider keeps its stake and the other's work goes on with a third; a fast one computes."""
    slow, fast = shop.stage.providers
    market, job = shop.stage.market, shop.open()
    market.draw(shop.stage.buyer, job)
    bond = market.provider(slow.address)
    assert (bond.in_use, bond.locked) == (1000, 100 * DOLLAR)
    (declined,) = shop.agent(slow, units_per_second=0.01, keep_drawing=False).step()
    assert (declined.job, declined.what) == (job, "declined")
    after = market.provider(slow.address)
    assert (after.bond, after.in_use, after.locked) == (bond.bond, 0, 0)
    (committed,) = shop.agent(fast, units_per_second=1e6, keep_drawing=False).step()
    assert committed.what == "committed"


def test_reveals_do_not_wait_for_the_next_job(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What others wait for is sent while a later job is computed, since its reveal window may be shorter than that."""
    monkeypatch.setattr(agents, "LOOK_SECONDS", 0.0)
    one, other = (shop.agent(each) for each in shop.stage.providers)
    market, first = shop.stage.market, shop.open()
    market.draw(shop.stage.buyer, first)
    assert [each.what for each in one.step()] == ["committed"]
    second = shop.open()
    market.draw(shop.stage.buyer, second)
    assert [(each.job, each.what) for each in other.step()][:2] == [(first, "committed"), (first, "revealed")]
    done = [(each.job, each.what) for each in one.step()]
    assert done.index((first, Done.REVEALED)) < done.index((second, Done.COMMITTED))
    assert market.job(first).state is JobState.COMPUTED


def test_what_is_drawn_meanwhile_and_would_be_late_is_declined_at_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a long job is computed, one that is drawn since and would wait too long is not held until its end."""
    monkeypatch.setattr(agents, "LOOK_SECONDS", 0.0)
    account, market = shop.stage.providers[0], shop.stage.market
    first = shop.open()
    market.draw(shop.stage.buyer, first)
    agent, real, second = shop.agent(account, keep_drawing=False, units_per_second=0.4), execute, 0

    def slow(facts: JobInputs, *args: Any, progress: Progress, **settings: Any) -> Evaluation:
        nonlocal second
        second = shop.open()
        market.draw(shop.stage.buyer, second)
        progress(1, 10)
        assert agent.computing is not None
        assert (agent.computing.job, agent.computing.done, agent.computing.rows) == (first, 1, 10)
        return real(facts, *args, progress=progress, **settings)

    monkeypatch.setattr(agents, "execute", slow)
    units, window = market.job(first).units, market.commit_window()
    assert 1.9 * units / 0.4 > window > 1.1 * units / 0.4  # one of them is in time, not both
    done = [(each.job, each.what) for each in agent.step()]
    assert done == [(second, "declined"), (first, "committed")]
    assert agent.computing is None


def test_a_job_is_gone_on_with_after_a_restart(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that ended in the middle left its blocks; the next one is quick enough for what is left, and commits."""
    account, market = shop.stage.providers[0], shop.stage.market
    number = shop.open()
    market.draw(shop.stage.buyer, number)
    facts = load_job_inputs(market, shop.world.store, number)
    folder = market.folder(shop.folder / account.address) / "blocks"
    execute(facts, shop.world.store, threads=1, checkpoints=Checkpoints(folder))
    monkeypatch.setattr(LocalRunner, "_words", None)  # nothing is left to compute
    (done,) = shop.agent(account, keep_drawing=False, units_per_second=0.001).step()
    assert done.what == "committed"
    assert list(folder.iterdir()) == []


def test_a_provider_goes_on_with_a_draw_that_found_it(shop: Shop) -> None:
    """In a table too large for one call, an executor that was found already draws the rest."""
    crowd(shop.stage, 70)
    market, (one, other) = shop.stage.market, shop.stage.providers[:2]
    job, begun = 0, None
    for _ in range(8):  # one call finds both in one of five draws; each job stays on its executors
        job = shop.open()
        market.node.wait_block(market.job(job).seed_block + 1)
        market.client.send(shop.stage.buyer, "JobMarket", "draw", job)
        begun = market.job(job)
        if begun.state is JobState.OPEN and begun.executions:
            break
    assert begun is not None
    found = begun.executions[0].provider
    account = one if found == one.address else other
    assert [(each.job, each.what) for each in shop.agent(account, units_per_second=1e-9).step() if each.job == job] == [
        (job, "drew")
    ]
    assert market.job(job).state is JobState.ASSIGNED
    assert [part.receipt for part in market.job(job).executions] == [ZERO, ZERO]


@pytest.mark.parametrize("fault", [MemoryError(), OSError(28, "No space left on device"), ZeroDivisionError()])
def test_a_fault_of_one_job_is_its_own(shop: Shop, monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    """Whatever one job meets, the others are served in the same look; after some tries it is declined, at no loss."""
    account = shop.stage.providers[0]
    market, bad, good = shop.stage.market, shop.open(), shop.open()
    for job in (bad, good):
        market.draw(shop.stage.buyer, job)
    real = execute

    def faulty(facts: JobInputs, *args: Any, **settings: Any) -> Evaluation:
        if facts.job.id == bad:
            raise fault
        return real(facts, *args, **settings)

    monkeypatch.setattr(agents, "execute", faulty)
    agent, clock = shop.agent(account, keep_drawing=False), Clock()
    agent._attempts = Attempts(clock=clock)
    seen = [(each.job, each.what) for each in agent.step()]
    assert sorted(seen) == [(bad, "failed"), (good, "committed")]
    for _ in range(agents.MOST_FAULTS):
        clock.now += 1000
        seen += [(each.job, each.what) for each in agent.step()]
    assert seen[2:] == [(bad, "failed"), (bad, "failed"), (bad, "declined")]
    assert market.provider(account.address).bond == shop.stage.market.provider(shop.stage.providers[1].address).bond


def test_a_wrong_block_is_waited_for(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad gateway is no reason to give a drawn job up: it is tried again, ever later, and goes well in the end."""
    market, job = shop.stage.market, shop.open()
    market.draw(shop.stage.buyer, job)
    real, wrong = execute, iter([True] * 4)

    def flaky(*args: Any, **settings: Any) -> Evaluation:
        if next(wrong, False):
            raise BadBlock("These bytes are not the block's.")
        return real(*args, **settings)

    monkeypatch.setattr(agents, "execute", flaky)
    agent, clock = shop.agent(shop.stage.providers[0], keep_drawing=False), Clock()
    agent._attempts = Attempts(clock=clock)
    seen, waited = [], []
    while "committed" not in seen:
        before = clock.now
        while not (done := agent.step()):
            clock.now += 0.5
        waited.append(clock.now - before)
        seen += [each.what for each in done]
    assert seen == ["failed"] * 4 + ["committed"]
    assert waited == [0, 0, 1, 2, 4]  # seconds: longer after each failure


def test_a_job_that_is_reorganised_while_it_is_read_is_not_given_up(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its state is of one history and its events are asked of another, in which it is not opened yet: it waits."""
    market, job = shop.stage.market, shop.open()
    market.draw(shop.stage.buyer, job)
    agent, real = shop.agent(shop.stage.providers[0], keep_drawing=False), load_job_inputs

    def torn(*args: Any) -> JobInputs:
        with monkeypatch.context() as patch:
            patch.setattr(market, "_openings", {})
            patch.setattr(market.client, "find", lambda *_: [])
            return real(*args)

    monkeypatch.setattr(agents, "load_job_inputs", torn)
    assert [each.what for each in agent.step()] == ["failed"]
    monkeypatch.setattr(agents, "load_job_inputs", real)
    assert [each.what for each in agent.step()] == ["committed"]


def test_what_no_store_has_does_not_keep_a_look_from_its_end(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that anybody can open for nothing and that take long to fail: a reveal that is due meanwhile goes out, and a
    good job is computed before those that failed.
    """
    one, other = shop.stage.providers
    market, first = shop.stage.market, shop.open()
    market.draw(shop.stage.buyer, first)
    agent = shop.agent(one, keep_drawing=False)
    assert [each.what for each in agent.step()] == ["committed"]
    bad, now = [shop.open() for _ in range(3)], Clock()
    for job in bad:
        market.draw(shop.stage.buyer, job)
    real = load_job_inputs

    def slow(market: Any, store: Any, job: int) -> JobInputs:
        if job in bad:
            now.now += 30  # what a store takes to say that it has not got something
            raise NotFound("No store has it.")
        return real(market, store, job)

    monkeypatch.setattr(agents, "load_job_inputs", slow)
    monkeypatch.setattr(time, "monotonic", now)
    seen: list[tuple[int, str]] = [(each.job, each.what) for each in agent.step()]
    assert seen == [(bad[0], "failed")]  # and not all of them
    assert [each.what for each in shop.agent(other, keep_drawing=False)._try(first, None)] == ["committed", "revealed"]
    good = shop.open()
    market.draw(shop.stage.buyer, good)
    seen = [(each.job, each.what) for each in agent.step()]
    assert seen[0] == (first, "revealed")
    now.now += 1000
    for _ in range(3):
        seen += [(each.job, each.what) for each in agent.step()]
    assert seen.index((good, "committed")) < seen.index((bad[0], "failed"))


def test_a_job_that_ends_the_process_is_given_up(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job whose computing ends the process, as for want of memory, comes after the others at the next start, and is
    declined after some starts, which keeps the stake.
    """
    account, market = shop.stage.providers[0], shop.stage.market
    fatal, good = shop.open(), shop.open()
    for job in (fatal, good):
        market.draw(shop.stage.buyer, job)
    real = execute

    class Killed(BaseException):
        """What no handler of ours sees, as SIGKILL."""

    def killing(facts: JobInputs, *args: Any, **settings: Any) -> Evaluation:
        if facts.job.id == fatal:
            raise Killed
        return real(facts, *args, **settings)

    monkeypatch.setattr(agents, "execute", killing)
    monkeypatch.setattr(Attempts, "_wait", lambda self, job: None)
    seen: list[tuple[int, str]] = []
    for start in range(agents.MOST_DEATHS + 1):
        agent = shop.agent(account, keep_drawing=False)
        kept = (shop.folder / account.address).rglob("attempts.json")
        before = [(path, path.read_bytes()) for path in kept]
        assert bool(before) is bool(start)
        saved: list[bytes] = []

        def save(self: Attempts, saved: list[bytes] = saved, real_save: Any = Attempts._save) -> None:
            real_save(self)
            if self._running:
                saved.append(self._file.read_bytes())  # type: ignore[union-attr]

        real_save = Attempts._save
        monkeypatch.setattr(Attempts, "_save", save)
        try:
            agent.step(report=lambda action: seen.append((action.job, action.what)))
        except Killed:
            path = next((shop.folder / account.address).rglob("attempts.json"))
            path.write_bytes(saved[-1])  # nothing that runs after a SIGKILL
        finally:
            monkeypatch.setattr(Attempts, "_save", real_save)
    assert seen == [(good, "committed"), (fatal, "declined")]
    assert market.provider(account.address).bond == market.provider(shop.stage.providers[1].address).bond


def test_a_damaged_entry_costs_neither_its_stake_nor_other_jobs(shop: Shop) -> None:
    """A disk spoils what is kept of a job after the commitment: it is worked out again from receipt and key, the other
    job goes on, and both are revealed.
    """
    one, other = shop.stage.providers
    market, jobs = shop.stage.market, [shop.open(), shop.open()]
    for job in jobs:
        market.draw(shop.stage.buyer, job)
    agent = shop.agent(one, keep_drawing=False)
    assert {(each.job, each.what) for each in agent.step()} == {(job, "committed") for job in jobs}
    (entry,) = (shop.folder / one.address).rglob(f"{jobs[0]}.json")
    entry.write_bytes(b"{")
    shop.agent(other, keep_drawing=False).step()
    assert {(each.job, each.what) for each in agent.step()} == {(job, "revealed") for job in jobs}
    assert {market.job(job).state for job in jobs} == {JobState.COMPUTED}


def test_a_step_ends_soon_after_it_is_told_to(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told to stop while it computes, an agent ends before the next block of rows, and the next one does the job."""
    account, market = shop.stage.providers[0], shop.stage.market
    first, second = shop.open(), shop.open()
    for job in (first, second):
        market.draw(shop.stage.buyer, job)
    agent, real, begun = shop.agent(account, keep_drawing=False), execute, []

    def stopped(facts: JobInputs, *args: Any, progress: Progress, **settings: Any) -> Evaluation:
        begun.append(facts.job.id)
        agent.stop()
        progress(1, 2)
        return real(facts, *args, progress=progress, **settings)

    monkeypatch.setattr(agents, "execute", stopped)
    assert (agent.step(), len(begun)) == ([], 1)
    assert (agent.step(), len(begun)) == ([], 1)  # it does not begin again
    monkeypatch.setattr(agents, "execute", real)
    heard: list[Action] = []
    done = shop.agent(account, keep_drawing=False).step(report=heard.append)
    assert {(each.job, each.what) for each in done} == {(first, "committed"), (second, "committed")}
    assert heard == done
    assert market.provider(account.address).bond == market.provider(shop.stage.providers[1].address).bond


def test_one_provider_draws_and_not_all(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those who might draw a job one does at once; the next waits for its turn, then draws instead."""
    market, job = shop.stage.market, shop.open()
    market.node.wait_block(market.job(job).seed_block + 1)
    order = sorted(shop.stage.providers, key=lambda each: turn(job, each.address, market.providers()))
    assert [turn(job, each.address, market.providers()) for each in order] == list(range(len(order)))
    later = shop.agent(order[1], in_turn=True, units_per_second=1e-9)
    assert later.step() == []
    assert market.job(job).state is JobState.OPEN
    monkeypatch.setattr(agents, "TURN_SECONDS", 0.0)  # the first one is away, and its turn has passed
    assert (job, "drew") in [(each.job, each.what) for each in later.step()]
    another = shop.open()
    market.node.wait_block(market.job(another).seed_block + 1)
    monkeypatch.setattr(agents, "TURN_SECONDS", 3600.0)
    soonest = min(shop.stage.providers, key=lambda each: turn(another, each.address, market.providers()))
    drawn = shop.agent(soonest, in_turn=True, units_per_second=1e-9).step()
    assert (another, "drew") in [(each.job, each.what) for each in drawn]


def test_a_block_that_does_not_come_holds_up_no_look(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A draw needs a block after the order. Where that takes time, the look goes on with what is due and no failure is
    counted; a later look draws.
    """
    job, waited = shop.open(), list[float]()

    def wait(number: int, timeout: float = 60.0) -> None:
        waited.append(timeout)
        raise Unavailable(f"The chain is not at block {number}.", "Wait for it.")

    agent = shop.agent(shop.stage.providers[0], units_per_second=1e-9)
    with monkeypatch.context() as patch:
        patch.setattr(shop.stage.market.node, "wait_block", wait)
        assert agent.step() == []
    assert waited == [agents.DRAW_SECONDS]
    assert (job, "drew") in [(each.job, each.what) for each in agent.step()]


@dataclass
class Clock:
    """Seconds that stand still."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now
