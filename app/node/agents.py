"""Providers and custodians at work for as long as nobody stops them."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING

from app.node import logs
from app.node.keeper import keep
from app.node.run_loop import DedupLog, Unchanged, run, stop_on_signals
from app.protocol.errors import NotAllowed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.chain.market import Market
    from app.chain.wallet.account import Account
    from app.custodian.agent import CustodianAgent
    from app.provider.agent import ProviderAgent
    from app.provider.handover import WorkFolder
    from app.provider.standing_terms import StandingTerms

PATIENCE = 15.0  # seconds; agents wait for blocks, and for deadlines and stores that make none
PULSE_SECONDS = 60.0
SPARE_SECONDS = 1.0  # between looks of a process that waits for another one's end


def serve_provider(
    agent: ProviderAgent, market: Market, account: Account, terms: StandingTerms, work: WorkFolder, every: float
) -> None:
    """Work until a signal comes, while no other process of this machine does. Errors that do not pass by themselves
    leave as they are.
    """
    from app.provider.agent import Done
    from app.provider.heartbeat import Heartbeat

    log, stop = _begin("provider")
    pulse, beaten = Heartbeat(market, account), float("-inf")
    diary = DedupLog(log)
    unchanged = Unchanged(lambda: market.node.head().hash, time.monotonic, patience=PATIENCE)
    _end_the_step(stop, agent.stop)

    def step() -> None:
        nonlocal beaten
        if time.monotonic() - beaten >= PULSE_SECONDS:
            beaten = time.monotonic()
            if pulse.beat():
                log.info("heartbeat")
            if (fixed := terms.follow()) is not None:
                log.info("fixed fee follows gas", extra={"fixed_fee": fixed})
        if unchanged():
            return
        actions = agent.step(report=diary.note)
        if any(action.what is not Done.FAILED for action in actions):
            unchanged.forget()

    with contextlib.ExitStack() as held:
        if _in_turn(work, stop, held, log):
            run(step, stop, every=every, log=log)


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


def serve_custodian(agent: CustodianAgent, market: Market, every: float) -> None:
    """Work until a signal comes. Errors that do not pass by themselves leave as they are."""
    log, stop = _begin("custodian")
    diary = DedupLog(log)
    unchanged = Unchanged(lambda: market.node.head().hash, time.monotonic, patience=PATIENCE)
    _end_the_step(stop, agent.stop)

    def step() -> None:
        if not unchanged():
            agent.step(report=diary.note)

    run(step, stop, every=every, log=log)


def serve_keeper(market: Market, account: Account, file: Path, every: float) -> None:
    """Move overdue jobs on until a signal comes. `file` holds which jobs are live."""
    log, stop = _begin("keeper")
    diary, live = DedupLog(log), market.live_jobs(file)
    run(lambda: keep(market, account, live, diary.note), stop, every=every, log=log)


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
