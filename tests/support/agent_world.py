"""A served market with an agent under a mandate: attacks on the agent's tools are tried in it one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.home.config import NodeConfig, write_config
from app.home.home import Home
from app.mcp.desk import Desk
from app.mcp.toolbox import ToolOutcome, call
from app.protocol.data.description import DatasetCard
from app.protocol.data.manifest import Manifest, write_manifest
from app.protocol.documents import sha256
from app.protocol.market.mandate import SignedMandate
from app.protocol.market.money import amount
from tests.support.mandated import MandatedAgent, mandated
from tests.support.market import DOLLAR
from tests.support.serving import serve
from tests.support.web import MarketNode, build_node

FUNDS = 2_000 * DOLLAR


@dataclass
class AgentWorld:
    """The agent's desk, and everything that could be taken from anybody through it."""

    scene: MarketNode
    agent: MandatedAgent
    signed: SignedMandate
    desk: Desk

    def money(self) -> dict[str, int]:
        """Token units of everybody whose money an agent's tools could reach, and what was bought so far."""
        market, agent = self.scene.market, self.agent
        return {
            "mandate": market.balance(agent.account_of(self.signed)),  # asked anew: the desk keeps what it read a while
            "payer": market.balance(agent.payer.address),
            "agent": market.balance(agent.agent.address),
            "owner": market.balance(self.scene.stage.owner.address),
        }

    @property
    def price(self) -> int:
        """Of the scene's license, in token units."""
        return self.scene.market.offer(self.scene.offer).price_license

    def call(self, name: str, desk: Desk | None = None, **arguments: Any) -> ToolOutcome:
        """One call of a tool, as the agent's model makes it."""
        return call(desk or self.desk, name, arguments)

    def refused(self, name: str, desk: Desk | None = None, **arguments: Any) -> str:
        """A call that has to be refused; the refusal's code."""
        found = self.call(name, desk, **arguments)
        assert found.failed, found.value
        return str(found.value["code"])

    def honest(self) -> None:
        """The agent's own purchase goes through, for its price and nothing more."""
        before = self.money()["mandate"]
        found = self.call("buy_license", offer=self.scene.offer, max_price=str(amount(self.price)), anew=True)
        assert not found.failed, found.value
        after = self.money()["mandate"]
        assert before - after == self.price, (before, after, self.price, found.value)

    @contextmanager
    def describing(self, **words: Any) -> Iterator[None]:
        """The owner says something else of the dataset meanwhile, as a new version; the index knows it."""
        before = self.scene.world.manifest
        card = DatasetCard.model_validate({**dict(before.card), **words})
        self._publish(before.model_copy(update={"card": card}))
        try:
            yield
        finally:
            self._publish(before)

    def _publish(self, manifest: Manifest) -> None:
        data = write_manifest(manifest)
        self.scene.store.put(data)
        self.scene.stage.publish(replace(self.scene.world.records[1], manifest=sha256(data)))
        self.scene.indexer.sync()


@dataclass(frozen=True)
class AgentAttack:
    """Something that must take nothing. `run` gives the token units that it may rightly have spent."""

    name: str
    run: Callable[[AgentWorld], int | None]


@contextmanager
def agent_world(folder: Path) -> Iterator[AgentWorld]:
    """The whole world, in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    scene, home = build_node(folder), Home(folder / "home")
    config = NodeConfig(
        chain=f"embedded:{scene.folder}/chain.sqlite",
        deployment=f"{scene.folder}/deployment.json",
        store=f"folder:{scene.folder}/store",
    )
    write_config(home, config)
    try:
        with serve(scene) as (origin, _, _):
            agent = mandated(scene, home, origin)
            signed = agent.sign(FUNDS, budget=FUNDS, max_occurrences=1000)
            yield AgentWorld(scene, agent, signed, agent.desk(signed))
    finally:
        scene.database.close()
        scene.chain.close()


def stolen_by(attack: AgentAttack, world: AgentWorld) -> dict[str, int]:
    """What an attack took from whom; nothing where it was stopped. What it may rightly spend goes to the owner."""
    before, rightly = world.money(), attack.run(world) or 0
    after = world.money()
    expected = before | {"mandate": before["mandate"] - rightly}
    return {who: expected[who] - after[who] for who in ("mandate", "payer", "agent") if expected[who] != after[who]}


def strangers_words(value: Any, inside: bool = False) -> Iterator[tuple[str, bool]]:
    """Every text in an answer, and whether it stands under `untrusted_data`."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield name, inside
            yield from strangers_words(each, inside or name == "untrusted_data")
    elif isinstance(value, list | tuple):
        for each in value:
            yield from strangers_words(each, inside)
    elif isinstance(value, str):
        yield value, inside
