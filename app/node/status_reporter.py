"""Each agent says how it does: after every step, and in between, so that its silence means something."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Literal

from app.chain.market import Market
from app.chain.wallet.account import Account
from app.home.agent_status import AgentStatus, troubles, write_status
from app.home.home import Actor
from app.node.run_loop import PASSING, named
from app.protocol.errors import DarkroomError

FACTS_SECONDS = 30.0  # between looks at what only the chain knows
PULSE_SECONDS = 15.0  # between two writes, also while a step goes on
TOLD_LEVELS = {"warn": logging.WARNING, "fail": logging.ERROR}

Facts = Mapping[str, Any]


class StatusReporter:
    """Writes one agent's status file, and logs what is wrong with it when it begins to be."""

    def __init__(
        self,
        kind: Literal["provider", "custodian", "keeper"],
        actor: Actor,
        market: Market,
        account: Account,
        log: logging.Logger,
        facts: Callable[[], Facts] = dict,
        under_way: Callable[[], Facts] = dict,
    ) -> None:
        """`facts` gives the fields of `AgentStatus` that this kind of agent has besides; it may raise DarkroomError.

        `under_way` gives those that change during a step, and asks nobody for them.
        """
        self._under_way = under_way
        self._actor, self._market, self._account, self._log, self._facts = actor, market, account, log, facts
        now = time.time()
        self._status = AgentStatus(
            kind=kind, role=actor.name, account=account.address, pid=os.getpid(), started=now, at=now
        )
        self._failures: Counter[str] = Counter()
        self._looked, self._told = float("-inf"), set[str]()
        self._lock, self._end = threading.Lock(), threading.Event()

    def __enter__(self) -> StatusReporter:
        threading.Thread(target=self._pulse, name="status", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._say(stopped=True)

    def watched(self, step: Callable[[], object]) -> Callable[[], None]:
        """A step whose end is told. Errors: the step's own."""

        def told() -> None:
            began = time.monotonic()
            try:
                step()
            except PASSING as error:
                code, words = named(error)
                self._failures[code] += 1
                self._ended(time.monotonic() - began, words)
                raise
            self._ended(time.monotonic() - began, "")

        return told

    def job_failed(self) -> None:
        """Something went wrong with one job, which ends no step."""
        self._failures["job"] += 1

    def _ended(self, seconds: float, error: str) -> None:
        failing = self._status.failing + 1 if error else 0
        self._say(
            step_seconds=seconds,
            failing=failing,
            error=error,
            failures=dict(self._failures),
            **self._under_way(),
            **self._looked_up(),
        )
        found = {each.kind: each for each in troubles(self._status)}
        for kind in found.keys() - self._told:
            each = found[kind]
            said = {"what": each.kind, "detail": f"{each.what} {each.fix}"}
            self._log.log(TOLD_LEVELS[each.level], "trouble", extra=said)
        self._told = set(found)

    def _looked_up(self) -> Facts:
        if time.monotonic() - self._looked < FACTS_SECONDS:
            return {}
        self._looked = time.monotonic()
        try:
            node, address = self._market.node, self._account.address
            usual = {"balance_wei": node.balance(address), "gas_price_wei": node.fees().present}
            waiting = self._market.client.sender.outbox.counts().get(address, 0)
            return {**usual, "open_transactions": waiting, **self._facts()}
        except DarkroomError:
            return {}  # the step itself says what is out of reach

    def _say(self, **fields: Any) -> None:
        with self._lock:
            self._status = self._status.model_copy(update={**fields, "at": time.time()})
            write_status(self._actor.folder, self._status)

    def _pulse(self) -> None:
        while not self._end.wait(PULSE_SECONDS):
            self._say(**self._under_way())
