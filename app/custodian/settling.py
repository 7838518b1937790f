"""Licenses that are over: what they guaranteed and did not use goes back to what their dataset can sell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from app.custodian.follow import Follower
from app.custodian.ledger import Ledger
from app.custodian.seams import Chain
from app.protocol.errors import Reverted
from app.protocol.leak import Released


def used(entries: Sequence[Released]) -> int:
    """The most micro-bits that these releases gave away about one person.

    Rows of different versions are not matched, so what other versions gave away counts on every row.
    """
    most = 0
    for version in {entry.version for entry in entries}:
        rest = sum(entry.micro_bits for entry in entries if entry.version != version)
        steps: dict[int, int] = {}
        for entry in entries:
            if entry.version == version:
                steps[entry.first] = steps.get(entry.first, 0) + entry.micro_bits
                steps[entry.end] = steps.get(entry.end, 0) - entry.micro_bits
        heaviest = max(accumulate(steps[place] for place in sorted(steps)))
        most = max(most, rest + heaviest)
    return most


def settle_licenses(chain: Chain, ledger: Ledger, follower: Follower) -> list[int]:
    """Settle every license that is over and whose jobs are; their numbers. The others come around again.

    Errors: Unavailable.
    """
    settled = []
    for license in chain.over():
        follower.follow(license.dataset)
        try:
            chain.settle_license(license.id, min(used(ledger.charged_to(license.id)), license.micro_bits))
        except Reverted:  # a job of it may still be running
            continue
        settled.append(license.id)
    return settled
