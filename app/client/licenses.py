"""How many licenses an offer sells, and whether the persons of a table have anything left to sell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.protocol.errors import NotAllowed
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.bits import describe_bits

if TYPE_CHECKING:
    from ingestion.recipe import OfferHints


def licenses(policy: OutputPolicy, budget: int, terms: OfferHints) -> int:
    """How many licenses an offer sells at once: as stated, else half of what the persons' micro-bits are for."""
    return terms.licenses or max(1, budget // policy.micro_bits_per_license // 2)  # as many again in another offer


def check_licenses(policy: OutputPolicy, free: int, terms: OfferHints) -> int:
    """The same of `free` micro-bits about each person. Errors: NotAllowed where they are too few."""
    count = licenses(policy, free, terms)
    if count * policy.micro_bits_per_license > free:
        raise NotAllowed(
            f"{count:,} licenses take {describe_bits(count * policy.micro_bits_per_license)} bits about each"
            f" person, and {describe_bits(free)} are not reserved by other offers and licenses.",
            "Offer fewer (licenses under [offer]), end another offer, or settle licenses that are over.",
        )
    return count


def left_to_sell(policy: OutputPolicy, limit: int, elsewhere: int) -> int:
    """Micro-bits about each person that a dataset can sell of `limit`, where others account for `elsewhere`.

    Errors: NotAllowed where they are not enough for one license.
    """
    if limit - elsewhere < policy.micro_bits_per_license:
        raise NotAllowed(
            f"Other datasets told, or may yet tell, {describe_bits(elsewhere)} of the {describe_bits(limit)} bits that"
            " this policy sells about some person, so not one license is left.",
            "Retire those that still sell (darkroom dataset retire), or sell more: micro_bits_per_person under"
            " [policy].",
        )
    return limit - elsewhere
