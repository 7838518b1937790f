"""Contracts beside a market: deployed by anyone at any time, recorded in a file next to the market's own.

A market's deployment is whole without them, so homes that have none work as ever. The record is only a claim, as the
deployment is: the code is compared with the artifact, and the contract is asked which market it works with.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from eth_utils.crypto import keccak

from app.chain.contracts.abi import Interface
from app.chain.contracts.client import Contract, ContractClient
from app.chain.contracts.deployment import Placed, read
from app.chain.node import ChainNode
from app.files.private import write_private
from app.protocol.documents import MAX_DOCUMENT_BYTES, GrownDocument
from app.protocol.errors import NotFound, VerificationFailed
from contracts import load

if TYPE_CHECKING:
    from app.chain.wallet.account import Account

MANDATES = "Mandates"
EVALUATORS = "Evaluators"
ORDERS = "PrepaidOrders"
_DEPLOY = "Deploy it: darkroom mandate deploy; or copy the market's mandates file beside its deployment file."


class BesideDeployment(GrownDocument):
    """Where the contracts beside one market are: of mandates, of evaluators (ERC-8183) of its jobs, and of orders that
    are paid before they are sent; a record of before the last of them has none.
    """

    later: ClassVar[frozenset[str]] = frozenset({"orders"})

    kind: Literal["darkroom/mandates-deployment"] = "darkroom/mandates-deployment"
    chain_id: int
    market: str  # the job market's address
    mandates: Placed
    evaluators: Placed
    orders: Placed | None = None

    @property
    def placed(self) -> dict[str, Placed]:
        """Each by its contract's name."""
        found = {MANDATES: self.mandates, EVALUATORS: self.evaluators, ORDERS: self.orders}
        return {name: each for name, each in found.items() if each is not None}


def record_of(deployment: Path) -> Path:
    """The record that belongs to a deployment file: deployment.json has deployment-mandates.json."""
    return deployment.with_name(f"{deployment.stem}-mandates.json")


def deploy_mandates(node: ChainNode, account: Account, deployment: Path) -> BesideDeployment:
    """Put the contracts beside the market of a deployment file, those that it does not have yet.

    A run that was cut short before the record was written leaves a contract that nobody uses. Errors: NotFound,
    VerificationFailed, Reverted, Unavailable.
    """
    path, market = record_of(deployment), read(deployment)
    jobs = market.contracts["JobMarket"].address
    if path.exists():
        bind_mandates(node, deployment)
        record = _read(path)
        if record.orders is not None:
            return record
        record = record.model_copy(update={"orders": _create(node, account, ORDERS, jobs)})
    else:
        mandates, evaluators, orders = (_create(node, account, name, jobs) for name in (MANDATES, EVALUATORS, ORDERS))
        record = BesideDeployment(
            chain_id=node.chain_id, market=jobs, mandates=mandates, evaluators=evaluators, orders=orders
        )
    write_private(path, record.to_bytes())
    return record


def bind_mandates(node: ChainNode, deployment: Path) -> list[Contract]:
    """The contracts beside a market, checked; none where there is no record of them.

    Errors: BadDocument, VerificationFailed, Unavailable.
    """
    path = record_of(deployment)
    if not path.is_file():
        return []
    record, market = _read(path), read(deployment)
    if (record.chain_id, record.market) != (market.chain_id, market.contracts["JobMarket"].address):
        raise VerificationFailed(f"{path} belongs to another market.", "Move it away. " + _DEPLOY)
    found = [_bound(node, name, placed, path) for name, placed in record.placed.items()]
    client = ContractClient(node, found)
    wired = all(client.read(name, "jobs") == record.market for name in record.placed if name != EVALUATORS)
    judge = Contract("Evaluator", client.read(EVALUATORS, "code"), Interface(load("Evaluator").abi))
    if not wired or ContractClient(node, [judge]).read("Evaluator", "jobs") != record.market:
        raise VerificationFailed(f"The contracts of {path} are wired to another market.", _DEPLOY)
    return found


def _create(node: ChainNode, account: Account, name: str, jobs: str) -> Placed:
    artifact = load(name)
    receipt = ContractClient(node, []).create(account, Interface(artifact.abi), artifact.bytecode, (jobs,))
    assert receipt.contract is not None  # a creation that went through has an address
    code_hash = bytes(keccak(node.code(receipt.contract))).hex()
    return Placed(address=receipt.contract, block=receipt.block, code_hash=code_hash)


def _bound(node: ChainNode, name: str, placed: Placed, path: Path) -> Contract:
    """Errors: VerificationFailed for code that is not the artifact's."""
    artifact, code = load(name), node.code(placed.address)
    if not code or bytes(keccak(code)).hex() != placed.code_hash or not artifact.matches(code):
        raise VerificationFailed(
            f"The code at {placed.address} is not the {name} that this version knows.",
            f"Use the Darkroom version that deployed it, or move its record away: {path.name}.",
        )
    return Contract(name, placed.address, Interface(artifact.abi))


def not_deployed() -> NotFound:
    """What a market without mandates answers."""
    return NotFound("Mandates are not deployed beside this market.", _DEPLOY)


def _read(path: Path) -> BesideDeployment:
    with path.open("rb") as file:
        return BesideDeployment.from_bytes(file.read(MAX_DOCUMENT_BYTES + 1))
