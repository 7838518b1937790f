"""The chain as the official package's facilitator sees it: reads, and one transaction, which opens the paid order.

`ExactEvmScheme` verifies a payment and settles it by the token's `transferWithAuthorization`. Here that call goes
through the contract of prepaid orders, which makes the transfer and opens the order in one transaction: what is paid is
bought, or nothing is paid. The transfer's event stands in the receipt as ever, and is checked there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from x402.mechanisms.evm.constants import FUNCTION_TRANSFER_WITH_AUTHORIZATION, TX_STATUS_SUCCESS
from x402.mechanisms.evm.types import TransactionReceipt

from app.chain.address import eip55
from app.chain.contracts.token import COIN
from app.chain.market import Market
from app.chain.wallet.account import Account
from app.protocol.errors import NotAllowed
from app.protocol.ids import TxHash
from app.protocol.market.prepaid import Authorization, PrepaidOrder


@dataclass(frozen=True)
class OrderSigner:
    """The gas account, for one order. It has the form of the package's `FacilitatorEvmSigner`."""

    market: Market
    account: Account
    order: PrepaidOrder
    authorization: Authorization

    def get_addresses(self) -> list[str]:
        """The gas account's."""
        return [self.account.address]

    def read_contract(self, address: str, abi: list[dict[str, Any]], function_name: str, *args: Any) -> Any:
        """A function's value, as the gas account would see it. Errors: web3's."""
        chain: Any = self.market.web3()
        contract = chain.eth.contract(address=eip55(address), abi=abi)
        return contract.functions[function_name](*args).call({"from": eip55(self.account.address)})

    def verify_typed_data(self, *_: Any) -> bool:
        """Of other schemes than this one."""
        raise NotAllowed("Only transfers by EIP-3009 are settled here.", "Pay by the scheme `exact`.")

    def write_contract(  # what the package would send holds the order's own payment once more
        self,
        address: str,
        abi: list[dict[str, Any]],  # noqa: ARG002
        function_name: str,
        *args: Any,  # noqa: ARG002
        data_suffix: str | None = None,  # noqa: ARG002
    ) -> str:
        """Open the order with its payment; the transaction's hash. Errors: NotAllowed for any other call; Reverted."""
        if function_name != FUNCTION_TRANSFER_WITH_AUTHORIZATION or eip55(address) != self.market.client.address(COIN):
            raise NotAllowed(f"This facilitator sends no {function_name}.", "Pay for an ask: POST /v1/asks.")
        return str(self.market.open_order(self.account, self.order, self.authorization).tx)

    def send_transaction(self, *_: Any) -> str:
        """Deploys wallets elsewhere; never here."""
        raise NotAllowed("This facilitator sends no transactions of others.", "Deploy the wallet first.")

    def wait_for_transaction_receipt(self, tx_hash: str) -> TransactionReceipt:
        """A receipt; `open_order` has waited for its block. Errors: NotFound, Unavailable."""
        found = self.market.node.receipt(TxHash(tx_hash))
        logs = [
            {
                "address": log.address,
                "topics": ["0x" + each.hex() for each in log.topics],
                "data": "0x" + log.data.hex(),
            }
            for log in found.logs
        ]
        return TransactionReceipt(TX_STATUS_SUCCESS if found.ok else 0, found.block, found.tx, logs)

    def get_balance(self, address: str, token_address: str) -> int:  # noqa: ARG002
        """Of the market's token."""
        return self.market.balance(eip55(address))

    def get_chain_id(self) -> int:
        """Of the market's chain."""
        return self.market.chain_id

    def get_code(self, address: str) -> bytes:
        """Empty for accounts without any."""
        return self.market.node.code(eip55(address))
