"""One web3.py for every chain: plain web3 code gives the same on the embedded chain and on a real node."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.exceptions import BlockNotFound, ContractCustomError, ContractLogicError, TransactionNotFound, Web3RPCError
from web3.middleware import SignAndSendRawMiddlewareBuilder

from app.chain.evm.embedded import EmbeddedChain
from app.chain.node import DevNode
from app.chain.rpc.node import AnvilNode, connect
from app.protocol.errors import Unavailable
from contracts import load
from tests.support.market import DOLLAR, ETHER, MarketOnChain, person

ROOT = Path(__file__).parents[2]
USD = load("TestUSD")
ANN, BEN = (to_checksum_address(person(name).address) for name in ("ann", "ben"))
# Anvil's own, or no longer of the standard.
EXTRA = {"blobGasPrice", "blockTimestamp", "totalDifficulty"}
# What must differ between two chains: hashes, times, randomness, fees and the signatures over them.
OWN = {
    "hash", "blockHash", "parentHash", "stateRoot", "transactionsRoot", "receiptsRoot", "mixHash", "timestamp",
    "number", "blockNumber", "r", "s", "v", "yParity", "baseFeePerGas", "gasPrice", "effectiveGasPrice", "size", "gas",
    "maxFeePerGas", "maxPriorityFeePerGas", "transactionHash", "transactions", "extraData", "withdrawals",
    "parentBeaconBlockRoot",
}  # fmt: skip


def client(node: DevNode) -> Web3:
    """Plain web3 that signs for Ann, who has ether and so no other way to be on the chain than others."""
    node.fund(ANN, ETHER)
    web3 = node.web3()
    web3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(person("ann")._signer), layer=0)
    return web3


def deployed(web3: Web3) -> Any:
    """The test dollar, deployed and minted by web3 alone."""
    factory = web3.eth.contract(abi=USD.abi, bytecode=USD.bytecode)
    made = web3.eth.wait_for_transaction_receipt(factory.constructor().transact({"from": ANN}), poll_latency=0.01)
    token = web3.eth.contract(made["contractAddress"], abi=USD.abi)
    web3.eth.wait_for_transaction_receipt(token.functions.faucet(ANN, 5 * DOLLAR).transact({"from": ANN}), 10, 0.01)
    return token


def story(web3: Web3) -> dict[str, Any]:
    """What somebody with web3 does and sees: deploy, mint, pay, read events, fail."""
    token = deployed(web3)
    paid = token.functions.transfer(BEN, DOLLAR).transact({"from": ANN})
    receipt = web3.eth.wait_for_transaction_receipt(paid, poll_latency=0.01)
    there = receipt["blockNumber"]
    with pytest.raises(ContractCustomError) as refused:
        token.functions.transfer(ANN, DOLLAR).call({"from": "0x" + "11" * 20})
    block = web3.eth.get_block(there, full_transactions=True)
    return {
        "balances": [token.functions.balanceOf(each).call() for each in (ANN, BEN)],
        "before": token.functions.balanceOf(BEN).call(block_identifier=there - 1),
        "nonces": [web3.eth.get_transaction_count(ANN, at) for at in ("latest", there - 1, there)],
        "code": web3.eth.get_code(token.address),
        "slot": web3.eth.get_storage_at(token.address, 2),
        "event": [dict(each["args"]) for each in token.events.Transfer().process_receipt(receipt)],
        "events": [dict(each["args"]) for each in token.events.Transfer().get_logs(from_block=0)],
        "to Ben": len(token.events.Transfer().get_logs(from_block=0, argument_filters={"to": BEN})),
        "to either": len(web3.eth.get_logs({"fromBlock": 0, "topics": [None, None, [_word(ANN), _word(BEN)]]})),
        "to nobody": len(web3.eth.get_logs({"fromBlock": 0, "topics": [None, None, _word(token.address)]})),
        "any": len(web3.eth.get_logs({"fromBlock": 0, "topics": [None, [], _word(ANN)]})),
        "of one block": len(web3.eth.get_logs({"blockHash": receipt["blockHash"]})),
        "refused": refused.value.data,
        "gas": receipt["gasUsed"],
        "receipt": receipt,
        "block": block,
        "same block": web3.eth.get_block(block["hash"])["number"] == there,
        "transaction": web3.eth.get_transaction(paid),
        "of block": block["transactions"][0] == web3.eth.get_transaction(paid),
    }


def _word(address: str) -> Any:
    return Web3.to_hex(bytes(12) + Web3.to_bytes(hexstr=address))  # type: ignore[arg-type]


@pytest.mark.anvil
def test_plain_web3_sees_the_same_on_both_chains(embedded: EmbeddedChain, start_anvil: Any) -> None:
    """Deploying, paying, reading state of now and of before, events by every filter, refusals: one answer each."""
    here, there = story(client(embedded)), story(client(start_anvil("--chain-id", str(embedded.chain_id))))
    assert here["balances"] == [4 * DOLLAR, DOLLAR]
    assert here["before"] == 0
    assert (here["to Ben"], here["to either"], here["to nobody"], here["of one block"]) == (1, 2, 0, 1)
    for what in set(here) - {"receipt", "block", "transaction"}:
        assert here[what] == there[what], what
    for what in ("receipt", "block", "transaction"):
        assert set(here[what]) == set(there[what]) - EXTRA, what
        alike = set(here[what]) - OWN - {"logs"}
        assert {key: here[what][key] for key in alike} == {key: there[what][key] for key in alike}
        assert {key: type(here[what][key]) for key in here[what]} == {key: type(there[what][key]) for key in here[what]}
    (ours,), (theirs,) = here["receipt"]["logs"], there["receipt"]["logs"]
    assert set(ours) == set(theirs) - EXTRA
    assert (ours["topics"], ours["data"], ours["address"]) == (theirs["topics"], theirs["data"], theirs["address"])
    (ours,), (theirs,) = here["block"]["transactions"], there["block"]["transactions"]
    assert set(ours) == set(theirs) - EXTRA


def test_what_is_not_there_is_an_error_of_web3(node: DevNode) -> None:
    """Missing blocks and transactions, unknown methods and bad parameters are what web3 makes of a node's answers."""
    web3 = client(node)
    assert web3.is_connected()
    assert web3.eth.syncing is False
    with pytest.raises(BlockNotFound):
        web3.eth.get_block(10**6)
    with pytest.raises(TransactionNotFound):
        web3.eth.get_transaction("0x" + "11" * 32)  # type: ignore[arg-type]
    for method, params in (
        ("eth_nonsense", []),
        ("eth_getBalance", ["0x12", "latest"]),
        ("eth_call", [{"to": 7}]),
        ("eth_getLogs", [{"topics": 7}]),
    ):
        with pytest.raises(Web3RPCError):
            web3.manager.request_blocking(method, params)  # type: ignore[arg-type]
    with pytest.raises(Web3RPCError, match=r"nsufficient|too little"):
        web3.eth.send_raw_transaction(
            person("ben").sign_transaction(
                chain_id=node.chain_id, nonce=0, to=ANN, data=b"", gas=21_000, fees=node.fees(), value=1
            )
        )


