"""Putting the contracts on a chain, and refusing those that are not ours.

`deploy` works on any node, and where it was cut short it goes on: before the first transaction it writes down from
which nonce on it creates which contract, and a contract's address follows from deployer and nonce (CREATE). That is
also how the three markets, which hold each other's addresses for good, can name one that is not there yet.

A deployment file is only a claim. `check` compares the code at each address with the artifacts that ship with this
package (outside the places that a constructor fills) and asks every contract whether it is wired to the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import rlp  # type: ignore[import-untyped]
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak

from app import __version__
from app.chain.contracts.abi import Interface
from app.chain.contracts.client import Contract, ContractClient
from app.chain.contracts.editions import CLOSED_BY_A_LATER
from app.chain.node import ChainNode
from app.chain.sender import Sender
from app.chain.wallet.account import Account
from app.protocol.documents import MAX_DOCUMENT_BYTES, Document, GrownDocument
from app.protocol.errors import BadInput, NotFound, VerificationFailed
from contracts import EDITION, EDITIONS, SINCE, load, names

ORDER = names()  # of the present edition
MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Terms(GrownDocument):
    """What the constructors fix for good. Amounts in token units, times in seconds."""

    later: ClassVar[frozenset[str]] = frozenset({"dispute_bond", "move_window"})

    kind: Literal["darkroom/market-terms"] = "darkroom/market-terms"
    token: str | None = None  # an existing ERC-20 with permit; None deploys the test dollar
    guardian: str = "0x" + "00" * 20  # who may pause new jobs for a while; nobody by default
    stake_floor: int = 10_000_000  # 10 dollars of six decimals
    unbonding_delay: int = 7 * DAY
    heartbeat_window: int = DAY
    draw_window: int = HOUR
    commit_window: int = 6 * HOUR
    reveal_window: int = HOUR
    release_window: int = DAY
    dispute_bond: int = 2_000_000  # of the only dispute of a job; from edition 3 on
    move_window: int = HOUR  # for each move of a dispute


class Placed(Document):
    """A contract in its place. `block` and `code_hash` (Keccak-256 of the runtime code) are empty until it is there."""

    address: str
    block: int = 0
    code_hash: str = ""


class Deployment(GrownDocument):
    """Where the contracts of one market are, or are going to be, and of which edition they are."""

    later: ClassVar[frozenset[str]] = frozenset({"edition", "version"})

    kind: Literal["darkroom/deployment"] = "darkroom/deployment"
    edition: str = EDITIONS[0]
    version: str = ""  # of Darkroom, that deployed it
    chain_id: int
    deployer: str
    begun: int  # the chain's height before the first transaction
    terms: Terms
    contracts: dict[str, Placed]

    @property
    def market(self) -> str:
        """Chain and job market as one name, which files of this market alone bear."""
        return f"{self.chain_id}-{self.contracts['JobMarket'].address}"

    @property
    def complete(self) -> bool:
        """Every contract is there."""
        return all(placed.code_hash for placed in self.contracts.values())


@dataclass(frozen=True)
class Deployed:
    """One contract that `deploy` created in this run: for narration."""

    name: str
    address: str
    tx: str
    gas: int


def deploy(
    node: ChainNode,
    account: Account,
    path: Path,
    terms: Terms | None = None,
    report: Callable[[Deployed], None] = lambda deployed: None,
    edition: str = EDITION,
) -> Deployment:
    """Create what `path` does not yet name, and check the whole. Running it again changes nothing.

    What was begun goes on in the edition in which it was begun; `edition` is of what was not.

    Errors: VerificationFailed, Reverted, Unavailable, BadDocument; BadInput when `path` is for another chain or terms.
    """
    plan = _resume(node, account, path, terms, edition)
    _known(plan)
    client = ContractClient(node, [])
    for name in names(plan.edition):
        placed = plan.contracts[name]
        if placed.code_hash:
            continue
        block = plan.begun  # a lower bound, for one that was created just before an earlier run was cut short
        if not node.code(placed.address):
            artifact = load(name, plan.edition)
            if created_at(account.address, node.nonce(account.address)) != placed.address:
                raise _disturbed(account, path)
            receipt = client.create(account, Interface(artifact.abi), artifact.bytecode, _arguments(name, plan))
            if receipt.contract != placed.address:
                raise _disturbed(account, path)
            block = receipt.block
            report(Deployed(name, placed.address, receipt.tx, receipt.gas))
        code = node.code(placed.address)
        done = placed.model_copy(update={"block": block, "code_hash": bytes(keccak(code)).hex()})
        plan = plan.model_copy(update={"contracts": plan.contracts | {name: done}})
        _write(path, plan)
    check(node, plan)
    return plan


def _disturbed(account: Account, path: Path) -> BadInput:
    return BadInput(
        f"Account {account.address} sent other transactions between those of this deployment.",
        f"Move {path} away and deploy again, from an account that does nothing else meanwhile.",
    )


def read(path: Path) -> Deployment:
    """The deployment in a file. Errors: NotFound, BadDocument, TooLarge."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError:
        raise NotFound(f"There is no deployment file {path}.", "Deploy first: darkroom up, or darkroom init.") from None
    return Deployment.from_bytes(data)


