"""How the node does: what load balancers ask, and what people see."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

from app.chain.money import COIN
from app.chain.node import DevNode
from app.market.api.fields import Reply
from app.market.api.parts import Backend
from app.market.queries.status import IndexStatus, status
from app.protocol.errors import DarkroomError


class Check(Reply):
    """One part."""

    part: str
    ok: bool
    detail: str


class Readiness(Reply):
    """All parts; `ready` when every one is."""

    ready: bool
    checks: tuple[Check, ...]


class CoinCard(Reply):
    """The payment token."""

    symbol: str
    decimals: int
    address: str


class NodeStatus(Reply):
    """This node. `contracts` are the addresses that a wallet should compare with its own source."""

    version: str
    chain_id: int
    head: int
    time: int  # of the chain's clock
    market: str
    contracts: dict[str, str]
    coin: CoinCard
    index: IndexStatus
    relay: bool
    faucet: bool
    streams: int


def look(here: Backend) -> Readiness:
    """Look at every part."""
    checks = (
        _check("chain", lambda: f"block {here.market.block_number}"),
        _check("database", lambda: _database(here)),
        _check("index", lambda: _index(here)),
    )
    return Readiness(ready=all(each.ok for each in checks), checks=checks)


def node_status(here: Backend) -> NodeStatus:
    """Errors: Unavailable; NotFound before the index first ran."""
    market, coin = here.market, here.coin
    with here.session() as session:
        index = status(session)
    return NodeStatus(
        version=version("darkroom"),
        chain_id=market.chain_id,
        head=market.block_number,
        time=here.now(),
        market=market.address,
        contracts=market.addresses,
        coin=CoinCard(symbol=coin.symbol, decimals=coin.decimals, address=market.addresses[COIN]),
        index=index,
        relay=here.settings.relay,
        faucet=here.settings.faucet and isinstance(market.node, DevNode),
        streams=here.streams.count,
    )


class _NotOk(Exception):
    """What a check found amiss."""


def _check(part: str, find: Callable[[], str]) -> Check:
    try:
        return Check(part=part, ok=True, detail=find())
    except (DarkroomError, _NotOk) as error:
        return Check(part=part, ok=False, detail=str(error))


def _database(here: Backend) -> str:
    if not here.parts.database.is_current():
        raise _NotOk("its tables are not of this version")
    return "tables are current"


def _index(here: Backend) -> str:
    with here.session() as session:
        place = status(session)
    lag = max(place.behind, here.market.block_number - place.height)
    if lag > here.settings.max_lag:
        raise _NotOk(f"{lag} blocks behind")
    if place.error:
        raise _NotOk(place.error)
    return f"block {place.height}, {lag} behind"
