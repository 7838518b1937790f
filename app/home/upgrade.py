"""Bringing a home forward: its folders to this version's layout, and its market to a later edition of the contracts.

A market on a chain never changes. When a release brings another edition of the contracts, a home moves on: the later
market becomes the present one, and the earlier one is drained beside it, with the same roles, accounts, keys and
ledgers. Nothing of it is moved on the chain, so nothing is lost there: its jobs end, its licenses are used up, its
bonds and claims are taken out, by the same commands with `--edition`.

Every step can be done again: a crash in between leaves the home as it was or as it is to be.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.home.config import LAYOUT, NodeConfig, read_config, write_config
from app.home.home import EARLIER, Home, private_folder
from app.protocol.errors import BadInput, NotFound

if TYPE_CHECKING:
    from app.chain.contracts.deployment import Deployment

OF_ONE_MARKET = ("index", "models.json", "samples")  # of a home: they go with the market that they are about


@dataclass(frozen=True)
class MarketHere:
    """One market of a home."""

    edition: str
    path: Path  # of its deployment
    deployment: Deployment
    drained: bool


def markets_of(home: Home, config: NodeConfig) -> list[MarketHere]:
    """All markets of a home, the present one first. Errors: NotFound, BadDocument."""
    from app.chain.contracts.deployment import read

    paths = [home.root / each for each in config.deployments]
    found = [(path, read(path)) for path in paths]
    return [MarketHere(each.edition, path, each, bool(place)) for place, (path, each) in enumerate(found)]


def deployment_of(home: Home, config: NodeConfig) -> tuple[Path, bool]:
    """The deployment file of the home's edition, and whether it is drained.

    Errors: NotFound for an edition that is not here.
    """
    if not home.edition:
        return home.root / config.deployment, False
    here = markets_of(home, config)
    for each in here:
        if each.edition == home.edition:
            return each.path, each.drained
    names = ", ".join(each.edition for each in here)
    raise NotFound(f"There is no edition {home.edition!a} in {home.root}: there is {names}.", "Name one of these.")


def bring_forward(home: Home) -> NodeConfig:
    """The home's settings, after its folders were brought to this version's layout.

    Errors: NotFound before it is set up, BadDocument for a home of a newer version.
    """
    config = read_config(home)
    if config.layout >= LAYOUT:
        return config
    with _alone(home):
        config = read_config(home)
        if config.layout < LAYOUT:
            _name_by_market(home, config)
            write_config(home, config)
    return read_config(home)


def move_on(home: Home, name: str) -> MarketHere:
    """Make a later market the present one; the present one becomes an earlier one, and is drained. Which that is.

    `name` is the later market's deployment file, as `node.json` is to name it. Doing it again changes nothing.
    Errors: NotFound, BadDocument; BadInput for another chain's market, or an edition that is not later.
    """
    from app.chain.contracts.deployment import read
    from contracts import EDITIONS

    later = read(home.root / name)
    bring_forward(home)
    with _alone(home):
        config = read_config(home)
        markets = markets_of(home, config)
        if name == config.deployment:
            return markets[min(1, len(markets) - 1)]
        present = markets[0]
        known = [each for each in (present.edition, later.edition) if each in EDITIONS]
        if len(known) < 2 or EDITIONS.index(later.edition) <= EDITIONS.index(present.edition):
            raise BadInput(
                f"The market of {name} is of edition {later.edition}, which is not later than {present.edition}.",
                "Name the deployment of a later one, or use another DARKROOM_HOME.",
            )
        if later.chain_id != present.deployment.chain_id:
            raise BadInput(
                f"The market of {name} is on chain {later.chain_id}, and this home on {present.deployment.chain_id}.",
                "Use another DARKROOM_HOME for it.",
            )
        place = private_folder(private_folder(home.root / EARLIER) / present.edition)
        for each in OF_ONE_MARKET:
            if (home.root / each).exists() and not (place / each).exists():
                (home.root / each).rename(place / each)
        write_config(
            home, config.model_copy(update={"deployment": name, "earlier": (config.deployment, *config.earlier)})
        )
        return MarketHere(present.edition, present.path, present.deployment, drained=True)


def _name_by_market(home: Home, config: NodeConfig) -> None:
    """Layout 1 knew one market: what its agents kept of jobs goes under that market's name."""
    from app.chain.contracts.deployment import read
    from app.chain.live import FILE
    from app.chain.market import MARKETS

    if not (home.root / config.deployment).is_file():
        return
    market = read(home.root / config.deployment).market
    for name in home.actors():
        folder = home.root / "actors" / name
        for kept in ("jobs", FILE, f"keeper-{FILE}"):
            if (folder / kept).exists():
                new = private_folder(private_folder(folder / MARKETS) / market) / kept
                if not new.exists():
                    (folder / kept).rename(new)


@contextmanager
def _alone(home: Home) -> Iterator[None]:
    """One process at a time, however many open the home at once."""
    file = os.open(private_folder(home.root) / "upgrade.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
