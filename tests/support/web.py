"""A node on real parts: an embedded chain with a real dataset on it, a folder of blocks, a SQLite index, the API.

One job is settled, one refused, one computed; every actor is a real agent of the project. Tests only read this world,
or add to it what others do not look at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.chain.evm.embedded import EmbeddedChain
from app.chain.market import Market
from app.chain.wallet.account import Account
from app.custodian.agent import CustodianAgent
from app.custodian.ledger import Ledger
from app.custodian.market_chain import MarketChain
from app.execution.execute import execute
from app.market.db.database import Database
from app.market.indexer.indexer import Indexer
from app.market.web.api.openapi import describe, operation
from app.market.web.api.routes import ROUTERS
from app.market.web.app import Extension, create_app
from app.market.web.dependencies.state import Dependencies
from app.market.web.settings import WebServerSettings
from app.protocol.documents import sha256
from app.storage.content import ContentStore
from fhe.circuit.circuit import Circuit
from fhe.circuit.codec import encode
from tests.support.custody import BUYER_PUBLIC, EncryptedDataset, linear_circuit
from tests.support.market import BITS, DOLLAR, HOUR, MarketOnChain, open_market, person, set_stage
from tests.support.policies import roomy

SPREAD = [17, -4, 9, 30, 2, 8, -11, 5]
ORIGIN = "http://testserver"
SETTINGS = WebServerSettings(origin=ORIGIN, rate=None, heavy=None, poll=0.02, heartbeat=0.2)


@dataclass
class MarketNode:
    """The parts, and what is in them."""

    folder: Path
    chain: EmbeddedChain
    world: EncryptedDataset
    stage: MarketOnChain
    database: Database
    indexer: Indexer
    ledger: Ledger
    offer: int = 0
    license: int = 0
    settled: int = 0
    refused: int = 0
    computed: int = 0
    circuit: str = ""
    time: list[float] = field(default_factory=lambda: [1_800_000_000.0])

    @property
    def market(self) -> Market:
        """The contracts."""
        return self.stage.market

    @property
    def store(self) -> ContentStore:
        """The blocks."""
        return self.world.store

    def app(self, settings: WebServerSettings = SETTINGS, extensions: Sequence[Extension] = ()) -> FastAPI:
        """The API on these parts and what is over it, by a clock that the test holds."""
        parts = Dependencies(self.market, self.store, self.database, lambda: self.time[0])
        return create_app(settings, parts, extensions=extensions)

    def keep(self, circuit: Circuit) -> str:
        """Put a circuit into the store; its digest."""
        self.store.put(data := encode(circuit))
        return sha256(data)

    def open(self, circuit: str) -> int:
        """A new job of the buyer's."""
        return self.stage.open(circuit=circuit, license=self.license, rows=40, sealing_key=BUYER_PUBLIC, units=1)

    def compute(self, circuit: str) -> int:
        """A job that two drawn providers computed."""
        return self.go_on(self.open(circuit))

    def go_on(self, job: int) -> int:
        """Two providers are drawn for an open job, and compute it."""
        return self.stage.execute(self.store, job)

    def agent(self) -> CustodianAgent:
        """The custodian of the dataset."""
        return CustodianAgent(
            MarketChain(self.market, self.stage.owner), self.store, lambda _: self.world.keys, self.ledger,
            self.stage.owner.sign_digest, execute=lambda facts, _: execute(facts, self.store, threads=1), threads=1,
        )  # fmt: skip