def test_reasons_reach_web3(node: DevNode) -> None:
    """Solidity's own panic is named; a contract's error keeps its bytes; nothing is taken for an answer."""
    web3 = client(node)
    panic = Web3.keccak(text="Panic(uint256)")[:4] + encode(["uint256"], [0x11])
    for data, words in ((panic, "overflow"), (b"", "execution reverted")):
        with pytest.raises(ContractLogicError, match=words):
            web3.eth.call({"to": reverting(web3, data), "data": "0x"})  # type: ignore[typeddict-item]


def reverting(web3: Web3, data: bytes) -> Any:
    """A contract that answers every call by reverting with `data`."""
    size = len(data).to_bytes(2, "big")
    runtime = b"\x61" + size + b"\x60\x0e\x5f\x39\x61" + size + b"\x5f\xfd" + bytes(2) + data  # CODECOPY, REVERT
    create = b"\x61" + len(runtime).to_bytes(2, "big") + b"\x80\x60\x0b\x5f\x39\x5f\xf3"
    sent = web3.eth.send_transaction({"from": ANN, "data": create.ljust(11, b"\0") + runtime})
    return web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.01)["contractAddress"]


def test_no_contract_makes_a_reader_open_a_connection(node: DevNode) -> None:
    """CCIP-Read (ERC-3668) stays off: whom a contract would send the reader to is asked nothing."""
    web3 = client(node)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.2)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/{{sender}}"
        lookup = Web3.keccak(text="OffchainLookup(address,string[],bytes,bytes4,bytes)")[:4]
        kinds = ["address", "string[]", "bytes", "bytes4", "bytes"]
        there = reverting(web3, lookup + encode(kinds, [ANN, [url], b"", bytes(4), b""]))
        with pytest.raises(ContractLogicError):
            web3.eth.call({"to": there, "data": "0x"})  # type: ignore[typeddict-item]
        with pytest.raises(TimeoutError):
            listener.accept()


def test_requests_can_go_in_batches(node: DevNode) -> None:
    """Several questions at once come back in their order."""
    web3 = client(node)
    with web3.batch_requests() as batch:
        batch.add(web3.eth.get_balance(ANN))
        batch.add(web3.eth.get_block(0))
        batch.add(web3.eth.get_transaction_count(ANN))
        answers: list[Any] = batch.execute()
    balance, block, nonce = answers
    assert (balance, block["number"], nonce) == (ETHER, 0, 0)


