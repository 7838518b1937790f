"""JSON-RPC for browser wallets."""

from __future__ import annotations

from typing import Any

import pytest

from app.chain.wallet.account import Account
from tests.market.web.wallet import ETHER, deploy_wallet
from tests.support.web import SETTINGS, ApiClient, MarketNode, api_client


def rpc(browser: ApiClient, method: Any, *params: Any) -> Any:
    """The whole response."""
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": list(params)}
    answer = browser.client.post("/v1/rpc", json=body)
    assert answer.status_code == 200
    assert answer.json()["id"] == 7
    return answer.json()


def test_a_wallet_finds_its_way(scene: MarketNode, browser: ApiClient) -> None:
    """Everything that a wallet asks on the way to a mined transaction."""
    account = Account.generate()
    scene.chain.fund(account.address, ETHER)
    assert rpc(browser, "eth_chainId")["result"] == hex(scene.chain.chain_id)
    assert rpc(browser, "net_version")["result"] == str(scene.chain.chain_id)
    assert rpc(browser, "eth_getBalance", account.address.lower(), "latest")["result"] == hex(ETHER)
    assert rpc(browser, "eth_getTransactionCount", account.address, "pending")["result"] == "0x0"
    block = rpc(browser, "eth_getBlockByNumber", "latest", False)["result"]
    assert int(block["baseFeePerGas"], 16) > 0
    assert rpc(browser, "eth_getBlockByNumber", "0x1")["result"]["number"] == "0x1"
    assert rpc(browser, "eth_getBlockByNumber", "0xffffff")["result"] is None
    token = scene.market.addresses["TestUSD"]
    assert rpc(browser, "eth_getCode", token)["result"].startswith("0x60")
    call = {"to": token, "data": "0x70a08231" + "00" * 12 + account.address[2:].lower()}
    assert int(rpc(browser, "eth_call", call, "latest")["result"], 16) == 0
    gas = int(rpc(browser, "eth_estimateGas", call | {"from": account.address})["result"], 16)
    raw = account.sign_transaction(
        chain_id=scene.chain.chain_id, nonce=0, to=token, data=bytes.fromhex(call["data"][2:]), gas=gas,
        fees=scene.chain.fees(),
    )  # fmt: skip
    tx = rpc(browser, "eth_sendRawTransaction", "0x" + raw.hex())["result"]
    assert rpc(browser, "eth_getTransactionReceipt", tx)["result"]["status"] == "0x1"
    assert rpc(browser, "eth_getTransactionReceipt", "0x" + "00" * 32)["result"] is None
    assert rpc(browser, "eth_sendRawTransaction", "0x" + raw.hex())["result"] == tx  # the same bytes: mined once
    other = account.sign_transaction(
        chain_id=scene.chain.chain_id, nonce=0, to=token, data=bytes.fromhex(call["data"][2:]), gas=gas + 1,
        fees=scene.chain.fees(),
    )  # fmt: skip
    assert "nonce too low" in rpc(browser, "eth_sendRawTransaction", "0x" + other.hex())["error"]["message"]
    assert int(rpc(browser, "eth_gasPrice")["result"], 16) > 0
    assert rpc(browser, "eth_maxPriorityFeePerGas")["result"] == "0x0"
    assert int(rpc(browser, "eth_blockNumber")["result"], 16) == scene.chain.head().number


def test_a_revert_keeps_its_data(scene: MarketNode, browser: ApiClient) -> None:
    """Wallets decode the error themselves: code 3 with the contract's own bytes."""
    licenses = scene.market.client.contracts["LicenseMarket"]
    data = licenses.interface.encode_call("deactivate", [scene.offer])
    error = rpc(browser, "eth_call", {"to": licenses.address, "input": "0x" + data.hex()})["error"]
    assert error["code"] == 3
    assert bytes.fromhex(error["data"][2:10]) in licenses.interface.errors


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("eth_sign", ["0x00", "0x00"], -32601),
        ("debug_traceCall", [], -32601),
        (["eth_chainId"], [], -32601),
        ("eth_getBalance", [], -32602),
        ("eth_getBalance", ["0x12"], -32602),
        ("eth_getBalance", [7], -32602),
        ("eth_getBlockByNumber", ["yesterday"], -32602),
        ("eth_getTransactionReceipt", ["0x12"], -32602),
        ("eth_call", ["0x"], -32602),
        ("eth_call", [{"to": None, "data": "0x00"}], -32000),
        ("eth_call", [{"to": "0x" + "11" * 20, "data": "0x0"}], -32602),
        ("eth_sendRawTransaction", ["0x"], -32602),
        ("eth_sendRawTransaction", ["0x02" + "c0"], -32602),
        ("eth_sendRawTransaction", ["0x02" + "ff" * 100], -32602),
    ],
)
def test_other_wishes_are_errors(browser: ApiClient, method: Any, params: list[Any], code: int) -> None:
    """Methods that are not offered, and parameters that are none, end as JSON-RPC errors and not as faults."""
    assert rpc(browser, method, *params)["error"]["code"] == code


def test_strangers_code_is_not_run(scene: MarketNode, browser: ApiClient) -> None:
    """Calls go to the market's contracts, or to accounts without code."""
    wallet = deploy_wallet(scene.chain, Account.generate())
    for method in ("eth_call", "eth_estimateGas"):
        assert rpc(browser, method, {"to": wallet, "data": "0x"})["error"]["code"] == -32000


def test_batches(browser: ApiClient) -> None:
    """Several requests in one, each with its own answer; not too many, and nothing that is none."""
    good = {"jsonrpc": "2.0", "id": "a", "method": "eth_chainId"}
    answers = browser.client.post("/v1/rpc", json=[good, {"id": 1}, 5]).json()
    assert ["result" in each for each in answers] == [True, False, False]
    assert [each["id"] for each in answers] == ["a", None, None]
    for batch in ([], [good] * 101):
        assert browser.client.post("/v1/rpc", json=batch).status_code == 422
    by_name = browser.client.post("/v1/rpc", json=good | {"params": {"a": 1}}).json()
    assert by_name["error"]["code"] == -32602


def test_a_node_may_relay_nothing_and_give_nothing(scene: MarketNode) -> None:
    """Both the relay and the faucet can be switched off."""
    with api_client(scene, SETTINGS.model_copy(update={"relay": False, "faucet": False})) as browser:
        assert browser.client.post("/v1/rpc", json={}).status_code == 404
        assert browser.client.post("/v1/faucet", json={"account": "0x" + "11" * 20}).status_code == 404
