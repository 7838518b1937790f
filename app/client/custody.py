"""The custodian's bond of a dataset: what answers for its silence. Without one no job can be opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.chain.market import Market, Sent
    from app.chain.wallet.account import Account

# Each open job holds the most that its executors may cost, so this bounds the fees of all jobs at one time.
USUAL_BOND = 100_000_000  # token units: 100 dollars of six decimals


def ensure_custody(market: Market, account: Account, dataset: int, amount: int = USUAL_BOND) -> Sent[int] | None:
    """Make a dataset's custodian bond at least `amount`, from this account; None where it was. The value is the bond.

    Errors: Reverted where the account has too few tokens.
    """
    missing = amount - market.custody(dataset).bond
    return market.bond_custodian(account, dataset, missing) if missing > 0 else None
