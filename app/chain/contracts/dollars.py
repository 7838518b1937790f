"""The test dollars of a new market: edition 2's own has EIP-2612 alone, this one EIP-3009 beside it.

A market's token is one of its terms, so that a new token is no new edition: markets of before keep theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.chain.contracts.abi import Interface
from app.chain.contracts.client import ContractClient
from app.chain.contracts.deployment import Deployed, Terms, read
from app.chain.contracts.prepaid import AUTHORIZED_COIN
from app.chain.contracts.token import COIN
from app.chain.node import ChainNode
from app.chain.wallet.account import Account
from contracts import load


def in_dollars(
    node: ChainNode,
    account: Account,
    path: Path,
    terms: Terms | None = None,
    report: Callable[[Deployed], None] = lambda deployed: None,
) -> Terms:
    """The terms of a market that is deployed to `path`, in test dollars that take signed transfers.

    Where the terms name a token, or a deployment was begun, nothing is created. A run that was cut short before the
    deployment was begun leaves a token that nobody uses. Errors: Reverted, Unavailable; BadDocument.
    """
    terms = terms or Terms()
    if terms.token is None and path.exists():
        return terms.model_copy(update={"token": read(path).terms.token})
    if terms.token is None:
        artifact = load(AUTHORIZED_COIN)
        sent = ContractClient(node, []).create(account, Interface(artifact.abi), artifact.bytecode, ())
        assert sent.contract is not None  # a creation that went through has an address
        report(Deployed(COIN, sent.contract, sent.tx, sent.gas))
        terms = terms.model_copy(update={"token": sent.contract})
    return terms
