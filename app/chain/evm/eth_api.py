"""The standard Ethereum JSON-RPC methods over an embedded chain: what a node with an endpoint would answer.

The forms are those of ethereum/execution-apis. Where nothing else is said a block is named by its number or a tag;
every tag but "earliest" is the head, since nothing here is pending and nothing is ever undone. `eth_call` and
`eth_estimateGas` run as in the block after the named one. Nobody's key lies here, so that `eth_accounts` is empty and
transactions come signed: from a wallet, or through web3's SignAndSendRawMiddlewareBuilder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import rlp  # type: ignore[import-untyped]

from app.chain.contracts.abi import decode_revert
from app.chain.evm.blockchain import Blockchain, gas_limit, raw_address
from app.chain.evm.pyevm import BlockHeaderAPI, SignedTransactionAPI, WithdrawalAPI
from app.chain.json_rpc import Answer, Methods, answer, to_data, to_hash, to_quantity, to_text
from app.chain.node import ChainNode, ExecutionReverted, Log
from app.protocol.errors import BadInput, NotFound, Unavailable

HEAD = ("latest", "pending", "safe", "finalized")
FIRST_TYPED = 1  # EIP-2718: older transactions have no type


class EthApi:
    """Methods by name. Each takes and gives JSON values."""

    def __init__(self, chain: ChainNode, blockchain: Blockchain) -> None:
        """`blockchain` is what `chain` stands on; the caller holds its lock whenever it asks."""
        self._chain, self._blockchain = chain, blockchain
        self.methods: Methods = {
            "web3_clientVersion": lambda: "darkroom",
            "net_version": lambda: str(chain.chain_id),
            "eth_chainId": lambda: hex(chain.chain_id),
            "eth_syncing": lambda: False,
            "eth_accounts": lambda: [],  # noqa: PIE807 - list itself has no signature
            "eth_blockNumber": lambda: hex(chain.head().number),
            "eth_gasPrice": lambda: hex(chain.fees().max_fee),
            "eth_maxPriorityFeePerGas": lambda: hex(chain.fees().tip),
            "eth_getBalance": lambda who, at="latest": hex(self._state(at).get_balance(raw_address(who))),
            "eth_getTransactionCount": lambda who, at="latest": hex(self._state(at).get_nonce(raw_address(who))),
            "eth_getCode": lambda who, at="latest": _hex(self._state(at).get_code(raw_address(who))),
            "eth_getStorageAt": lambda who, slot, at="latest": _word(
                self._state(at).get_storage(raw_address(who), to_quantity(slot))
            ),
            "eth_call": lambda call, at="latest": _hex(self._simulate(call, at)[0]),
            "eth_estimateGas": lambda call, at="latest": hex(gas_limit(self._simulate(call, at)[1])),
            "eth_sendRawTransaction": lambda raw: chain.submit(to_data(raw)),
            "eth_getBlockByNumber": lambda at, full=False: _there(lambda: self._block(self._header(at), full)),
            "eth_getBlockByHash": lambda block, full=False: _there(
                lambda: self._block(blockchain.header_of(to_hash(block, "A block")), full)
            ),
            "eth_getTransactionByHash": lambda tx: _there(lambda: self._transaction(blockchain.find(to_hash(tx)))),
            "eth_getTransactionReceipt": lambda tx: _there(lambda: self._receipt(blockchain.find(to_hash(tx)))),
            "eth_getLogs": self._logs,
        }

    def answer(self, request: Any) -> Answer:
        """The response to one JSON-RPC request."""
        return answer(request, self.methods, _reason)

    def request(self, method: str, *params: Any) -> Any:
        """A method's result. Errors: ExecutionReverted, NonceTaken; BadInput; Unavailable for one that is not here."""
        if method not in self.methods:
            raise Unavailable(f"The embedded chain does not offer {method}.", "Use a node of your own.")
        return self.methods[method](*params)

    def _header(self, at: Any) -> BlockHeaderAPI:
        """Errors: NotFound; BadInput."""
        if at in HEAD:
            return self._blockchain.head()
        try:
            return self._blockchain.header(0 if at == "earliest" else to_quantity(at))
        except BadInput:
            raise BadInput("A block is named by a number or a tag.") from None

    def _state(self, at: Any) -> Any:
        return self._blockchain.state(self._header(at))

    def _simulate(self, call: Any, at: Any) -> tuple[bytes, int]:
        if not isinstance(call, dict):
            raise BadInput("A call is an object.")
        to, sender = (None if call.get(key) is None else to_text(call[key], "An address") for key in ("to", "from"))
        data, value = to_data(call.get("input", call.get("data", "0x"))), to_quantity(call.get("value", "0x0"))
        return self._blockchain.simulate(sender, to, data, value, self._header(at))

    def _block(self, header: Any, full: Any) -> Answer:
        """`header` is one of Prague's, whose fields py-evm's abstract class does not all name."""
        block = self._blockchain.block(header)
        transactions = [self._transaction(header) if full is True else _hex(each.hash) for each in block.transactions]
        return {
            "number": hex(header.block_number),
            "hash": _hex(header.hash),
            "parentHash": _hex(header.parent_hash),
            "sha3Uncles": _hex(header.uncles_hash),
            "miner": _hex(header.coinbase),
            "stateRoot": _hex(header.state_root),
            "transactionsRoot": _hex(header.transaction_root),
            "receiptsRoot": _hex(header.receipt_root),
            "logsBloom": _bloom(header.bloom),
            "difficulty": hex(header.difficulty),
            "gasLimit": hex(header.gas_limit),
            "gasUsed": hex(header.gas_used),
            "timestamp": hex(header.timestamp),
            "extraData": _hex(header.extra_data),
            "mixHash": _hex(header.mix_hash),
            "nonce": _hex(header.nonce),
            "baseFeePerGas": hex(header.base_fee_per_gas or 0),
            "withdrawalsRoot": _hex(header.withdrawals_root),
            "blobGasUsed": hex(header.blob_gas_used),
            "excessBlobGas": hex(header.excess_blob_gas),
            "parentBeaconBlockRoot": _hex(header.parent_beacon_block_root),
            "requestsHash": _hex(header.requests_hash),
            "size": hex(len(rlp.encode(block))),
            "uncles": [],
            "transactions": transactions,
            "withdrawals": [_withdrawal(each) for each in block.withdrawals],
        }

    def _transaction(self, header: BlockHeaderAPI) -> Answer:
        """The only one of its block."""
        sent, _ = self._blockchain.executed(header)
        kind = int(getattr(sent, "type_id", None) or 0)
        answer = _place(header, sent) | {
            "hash": _hex(sent.hash),
            "type": hex(kind),
            "chainId": hex(sent.chain_id or self._chain.chain_id),
            "nonce": hex(sent.nonce),
            "from": _hex(sent.sender),
            "to": _hex(sent.to) if sent.to else None,
            "value": hex(sent.value),
            "gas": hex(sent.gas),
            "gasPrice": hex(_gas_price(header, sent)),
            "input": _hex(sent.data),
            "r": hex(sent.r),
            "s": hex(sent.s),
        }
        if kind < FIRST_TYPED:
            return answer | {"v": hex(sent.v)}  # type: ignore[attr-defined]
        access = [
            {"address": _hex(who), "storageKeys": [_word(slot) for slot in slots]} for who, slots in sent.access_list
        ]
        answer |= {"v": hex(sent.y_parity), "yParity": hex(sent.y_parity), "accessList": access}
        if kind == FIRST_TYPED:
            return answer
        tip, most = sent.max_priority_fee_per_gas, sent.max_fee_per_gas
        return answer | {"maxFeePerGas": hex(most), "maxPriorityFeePerGas": hex(tip)}

    def _receipt(self, header: BlockHeaderAPI) -> Answer:
        """That of the only transaction of a block."""
        sent, receipt = self._blockchain.executed(header)
        found = self._blockchain.receipt(header)
        return _place(header, sent, "transactionHash") | {
            "type": hex(int(getattr(sent, "type_id", None) or 0)),
            "status": hex(found.ok),
            "from": _hex(sent.sender),
            "to": _hex(sent.to) if sent.to else None,
            "contractAddress": found.contract.lower() if found.contract else None,
            "gasUsed": hex(found.gas),
            "cumulativeGasUsed": hex(found.gas),
            "effectiveGasPrice": hex(_gas_price(header, sent)),
            "logs": [_log(log) for log in found.logs],
            "logsBloom": _bloom(receipt.bloom),
        }

    def _logs(self, wanted: Any) -> list[Answer]:
        if not isinstance(wanted, dict) or not isinstance(wanted.get("topics") or [], list):
            raise BadInput("A filter is an object, and its topics are a list.")
        if "blockHash" in wanted:
            first = last = int(self._blockchain.header_of(to_hash(wanted["blockHash"], "A block")).block_number)
        else:
            first, last = (self._bound(wanted.get(key, "latest")) for key in ("fromBlock", "toBlock"))
        addresses = [raw_address(each) for each in _listed(wanted.get("address") or [])]
        topics = [[to_data(one) for one in _listed(each)] if each else None for each in wanted.get("topics") or []]
        return [_log(log) for log in self._blockchain.logs(first, last, addresses, topics)]

    def _bound(self, at: Any) -> int:
        """A block's number, which may be above the head."""
        return to_quantity(at) if isinstance(at, str) and at.startswith("0x") else int(self._header(at).block_number)


