"""Transactions that somebody else will sign: call data, gas and fees, without any key.

drafter = Drafter(market)
draft = drafter.draft(account, "LicenseMarket", "buy", 7)       checked: it would succeed in the next block
typed = drafter.permit(account, "JobMarket", 5_000_000)         EIP-712, as eth_signTypedData_v4 takes it
drafter.draft(account, "LicenseMarket", "buyWithPermit", 7, *split_permit(typed.deadline, signature))
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from app.chain.contracts.token import COIN, PERMIT_SECONDS, PERMIT_TYPES, Permit
from app.chain.market import Market
from app.chain.node import ExecutionReverted
from app.protocol.errors import BadInput

QUARTER = 900  # seconds
DOMAIN_TYPE = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]


@dataclass(frozen=True)
class UnsignedCall:
    """One call, ready to be signed. `gas` is None where the call depends on an earlier one that is not sent yet."""

    contract: str
    function: str
    sender: str
    to: str
    data: bytes
    value: int
    chain_id: int
    nonce: int
    gas: int | None
    max_fee: int  # wei per unit of gas
    tip: int


@dataclass(frozen=True)
class PermitRequest:
    """An EIP-2612 permit that waits for its signature."""

    spender: str
    amount: int
    deadline: int
    typed_data: dict[str, Any]


class UnsignedCalls:
    """Drafts for one market."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def draft(self, account: str, contract: str, function: str, *args: Any, after: int = 0) -> UnsignedCall:
        """A call by `account`. With `after`, that many drafts of this account go before it and its gas stays open.

        Errors: Reverted when it would fail now, with the contract's reason; NotAllowed in a drained market; BadInput;
        Unavailable.
        """
        client, node = self._market.client, self._market.node
        client.check_open(contract, function)
        there = client.contracts[contract]
        data = there.interface.encode_call(function, args)
        try:
            gas = None if after else node.estimate(account, there.address, data)
        except ExecutionReverted as error:
            raise client.refusal(error) from None
        fees, nonce = node.fees(), node.nonce(account) + after
        name = there.interface.function(function, len(args)).name
        return UnsignedCall(
            contract, name, account, there.address, data, 0, node.chain_id, nonce, gas, fees.max_fee, fees.tip
        )

    def permit(self, account: str, spender: str, amount: int, deadline: int = 0) -> PermitRequest:
        """The permit that lets a contract take `amount` from an account, good for an hour or until `deadline`.

        Deadlines fall on quarters of an hour, the first that leaves an hour: who asks twice gets the same permit.
        """
        read = self._market.client.read
        domain = read(COIN, "eip712Domain")  # ERC-5267
        deadline = deadline or -(-(self._market.now() + PERMIT_SECONDS) // QUARTER) * QUARTER
        address = self._market.client.address(spender)
        typed = {
            "types": {"EIP712Domain": DOMAIN_TYPE, **PERMIT_TYPES},
            "primaryType": "Permit",
            "domain": {
                "name": domain[1],
                "version": domain[2],
                "chainId": int(domain[3]),
                "verifyingContract": domain[4],
            },
            "message": {
                "owner": account,
                "spender": address,
                "value": str(amount),
                "nonce": str(read(COIN, "nonces", account)),
                "deadline": str(deadline),
            },
        }
        return PermitRequest(address, amount, deadline, typed)


def split_permit(deadline: int, signature: str) -> Permit:
    """A permit's arguments from its deadline and signature (65 bytes r, s, v in hex). Errors: BadInput."""
    if not re.fullmatch(r"0x[0-9a-fA-F]{130}", signature):
        raise BadInput("A permit's signature is 0x and 130 hex digits.", "Sign the typed data again.")
    raw = bytes.fromhex(signature[2:])
    return deadline, raw[64] + 27 if raw[64] < 27 else raw[64], raw[:32], raw[32:64]
