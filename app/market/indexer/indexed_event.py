"""An event with the time of its block: all that a rule needs to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.market.indexer.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class IndexedEvent:
    """A decoded event of the market's contracts. `at` is its block's time."""

    contract: str
    name: str
    args: Mapping[str, Any]
    block: int
    block_hash: str
    tx: str
    index: int
    at: int


Rule = Callable[["UnitOfWork", IndexedEvent], None]
