"""The payment token: balances, allowances, permits; and what the contracts owe an account."""

from __future__ import annotations

from collections.abc import Iterable

from app.chain.contracts.client import ContractClient, Sent
from app.chain.wallet.account import Account
from app.protocol.errors import BadInput

COIN = "TestUSD"  # the payment token
PAYERS = ("LicenseMarket", "JobMarket")  # the contracts that hold claims
PERMIT_SECONDS = 3600
PERMIT_TYPES = {
    "Permit": [
        {"name": "owner", "type": "address"},
        {"name": "spender", "type": "address"},
        {"name": "value", "type": "uint256"},
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint256"},
    ]
}

Permit = tuple[int, int, bytes, bytes]  # deadline, v, r, s


class PaymentToken:
    """Token actions. Amounts are the token's smallest units."""

    client: ContractClient

    def faucet(self, account: Account, amount: int) -> Sent[int]:
        """Mint test tokens to the account; only the test token can. Errors: Reverted."""
        return self.client.send(account, COIN, "faucet", account.address, amount).with_value(amount)

    def approve(self, account: Account, spender: str, amount: int) -> Sent[None]:
        """Let a contract take up to `amount` from the account. `spender` is an address or a contract's name."""
        return self.client.send(account, COIN, "approve", self._spender(spender), amount)

    def transfer(self, account: Account, to: str, amount: int) -> Sent[None]:
        """Pay tokens to an address. Errors: Reverted."""
        return self.client.send(account, COIN, "transfer", to, amount)

    def balance(self, address: str) -> int:
        """Tokens that an account holds."""
        return int(self.client.read(COIN, "balanceOf", address))

    def allowance(self, owner: str, spender: str) -> int:
        """Tokens that `spender` (an address or a contract's name) may take from `owner`."""
        return int(self.client.read(COIN, "allowance", owner, self._spender(spender)))

    def permit(self, account: Account, spender: str, amount: int) -> Permit:
        """A signed EIP-2612 permit for a contract, good for an hour, to be used in the same transaction."""
        domain = self.client.read(COIN, "eip712Domain")  # ERC-5267
        deadline = self.client.node.now() + PERMIT_SECONDS
        message = {
            "owner": account.address,
            "spender": self._spender(spender),
            "value": amount,
            "nonce": self.client.read(COIN, "nonces", account.address),
            "deadline": deadline,
        }
        fields = {"name": domain[1], "version": domain[2], "chainId": domain[3], "verifyingContract": domain[4]}
        signature = account.sign_typed(fields, PERMIT_TYPES, message)
        return deadline, signature[64], signature[:32], signature[32:64]

    def claims(self, address: str) -> dict[str, int]:
        """What each contract owes an account, ready to withdraw."""
        return {payer: int(self.client.read(payer, "claimable", address)) for payer in PAYERS}

    def claim(self, address: str) -> int:
        """What all contracts together owe an account."""
        return sum(self.claims(address).values())

    def earnings(self, offer: int) -> int:
        """What an offer has earned and nobody has collected yet."""
        return sum(self._uncollected(payer, offer) for payer in PAYERS)

    def collect(self, account: Account, offer: int) -> list[Sent[int]]:
        """Split an offer's earnings among its beneficiaries' claims; anyone may pay the gas.

        One transaction per contract with new earnings; the value is the amount that it split.
        """
        due = [payer for payer in PAYERS if self._uncollected(payer, offer)]
        return [_amount(self.client.send(account, payer, "collect", offer), "Collected") for payer in due]

    def withdraw(self, account: Account, offers: Iterable[int] = ()) -> list[Sent[int]]:
        """Pay out everything that is owed to the account, after collecting these offers (see `offers_of`).

        One transaction per contract, and one per contract and offer with new earnings. The value is what the
        transaction paid to the account: 0 for those that only collect.
        """
        sent = [each.with_value(0) for offer in offers for each in self.collect(account, offer)]
        due = [payer for payer, amount in self.claims(account.address).items() if amount]
        return sent + [_amount(self.client.send(account, payer, "withdraw"), "Withdrawn") for payer in due]

    def _uncollected(self, payer: str, offer: int) -> int:
        received, distributed = self.client.read(payer, "earnings", offer)
        return int(received) - int(distributed)

    def _spender(self, spender: str) -> str:
        if spender.startswith("0x"):
            return spender
        if spender not in self.client.contracts:
            raise BadInput(f"There is no contract {spender}.", f"Choose one of {', '.join(self.client.contracts)}.")
        return self.client.address(spender)


def _amount(sent: Sent[None], event: str) -> Sent[int]:
    return sent.with_value(int(sent.event(event).args["amount"]))
