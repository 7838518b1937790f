"""A contract account (ERC-1271), assembled by hand, so that no compiler is needed."""

from __future__ import annotations

from app.chain.contracts.client import ContractClient
from app.chain.node import DevNode
from app.chain.wallet.account import Account

ETHER = 10**18
# isValidSignature(bytes32 hash, bytes signature): ecrecover(hash, v, r, s) == owner, times the standard's magic word.
BEFORE = bytes.fromhex(
    "6004356000 52"  # memory 0x00: hash
    "60a43560f81c602052"  # 0x20: v
    "6064356040 52"  # 0x40: r
    "6084356060 52"  # 0x60: s
    "60206080608060006001 5afa50"  # ecrecover into 0x80
    "60805173"  # its word, and the owner:
)
AFTER = bytes.fromhex("14 631626ba7e60e01b02 600052 60206000f3")


def deploy_wallet(node: DevNode, owner: Account) -> str:
    """The address of a new contract account that answers for what `owner` signed."""
    code = BEFORE + bytes.fromhex(owner.address[2:]) + AFTER
    node.fund(owner.address, ETHER)
    receipt = ContractClient(node, []).transact(
        owner, None, bytes([0x60, len(code)]) + bytes.fromhex("8060093d393df3") + code
    )
    assert receipt.contract is not None
    return receipt.contract
