"""A home as the release before left it, with a live job, a license and money in escrow, and where it is brought to.

Its market is made of the contracts that were kept of that edition, its files are in the form that they had then.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlmodel import select
from typer.testing import CliRunner

from app.chain.contracts.deployment import deploy
from app.chain.evm.embedded import EmbeddedChain
from app.chain.market import Market
from app.chain.unsigned import UnsignedCalls
from app.cli.main import app
from app.home import upgrade as steps
from app.home.config import LAYOUT, read_config
from app.home.home import Home
from app.home.network import Network
from app.home.upgrade import bring_forward, move_on
from app.market.db.database import Database
from app.market.db.tables import JobRow, ProviderRow
from app.market.indexer.indexer import Indexer
from app.node.doctor import check_editions
from app.node.drained import end
from app.node.node import services
from app.node.settings import AgentSettings, NodeSettings, parse_settings
from app.node.upgrade import open_things, upgrade
from app.protocol.documents import canonical, parse_canonical, sha256
from app.protocol.errors import BadDocument, BadInput, NotAllowed, NotFound, VerificationFailed
from app.protocol.market.entities import JobState
from app.provider.actions import Done
from app.provider.agent import ProviderAgent
from contracts import EDITION, EDITIONS
from fhe.circuit.codec import encode
from tests.support.custody import BUYER_PUBLIC, EncryptedDataset, linear_circuit
from tests.support.market import BITS, DOLLAR, HOUR, TERMS, MarketOnChain, digest, person, set_stage, staged

CIRCUIT = encode(linear_circuit([[17, -4, 9, 30, 2, 8, -11, 5]]))
BEFORE, FIRST = EDITIONS[-2], EDITIONS[0]
ANY = digest("any")


@dataclass
class OldHome:
    """A home of the edition before, and what is open on its market."""

    home: Home
    world: EncryptedDataset
    license: int
    committed: int  # a job for which one provider has committed
    waiting: int  # a job that was just opened
    receipt: str  # what that provider committed to

    def stage(self, market: Market) -> MarketOnChain:
        """Its people."""
        return staged(market)

    def agent(self, market: Market, provider: int) -> ProviderAgent:
        """A provider of this home, in a process of its own."""
        folder = self.home.actor(f"provider-{provider + 1}", create=True).folder
        return ProviderAgent(market, self.world.store, person(f"provider {provider}"), folder, threads=1)

    def order(self, stage: MarketOnChain, license: int) -> int:
        """A real job under a license."""
        return stage.open(circuit=sha256(CIRCUIT), license=license, rows=40, sealing_key=BUYER_PUBLIC)


def sell(stage: MarketOnChain, world: EncryptedDataset) -> int:
    """A license for the world's rows."""
    offer = stage.market.create_offer(
        stage.owner, stage.dataset, price_license=DOLLAR, price_job=DOLLAR, price_row=1, max_jobs=9, max_rows=10_000,
        duration=24 * HOUR, policy=world.manifest.policy.digest, **BITS,
    )  # fmt: skip
    return stage.market.buy_license(stage.buyer, offer.value).value


@pytest.fixture
def old(template: OldHome, tmp_path: Path) -> OldHome:
    """A home of the edition before."""
    return copied(template, tmp_path)


@pytest.fixture
def oldest(first_template: OldHome, tmp_path: Path) -> OldHome:
    """A home of the first edition, in the layout that it had."""
    return copied(first_template, tmp_path)


def copied(template: OldHome, folder: Path) -> OldHome:
    """A copy of it."""
    shutil.copytree(template.home.root, folder / "home")
    return replace(template, home=Home(folder / "home"))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> OldHome:
    """Everything up to a commitment, as 0.2.0 wrote it."""
    old = made(tmp_path_factory.mktemp("old"), BEFORE)
    path = old.home.root / "chain" / "deployment.json"
    path.write_bytes(canonical(parse_canonical(path.read_bytes()) | {"version": "0.2.0"}))
    configured(old.home, layout=2, version="0.2.0")
    return old


@pytest.fixture(scope="module")
def first_template(tmp_path_factory: pytest.TempPathFactory) -> OldHome:
    """The same as 0.1 wrote it: without a folder for each market, and without the edition's name."""
    old = made(tmp_path_factory.mktemp("oldest"), FIRST)
    folder = old.home.actor("provider-1").folder
    (market,) = (folder / "markets").iterdir()
    (market / "jobs").rename(folder / "jobs")
    for file in (folder / "markets").rglob("*.json"):
        file.unlink()
    path = old.home.root / "chain" / "deployment.json"
    said = parse_canonical(path.read_bytes())
    path.write_bytes(canonical({key: value for key, value in said.items() if key not in ("edition", "version")}))
    configured(old.home)
    return old


