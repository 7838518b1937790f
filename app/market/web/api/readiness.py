"""How the node does: what load balancers ask, and what people see."""

from __future__ import annotations

from collections.abc import Callable

from app import __version__
from app.chain.contracts.token import COIN
from app.chain.node import DevNode
from app.home.agent_status import troubles
from app.market.queries.status import IndexStatus, status
from app.market.web.dependencies.state import AppState
from app.market.web.fields import ResponseModel
from app.protocol.errors import DarkroomError


class ReadinessCheck(ResponseModel):
    """One part."""

    part: str
    ok: bool
    detail: str


class Readiness(ResponseModel):
    """All parts; `ready` when every one is but the agents, without which pages and API work."""

    ready: bool
    checks: tuple[ReadinessCheck, ...]


class CoinView(ResponseModel):
    """The payment token."""

    symbol: str
    decimals: int
    address: str


class NodeStatusView(ResponseModel):
    """This node. `contracts` are the addresses that a wallet should compare with its own source."""

    version: str
    edition: str  # of the market's contracts
    drained: bool  # a later edition stands in its place: nothing new is taken
    chain_id: int
    head: int
    time: int  # of the chain's clock
    market: str
    contracts: dict[str, str]
    coin: CoinView
    index: IndexStatus
    relay: bool
    faucet: bool
    streams: int


def look(here: AppState) -> Readiness:
    """Look at every part."""
    checks = (
        _check("chain", lambda: f"block {here.market.block_number}"),
        _check("database", lambda: _database(here)),
        _check("index", lambda: _index(here)),
    )
    agents = _check("agents", lambda: _agents(here))
    return Readiness(ready=all(each.ok for each in checks), checks=(*checks, agents))


def node_status(here: AppState) -> NodeStatusView:
    """Errors: Unavailable; NotFound before the index first ran."""
    market, coin = here.market, here.coin
    with here.session() as session:
        index = status(session)
    return NodeStatusView(
        version=__version__,
        edition=market.edition,
        drained=market.drained,
        chain_id=market.chain_id,
        head=market.block_number,
        time=here.now(),
        market=market.address,
        contracts=market.addresses,
        coin=CoinView(symbol=coin.symbol, decimals=coin.decimals, address=market.addresses[COIN]),
        index=index,
        relay=here.settings.relay,
        faucet=here.settings.faucet and isinstance(market.node, DevNode),
        streams=here.streams.count,
    )


class _NotOk(Exception):
    """What a check found amiss."""


def _check(part: str, find: Callable[[], str]) -> ReadinessCheck:
    try:
        return ReadinessCheck(part=part, ok=True, detail=find())
    except (DarkroomError, _NotOk) as error:
        return ReadinessCheck(part=part, ok=False, detail=str(error))


def _database(here: AppState) -> str:
    if not here.parts.database.is_current():
        raise _NotOk("its tables are not of this version")
    return "tables are current"


def _agents(here: AppState) -> str:
    """Counts alone: whose node it is can see more by `darkroom doctor`."""
    statuses = here.parts.agents()
    troubled = [each for each in statuses if any(found.level == "fail" for found in troubles(each))]
    if troubled:
        raise _NotOk(f"{len(troubled)} of {len(statuses)} in trouble")
    return f"{sum(not each.stopped for each in statuses)} at work"


def _index(here: AppState) -> str:
    with here.session() as session:
        place = status(session)
    lag = max(place.behind, here.market.block_number - place.height)
    if lag > here.settings.max_lag:
        raise _NotOk(f"{lag} blocks behind")
    if place.error:
        raise _NotOk(place.error)
    return f"block {place.height}, {lag} behind"