def test_values_and_funding_are_seen(embedded: EmbeddedChain) -> None:
    """Ether that moves, what a faucet's block says of it, and an estimate for a payment that nobody could make."""
    web3 = client(embedded)
    gift = web3.eth.get_block("latest")["withdrawals"]
    assert [(each["address"], each["amount"]) for each in gift] == [(ANN, ETHER // 10**9)]
    sent = web3.eth.send_transaction({"from": ANN, "to": BEN, "value": 7})  # type: ignore[typeddict-item]
    assert web3.eth.get_transaction(sent)["value"] == 7
    assert web3.eth.get_balance(BEN) == 7
    assert web3.eth.get_balance(BEN, "earliest") == 0
    with pytest.raises(Web3RPCError):
        web3.eth.estimate_gas({"from": BEN, "to": ANN, "value": 8})  # type: ignore[typeddict-item]


def test_older_transactions_are_shown_as_they_are(node: DevNode) -> None:
    """Transactions without a type, and those with an access list, have their own fields on both chains."""
    web3 = client(node)
    price = 2 * web3.eth.gas_price
    seen = []
    for kind in ({}, {"accessList": [{"address": BEN, "storageKeys": ["0x" + "00" * 31 + "05"]}]}):
        sent = web3.eth.send_transaction({"from": ANN, "to": BEN, "gasPrice": price, **kind})  # type: ignore[typeddict-item]
        web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.01)
        seen.append(web3.eth.get_transaction(sent))
    assert [(each["type"], each["gasPrice"], "maxFeePerGas" in each) for each in seen] == [
        (0, price, False),
        (1, price, False),
    ]
    assert [dict(each) for each in seen[1]["accessList"]] == [{"address": BEN, "storageKeys": [f"0x{5:064x}"]}]
    assert seen[0]["v"] in {35 + 2 * node.chain_id, 36 + 2 * node.chain_id}


def test_a_market_gives_its_web3(stage: MarketOnChain) -> None:
    """The market's contracts are read through web3 as through the market, whichever chain it is on."""
    market, web3 = stage.market, stage.market.web3()
    licenses = web3.eth.contract(to_checksum_address(market.addresses["LicenseMarket"]), abi=load("LicenseMarket").abi)
    assert web3.eth.chain_id == market.chain_id
    assert licenses.functions.offerOf(stage.offer).call()[1] == stage.owner.address
    assert market.offer(stage.offer).seller == stage.owner.address


def test_precompiled_curves_wait_and_are_right(node: DevNode) -> None:
    """BLS12-381 (EIP-2537), which the embedded chain loads when it is called: G1 twice and G1 added."""
    point = bytes(16) + bytes.fromhex(
        "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
    ) + bytes(16) + bytes.fromhex(
        "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1"
    )  # fmt: skip
    address = [f"0x{number:040x}" for number in (0x0B, 0x0C)]
    added = node.call(address[0], point * 2)
    assert added == node.call(address[1], point + (2).to_bytes(32, "big"))
    assert added[16:24].hex() == "0572cbea904d6746"


STARTED = """
import json, sys
from pathlib import Path
from app.chain.market import Market
from app.chain.open import open_node
market = Market.open(open_node(f"embedded:{sys.argv[1]}/chain.sqlite"), Path(sys.argv[1], "deployment.json"))
print(len(list(market.datasets())), len(list(market.offers())))
print(json.dumps([each for each in ("web3", "aiohttp", "requests", "py_ecc.bls") if each in sys.modules]))
market.web3()
print(sys.getrecursionlimit())
"""


def test_reading_an_embedded_market_starts_without_web3(embedded_stage: MarketOnChain, tmp_path: Path) -> None:
    """Commands that read end before web3 would be there; once it is, Python's recursion limit is as before."""
    done = subprocess.run(
        [sys.executable, "-c", STARTED, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60, encoding="utf-8",
    )  # fmt: skip
    counted, loaded, limit = done.stdout.splitlines()
    assert counted == "1 1"
    assert json.loads(loaded) == []
    assert int(limit) == 1000


@pytest.mark.anvil
def test_an_embedded_chain_offers_no_powers_by_request(embedded: EmbeddedChain, start_anvil: Any) -> None:
    """A method of a development node reaches anvil; on the embedded chain whoever has the file uses its own methods."""
    anvil = start_anvil()
    assert isinstance(anvil, AnvilNode)
    assert anvil.request("evm_snapshot") == "0x0"
    with pytest.raises(Unavailable, match="evm_snapshot"):
        embedded.request("evm_snapshot")
    assert connect(f"http://{anvil.host}").chain_id == anvil.chain_id