def configured(home: Home, **more: object) -> None:
    """The home's file."""
    config = {
        "kind": "darkroom/node", "chain": "embedded:chain/chain.sqlite", "deployment": "chain/deployment.json",
        "store": "folder:store", "node": "", **more,
    }  # fmt: skip
    (home.root / "node.json").write_text(json.dumps(config))


def made(tmp_path: Path, edition: str) -> OldHome:
    """A market of an edition, up to a commitment."""
    home = Home(tmp_path / "home")
    (home.root / "chain").mkdir(parents=True)
    chain, path = EmbeddedChain(home.root / "chain" / "chain.sqlite"), home.root / "chain" / "deployment.json"
    chain.fund(person("deployer").address, 10**19)
    deploy(chain, person("deployer"), path, TERMS, edition=edition)
    stage, world = set_stage(Market.open(chain, path)), EncryptedDataset(tmp_path / "world")
    stage.publish(world.records[1])
    world.store.put(CIRCUIT)
    old = OldHome(home, world, sell(stage, world), 0, 0, "")
    old.committed = old.order(stage, old.license)
    stage.draw(old.committed)
    agent = old.agent(stage.market, 0)
    old.receipt = agent.step()[0].detail
    old.waiting = old.order(stage, old.license)
    (home.root / "index").mkdir()
    (home.root / "index" / "index.sqlite").touch()
    chain.close()
    return old


def test_nothing_is_orphaned(old: OldHome) -> None:
    """The open jobs settle, the license is used, the money is paid; new business is on the later market alone."""
    words: list[str] = []
    assert upgrade(old.home, None, words.append) == BEFORE
    assert f"darkroom --edition {BEFORE}" in words[0]
    earlier, later = Network.open(Home(old.home.root, BEFORE)).market, Network.open(old.home).market
    assert (earlier.edition, earlier.drained, later.edition, later.drained) == (BEFORE, True, EDITION, False)
    assert {each.edition: (each.jobs, each.licenses) for each in open_things(old.home)} == {
        BEFORE: (2, 2),
        EDITION: (0, 0),
    }

    # The commitment of before is revealed with the salt of before, and the jobs run to their end.
    before = old.stage(earlier)
    one, other = old.agent(earlier, 0), old.agent(earlier, 1)
    for _ in range(3):
        done = [*one.step(), *other.step()]
        assert not [each for each in done if each.what in (Done.FAILED, Done.DECLINED)]
    for job in (old.committed, old.waiting):
        assert earlier.job(job).state is JobState.COMPUTED
        before.release(job)
    assert earlier.job(old.committed).receipt == old.receipt
    again = old.order(before, old.license)
    for _ in range(3):
        one.step()
        other.step()
    before.release(again)
    assert earlier.job(again).state is JobState.SETTLED

    # Nothing begins there any more, by a signature here or by a wallet's.
    for refused in (
        before.sell,
        lambda: earlier.buy_license(before.buyer, 1),
        lambda: earlier.publish_dataset(before.owner, manifest=ANY, data_root=ANY, profile=ANY, rows=1),
        lambda: UnsignedCalls(earlier).draft(before.buyer.address, "LicenseMarket", "buy", 1),
    ):
        with pytest.raises(NotAllowed, match="drained"):
            refused()

    # The same people, folders and job numbers on the later market.
    after = set_stage(later)
    after.publish(old.world.records[1])
    job = old.order(after, sell(after, old.world))
    assert job == old.committed
    fees = later.provider(after.providers[0].address)
    assert (fees.fixed_fee, fees.price) == (1000, 2_000_000)
    new_one, new_other = old.agent(later, 0), old.agent(later, 1)
    for _ in range(3):
        assert not [each for each in [*new_one.step(), *new_other.step()] if each.what is Done.FAILED]
    after.release(job)
    assert later.job(job).state is JobState.SETTLED
    assert later.job(job).receipt != earlier.job(old.committed).receipt  # it names its market

    # What the earlier market owes is what it holds, and can be taken.
    for account in before.people():
        earlier.withdraw(account, earlier.offers_of(account.address))
    free = earlier.custody(1)
    assert free.held == 0
    assert earlier.balance(earlier.address) == free.bond
    earlier.unbond_custodian(before.owner, 1, free.bond)
    earlier.withdraw(before.owner)
    assert earlier.balance(earlier.address) == 0


