"""Licenses that are over: what they guaranteed and did not use goes back to what their dataset can sell."""

from __future__ import annotations

from collections.abc import Sequence

from app.custodian.follow import Follower
from app.custodian.ledger import Ledger
from app.custodian.seams import Chain
from app.protocol.errors import Reverted
from app.protocol.leak import Released, atoms


def used(entries: Sequence[Released]) -> int:
    """The most micro-bits that these releases gave away about one person.

    Rows of different versions are not matched, so what other versions gave away counts on every row.
    """
    most = 0
    for version in {entry.version for entry in entries}:
        own = [entry for entry in entries if entry.version == version]
        rest = sum(entry.micro_bits for entry in entries if entry.version != version)
        stretches = atoms(min(each.first for each in own), max(each.end for each in own), own)
        most = max(most, rest + max(sum(each.micro_bits for each in stretch) for stretch in stretches))
    return most


def settle_licenses(chain: Chain, ledger: Ledger, follower: Follower) -> list[int]:
    """Settle every license that is over and whose jobs are; their numbers. The others come around again.

    Errors: Unavailable.
    """
    settled = []
    for license in chain.over():
        follower.follow(license.dataset)
        try:
            chain.settle_license(license.id, used(ledger.charged_to(license.id)))
        except Reverted:  # a job of it may still be running
            continue
        settled.append(license.id)
    return settled
