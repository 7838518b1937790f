"""What a provider's agent did, or is doing, as it tells whoever runs it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.chain.market import Sent


class Done(StrEnum):
    """What an agent did to a job."""

    COMMITTED = "committed"
    REVEALED = "revealed"
    DECLINED = "declined"
    DREW = "drew"
    CHALLENGED = "challenged"  # another's result, which differs from its own, before the contract
    PLAYED = "played"  # a move in a dispute
    FAILED = "failed"  # it could not


@dataclass(frozen=True)
class Action:
    """One thing the agent did, or could not do."""

    job: int
    what: Done
    detail: str = ""
    sent: Sent[Any] | None = None


@dataclass(frozen=True)
class Computing:
    """How far the job is that an agent computes: rows done of all rows."""

    job: int
    done: int
    rows: int
