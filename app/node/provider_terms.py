"""Whether what this home's providers ask on the chain still fits what it costs them: the gas of now, above all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from app.home.account_files import address_in
from app.home.home import Home
from app.home.network import Network
from app.protocol.errors import NotFound
from app.protocol.market.money import dollars
from app.provider import pricing as prices
from app.provider import speed as speeds
from app.provider.pricing import JOB_GAS, Pricing

if TYPE_CHECKING:
    from app.chain.node import Fees
    from app.protocol.market.entities import ProviderRecord


def told(home: Home) -> Iterator[tuple[bool, str, str]]:
    """For each provider of this home: whether all is well, what it asks, and what to do where it is not.

    Errors: NotFound before the home is set up; BadDocument, VerificationFailed, Unavailable.
    """
    folders = [home.root / "actors" / name for name in home.actors()]
    folders = [each for each in folders if (each / prices.FILE).exists() or (each / speeds.FILE).exists()]
    if not folders:
        return
    market = Network.open(home).market
    fees = market.node.fees()
    for folder in folders:
        address = address_in(folder)
        try:
            record = market.provider(address) if address else None
        except NotFound:
            record = None
        if record is not None and record.bond:
            yield _judged(folder, record, fees)


def _judged(folder: Path, record: ProviderRecord, fees: Fees) -> tuple[bool, str, str]:
    costs = prices.kept(folder) or Pricing()
    gas = costs.gas(JOB_GAS, fees.present)
    asks = (
        f"{folder.name} asks {dollars(record.fixed_fee)} for a job and {dollars(record.price)} for a million units;"
        f" the gas of one costs {dollars(gas)} now, an ether being {dollars(costs.ether)}"
    )
    if record.fixed_fee < gas:
        fix = f"Serve, and it is stated again; or: darkroom provider terms --as {folder.name}."
        return False, f"{asks}: it works at a loss.", fix
    return True, f"{asks}.", ""
