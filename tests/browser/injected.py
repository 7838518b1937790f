"""A browser wallet for tests, announced as EIP-6963 says: the page asks, an account of the test signs for real.

The provider in the page only passes requests on; keys and the chain stay with the test, as they would in an extension.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import BrowserContext

from app.chain.market import Market
from app.chain.node import Fees
from app.chain.relay import Relay
from app.chain.wallet.account import Account

NAME = "Test wallet"
REJECTED = 4001  # EIP-1193
UNKNOWN_CHAIN = 4902

SCRIPT = """
(() => {
  const heard = {};
  const provider = {
    request: async ({ method, params }) => {
      const told = JSON.parse(await window.__wallet(JSON.stringify({ method, params: params ?? [] })));
      if (told.error) throw Object.assign(new Error(told.error.message), { code: told.error.code });
      return told.result;
    },
    on: (name, listener) => { heard[name] = listener; },
  };
  const info = { uuid: "350670db-19fa-4704-a166-e52e178b59d2", name: "Test wallet", rdns: "org.example.test",
    icon: "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'/>" };
  const announce = () => window.dispatchEvent(
    new CustomEvent("eip6963:announceProvider", { detail: Object.freeze({ info, provider }) }));
  window.addEventListener("eip6963:requestProvider", announce);
  announce();
})();
"""


class WalletError(Exception):
    """An error as EIP-1193 has it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Wallet:
    """One account in an extension. `chain_id` may be made wrong, `knows` says which it can switch to; `declines` holds
    methods that its user rejects, and `patience` says after how many transactions all are.
    """

    market: Market
    account: Account
    chain_id: int = 0
    declines: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    knows: set[int] = field(default_factory=set)
    patience: int | None = None

    def install(self, context: BrowserContext) -> None:
        """Into every page of a profile."""
        self.chain_id = self.chain_id or self.market.chain_id
        self.knows.add(self.chain_id)
        context.expose_function("__wallet", self._answer)
        context.add_init_script(SCRIPT)

    def _answer(self, text: str) -> str:
        request = json.loads(text)
        try:
            return json.dumps({"result": self._do(request["method"], request["params"])})
        except WalletError as error:
            return json.dumps({"error": {"code": error.code, "message": str(error)}})

    def _do(self, method: str, params: list[Any]) -> Any:
        self.asked.append(method)
        if method == "eth_sendTransaction" and self.patience is not None:
            self.patience -= 1
        if method in self.declines or (self.patience is not None and self.patience < 0):
            raise WalletError(REJECTED, "User rejected the request.")
        match method:
            case "eth_chainId":
                return hex(self.chain_id)
            case "eth_accounts" | "eth_requestAccounts":
                return [self.account.address.lower()]
            case "wallet_switchEthereumChain":
                if (wanted := int(params[0]["chainId"], 16)) not in self.knows:
                    raise WalletError(UNKNOWN_CHAIN, "Unrecognized chain.")
                self.chain_id = wanted
                return None
            case "wallet_addEthereumChain":
                self.knows.add(int(params[0]["chainId"], 16))
                return None
            case "personal_sign":
                return "0x" + self.account.sign_text(bytes.fromhex(params[0][2:]).decode())
            case "eth_signTypedData_v4":
                return "0x" + self._typed(json.loads(params[1])).hex()
            case "eth_sendTransaction":
                return self._send(params[0])
        answer = Relay(self.market).answer({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        if "error" in answer:
            raise WalletError(answer["error"]["code"], answer["error"]["message"])
        return answer["result"]

    def _typed(self, said: dict[str, Any]) -> bytes:
        types = {name: fields for name, fields in said["types"].items() if name != "EIP712Domain"}
        integers = {entry["name"] for entry in types[said["primaryType"]] if entry["type"].startswith("uint")}
        message = {name: int(value) if name in integers else value for name, value in said["message"].items()}
        return self.account.sign_typed(said["domain"], types, message)

    def _send(self, wanted: dict[str, str]) -> str:
        node, data = self.market.node, bytes.fromhex(wanted["data"][2:])
        assert wanted["from"].lower() == self.account.address.lower()
        gas = int(wanted["gas"], 16) if "gas" in wanted else node.estimate(self.account.address, wanted["to"], data)
        raw = self.account.sign_transaction(
            chain_id=self.chain_id,
            nonce=node.nonce(self.account.address),
            to=wanted["to"],
            data=data,
            gas=gas,
            fees=Fees(int(wanted["maxFeePerGas"], 16), int(wanted["maxPriorityFeePerGas"], 16)),
            value=int(wanted["value"], 16),
        )
        return node.submit(raw)
