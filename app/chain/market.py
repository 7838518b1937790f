"""The market's contracts as typed Python: one method per action, entities out, errors by name.

    account = Account.load(path, passphrase)          app.chain.wallet.account
    node = open_node("embedded:chain.sqlite")         app.chain.open; or "http://127.0.0.1:8545"
    deploy(node, account, path)                       app.chain.contracts.deployment; resumable
    market = Market.open(node, path)                  refuses a chain or contracts that it does not know
    sent = market.publish_dataset(account, manifest=..., data_root=..., profile=..., rows=...)
    sent.value, sent.tx, sent.block, sent.gas, sent.events
    market.dataset(sent.value)                        entities of app.protocol.market.entities

An action signs with the account it is given, waits for the block, and returns a `Sent` whose value is what the action
yields, such as the new id. A contract's refusal is `Reverted`, whose `reason` is the custom error's name; a node that
does not answer is `Unavailable`; a read of something that does not exist is `NotFound`. Digests, salts and sealing keys
are 64 hex digits, amounts token units, addresses EIP-55 text, times seconds since the epoch by the chain's clock.

The actions and reads are grouped by contract: `app.chain.contracts.datasets`, `licensing`, `providers`, `jobs`,
`mandates`, `prepaid`, `token`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from app.chain.contracts import deployment as deployments
from app.chain.contracts.abi import Interface
from app.chain.contracts.beside import bind_mandates
from app.chain.contracts.client import Contract, ContractClient, Sent
from app.chain.contracts.custodians import JOBS
from app.chain.contracts.disputes import DisputeGame
from app.chain.contracts.entities import commitment
from app.chain.contracts.prepaid import Prepaid
from app.chain.cursor import Checkpoint, Cursor
from app.chain.events import Event
from app.chain.live import LiveJobs
from app.chain.node import ChainNode
from app.chain.sender import Sender
from app.chain.wallet.account import digest_signer, text_signer
from app.protocol.errors import DarkroomError, NotFound, Unavailable, VerificationFailed
from app.protocol.ids import Address, TxHash

if TYPE_CHECKING:
    from web3 import Web3

ERC1271 = Interface(
    [
        {
            "type": "function",
            "name": "isValidSignature",
            "inputs": [{"name": "hash", "type": "bytes32"}, {"name": "signature", "type": "bytes"}],
            "outputs": [{"name": "", "type": "bytes4"}],
        }
    ]
)

MARKETS = "markets"  # in an actor's folder: a folder for each market that it works in

__all__ = ["Event", "Market", "Sent", "commitment"]


class Market(Prepaid, DisputeGame):
    """One deployment on one node."""

    def __init__(self, client: ContractClient, deployment: deployments.Deployment) -> None:
        """Use `open`, which checks the contracts."""
        super().__init__(client)
        self.deployment = deployment

    @classmethod
    def open(cls, node: ChainNode, path: Path, sender: Sender | None = None, *, drained: bool = False) -> Market:
        """The market that a deployment file names; a `drained` one takes nothing new. Without a `sender`, what is sent
        is remembered by this object alone. Contracts that are recorded beside it are opened too.

        Errors: NotFound, BadDocument, VerificationFailed, Unavailable.
        """
        deployment = deployments.read(path)
        client = deployments.bind(node, deployment, sender, drained=drained)
        for contract in bind_mandates(node, path):
            client.add(contract)
        return cls(client, deployment)

    @property
    def edition(self) -> str:
        """Of its contracts."""
        return self.deployment.edition

    @property
    def drained(self) -> bool:
        """Whether it takes nothing new, because a later edition stands in its place."""
        return self.client.drained

    def folder(self, actor: Path) -> Path:
        """Where in an actor's folder its files of this market alone are."""
        return actor / MARKETS / self.deployment.market

    @property
    def node(self) -> ChainNode:
        """The chain it is on."""
        return self.client.node

    @property
    def chain_id(self) -> int:
        """EIP-155 identifier of the chain."""
        return self.node.chain_id

    @property
    def address(self) -> Address:
        """The job market's address: what receipts, seals and decisions call the market."""
        return Address(self.client.address(JOBS))

    @property
    def addresses(self) -> dict[str, str]:
        """Every contract's address by name."""
        return {name: contract.address for name, contract in self.client.contracts.items()}

    def contract_name(self, address: str) -> str:
        """Which contract of the market is at an address; "" where none is."""
        return next((name for name, at in self.addresses.items() if at.lower() == address.lower()), "")

    @property
    def first_block(self) -> int:
        """The block from which on there can be events."""
        return self.deployment.begun + 1

    @property
    def block_number(self) -> int:
        """Height of the newest block."""
        return self.node.head().number

    @property
    def finalized_block(self) -> int:
        """Height of the newest block that no reorganisation can remove."""
        return self.node.finalized().number

    def web3(self) -> Web3:
        """A new web3.py client of the chain, embedded or remote, for whatever this class has no method for.

        `market.web3().eth.contract(market.addresses[name], abi=contracts.load(name).abi)` is one of the contracts.
        """
        return self.node.web3()

    def now(self) -> int:
        """The time that the next block would carry."""
        return self.node.now()

    def signed_by(self, address: str, digest: str, signature: str) -> bool:
        """Whether an account signed a digest (EIP-191, hex): by its key, or by its contract's word (ERC-1271)."""
        return digest_signer(digest, signature) == address or self._vouched(address, bytes.fromhex(digest), signature)

    def signed_text_by(self, address: str, text: str, signature: str) -> bool:
        """Whether an account signed a text (EIP-191, hex): by its key, or by its contract's word (ERC-1271)."""
        return text_signer(text, signature) == address or self._vouched(address, text.encode(), signature)

    def _vouched(self, address: str, message: bytes, signature: str) -> bool:
        """Whether there is a contract that calls the signature its own."""
        try:
            if not self.node.code(address):
                return False
            prefixed = bytes(keccak(b"\x19Ethereum Signed Message:\n%d" % len(message) + message))
            proof = bytes.fromhex(signature.removeprefix("0x"))
            wallet = ContractClient(self.node, [Contract("wallet", address, ERC1271)])
            return bool(wallet.read("wallet", "isValidSignature", prefixed, proof) == "1626ba7e")
        except Unavailable:
            raise
        except (DarkroomError, ValueError):
            return False

    def events(self, first: int, last: int) -> list[Event]:
        """Decoded events of the market's contracts in blocks [first, last], in order."""
        return self.client.events(first, last)

    def call_of(self, tx: TxHash) -> tuple[str, bytes]:
        """Whom a transaction calls (EIP-55, "" for nobody: it creates a contract), and with which data.

        Errors: NotFound for one that the node does not have; VerificationFailed for an answer of another form.
        """
        found = self.node.request("eth_getTransactionByHash", tx)
        if found is None:
            raise NotFound(f"The node has no transaction {tx}.", "Ask a node with full history.")
        try:
            to, data = found["to"], bytes.fromhex(str(found["input"]).removeprefix("0x"))
            return (str(to_checksum_address(to)) if to else ""), data
        except (KeyError, TypeError, ValueError):
            raise VerificationFailed(f"The node's answer for transaction {tx} has another form.") from None

    def cursor(self, checkpoint: Checkpoint | None = None, *, confirmations: int = 0) -> Cursor:
        """Events from a stored place on, or from the deployment on; see `app.chain.cursor`."""
        return Cursor(self.client, checkpoint or Checkpoint(self.first_block), confirmations=confirmations)

    def live_jobs(self, file: Path | None = None) -> LiveJobs:
        """The jobs that are not over, kept from events and in `file`; see `app.chain.live`."""
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return LiveJobs(self.client, self.first_block, file)
