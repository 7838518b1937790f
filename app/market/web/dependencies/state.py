"""What the API is made of, handed in from outside, and what each request finds of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlmodel import Session

from app.chain.contracts.token import COIN
from app.chain.market import Market
from app.chain.relay import Relay
from app.chain.unsigned import UnsignedCalls
from app.home.agent_status import AgentStatus
from app.market.db.database import Database
from app.market.queries.budget import ReleasesOn
from app.market.queries.releases import Releases
from app.market.web.auth.sessions import SessionStore
from app.market.web.background.audits import AuditQueue
from app.market.web.background.streams import Streams
from app.market.web.certificates import Certificates
from app.market.web.featured_models import FeaturedModelsOf, empty
from app.market.web.middleware.concurrency import ConcurrencyLimit
from app.market.web.middleware.rate_limits import RateLimiter
from app.market.web.settings import WebServerSettings
from app.protocol.errors import DarkroomError, Reverted
from app.protocol.ports import Store

CHAIN_CLOCK_SECONDS = 1.0  # how old the chain's time may be
MOST_NEW = 100  # releases that one page works out


@dataclass(frozen=True)
class Dependencies:
    """The parts of one node that the API reads. `clock` is this machine's, in seconds since the epoch."""

    market: Market
    store: Store
    database: Database
    clock: Callable[[], float] = time.time
    threads: int = 1  # that an audit may use
    shelf: FeaturedModelsOf = empty  # models that this node offers
    agents: Callable[[], Sequence[AgentStatus]] = tuple  # of this home, as they speak of themselves


@dataclass(frozen=True)
class Coin:
    """The payment token, for people."""

    symbol: str
    decimals: int

    def text(self, amount: int) -> str:
        """An amount of token units as people write it: 12.5 tUSD."""
        whole, rest = divmod(amount, 10**self.decimals)
        digits = f"{rest:0{self.decimals}d}".rstrip("0") if self.decimals else ""
        return f"{whole:,}{'.' + digits if digits else ''} {self.symbol}"


@dataclass
class AppState:
    """The parts at work."""

    settings: WebServerSettings
    parts: Dependencies
    access: SessionStore
    audits: AuditQueue
    streams: Streams
    quoting: ConcurrencyLimit
    heavy: RateLimiter | None  # work
    uploads: RateLimiter | None  # bytes
    relay: Relay = field(init=False)
    drafter: UnsignedCalls = field(init=False)
    releases: Releases = field(init=False)
    certificates: Certificates = field(init=False)
    _time: tuple[float, int] | None = None  # when the chain's clock was read, by the monotonic one, and what it said
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _coin: Coin | None = None

    def __post_init__(self) -> None:
        market = self.parts.market
        self.relay, self.drafter = Relay(market), UnsignedCalls(market)
        self.releases = Releases(self.parts.store)
        self.certificates = Certificates(market, self.parts.store)

    @property
    def market(self) -> Market:
        """The contracts."""
        return self.parts.market

    @property
    def store(self) -> Store:
        """The objects."""
        return self.parts.store

    def session(self) -> AbstractContextManager[Session]:
        """A session of the index."""
        return self.parts.database.session()

    @property
    def told(self) -> ReleasesOn:
        """What was released of a dataset, as far as a page can wait for it."""
        return partial(self.releases.on, most_new=MOST_NEW)

    def now(self) -> int:
        """The chain's clock, at most a second old; this machine's while the chain is out of reach."""
        with self._lock:
            at = time.monotonic()
            if self._time is None or at - self._time[0] > CHAIN_CLOCK_SECONDS:
                try:
                    self._time = (at, self.market.now())
                except DarkroomError:
                    return int(self.parts.clock())
            return self._time[1]

    @property
    def coin(self) -> Coin:
        """The payment token. Errors: Unavailable."""
        if self._coin is None:
            try:
                read = self.market.client.read
                self._coin = Coin(str(read(COIN, "symbol"))[:20], int(read(COIN, "decimals")))
            except Reverted:  # ERC-20 leaves both optional
                self._coin = Coin("token units", 0)
        return self._coin


async def backend(request: Request) -> AppState:
    """The parts behind a request's application. A coroutine, since a function would take a turn on another thread."""
    found: Any = request.app.state.backend
    assert isinstance(found, AppState)
    return found


State = Annotated[AppState, Depends(backend)]
