"""Providers and custodians at work for as long as nobody stops them."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.chain.live import FILE
from app.node import logs
from app.node.keeper import keep
from app.node.run_loop import DedupLog, Unchanged, run, stop_on_signals
from app.node.status_reporter import StatusReporter
from app.protocol.errors import NotAllowed, NotFound
from app.protocol.market.entities import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.chain.market import Market
    from app.chain.wallet.account import Account
    from app.client.provider import Provider
    from app.custodian.agent import CustodianAgent
    from app.home.home import Actor
    from app.protocol.market.entities import Job
    from app.provider.agent import ProviderAgent
    from app.provider.handover import WorkFolder
    from app.provider.heartbeat import Heartbeat
    from app.provider.standing_terms import StandingTerms

PATIENCE = 15.0  # seconds; agents wait for blocks, and for deadlines and stores that make none
PULSE_SECONDS = 60.0
SWEEP_SECONDS = 6 * 3600.0  # between looks for journals of jobs that are long over
SPARE_SECONDS = 1.0  # between looks of a process that waits for another one's end


def serve_provider(agent: ProviderAgent, provider: Provider, every: float) -> None:
    """Work until a signal comes, while no other process of this machine does. Errors that do not pass by themselves
    leave as they are.
    """
    from app.provider.actions import Done
    from app.provider.heartbeat import Heartbeat

    log, stop = _begin("provider")
    market, account = provider.network.market, provider.account
    pulse, beaten, swept = Heartbeat(market, account), float("-inf"), float("-inf")
    diary = DedupLog(log)
    unchanged = Unchanged(lambda: market.node.head().hash, time.monotonic, patience=PATIENCE)
    _end_the_step(stop, agent.stop)

    def step() -> None:
        nonlocal beaten, swept
        if time.monotonic() - beaten >= PULSE_SECONDS:
            beaten = time.monotonic()
            _beat(pulse, provider.standing_terms(), log)
        if not unchanged():
            actions = agent.step(report=diary.note)
            for action in actions:
                if action.what is Done.FAILED:
                    status.job_failed()
            if any(action.what is not Done.FAILED for action in actions):
                unchanged.forget()
        if time.monotonic() - swept >= SWEEP_SECONDS:  # after the work: what is over waits, what is due does not
            swept = time.monotonic()
            if gone := agent.sweep():
                log.info("swept", extra={"jobs": gone})

    def facts() -> dict[str, Any]:
        return _provider_facts(agent, market, account, pulse.window)

    status = StatusReporter(
        "provider", _place(provider.actor, market), market, account, log, facts, _under_way(agent, log)
    )
    with contextlib.ExitStack() as held:
        if _in_turn(provider.work(), stop, held, log):
            held.enter_context(status)
            run(status.watched(step), stop, every=every, log=log)


def _under_way(agent: ProviderAgent, log: logging.Logger) -> Callable[[], dict[str, Any]]:
    """What an agent computes now, for its status; each tenth of a job is logged."""
    told = (0, 0)

    def look() -> dict[str, Any]:
        nonlocal told
        if (now := agent.computing) is None:
            return {"computing": None}
        if told != (tenth := (now.job, 10 * now.done // now.rows)):
            told = tenth
            log.info("computing", extra={"job": now.job, "rows": now.done, "of": now.rows})
        return {"computing": (now.job, now.done, now.rows)}

    return look


def _beat(pulse: Heartbeat, terms: StandingTerms, log: logging.Logger) -> None:
    """Give a sign of life when one is due, and state the fixed fee again when gas moved away from it."""
    if pulse.beat():
        log.info("heartbeat")
    if (fixed := terms.follow()) is not None:
        log.info("fixed fee follows gas", extra={"fixed_fee": fixed})


def _place(actor: Actor, market: Market) -> Actor:
    """Where an agent says how it does: the role's folder is for its present market."""
    return replace(actor, folder=market.folder(actor.folder)) if market.drained else actor