def bind(
    node: ChainNode, deployment: Deployment, sender: Sender | None = None, *, drained: bool = False
) -> ContractClient:
    """The deployment's contracts on this node, after `check`; a `drained` one takes nothing new.

    Errors: VerificationFailed, Unavailable.
    """
    check(node, deployment)
    return client_of(node, deployment, sender, drained=drained)


def check(node: ChainNode, deployment: Deployment) -> None:
    """Whether the contracts are there, are ours, and belong together. Errors: VerificationFailed."""
    if node.chain_id != deployment.chain_id:
        raise VerificationFailed(
            f"The deployment is on chain {deployment.chain_id} and the node on chain {node.chain_id}.",
            "Correct the chain's URL or the deployment file.",
        )
    _known(deployment)
    if set(deployment.contracts) != set(names(deployment.edition)):
        raise VerificationFailed("The deployment does not name the market's contracts.", "Deploy again.")
    for name, placed in deployment.contracts.items():
        code = node.code(placed.address)
        foreign_token = name == "TestUSD" and deployment.terms.token is not None
        if not code or bytes(keccak(code)).hex() != placed.code_hash:
            what = "other code than the deployment names" if code else "no code"
            raise VerificationFailed(
                f"There is {what} at {placed.address} ({name}).", "Deploy again, or use its chain."
            )
        if not foreign_token and not load(name, deployment.edition).matches(code):
            raise VerificationFailed(
                f"The code at {placed.address} is not the {name} of edition {deployment.edition} that this version"
                " knows.",
                "Use the Darkroom version that deployed it, or set up a new home: DARKROOM_HOME.",
            )
    _check_wiring(client_of(node, deployment))


def _known(deployment: Deployment) -> None:
    if deployment.edition not in EDITIONS:
        by = f", which Darkroom {deployment.version} deployed" if deployment.version else ""
        raise VerificationFailed(
            f"This market is of edition {deployment.edition} of the contracts{by}; this version, {__version__}, knows"
            f" {', '.join(EDITIONS)}.",
            "Install a newer Darkroom: pip install --upgrade darkroom-market.",
        )


