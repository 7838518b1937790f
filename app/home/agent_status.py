"""How the agents of a home do, as each says it of itself in a small file of its role's folder.

Agents are processes of their own and listen nowhere. Whoever watches them (`darkroom doctor`, the node's /metrics and
/v1/ready) reads these files, and judges them alike: `troubles` says in words what is wrong and what to do.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.home.home import Home

FILE = "status.json"  # in a role's folder; one a kind of agent
MAX_STATUS_BYTES = 64 << 10
SILENT_SECONDS = 180.0  # without a word before an agent counts as silent; a step tells its progress more often
GAS_OF_A_JOB = 450_000  # what a provider's part in one job takes, drawn, committed and revealed
FEW_JOBS, NO_JOBS = 50, 2  # that the account's ether still pays for: a warning, a failure
NEAR_SECONDS = 900  # before a deadline of a job that this agent has to act on

Level = Literal["warn", "fail"]
Count = Annotated[int, Field(ge=0)]


class AgentStatus(BaseModel):
    """One agent's words. Times are seconds since the epoch by this machine's clock, ages and slack by the chain's."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Literal["provider", "custodian", "keeper"]
    role: str
    account: str
    pid: int
    started: float
    at: float  # of these words
    stopped: bool = False  # it was told to stop, and did
    jobs: dict[str, Count] = {}  # jobs that it has to do with and that are not over, by state
    oldest_seconds: Count = 0  # age of the oldest of them
    slack_seconds: int | None = None  # until the nearest deadline that this agent has to meet; negative once it is over
    disputes: Count = 0  # about results, that it plays and that are running; their deadlines count among the slack's
    computing: tuple[int, int, int] | None = None  # the job under way: its number, rows done, all rows
    failures: dict[str, Count] = {}  # since it started, by the error's code
    failing: Count = 0  # steps in a row that failed
    error: str = ""  # why the last step failed
    step_seconds: float = 0.0  # that the last step took
    balance_wei: int | None = None
    gas_price_wei: int | None = None  # what the chain asks for now
    bond: int | None = None  # token units
    seat: bool | None = None  # whether it can be drawn
    heartbeat_seconds: int | None = None  # since its last sign of life
    heartbeat_window: int | None = None  # after which its seat may be taken
    ledger_waiting: int | None = None  # jobs that the ledger has not brought to an end
    open_transactions: Count = 0  # sent, and in no block

    @property
    def jobs_paid_for(self) -> int | None:
        """For how many more jobs the account's ether pays at the present price of gas; None where it is unknown."""
        if self.balance_wei is None or not self.gas_price_wei:
            return None
        return self.balance_wei // (self.gas_price_wei * GAS_OF_A_JOB)


@dataclass(frozen=True)
class AgentTrouble:
    """One thing that is wrong with an agent, and what to do."""

    role: str
    kind: str  # one word for machines
    level: Level
    what: str
    fix: str


def write_status(folder: Path, status: AgentStatus) -> None:
    """Say how an agent does; a full disk must not end it. Not awaited on the disk: after a power cut it speaks anew."""
    path = folder / f"{status.kind}-{FILE}"
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(status.model_dump_json())
        aside.replace(path)


def read_statuses(home: Home) -> Iterator[AgentStatus]:
    """What the agents of a home said last, by role; a damaged file is left out."""
    for role in home.actors():
        for path in sorted((home.root / "actors" / role).glob(f"*-{FILE}")):
            try:
                with path.open("rb") as file:
                    yield AgentStatus.model_validate(json.loads(file.read(MAX_STATUS_BYTES)))
            except (OSError, ValueError, ValidationError):
                continue


def troubles(status: AgentStatus, now: float | None = None) -> list[AgentTrouble]:
    """What is wrong with an agent by its own words, the gravest first."""
    found: list[AgentTrouble] = []

    def say(kind: str, level: Level, what: str, fix: str) -> None:
        found.append(AgentTrouble(status.role, kind, level, what, fix))

    name, silent = f"The {status.kind} {status.role}", (time.time() if now is None else now) - status.at
    if status.stopped:
        return []
    if silent > SILENT_SECONDS:
        say("silent", "fail", f"{name} has said nothing for {silent:,.0f} s.", "See its log and start it again.")
    if status.slack_seconds is not None and status.slack_seconds < NEAR_SECONDS:
        late = f"in {status.slack_seconds:,} s" if status.slack_seconds > 0 else "now"
        fix = "See its log: a stake is lost when it passes." if status.kind == "provider" else "See its log."
        say("deadline", "fail", f"{name} must act on a job, whose deadline ends {late}.", fix)
    if status.disputes:
        what = f"{name} plays {status.disputes} disputes about results."
        say("dispute", "warn", what, "Keep it running: silence loses. See darkroom job show.")
    if status.failing:
        say("failing", "fail", f"{name} failed {status.failing} times in a row: {status.error}", "Do what it says.")
    if (left := status.jobs_paid_for) is not None and left < FEW_JOBS:
        fix = f"Send ether for gas to {status.account}."
        say("gas", "fail" if left < NO_JOBS else "warn", f"{name} has ether for {left} more jobs.", fix)
    if status.bond and status.seat is False:
        fix = "See: darkroom provider heartbeat, and its bond: darkroom provider status."
        say("seat", "fail", f"{name} has no seat, so that it is not drawn.", fix)
    window, age = status.heartbeat_window, status.heartbeat_seconds
    if window and age is not None and age > window // 2:
        say("heartbeat", "warn", f"{name} gave its last sign of life {age:,} s ago.", "See its log.")
    if status.open_transactions > FEW_OPEN:
        fix = "See whether the chain has become dearer than max_gas_gwei in node.json."
        say("transactions", "warn", f"{status.open_transactions} transactions of {status.role} are in no block.", fix)
    return found


FEW_OPEN = 3  # transactions that are in no block, before they are worth a word