def test_a_drained_edition_comes_to_its_end(old: OldHome) -> None:
    """The doctor says what is left on the earlier market and what to do; when that is done, its end is offered."""
    upgrade(old.home, None, lambda _: None)
    network = Network.open(Home(old.home.root, BEFORE))
    market, people = network.market, old.stage(network.market)
    for role, account in {"owner": people.owner, "provider-1": people.providers[0]}.items():
        account.save(old.home.actor(role, create=True).path("account.json"), "passphrase", light=True)

    def said() -> list[tuple[str, str]]:
        return [(each.what, each.fix) for each in check_editions(old.home, NodeSettings())]

    def told(words: str) -> str:
        return next(fix for what, fix in said() if words in what)

    assert "Leave the node running" in told("2 jobs are not over.")
    assert "Leave the node running" in told("2 licenses still allow jobs, the last one until ")
    assert told("The bond of provider-1 is ") == f"darkroom --edition {BEFORE} provider unbond --as provider-1"
    with pytest.raises(NotAllowed, match="2 jobs are not over"):
        end(old.home, BEFORE)
    assert isinstance(network.node, EmbeddedChain)
    while jobs := market.live_jobs().ids():  # nobody serves it: jobs expire, the buyer is refunded, licenses end
        network.node.advance(25 * HOUR)
        for job in jobs:
            market.expire(people.buyer, job)
    market.unbond(people.providers[0])
    assert told("can be taken from") == f"darkroom --edition {BEFORE} provider withdraw-bond --as provider-1"
    network.node.advance(30 * 24 * HOUR)
    assert told("can be taken.").endswith("provider withdraw-bond --as provider-1")
    market.withdraw_bond(people.providers[0])
    fix = told("The custodian's bond of dataset 1 is ")
    assert fix.startswith(f"darkroom --edition {BEFORE} custodian unbond 1 ")
    market.unbond_custodian(people.owner, 1, int(fix.split()[-3]) * DOLLAR)
    assert told("owner can withdraw ") == f"darkroom --edition {BEFORE} account withdraw --as owner"
    for account in people.people():
        market.withdraw(account, market.offers_of(account.address))
    ((what, fix),) = said()
    assert (what.split(":")[0], fix) == (
        f"Edition {BEFORE} is over", f"Serve it no more: darkroom node end {BEFORE}"
    )  # fmt: skip
    network.node.close()
    done = CliRunner().invoke(app, ["node", "end", BEFORE], env={"DARKROOM_HOME": str(old.home.root)})
    assert done.exit_code == 0, done.output
    assert (said(), read_config(old.home).earlier) == ([], ())
    with pytest.raises(NotFound, match="drained"):
        end(old.home, BEFORE)
    assert Network.open(old.home).market.edition == EDITION


def test_both_editions_are_indexed(old: OldHome) -> None:
    """Each in its own place; prices of before are told as what they are now counted in."""
    upgrade(old.home, None, lambda words: None)
    settings = NodeSettings()
    for edition, jobs in (("", 0), (BEFORE, 2)):
        home = Home(old.home.root, edition)
        network, database = Network.open(home), Database(settings.of_edition(edition).database(home))
        Indexer(network.market, network.store, database).sync(documents=False)
        with database.session() as session:
            assert len(session.exec(select(JobRow)).all()) == jobs
            prices = [(each.fixed_fee, each.price) for each in session.exec(select(ProviderRow)).all()]
        database.close()
        assert prices == ([(1000, 2_000_000)] * 2 if jobs else [])
    assert (old.home.root / "editions" / BEFORE / "index" / "index.sqlite").stat().st_size > 0


def test_a_home_is_brought_to_this_layout_by_whatever_opens_it(oldest: OldHome) -> None:
    """Without a later market: the journal is under the market's name, no byte of it changed, once for ever."""
    folder = oldest.home.actor("provider-1").folder
    kept = {file.name: file.read_bytes() for file in (folder / "jobs").iterdir()}
    assert len(kept) == 3
    market = Network.open(oldest.home).market
    assert (market.edition, market.drained) == (FIRST, False)
    assert {file.name: file.read_bytes() for file in (market.folder(folder) / "jobs").iterdir()} == kept
    assert not (folder / "jobs").exists()
    config = read_config(oldest.home)
    assert (config.layout, config.earlier) == (LAYOUT, ())
    assert bring_forward(oldest.home) == config
    oldest.stage(market).sell()  # it is the present market, and sells