def _check_wiring(client: ContractClient) -> None:
    """Runtime code says what a contract does, not with whom: that is in its immutables."""
    token, datasets, licenses, providers, jobs = (client.address(name) for name in names("1"))
    wires = {
        ("LicenseMarket", "token"): token,
        ("LicenseMarket", "datasets"): datasets,
        ("LicenseMarket", "jobMarket"): jobs,
        ("ProviderRegistry", "token"): token,
        ("ProviderRegistry", "jobMarket"): jobs,
        ("JobMarket", "token"): token,
        ("JobMarket", "datasets"): datasets,
        ("JobMarket", "licenses"): licenses,
        ("JobMarket", "providers"): providers,
    }
    if "Disputes" in client.contracts:
        wires |= {("JobMarket", "disputes"): client.address("Disputes"), ("Disputes", "jobMarket"): jobs}
        wires |= {("Disputes", "rules"): client.address("LineRules")}
    for (contract, function), expected in wires.items():
        if client.read(contract, function) != expected:
            raise VerificationFailed(f"{contract} is wired to another {function}.", "Deploy again.")


def client_of(
    node: ChainNode, deployment: Deployment, sender: Sender | None = None, *, drained: bool = False
) -> ContractClient:
    """The contracts that a deployment names, believed as they stand; `bind` checks them first."""
    placed = deployment.contracts
    contracts = [
        Contract(name, placed[name].address, _interface(name, deployment.edition)) for name in names(deployment.edition)
    ]
    return ContractClient(node, contracts, sender, closed=CLOSED_BY_A_LATER if drained else frozenset())


@cache
def _interface(name: str, edition: str) -> Interface:
    return Interface(load(name, edition).abi)


def _resume(node: ChainNode, account: Account, path: Path, terms: Terms | None, edition: str) -> Deployment:
    """The plan in the file, or a new one that is written down before anything is sent."""
    if path.exists():
        plan = read(path)
        if plan.chain_id != node.chain_id or (terms is not None and terms != plan.terms):
            raise BadInput(f"{path} is a deployment on another chain or on other terms.", "Name another file.")
        stale = any(placed.code_hash and not node.code(placed.address) for placed in plan.contracts.values())
        if stale:
            raise VerificationFailed(f"The chain does not have the contracts of {path}.", "Move the file away.")
        if plan.complete or plan.deployer == account.address:
            return plan
        raise BadInput(f"{path} was begun by {plan.deployer}.", "Go on with that account, or name another file.")
    terms = terms or Terms()
    nonce = node.nonce(account.address)
    created = [name for name in names(edition) if not (name == "TestUSD" and terms.token)]
    contracts = {name: Placed(address=created_at(account.address, nonce + i)) for i, name in enumerate(created)}
    begun = node.head().number
    if terms.token:
        there = bytes(keccak(node.code(terms.token))).hex()
        contracts["TestUSD"] = Placed(address=to_checksum_address(terms.token), block=begun, code_hash=there)
    plan = Deployment(
        edition=edition,
        version=__version__,
        chain_id=node.chain_id,
        deployer=account.address,
        begun=begun,
        terms=terms,
        contracts=contracts,
    )
    _write(path, plan)
    return plan


def _arguments(name: str, plan: Deployment) -> tuple[Any, ...]:
    token, datasets, licenses, providers, jobs = (plan.contracts[each].address for each in names("1"))
    rules, disputes = ([plan.contracts[name].address] if name in plan.contracts else [] for name in SINCE)
    wired = (token, datasets, licenses, providers, *disputes)
    terms = plan.terms
    windows = (terms.draw_window, terms.commit_window, terms.reveal_window, terms.release_window)
    return {
        "TestUSD": (),
        "DatasetRegistry": (),
        "LicenseMarket": (token, datasets, jobs),
        "ProviderRegistry": (token, jobs, terms.stake_floor, terms.unbonding_delay, terms.heartbeat_window),
        "LineRules": (),
        "Disputes": (jobs, terms.dispute_bond, terms.move_window, *rules),
        "JobMarket": (*wired, terms.guardian, windows),
    }[name]


def created_at(deployer: str, nonce: int) -> str:
    """The address of the contract that an account's transaction with this nonce creates."""
    return str(to_checksum_address(keccak(rlp.encode([to_canonical_address(deployer), nonce]))[-20:]))


def _write(path: Path, plan: Deployment) -> None:
    """Replace the file as a whole: a crash leaves the old plan or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(plan.to_bytes())
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