def build_node(folder: Path, world: EncryptedDataset | None = None, *, authorized: bool = False) -> MarketNode:
    """The whole world; with a `world` of another table no jobs are in it yet. `authorized`: see `open_market`."""
    chain = EmbeddedChain(folder / "chain.sqlite")
    stage = set_stage(open_market(chain, folder / "deployment.json", authorized=authorized))
    other, world = world, world or EncryptedDataset(folder, policy=roomy())
    stage.publish(world.records[1])
    database = Database(f"sqlite:///{folder}/index.sqlite")
    ledger = world.ledger_of(stage.market.chain_id, stage.market.address)
    scene = MarketNode(folder, chain, world, stage, database, Indexer(stage.market, world.store, database), ledger)
    world.store.put(world.manifest.policy.to_bytes())
    scene.offer = stage.market.create_offer(
        stage.owner, stage.dataset, price_license=DOLLAR, price_job=DOLLAR, price_row=1, max_jobs=1000,
        max_rows=1_000_000, duration=24 * 30 * HOUR, policy=world.manifest.policy.digest, **BITS,
    ).value  # fmt: skip
    scene.license = stage.market.buy_license(stage.buyer, scene.offer).value
    if other is not None:
        scene.indexer.sync()
        return scene
    scene.circuit = scene.keep(linear_circuit([SPREAD]))
    scene.settled = scene.compute(scene.circuit)
    scene.refused = scene.compute(scene.keep(linear_circuit([[7]])))
    scene.agent().step()
    scene.computed = scene.compute(scene.keep(linear_circuit([[1, 2, 3, 4, 5, 6, 7, 8]])))
    scene.indexer.sync()
    return scene


class Answer(Protocol):
    """What a test looks at of an answer, whichever HTTP library the test client is made of."""

    @property
    def status_code(self) -> int:
        """The status."""

    @property
    def content(self) -> bytes:
        """The body."""

    @property
    def headers(self) -> Mapping[str, str]:
        """By name, in lower case."""

    @property
    def text(self) -> str:
        """The body as text."""

    def json(self) -> Any:
        """The body as JSON."""


@dataclass
class ApiClient:
    """A client that can sign in."""

    client: TestClient
    scene: MarketNode
    csrf: str = ""

    def sign_in(self, account: Account) -> None:
        """As a wallet would; writes carry the CSRF token from then on."""
        asked = self.client.post("/v1/session/challenge", json={"address": account.address}).json()
        signed = {"message": asked["message"], "signature": "0x" + account.sign_text(asked["message"])}
        answer = self.client.post("/v1/session", json=signed)
        assert answer.status_code == 201, answer.text
        self.csrf = answer.json()["csrf"]
        self.client.headers["x-csrf-token"] = self.csrf

    def revoke_tokens(self) -> None:
        """End every token of the signed-in account."""
        for old in self.client.get("/v1/tokens").json()["items"]:
            self.client.delete(f"/v1/tokens/{old['id']}")

    def token(self, *scopes: str) -> str:
        """A new token of the signed-in account."""

        def make() -> Answer:
            return self.client.post("/v1/tokens", json={"name": "a program", "scopes": scopes})

        answer = make()
        if answer.status_code == 409:  # other tests have made as many as there can be
            self.revoke_tokens()
            answer = make()
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])


@contextmanager
def api_client(
    scene: MarketNode, settings: WebServerSettings = SETTINGS, headers: Mapping[str, str] | None = None
) -> Iterator[ApiClient]:
    """A client of a fresh application."""
    with TestClient(scene.app(settings), base_url=settings.origin, headers=dict(headers or {})) as client:
        yield ApiClient(client, scene)


STRANGER = person("stranger")


def operation_names() -> set[str]:
    """The API's operations, without a node."""
    bare = FastAPI(generate_unique_id_function=operation)
    for router in ROUTERS:
        bare.include_router(router, prefix="/v1")
    describe(bare)
    return {each["operationId"] for item in bare.openapi()["paths"].values() for each in item.values()}


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MarketNode]:
    """The node's parts, made once. What a test has told of its persons, no other test can tell again."""
    yield from opened_node(tmp_path_factory)


@pytest.fixture(name="scene")
def fresh_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MarketNode]:
    """A node of the test's own, in place of `scene`, for tests that use up what may be told."""
    yield from opened_node(tmp_path_factory)


def opened_node(folders: pytest.TempPathFactory) -> Iterator[MarketNode]:
    """A node, closed in the end."""
    made = build_node(folders.mktemp("node"))
    yield made
    made.database.close()
    made.chain.close()