def _reason(error: ExecutionReverted) -> str:
    """What Solidity itself says; custom errors are for those who know the contract."""
    said = decode_revert(error.data, ())
    return str(said.args["message"]) if said else error.detail


def _there(read: Callable[[], Answer]) -> Answer | None:
    """JSON-RPC has null for blocks and transactions that are not there."""
    try:
        return read()
    except NotFound:
        return None


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _place(header: BlockHeaderAPI, sent: SignedTransactionAPI, name: str = "hash") -> Answer:
    return {
        name: _hex(sent.hash),
        "blockHash": _hex(header.hash),
        "blockNumber": hex(header.block_number),
        "transactionIndex": "0x0",
    }


def _gas_price(header: BlockHeaderAPI, sent: SignedTransactionAPI) -> int:
    """What a unit of gas cost: EIP-1559."""
    base = int(header.base_fee_per_gas or 0)
    return base + min(int(sent.max_priority_fee_per_gas), int(sent.max_fee_per_gas) - base)


def _withdrawal(gift: WithdrawalAPI) -> Answer:
    return {
        "index": hex(gift.index),
        "validatorIndex": hex(gift.validator_index),
        "address": _hex(gift.address),
        "amount": hex(gift.amount),
    }


def _log(log: Log) -> Answer:
    return {
        "address": log.address.lower(),
        "topics": [_hex(topic) for topic in log.topics],
        "data": _hex(log.data),
        "blockNumber": hex(log.block),
        "blockHash": log.block_hash,
        "transactionHash": log.tx,
        "transactionIndex": "0x0",
        "logIndex": hex(log.index),
        "removed": False,
    }


def _hex(data: bytes) -> str:
    return "0x" + bytes(data).hex()


def _word(number: int) -> str:
    return f"0x{number:064x}"


def _bloom(bits: int) -> str:
    return f"0x{bits:0512x}"
