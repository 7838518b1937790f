"""Contracts beside a market: deployed by anyone at any time, recorded in a file next to the market's own.

A market's deployment is whole without them, so homes that have none work as ever. The record is only a claim, as the
deployment is: the code is compared with the artifact, and the contract is asked which market it works with.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from eth_utils.crypto import keccak

from app.chain.contracts.abi import Interface
from app.chain.contracts.client import Contract, ContractClient
from app.chain.contracts.deployment import Placed, read
from app.chain.node import ChainNode
from app.files.private import write_private
from app.protocol.documents import MAX_DOCUMENT_BYTES, Document
from app.protocol.errors import NotFound, VerificationFailed
from contracts import load

if TYPE_CHECKING:
    from app.chain.wallet.account import Account

MANDATES = "Mandates"
_DEPLOY = "Deploy it: darkroom mandate deploy; or copy the market's mandates file beside its deployment file."


class BesideDeployment(Document):
    """Where the contract of mandates of one market is."""

    kind: Literal["darkroom/mandates-deployment"] = "darkroom/mandates-deployment"
    chain_id: int
    market: str  # the job market's address
    mandates: Placed


def record_of(deployment: Path) -> Path:
    """The record that belongs to a deployment file: deployment.json has deployment-mandates.json."""
    return deployment.with_name(f"{deployment.stem}-mandates.json")


def deploy_mandates(node: ChainNode, account: Account, deployment: Path) -> BesideDeployment:
    """Put the contract of mandates beside the market of a deployment file, where it has none yet.

    A run that was cut short before the record was written leaves a contract that nobody uses. Errors: NotFound,
    VerificationFailed, Reverted, Unavailable.
    """
    path, market = record_of(deployment), read(deployment)
    if path.exists():
        bind_mandates(node, deployment)
        return _read(path)
    artifact, jobs = load(MANDATES), market.contracts["JobMarket"].address
    receipt = ContractClient(node, []).create(account, Interface(artifact.abi), artifact.bytecode, (jobs,))
    assert receipt.contract is not None  # a creation that went through has an address
    code_hash = bytes(keccak(node.code(receipt.contract))).hex()
    placed = Placed(address=receipt.contract, block=receipt.block, code_hash=code_hash)
    record = BesideDeployment(chain_id=node.chain_id, market=jobs, mandates=placed)
    write_private(path, record.to_bytes())
    return record


def bind_mandates(node: ChainNode, deployment: Path) -> Contract | None:
    """The contract of mandates beside a market, checked; None where there is no record of one.

    Errors: BadDocument, VerificationFailed, Unavailable.
    """
    path = record_of(deployment)
    if not path.is_file():
        return None
    record, market = _read(path), read(deployment)
    artifact, address = load(MANDATES), record.mandates.address
    if (record.chain_id, record.market) != (market.chain_id, market.contracts["JobMarket"].address):
        raise VerificationFailed(
            f"{path} belongs to another market.", "Move it away; " + _DEPLOY[:1].lower() + _DEPLOY[1:]
        )
    code = node.code(address)
    if not code or bytes(keccak(code)).hex() != record.mandates.code_hash or not artifact.matches(code):
        raise VerificationFailed(
            f"The code at {address} is not the contract of mandates that this version knows.",
            "Use the Darkroom version that deployed it, or move its record away: " + path.name + ".",
        )
    contract = Contract(MANDATES, address, Interface(artifact.abi))
    if ContractClient(node, [contract]).read(MANDATES, "jobs") != record.market:
        raise VerificationFailed(f"The mandates at {address} are wired to another market.", _DEPLOY)
    return contract


def not_deployed() -> NotFound:
    """What a market without mandates answers."""
    return NotFound("Mandates are not deployed beside this market.", _DEPLOY)


def _read(path: Path) -> BesideDeployment:
    with path.open("rb") as file:
        return BesideDeployment.from_bytes(file.read(MAX_DOCUMENT_BYTES + 1))
