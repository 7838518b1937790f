"""What differs between editions of the contracts, and what an edition that was followed by another takes no more of.

A drained edition runs to its end: jobs that are open, licenses that were sold, bonds and claims. Nothing begins there
that would outlive them. The contracts know nothing of it: it is what this software does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.protocol.errors import BadInput
from app.protocol.market.entities import PRICED_UNITS

CLOSED_BY_A_LATER = frozenset(
    {
        ("DatasetRegistry", "publish"),
        ("LicenseMarket", "createOffer"),
        ("LicenseMarket", "buy"),
        ("LicenseMarket", "buyWithPermit"),
    }
)


def fees_of(said: Mapping[str, Any]) -> tuple[int, int]:
    """A provider's fixed fee, and price for PRICED_UNITS units, as its struct or its event TermsSet says them.

    Edition 1 has no fixed fee, and prices one unit.
    """
    if "fixedFee" in said:
        return int(said["fixedFee"]), int(said["price"])
    return 0, int(said["price"]) * PRICED_UNITS


def said_fees(fixed: bool, fixed_fee: int, price: int) -> tuple[int, ...]:
    """The same as arguments of `bond` and `setTerms`, where the edition has a fixed fee or not.

    Errors: BadInput for a fixed fee where there is none.
    """
    if fixed:
        return (fixed_fee, price)
    if fixed_fee:
        raise BadInput("Edition 1 of the contracts has no fixed fees.", "State a price alone, or move on: darkroom up.")
    return (-(-price // PRICED_UNITS),)
