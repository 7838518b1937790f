"""`darkroom up`: a home made ready, its parts as processes, and one supervisor that keeps them alive."""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from app.execution.tracing import VARIABLE as TRACES
from app.files.environment import from_environment
from app.home.config import read_config, write_config
from app.home.home import EDITION_VARIABLE, Home, private_folder
from app.home.network import Network
from app.home.setup import OPERATOR, add_mandates, set_up
from app.home.upgrade import bring_forward, markets_of
from app.node import console_ui as screens
from app.node.locks import only_node
from app.node.restart_policy import ProcessLife, ProcessState
from app.node.sample import CUSTODIAN, FOLDER, PROVIDERS, ensure_accounts
from app.node.serving import listen
from app.node.settings import NodeSettings, default_settings
from app.node.supervisor import NodeEvent, Service, Supervisor, now
from app.node.upgrade import upgrade
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
        _keep_up(home, settings)
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


def _keep_up(home: Home, settings: NodeSettings) -> None:
    """Hold a home against the settings, and move it on to a later market: one that they name, or on an embedded chain
    one of its own, where this version has a later edition of the contracts. Errors: BadInput.
    """
    config = bring_forward(home)
    wanted = config if settings == newcomer() else settings.network
    if (config.chain, config.store) != (wanted.chain, wanted.store):
        raise BadInput(
            f"{home.root} is set up for another chain or store than the settings name.",
            "Use another DARKROOM_HOME for this network, or correct the settings.",
        )
    if wanted.deployment not in config.deployments:
        upgrade(home, wanted.deployment, told)
    elif config.chain.startswith("embedded:") and (home.root / config.deployment).is_file():
        upgrade(home, None, told)
        add_mandates(home, read_config(home))
    if settings != newcomer():
        said = ("chain_fallbacks", "store_fallbacks", "max_gas_gwei")
        write_config(home, read_config(home).model_copy(update={each: getattr(wanted, each) for each in said}))


def told(words: str) -> None:
    """Say something before there is a screen."""
    sys.stderr.write(f"{words}\n")


def services(
    settings: NodeSettings, config: Path | None, *, listener: int | None, origin: str, edition: str = ""
) -> list[Service]:
    """The node's parts as commands, each of which also runs alone; those of an earlier `edition` bear its name."""
    command = (sys.executable, "-m", "darkroom")
    named = ("--config", str(config)) if config is not None else ()
    every = ("--every", str(settings.agents.every))
    watched = {TRACES: from_environment(settings.agents.traces)} if settings.agents.traces else {}
    found = []
    if settings.index.run:
        found.append(Service("index", (*command, "node", "index", *named)))
    if settings.web.run and listener is not None:
        words = ("node", "web", *named, "--listener", str(listener), "--origin", origin)
        found.append(Service("web", (*command, *words), keeps=(listener,)))
    for kind, roles in (("provider", settings.agents.providers), ("custodian", settings.agents.custodians)):
        found += [
            Service(role, (*command, kind, "serve", "--as", role, *every), opens_keys=True, variables=watched)
            for role in roles
        ]
    keeper = (*command, "node", "keeper", "--as")
    found += [Service(role, (*keeper, role), opens_keys=True) for role in settings.agents.keepers]
    if settings.sample:
        found.append(Service("sample", (*command, "node", "sample"), once=True, opens_keys=True))
        if settings.collection:
            words = ("node", "collection", "--idle")
            found.append(Service("collection", (*command, *words), once=True, opens_keys=True, after="sample"))
    if not edition:
        return found
    variables = {EDITION_VARIABLE: edition}
    return [replace(each, name=f"{each.name}@{edition}", variables={**each.variables, **variables}) for each in found]


def up(
    home: Home,
    settings: NodeSettings,
    config: Path | None,
    stop: threading.Event,
    *,
    port: int | None = None,
    collection: bool = True,
    as_json: bool,
) -> None:
    """Run the node until `stop` is set, its pages on `port` where one is named; without `collection` one table alone.

    Errors: NotAllowed while another runs in this home; BadInput for a port that is taken; those of `prepare`.
    """
    with only_node(home) as lease:
        network = prepare(home, settings)
        settings = settings.model_copy(update={"collection": settings.collection and collection})
        listening = contextlib.ExitStack()
        parts, origins = [], {}
        for edition in ("", *(each.edition for each in markets_of(home, read_config(home)) if each.drained)):
            own, fd = settings.of_edition(edition), None
            if port is not None and not edition:
                own = own.model_copy(update={"web": own.web.model_copy(update={"port": port})})
            if own.web.run:
                listener, origins[edition] = listen(own)
                fd = listening.enter_context(contextlib.closing(listener)).fileno()
            parts += services(own, config, listener=fd, origin=origins.get(edition, ""), edition=edition)
        earlier = {edition: origin for edition, origin in origins.items() if edition}
        facts = {
            "Darkroom": origins.get("") or "no web server here",
            "home": str(home.root),
            "chain": f"{network.market.chain_id}, market {network.market.address}",
            "contracts": ", ".join(
                (f"edition {network.market.edition}", *(f"{name}, drained, at {at}" for name, at in earlier.items()))
            ),
        } | (
            {"samples": f"{home.root / FOLDER}: the owner's account for the demo wallet, and models as files"}
            if settings.sample
            else {}
        )
        with (
            listening,
            _log_file(private_folder(home.root / "logs")) as log,
            screens.choose(as_json=as_json, details=facts) as screen,
        ):

            def sink(event: NodeEvent) -> None:
                if lost := log(event):
                    screen.note(lost)
                screen.note(event)

            announce = _Announcement(origins.get("", ""), sink, [each.name for each in parts if not each.after])
            with Supervisor(parts, sink, keeps=(lease,)) as node:

                def tick() -> None:
                    screen.tick(node.lives(), node.pids())
                    announce.tick(node.lives())

                node.run(stop, tick)
                node.stop(lambda: screen.tick(node.lives(), node.pids()))


class _Announcement:
    """Says once that every part works that is there from the beginning, and where the pages are."""

    def __init__(self, address: str, sink: Callable[[NodeEvent], None], parts: Sequence[str]) -> None:
        self._address, self._sink, self._parts, self._said = address, sink, parts, False

    def tick(self, lives: Mapping[str, ProcessLife]) -> None:
        """Look at the parts."""
        if self._said or any(lives[each].state not in (ProcessState.READY, ProcessState.DONE) for each in self._parts):
            return
        self._said = True
        detail = "Open it in a browser." if self._address else "No web server runs here."
        self._sink(NodeEvent(now(), "info", "node", "ready", {"address": self._address, "detail": detail}))


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
