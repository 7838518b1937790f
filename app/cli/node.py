"""`darkroom up`, the node's parts one by one (index, web, keeper, sample, collection), and how a node does."""

from __future__ import annotations

import os
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import AsJson, AsNode, AsOwner, CommandContext
from app.home.home import Home
from app.protocol.market.entities import RESULT_KEPT_DAYS

if TYPE_CHECKING:
    from app.node.settings import NodeSettings

app = typer.Typer(
    no_args_is_help=True,
    help="A node's status and health; its parts alone: index, web, keeper, sample, collection.",
)
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings; docs/operations.md has all.")]


def settings_of(config: Path | None) -> NodeSettings:
    """The settings in a file, or a newcomer's."""
    from app.node.node import newcomer
    from app.node.settings import read_settings

    return newcomer() if config is None else read_settings(config)


def up(
    config: Config = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Of the pages: this one or none; else 8080 or another.")
    ] = None,
    collection: Annotated[
        bool, typer.Option(" /--no-collection", help="Publish the sample's one table and not five more beside it.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Run a marketplace node: index, API, pages and agents, with sample datasets unless a file says otherwise.

    Each event is one line, on a terminal a live screen, with --json one JSON object a line; `ready` of `node` says that
    every part works, and where the pages are. Ctrl-C or SIGTERM stops it.
    """
    from app.node.node import up as run
    from app.node.run_loop import stop_on_signals

    stop = threading.Event()
    stop_on_signals(stop)
    file = None if config is None else config.absolute()
    run(Home.default(), settings_of(config), file, stop, port=port, collection=collection, as_json=as_json)


@app.command("index")
def index(config: Config = None) -> None:
    """Follow the chain into the index; log on stderr."""
    from app.node import logs
    from app.node.run_loop import stop_on_signals
    from app.node.serving import follow

    logs.begin()
    stop = threading.Event()
    stop_on_signals(stop)
    home = Home.default()
    follow(home, settings_of(config).of_edition(home.edition), stop)


@app.command("web")
def web(
    config: Config = None,
    listener: Annotated[int | None, typer.Option(hidden=True)] = None,
    origin: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Serve the API and the pages; log on stderr."""
    from app.node import logs
    from app.node.serving import adopt, listen, serve

    logs.begin()
    home = Home.default()
    settings = settings_of(config).of_edition(home.edition)
    socket, own = listen(settings) if listener is None else (adopt(listener), origin)
    serve(home, settings, socket, origin or own, threading.Event())


@app.command("status")
def status(node: AsNode = None, as_json: AsJson = False) -> None:
    """A node's chain, market and index, as it tells them itself."""
    from app.client.index.client import IndexClient, find_node
    from app.console.output import Terminal, facts_table

    index = IndexClient(find_node(Home.default(), node))
    told = index.status()
    value = {
        "node": index.http.url,
        "version": told.version,
        "chain": told.chain_id,
        "market": told.market,
        "head": told.head,
        "index": told.index.height,
        "behind": told.index.behind,
        "error": told.index.error,
    }
    Terminal(as_json).show(value, lambda out: out.print(facts_table({**value, "error": told.index.error or "-"})))


@app.command("health")
def health(node: AsNode = None) -> None:
    """Whether a node's web server answers: exit code 0, else 5. For health checks of containers and supervisors."""
    from app.client.index.client import IndexClient, find_node

    IndexClient(find_node(Home.default(), node)).health()


@app.command("editions")
def editions(as_json: AsJson = False) -> None:
    """The markets of this home: the present one, and earlier editions of the contracts that run to their end."""
    from app.console.output import Terminal, rows_table
    from app.node.upgrade import open_things

    found = [asdict(each) for each in open_things(Home.default())]
    Terminal(as_json).show(found, lambda out: out.print(rows_table(found)))


@app.command("upgrade")
def upgrade(
    deployment: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A later market's deployment file, in this home; by default deploy one."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is open, and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Move this home on to a later edition of the contracts; the present market is drained beside it.

    On an embedded chain `darkroom up` does it by itself. No node may run in the home meanwhile.
    """
    from app.console.output import Terminal, facts_table
    from app.node.locks import only_node
    from app.node.upgrade import open_things
    from app.node.upgrade import upgrade as move
    from contracts import EDITION

    home, out = Home.default(), Terminal(as_json)
    here = open_things(home)
    value = {"edition": EDITION, "present": here[0].edition, "open": [asdict(each) for each in here], "drained": ""}
    if not dry_run:
        with only_node(home):
            value["drained"] = move(home, None if deployment is None else home.relative(deployment), out.say)
    facts = {"edition": EDITION, "present before": here[0].edition, "drained now": value["drained"] or "-"}
    out.show(value, lambda table: table.print(facts_table(facts | {each.edition: each.words for each in here})))


@app.command("end")
def end_edition(
    edition: Annotated[str, typer.Argument(help="An earlier edition that is drained here.")], as_json: AsJson = False
) -> None:
    """Serve a drained edition no more, once nothing of it is left; `darkroom doctor` says what is. Its files stay."""
    from app.console.output import Terminal
    from app.node.drained import end
    from app.node.locks import only_node

    home = Home.default()
    with only_node(home):
        name = end(home, edition)
    said = f"Edition {edition} is served no more. {name} stays: named in `earlier` in node.json it is served again."
    Terminal(as_json).show({"edition": edition, "deployment": name}, lambda out: out.print(said))


@app.command("keeper")
def keeper(
    role: AsOwner,
    every: Annotated[float, typer.Option(help="Seconds between looks at the chain.", min=0.1)] = 15.0,
) -> None:
    """Move on jobs whose deadline has passed, so that refunds come by themselves; log on stderr."""
    from app.node.agents import serve_keeper

    session = CommandContext(role, False)
    serve_keeper(session.network.market, session.account, every, session.actor)


@app.command("gc")
def gc(
    apply: Annotated[bool, typer.Option("--apply", help="Remove it; without this it is only listed.")] = False,
    outputs: Annotated[
        bool, typer.Option("--outputs", help="Also what was published of jobs long over; audits cannot read it then.")
    ] = False,
    results: Annotated[
        bool,
        typer.Option("--results", help="Also sealed results that custodians here stored; buyers have them."),
    ] = False,
    journal_days: Annotated[int, typer.Option(help="Days after a job's end for its journal.", min=1)] = 7,
    output_days: Annotated[int, typer.Option(help="Days after a job's end for what was published.", min=30)] = 90,
    result_days: Annotated[
        int, typer.Option(help="Days after a job's end for its sealed result.", min=RESULT_KEPT_DAYS)
    ] = 90,
    as_json: AsJson = False,
) -> None:
    """What this home keeps of jobs that are over and final, and needs no more; by default only a list."""
    from app.console.output import rows_table
    from app.custodian import collect
    from app.custodian.ledger import Ledger
    from app.provider.collect import leftovers, remove
    from app.provider.journal import Journal
    from app.storage.content import ContentStore

    session = CommandContext("anyone", as_json)
    market, store = session.network.market, session.network.store
    folders = {name: market.folder(session.home.actor(name).folder) / "jobs" for name in session.home.actors()}
    journals = {name: Journal(folder) for name, folder in folders.items() if folder.is_dir()}
    blocks = store if isinstance(store, ContentStore) else None
    found = leftovers(market, journals, journal_days=journal_days, output_days=output_days if outputs else None)
    old: list[collect.OldResult] = []
    if results and blocks is not None:
        files = {name: session.home.actor(name).path("ledger.sqlite") for name in session.home.actors()}
        scope = f"{market.chain_id}:{market.address}"
        ledgers = {name: Ledger(path, scope, market.now) for name, path in files.items() if path.is_file()}
        old = collect.old_results(market, blocks, ledgers, result_days)
    gone = [asdict(each) for each in remove(found, journals, blocks)] if apply else []
    if apply and blocks is not None:
        gone += [asdict(each) for each in collect.remove(old, blocks)]
    listed = [asdict(each) for each in found] + [asdict(each) for each in old]
    rows = [each | {"removed": each in gone} for each in listed]
    for row in rows:
        row.pop("ciphertext", None)
    title = f"{sum(row['size'] for row in rows):,} bytes, {'removed' if apply else 'nothing removed: --apply does'}"
    session.out.show(rows, lambda out: out.print(rows_table(rows, title=title, empty="Nothing is left over.")))


@app.command("sample")
def sample(as_json: AsJson = False) -> None:
    """Publish the sample dataset with its offers, bond the sample's providers, train two models to upload."""
    from app.console.output import Terminal, facts_table
    from app.node import logs
    from app.node.sample import FOLDER, ensure_sample

    logs.begin()
    home = Home.default()
    value = {"dataset": ensure_sample(home), "models": str(home.root / FOLDER)}
    Terminal(as_json).show(value, lambda out: out.print(facts_table(value)))


@app.command("collection")
def collection(
    idle: Annotated[bool, typer.Option("--idle", help="Leave the processors to whoever else wants them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish the sample's five further tables with offers and models, and order a short history of jobs of them.

    Each step is done once: ended anywhere, it goes on there. The jobs are served by the providers and the custodian of
    `darkroom up`.
    """
    from app.console.output import Terminal, facts_table
    from app.node import logs
    from app.node.collection.collection import ensure_collection

    logs.begin()
    if idle:
        os.nice(10)
    value = ensure_collection(Home.default())
    Terminal(as_json).show(value, lambda out: out.print(facts_table(value)))
