"""Exports in the words of ERC-8004 say what an audit said, and decode as the registry's call."""

from __future__ import annotations

from typing import Any

import pytest
from web3 import Web3

from app.chain.contracts.abi import Interface
from app.chain.erc8004 import REGISTRATION, REGISTRY, RESPONSE, TAG, registration, validation

REPORT: dict[str, Any] = {"chain_id": 7, "market": "0x" + "9" * 40, "job": 3, "state": "settled", "checks": []}


@pytest.mark.parametrize(
    ("confirmed", "complete", "response"), [(True, True, 100), (False, False, 0), (True, False, None)]
)
def test_a_response_is_what_the_audit_found(confirmed: bool, complete: bool, response: int | None) -> None:
    """All confirmed is 100, a wrong fact 0, and what is open is no response; the call says the same."""
    report = REPORT | {"confirmed": confirmed, "complete": complete}
    told = validation(report, circuit="a" * 64, receipt="b" * 64, uri="ipfs://report")
    assert told["response"] == response
    assert told["request"]["receipt"] == "b" * 64
    other = validation(report, circuit="a" * 64, receipt="c" * 64)
    assert other["requestHash"] != told["requestHash"]
    assert other["responseHash"] == told["responseHash"]
    if response is None:
        assert told["callData"] is None
        return
    kinds = "(bytes32,uint8,string,bytes32,string)"
    assert told["callData"][2:10] == Web3.keccak(text=f"validationResponse{kinds}")[:4].hex()
    function = REGISTRY.function(RESPONSE, 5)
    values = function.inputs.decode(bytes.fromhex(told["callData"][10:]), RESPONSE)
    assert values == (told["requestHash"][2:], response, "ipfs://report", told["responseHash"][2:], TAG)
    assert isinstance(REGISTRY, Interface)


def test_a_registration_names_the_account() -> None:
    """The file is of the ERC's kind, with the wallet among its services and no trust that is not there."""
    told = registration(
        name="P", description="Computes.", services=[("web", "https://p.example")], address="0x" + "1" * 40, chain_id=7
    )
    assert told["type"] == REGISTRATION
    assert told["services"][-1] == {"name": "agentWallet", "endpoint": f"eip155:7:0x{'1' * 40}"}
    assert told["supportedTrust"] == ["crypto-economic"]
