"""What was checked here, in the words of ERC-8004 (Trustless Agents): a registration file, and a validator's response.

Exports alone. A validator may overwrite its response in that registry, so nothing here is ever settled by one; whoever
wants to know recomputes (`darkroom audit`). Field and function names are the ERC's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eth_utils.crypto import keccak

from app.chain.contracts.abi import Interface
from app.protocol.documents import canonical

REGISTRATION = "https://eips.ethereum.org/EIPS/eip-8004#registration-v1"
TAG = "darkroom-recomputed"
RESPONSE = "validationResponse"
REGISTRY = Interface(
    [
        {
            "type": "function",
            "name": RESPONSE,
            "inputs": [
                {"name": "requestHash", "type": "bytes32"},
                {"name": "response", "type": "uint8"},
                {"name": "responseURI", "type": "string"},
                {"name": "responseHash", "type": "bytes32"},
                {"name": "tag", "type": "string"},
            ],
            "outputs": [],
        }
    ]
)


def registration(
    *, name: str, description: str, services: Sequence[tuple[str, str]], address: str, chain_id: int
) -> dict[str, Any]:
    """A registration file for an account of this market; `services` are (name, endpoint)."""
    return {
        "type": REGISTRATION,
        "name": name,
        "description": description,
        "services": [
            *({"name": each, "endpoint": endpoint} for each, endpoint in services),
            {"name": "agentWallet", "endpoint": f"eip155:{chain_id}:{address}"},
        ],
        "active": True,
        "registrations": [],
        "supportedTrust": ["crypto-economic"],
    }


def validation(report: Mapping[str, Any], *, circuit: str, receipt: str, uri: str = "") -> dict[str, Any]:
    """An audit's report as a request and a response: 100 where every fact was confirmed, 0 where one is wrong.

    Hashes are Keccak-256 of canonical JSON, 0x and hex; `callData` is for any registry after the ERC. `response` and
    `callData` are None while facts are open.
    """
    names = ("chain_id", "market", "job")
    request = {name: report[name] for name in names} | {"circuit": circuit, "receipt": receipt}
    said = 100 if report["complete"] else 0 if not report["confirmed"] else None
    asked, answered = (_hash(each) for each in (request, report))
    data = None if said is None else "0x" + REGISTRY.encode_call(RESPONSE, (asked, said, uri, answered, TAG)).hex()
    return {
        "request": request,
        "requestHash": asked,
        "response": said,
        "responseURI": uri,
        "responseHash": answered,
        "tag": TAG,
        "callData": data,
    }


def _hash(value: Any) -> str:
    return "0x" + bytes(keccak(canonical(value))).hex()
