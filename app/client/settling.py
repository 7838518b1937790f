"""What a license that is over was told, from public records alone: what its owner gives back is for sale again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.execution.history import settled_on
from app.protocol.policy.rules import most_told

if TYPE_CHECKING:
    from app.home.network import Network
    from app.protocol.market.entities import License


def used_by(network: Network, license: License) -> int:
    """Micro-bits that a license's releases told about the person of whom they told most, at most its guarantee.

    Errors: NotFound without a manifest, BadBlock, BadDocument, Unavailable.
    """
    entries = settled_on(network.market, network.store, license.dataset)
    return min(license.micro_bits, most_told([each for each in entries if each.license == license.id]))
