"""Earlier editions of the contracts in a home: what is still open on their markets, what to do about it, and their end.

Nothing of a market is moved on the chain, so a drained one is over when its jobs are, its licenses allow no more, and
the roles of this home have taken out what it holds of theirs. Then a node need not serve it any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.home.account_files import address_in
from app.home.config import read_config, write_config
from app.home.home import Home
from app.home.network import Network
from app.home.upgrade import bring_forward, markets_of
from app.protocol.errors import NotAllowed, NotFound
from app.protocol.market.entities import LicenseState
from app.protocol.market.money import DECIMALS, dollars

if TYPE_CHECKING:
    from app.chain.market import Market
    from app.protocol.ids import Address

USABLE = (LicenseState.ACTIVE, LicenseState.PENDING)


@dataclass(frozen=True)
class Remainder:
    """One thing that is still on a drained market, and what to do."""

    edition: str
    what: str
    fix: str


def editions_drained(home: Home) -> list[str]:
    """Names of the earlier editions of a home. Errors: NotFound, BadDocument."""
    return [each.edition for each in markets_of(home, bring_forward(home)) if each.drained]


def remainders(home: Home, edition: str) -> Iterator[Remainder]:
    """What is still open on a drained market, or lies there for a role of this home. It reads every license.

    Errors: NotFound, Unavailable.
    """
    market = Network.open(Home(home.root, edition)).market
    now, jobs = market.now(), market.live_jobs().ids()
    if jobs:
        fix = "Leave the node running: they run to their end, or are refunded at their deadlines."
        yield Remainder(edition, f"{len(jobs)} jobs are not over.", fix)
    usable = [each for each in market.licenses() if each.state(now) in USABLE]
    if usable:
        last = datetime.fromtimestamp(max(each.valid_until for each in usable), UTC)
        what = f"{len(usable)} licenses still allow jobs, the last one until {last:%Y-%m-%d %H:%M} UTC."
        yield Remainder(edition, what, "Leave the node running: they were paid for. An owner may revoke one.")
    for role in home.actors():
        address = address_in(home.root / "actors" / role)
        if address is not None:
            for what, words in _of_role(market, address, role, now):
                yield Remainder(edition, what, f"darkroom --edition {edition} {words} --as {role}")


def _of_role(market: Market, address: Address, role: str, now: int) -> Iterator[tuple[str, str]]:
    """What the market holds of one account: words, and the command that takes it out."""
    try:
        record = market.provider(address)
    except NotFound:
        pass
    else:
        if record.bond and not record.unbonding:
            yield f"The bond of {role} is {dollars(record.bond)}.", "provider unbond"
        elif record.bond:
            when = datetime.fromtimestamp(record.unbonding, UTC)
            since = "can be taken" if record.unbonding <= now else f"can be taken from {when:%Y-%m-%d %H:%M} UTC on"
            yield f"The bond of {role}, {dollars(record.bond)}, {since}.", "provider withdraw-bond"
    for dataset in market.datasets():
        if dataset.custodian == address:
            custody = market.custody(dataset.id)
            free = (custody.bond - custody.held) // 10**DECIMALS
            if free:  # whole dollars, as the command takes them
                what = f"The custodian's bond of dataset {dataset.id} is {dollars(custody.bond)}."
                yield what, f"custodian unbond {dataset.id} {free}"
    if owed := market.claim(address) + sum(market.earnings(offer) for offer in market.offers_of(address)):
        yield f"{role} can withdraw {dollars(owed)}, less what others have a share in.", "account withdraw"


def end(home: Home, edition: str) -> str:
    """Serve a drained edition no more, once nothing of it is left; where its deployment file stays.

    Its files stay too: named in `earlier` in node.json it is served again. Errors: NotFound for an edition that is not
    drained here; NotAllowed while something is left, with the first thing and what to do.
    """
    markets = markets_of(home, bring_forward(home))
    found = next((each for each in markets if each.drained and each.edition == edition), None)
    if found is None:
        raise NotFound(f"No edition {edition!a} is drained in {home.root}.", "List them: darkroom node editions.")
    for left in remainders(home, edition):
        raise NotAllowed(f"Edition {edition} is not over: {left.what}", left.fix)
    config = read_config(home)
    name = next(each for each in config.earlier if home.root / each == found.path)
    write_config(home, config.model_copy(update={"earlier": tuple(x for x in config.earlier if x != name)}))
    return name