def _in_turn(work: WorkFolder, stop: threading.Event, held: contextlib.ExitStack, log: logging.Logger) -> bool:
    """Wait for the account's lease: a second process is a spare, which goes on when the first one ends. False when
    `stop` was set before. Errors: BadDocument.
    """
    said = ""
    while not stop.is_set():
        try:
            held.enter_context(work.serving())
        except NotAllowed as error:
            if str(error) != said:
                said = str(error)
                log.info("waiting", extra={"detail": said})
            stop.wait(SPARE_SECONDS)
        else:
            return True
    return False


def _provider_facts(agent: ProviderAgent, market: Market, account: Account, window: int) -> dict[str, Any]:
    now = market.now()
    facts = _jobs(market, account, agent.running, now, agent.waits_for_me)
    try:
        record = market.provider(account.address)
    except NotFound:
        return facts  # never bonded
    beat = {"heartbeat_seconds": max(0, now - record.heartbeat), "heartbeat_window": window}
    return {**facts, **beat, "bond": record.bond, "seat": bool(record.seat)}


def _custodian_facts(agent: CustodianAgent, market: Market, account: Account) -> dict[str, Any]:
    from app.custodian.ledger import OPEN

    waiting = agent.ledger.records(*OPEN)
    jobs = market.live([each.job for each in waiting], lambda _job, _error: None)  # the step tells of those
    facts = _jobs(market, account, jobs, market.now(), lambda job: job.state is JobState.COMPUTED)
    return {**facts, "ledger_waiting": len(waiting)}


def _jobs(
    market: Market, account: Account, jobs: Sequence[Job], now: int, mine: Callable[[Job], bool]
) -> dict[str, Any]:
    """How many there are of each state, how old the oldest is, how many disputes about them this agent plays, and how
    long until the nearest deadline that it has to meet.
    """
    from app.dispute.player import running

    played = [
        each for job in jobs for each in running(market, job) if account.address in (each.executor, each.challenger)
    ]
    first = min((job.opened_block for job in jobs), default=None)
    age = 0 if first is None else max(0, now - market.node.block(first).time)
    slacks = [job.deadline - now for job in jobs if job.deadline and mine(job)]
    slacks += [each.deadline - now for each in played if each.player == account.address]
    counts = Counter(job.state.name.lower() for job in jobs)
    return {
        "disputes": len(played),
        "jobs": dict(counts),
        "oldest_seconds": age,
        "slack_seconds": min(slacks, default=None),
    }


def serve_custodian(agent: CustodianAgent, market: Market, account: Account, every: float, actor: Actor) -> None:
    """Work until a signal comes. Errors that do not pass by themselves leave as they are."""
    log, stop = _begin("custodian")
    diary = DedupLog(log)
    unchanged = Unchanged(lambda: market.node.head().hash, time.monotonic, patience=PATIENCE)
    _end_the_step(stop, agent.stop)

    def step() -> None:
        if unchanged():
            return
        for outcome in agent.step(report=diary.note):
            if outcome.what == "failed":
                status.job_failed()

    where = _place(actor, market)
    with StatusReporter(
        "custodian", where, market, account, log, lambda: _custodian_facts(agent, market, account)
    ) as status:
        run(status.watched(step), stop, every=every, log=log)


def serve_keeper(market: Market, account: Account, every: float, actor: Actor) -> None:
    """Move overdue jobs on until a signal comes. The actor's folder holds which jobs are live."""
    log, stop = _begin("keeper")
    diary, live = DedupLog(log), market.live_jobs(market.folder(actor.folder) / f"keeper-{FILE}")
    with StatusReporter("keeper", _place(actor, market), market, account, log) as status:
        run(status.watched(lambda: keep(market, account, live, diary.note, stop.is_set)), stop, every=every, log=log)


def _end_the_step(stop: threading.Event, end: Callable[[], None]) -> None:
    """Call `end` as soon as `stop` is set, though a step is under way that may take hours."""

    def watch() -> None:
        stop.wait()
        end()

    threading.Thread(target=watch, name="stop", daemon=True).start()


def _begin(name: str) -> tuple[logging.Logger, threading.Event]:
    logs.begin()
    stop = threading.Event()
    stop_on_signals(stop)
    return logging.getLogger(f"{logs.ROOT}.{name}"), stop
