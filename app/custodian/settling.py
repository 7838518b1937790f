"""Licenses that are over: what they guaranteed and did not use goes back to what their dataset can sell."""

from __future__ import annotations

from app.custodian.follow import Follower
from app.custodian.ledger import Ledger
from app.custodian.ports import CustodianChain
from app.protocol.errors import Reverted
from app.protocol.policy.rules import most_told


def settle_licenses(chain: CustodianChain, ledger: Ledger, follower: Follower) -> list[int]:
    """Settle every license that is over and whose jobs are; their numbers. The others come around again.

    Errors: Unavailable.
    """
    settled = []
    for license in chain.over():
        follower.follow(license.dataset)
        try:
            chain.settle_license(license.id, min(most_told(ledger.charged_to(license.id)), license.micro_bits))
        except Reverted:  # a job of it may still be running
            continue
        settled.append(license.id)
    return settled
