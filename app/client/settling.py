"""What a license that is over was told, from public records alone: what its owner gives back is for sale again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.execution.facts import load_manifest
from app.execution.history import settled_on
from app.protocol.release import spent_on

if TYPE_CHECKING:
    from app.client.network import Network
    from app.protocol.market import License


def used_by(network: Network, license: License) -> int:
    """Micro-bits that a license's releases told about the person of whom they told most, at most its guarantee.

    Releases on other versions than the present count on every row, as the custodian counts them.
    Errors: NotFound without the manifest, BadBlock, BadDocument, Unavailable.
    """
    record = network.market.dataset(license.dataset)
    table = load_manifest(network.store, record).table
    fresh = table.model_copy(update={"carried": (), "carried_jobs": 0})  # what others were told, or before it was sold
    told = [each for each in settled_on(network.market, network.store, record.id) if each.license == license.id]
    return min(license.micro_bits, spent_on(fresh, told, record.version, 0, record.rows))