@pytest.mark.parametrize("step", ["rename", "write"])
def test_an_upgrade_that_is_killed_is_done_again(oldest: OldHome, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Wherever it ends, the home opens, and the second try finishes."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        if step == "rename":
            broken.setattr(Path, "rename", killed)
        else:
            broken.setattr(steps, "write_config", killed)
        with pytest.raises(KeyboardInterrupt):
            upgrade(oldest.home, None, lambda words: None)
    assert Network.open(oldest.home).market.edition == FIRST
    assert upgrade(oldest.home, None, lambda words: None) == FIRST
    assert upgrade(oldest.home, None, lambda words: None) == ""
    market = Network.open(Home(oldest.home.root, FIRST)).market
    assert len(list((market.folder(oldest.home.actor("provider-1").folder) / "jobs").iterdir())) == 3
    assert len(read_config(oldest.home).deployments) == 2


def test_what_this_version_does_not_know_is_told(oldest: OldHome) -> None:
    """A later edition, a later layout, an edition that is not here, a market that is not later."""
    path = oldest.home.root / "chain" / "deployment.json"
    said = parse_canonical(path.read_bytes())
    other = path.with_name("other.json")
    other.write_bytes(path.read_bytes())
    with pytest.raises(BadInput, match="not later"):
        move_on(oldest.home, oldest.home.relative(other))
    with pytest.raises(NotFound, match=f"there is {FIRST}"):
        Network.open(Home(oldest.home.root, "7"))
    path.write_bytes(canonical(said | {"edition": "9", "version": "5.0.0"}))
    with pytest.raises(VerificationFailed, match=r"edition 9 of the contracts, which Darkroom 5\.0\.0 deployed"):
        Network.open(oldest.home)
    path.write_bytes(canonical(said | {"edition": BEFORE, "version": "0.1.0"}))
    with pytest.raises(VerificationFailed, match="is not the ProviderRegistry of edition"):
        Network.open(oldest.home)
    config = json.loads((oldest.home.root / "node.json").read_text())
    (oldest.home.root / "node.json").write_text(
        json.dumps(config | {"layout": LAYOUT + 1, "version": "5.0.0", "new": 1})
    )
    with pytest.raises(BadDocument, match=r"written by Darkroom '5\.0\.0'"):
        Network.open(oldest.home)


def test_a_node_runs_both(old: OldHome) -> None:
    """Every part of the earlier edition runs beside those of the present one, told apart by name and environment."""
    settings = NodeSettings(agents=AgentSettings(providers=("provider-1",), custodians=("owner",)))
    present = services(settings, None, listener=3, origin="http://x")
    earlier = services(settings.of_edition(BEFORE), None, listener=4, origin="http://y", edition=BEFORE)
    assert [each.name for each in earlier] == [f"{each.name}@{BEFORE}" for each in present]
    assert all(each.variables == {"DARKROOM_EDITION": BEFORE} for each in earlier)
    assert not any(each.variables for each in present)
    own = parse_settings(f"[web]\nport = 8080\n[earlier.{BEFORE}.web]\nport = 8081\n")
    assert (own.web.port, own.of_edition(BEFORE).web.port, own.of_edition("").web.port) == (8080, 8081, 8080)
    assert NodeSettings().of_edition(BEFORE).web.port is None


def test_the_commands_say_what_is_open(old: OldHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run changes nothing; the upgrade is told, and so is what is left of the earlier edition."""
    monkeypatch.setenv("DARKROOM_HOME", str(old.home.root))
    monkeypatch.setenv("DARKROOM_EDITION", "")
    told = CliRunner().invoke(app, ["node", "upgrade", "--dry-run", "--json"])
    said = json.loads(told.stdout)
    assert (said["edition"], said["present"], said["drained"]) == (EDITION, BEFORE, "")
    assert [(each["jobs"], each["licenses"]) for each in said["open"]] == [(2, 2)]
    assert read_config(old.home).earlier == ()
    told = CliRunner().invoke(app, ["node", "upgrade", "--json"])
    assert json.loads(told.stdout)["drained"] == BEFORE
    listed = json.loads(CliRunner().invoke(app, ["node", "editions", "--json"]).stdout)
    assert [(each["edition"], each["drained"], each["jobs"]) for each in listed] == [
        (EDITION, False, 0),
        (BEFORE, True, 2),
    ]
    jobs = CliRunner().invoke(app, ["--edition", BEFORE, "provider", "status", "--json"])
    assert len(json.loads(jobs.stdout)) == 2


def test_a_home_of_the_first_edition_moves_on(oldest: OldHome) -> None:
    """Its jobs are indexed there, with prices as they are counted now, and what it committed to is revealed."""
    assert upgrade(oldest.home, None, lambda words: None) == FIRST
    home = Home(oldest.home.root, FIRST)
    network, database = Network.open(home), Database(NodeSettings().of_edition(FIRST).database(home))
    Indexer(network.market, network.store, database).sync(documents=False)
    with database.session() as session:
        prices = [(each.fixed_fee, each.price) for each in session.exec(select(ProviderRow)).all()]
    database.close()
    assert prices == [(0, 3_000_000)] * 2
    agents = [oldest.agent(network.market, number) for number in (0, 1)]
    for _ in range(3):
        assert not [each for agent in agents for each in agent.step() if each.what is Done.FAILED]
    assert network.market.job(oldest.committed).receipt == oldest.receipt
    assert Network.open(oldest.home).market.edition == EDITION
