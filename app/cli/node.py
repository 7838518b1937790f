"""`darkroom up`, the node's parts one by one (index, web, keeper, sample), and how a node does."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import AsJson, AsNode, AsOwner, CommandContext
from app.home.home import Home

if TYPE_CHECKING:
    from app.node.settings import NodeSettings

app = typer.Typer(
    no_args_is_help=True, help="A node's status and health; its parts, each alone: index, web, keeper, sample."
)
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings; docs/operations.md has all.")]


def settings_of(config: Path | None) -> NodeSettings:
    """The settings in a file, or a newcomer's."""
    from app.node.node import newcomer
    from app.node.settings import read_settings

    return newcomer() if config is None else read_settings(config)


def up(config: Config = None, as_json: AsJson = False) -> None:
    """Run a marketplace node: index, API, pages and agents, with a sample dataset unless a file says otherwise.

    Each event is one line, on a terminal a live screen, with --json one JSON object a line. Ctrl-C or SIGTERM stops it.
    """
    from app.node.node import up as run
    from app.node.run_loop import stop_on_signals

    stop = threading.Event()
    stop_on_signals(stop)
    run(Home.default(), settings_of(config), None if config is None else config.absolute(), stop, as_json=as_json)


@app.command("index")
def index(config: Config = None) -> None:
    """Follow the chain into the index; log on stderr."""
    from app.node import logs
    from app.node.run_loop import stop_on_signals
    from app.node.serving import follow

    logs.begin()
    stop = threading.Event()
    stop_on_signals(stop)
    follow(Home.default(), settings_of(config), stop)


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
    settings = settings_of(config)
    socket, own = listen(settings) if listener is None else (adopt(listener), origin)
    serve(Home.default(), settings, socket, origin or own, threading.Event())


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
    journal_days: Annotated[int, typer.Option(help="Days after a job's end for its journal.", min=1)] = 7,
    output_days: Annotated[int, typer.Option(help="Days after a job's end for what was published.", min=30)] = 90,
    as_json: AsJson = False,
) -> None:
    """What this home's providers keep of jobs that are over and final, and need no more; by default only a list."""
    from dataclasses import asdict

    from app.console.output import rows_table
    from app.provider.collect import leftovers, remove
    from app.provider.journal import Journal
    from app.storage.content import ContentStore

    session = CommandContext("anyone", as_json)
    folders = {name: session.home.actor(name).path("jobs") for name in session.home.actors()}
    journals = {name: Journal(folder) for name, folder in folders.items() if folder.is_dir()}
    market, store = session.network.market, session.network.store
    days = output_days if outputs else None
    found = leftovers(market, journals, journal_days=journal_days, output_days=days)
    gone = list(remove(found, journals, store if isinstance(store, ContentStore) else None)) if apply else []
    rows = [asdict(each) | {"removed": each in gone} for each in found]
    title = f"{sum(each.size for each in found):,} bytes, {'removed' if apply else 'nothing removed: --apply does'}"
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
