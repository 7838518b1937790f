"""`darkroom up`: a home made ready, its parts as processes, and one supervisor that keeps them alive."""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from app.home.home import Home, private_folder
from app.home.network import Network, read_config, write_config
from app.home.setup import OPERATOR, set_up
from app.node import console_ui as screens
from app.node.locks import only_node
from app.node.sample import CUSTODIAN, FOLDER, PROVIDERS, ensure_accounts
from app.node.serving import listen
from app.node.settings import NodeSettings, default_settings
from app.node.supervisor import NodeEvent, Service, Supervisor
from app.protocol.errors import BadInput, NotFound

LOG_BYTES = 10 << 20  # of one log file
LOG_FILES = 3  # older ones that are kept


def newcomer() -> NodeSettings:
    """The settings without a file: everything embedded, and the sample."""
    return default_settings(PROVIDERS, CUSTODIAN, OPERATOR)


def prepare(home: Home, settings: NodeSettings) -> Network:
    """Set the home up for these settings, or check that it is. Errors: BadInput, NotFound, Unavailable."""
    path = home.root / "node.json"
    if path.exists():
        kept, wanted = read_config(home), settings.network
        if settings != newcomer() and not kept.same_network(wanted):
            raise BadInput(
                f"{home.root} is set up for another chain or store than the settings name.",
                "Use another DARKROOM_HOME for this network, or correct the settings.",
            )
        if settings != newcomer():
            write_config(home, wanted.model_copy(update={"node": kept.node}))
    elif settings.sample or settings.chain.url.startswith("embedded:"):
        set_up(home, settings.network)
    elif (home.root / settings.chain.deployment).is_file():
        write_config(home, settings.network)
    else:
        raise NotFound(
            f"There is no deployment file {settings.chain.deployment}.",
            "Copy the market's, or put a market on this chain: darkroom init --config FILE.",
        )
    for role in settings.agents.roles:
        if not settings.sample:
            home.actor(role)
    network = Network.open(home)
    if settings.sample:
        ensure_accounts(home)
    return network


def services(settings: NodeSettings, config: Path | None, *, listener: int | None, origin: str) -> list[Service]:
    """The node's parts as commands, each of which also runs alone."""
    command = (sys.executable, "-m", "darkroom")
    named = ("--config", str(config)) if config is not None else ()
    every = ("--every", str(settings.agents.every))
    found = []
    if settings.index.run:
        found.append(Service("index", (*command, "node", "index", *named)))
    if settings.web.run and listener is not None:
        words = ("node", "web", *named, "--listener", str(listener), "--origin", origin)
        found.append(Service("web", (*command, *words), keeps=(listener,)))
    for kind, roles in (("provider", settings.agents.providers), ("custodian", settings.agents.custodians)):
        found += [Service(role, (*command, kind, "serve", "--as", role, *every), opens_keys=True) for role in roles]
    keeper = (*command, "node", "keeper", "--as")
    found += [Service(role, (*keeper, role), opens_keys=True) for role in settings.agents.keepers]
    if settings.sample:
        found.append(Service("sample", (*command, "node", "sample"), once=True, opens_keys=True))
    return found


def up(home: Home, settings: NodeSettings, config: Path | None, stop: threading.Event, *, as_json: bool) -> None:
    """Run the node until `stop` is set. Errors: NotAllowed while another runs in this home; those of `prepare`."""
    with only_node(home) as lease:
        network = prepare(home, settings)
        listener, origin = listen(settings) if settings.web.run else (None, "")
        facts = {
            "Darkroom": origin or "no web server here",
            "home": str(home.root),
            "chain": f"{network.market.chain_id}, market {network.market.address}",
        } | (
            {"samples": f"{home.root / FOLDER}: the owner's account for the demo wallet, and models as files"}
            if settings.sample
            else {}
        )
        parts = services(settings, config, listener=listener.fileno() if listener else None, origin=origin)
        with (
            contextlib.closing(listener) if listener else contextlib.nullcontext(),
            _log_file(private_folder(home.root / "logs")) as log,
            screens.choose(as_json=as_json, details=facts) as screen,
        ):

            def sink(event: NodeEvent) -> None:
                if lost := log(event):
                    screen.note(lost)
                screen.note(event)

            with Supervisor(parts, sink, keeps=(lease,)) as node:
                node.run(stop, lambda: screen.tick(node.lives(), node.pids()))
                node.stop(lambda: screen.tick(node.lives(), node.pids()))


class _LogFile(logging.handlers.RotatingFileHandler):
    """A file that may stop taking lines, as on a full disk, without a trace for each of them."""

    failed = False

    def handleError(self, _record: logging.LogRecord) -> None:
        """Remember it."""
        self.failed = True


@contextlib.contextmanager
def _log_file(folder: Path) -> Iterator[Callable[[NodeEvent], NodeEvent | None]]:
    """Every event as a JSON line in a file that does not grow without bound; the value says when it stopped working."""
    path = folder / "node.jsonl"
    handler = _LogFile(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8")
    path.chmod(0o600)
    handler.setFormatter(logging.Formatter("%(message)s"))

    def log(event: NodeEvent) -> NodeEvent | None:
        before, handler.failed = handler.failed, False
        handler.emit(logging.makeLogRecord({"msg": json.dumps(event.to_dict())}))
        if before or not handler.failed:
            return None
        told = {"detail": f"The log file {path} takes no more lines. Look for room on the disk: darkroom doctor."}
        return NodeEvent(event.at, "error", "node", "log-lost", told)

    try:
        yield log
    finally:
        with contextlib.suppress(OSError):  # what it could not write, it cannot flush either
            handler.close()
