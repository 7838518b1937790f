"""Looks at every part that a node needs and says what is wrong and what to do. It changes nothing but one small object.

A check is a function from the home and the settings to findings; an error of a check is a finding too.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from app.client.index.client import IndexClient
from app.home.agent_status import read_statuses, troubles
from app.home.config import NODE_FILE, read_config
from app.home.home import Home
from app.home.network import open_chain
from app.node.settings import PORT, NodeSettings
from app.protocol.errors import DarkroomError, NotFound
from app.storage.open import open_place

Level = Literal["ok", "warn", "fail"]

PROBE = b"darkroom doctor\n"
SKEW_SECONDS = 60  # between the chain's clock and this machine's
STALE_SECONDS = 600  # since the newest block of a chain that makes blocks by itself
LAG_BLOCKS = 20
SILENT_SECONDS = 60  # since the indexer last looked
DISK_FAIL, DISK_WARN = 1 << 30, 5 << 30  # bytes that are free
SECRETS = (
    "account.json",
    "passphrase",
    "sealing.key",
    "ledger.sqlite",
    "keys",
    "jobs",
    "markets",
)  # in an actor's folder
MAX_FILES = 100_000


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    part: str
    level: Level
    what: str
    fix: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


Check = Callable[[Home, NodeSettings], Iterator[Finding]]


def examine(home: Home, settings: NodeSettings) -> list[Finding]:
    """Everything, in an order in which the first failure is the likeliest cause of the others."""
    findings: list[Finding] = []
    for part, check in CHECKS.items():
        try:
            findings += check(home, settings)
        except DarkroomError as error:
            findings.append(Finding(part, "fail", error.message, error.next_step))
        except OSError as error:
            findings.append(Finding(part, "fail", f"{error.strerror or error}.", "See the path's owner and mode."))
    return findings


def check_home(home: Home, _settings: NodeSettings) -> Iterator[Finding]:
    """The folder, and that nobody else can enter it."""
    if not home.root.is_dir():
        yield Finding("home", "warn", f"{home.root} is not there yet.", "Set it up: darkroom up.")
        return
    if home.root.stat().st_mode & 0o077:
        yield Finding("home", "warn", f"Others can look into {home.root}.", f"chmod 700 {home.root}")
    else:
        yield Finding("home", "ok", f"{home.root}")


def check_disk(home: Home, _settings: NodeSettings) -> Iterator[Finding]:
    """Room for datasets: one evaluation key alone takes 220 MB."""
    there = next(path for path in (home.root, *home.root.parents) if path.exists())
    free = shutil.disk_usage(there).free
    level: Level = "fail" if free < DISK_FAIL else "warn" if free < DISK_WARN else "ok"
    fix = "" if level == "ok" else "Free some, or move the home: DARKROOM_HOME."
    size = f"{free / 2**30:,.1f} GiB" if free >= 1 << 30 else f"{free >> 20} MiB"
    yield Finding("disk", level, f"{size} are free.", fix)


def check_keys(home: Home, _settings: NodeSettings) -> Iterator[Finding]:
    """Files with secrets that others can read."""
    open_ones = [each for each in secret_files(home) if each[0] != home.root]
    for path, mode in open_ones[:10]:
        yield Finding("keys", "fail", f"Others can read {path}.", f"chmod {mode:o} {path}")
    if not open_ones:
        roles = home.actors()
        told = f"The files of {len(roles)} roles are private." if roles else "No role lives here yet."
        yield Finding("keys", "ok", told)


def secret_files(home: Home) -> Iterator[tuple[Path, int]]:
    """Files and folders with secrets that others can read, each with the mode that it should have."""
    if home.root.is_dir() and home.root.stat().st_mode & 0o077:
        yield home.root, 0o700
    for name in home.actors():
        folder = home.root / "actors" / name
        if folder.stat().st_mode & 0o077:
            yield folder, 0o700
        for path in _files([folder / each for each in SECRETS]):
            if path.stat().st_mode & 0o077:
                yield path, 0o600


def check_core(_home: Home, _settings: NodeSettings) -> Iterator[Finding]:
    """The native core, and that the engine computes what it must."""
    from fhe.engine.conformance import self_test
    from fhe.engine.native.library import folder

    try:
        where = folder()
        yield Finding("engine", "ok", f"The native core is in {where}.")
    except DarkroomError as error:
        yield Finding("engine", "warn", f"{error.message} Evaluation is many times slower.", error.next_step)
    began = time.perf_counter()
    self_test(threads=1)
    yield Finding("engine", "ok", f"The self-test passed in {time.perf_counter() - began:.1f} s.")


def check_chain(home: Home, settings: NodeSettings) -> Iterator[Finding]:
    """That the chain answers, its height, its clock, and that the market's contracts are ours."""
    config = _config(home, settings)
    if config.chain.startswith("embedded:") and not (home.root / config.chain.removeprefix("embedded:")).exists():
        yield Finding("chain", "warn", "The embedded chain is not there yet.", "Start it: darkroom up.")
        return
    node = open_chain(home, config.chain, config.chain_fallbacks)
    head, now = node.head(), time.time()
    yield Finding("chain", "ok", f"Chain {node.chain_id} is at block {head.number}.")
    skew = round(node.now() - now)
    if abs(skew) > SKEW_SECONDS and (skew > 0 or config.chain.startswith("embedded:")):
        fix = "Set this machine's clock (NTP)" + ("; a demo may have moved the chain's." if skew > 0 else ".")
        yield Finding("clock", "warn", f"The chain's clock is {skew:+,} s beside this machine's.", fix)
    elif now - head.time > STALE_SECONDS and not config.chain.startswith("embedded:"):
        age = round(now - head.time)
        yield Finding("clock", "warn", f"The newest block is {age:,} s old.", "See whether the chain node is in sync.")
    else:
        yield Finding("clock", "ok", f"The chain's clock is {skew:+} s beside this machine's.")
    from app.chain.contracts.deployment import check, read

    deployment = read(home.root / config.deployment)
    check(node, deployment)
    yield Finding(
        "contracts", "ok", f"The {len(deployment.contracts)} contracts are this version's and belong together."
    )


def check_editions(home: Home, _settings: NodeSettings) -> Iterator[Finding]:
    """What is still open on the markets of earlier editions, which are drained here."""
    from app.node.drained import editions_drained, remainders

    for edition in editions_drained(home) if (home.root / "node.json").exists() else []:
        left = list(remainders(home, edition))
        for each in left:
            yield Finding("editions", "ok", f"Edition {edition} is drained. {each.what}", each.fix)
        if not left:
            told = f"Edition {edition} is over: nothing of it is open, and nothing in it is this home's."
            yield Finding("editions", "ok", told, f"Serve it no more: darkroom node end {edition}")


def check_store(home: Home, settings: NodeSettings) -> Iterator[Finding]:
    """That a small object comes back from the store as it went in."""
    config = _config(home, settings)
    if config.store.startswith("folder:") and not (home.root / config.store.removeprefix("folder:")).exists():
        yield Finding("store", "warn", "The store's folder is not there yet.", "Start the node: darkroom up.")
        return
    store = open_place(config.store, home.root)
    began = time.perf_counter()
    cid = store.put(PROBE)
    if store.read(cid, limit=len(PROBE)) != PROBE:  # a wrong block would have raised
        yield Finding("store", "fail", "An object came back changed.", "Use another store.")
        return
    took = (time.perf_counter() - began) * 1000
    yield Finding("store", "ok", f"An object went in and came back in {took:.0f} ms.")


def check_index(home: Home, settings: NodeSettings) -> Iterator[Finding]:
    """The database's form, and how far behind the chain the index is."""
    from app.market.db.database import Database
    from app.market.queries.status import status

    url = settings.database(home)
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        yield Finding("database", "warn", "The index is not there yet.", "Start the node: darkroom up.")
        return
    database = Database(url)
    try:
        if not database.is_current():
            yield Finding("database", "warn", "Its tables are not this version's.", "Starting the node migrates them.")
            return
        yield Finding("database", "ok", f"{'SQLite' if database.is_sqlite else 'PostgreSQL'}, tables of this version.")
        try:
            with database.session() as session:
                place = status(session)
        except NotFound as error:
            yield Finding("index", "warn", error.message, "Start the node: darkroom up.")
            return
    finally:
        database.close()
    if place.error:
        yield Finding("index", "fail", f"The latest try failed: {place.error}", "Correct what it says.")
    elif (silent := round(time.time() - place.seen_at)) > SILENT_SECONDS:
        yield Finding("index", "warn", f"The indexer last looked {silent:,} s ago.", "Start the node: darkroom up.")
    elif place.behind > LAG_BLOCKS:
        yield Finding("index", "warn", f"It is {place.behind} blocks behind.", "Wait, or see the index part's log.")
    else:
        yield Finding("index", "ok", f"It is at block {place.height}, {place.behind} behind.")
    if place.manifests_unavailable:
        told = f"{place.manifests_unavailable} manifests are in no store that answers."
        yield Finding("index", "warn", told, "Ask their owners to publish them to this store's network.")


def check_port(home: Home, settings: NodeSettings) -> Iterator[Finding]:
    """That the web server can listen, or does already."""
    host, port = settings.web.host, settings.web.port or PORT
    if not settings.web.run:
        yield Finding("port", "ok", "No web server is wanted here.")
        return
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if answers(url := (home.place / NODE_FILE).read_text("utf-8").strip()):
            yield Finding("port", "ok", f"This home's node answers at {url}.")
            return
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            taken = error
        else:
            yield Finding("port", "ok", f"{host} port {port} is free.")
            return
    name = f"[{host}]" if ":" in host else host
    who = "another home's node" if answers(f"http://{name}:{port}") else "another program"
    if settings.web.port is None:
        told = f"{who.capitalize()} has {host} port {port}."
        yield Finding("port", "warn", told, "Nothing need be done: this node will choose another and print it.")
    else:
        told = f"The node cannot listen on {host} port {port} ({taken.strerror}); {who} may have it."
        yield Finding("port", "fail", told, "Set another port in [web], or end what has it.")


def check_providers(home: Home, _settings: NodeSettings) -> Iterator[Finding]:
    """That what this home's providers ask covers the gas that their jobs take."""
    from app.node.provider_terms import told

    if (home.root / "node.json").exists():
        for well, what, fix in told(home):
            yield Finding("providers", "ok" if well else "warn", what, fix)


def check_agents(home: Home, settings: NodeSettings) -> Iterator[Finding]:
    """What the agents of this home say of themselves, and those that the settings name and that say nothing."""
    said = {each.role: each for each in read_statuses(home)}
    for role in settings.agents.roles:
        if role not in said and (home.root / NODE_FILE).exists():
            yield Finding("agents", "warn", f"The agent {role} has never spoken.", "See the log of its part.")
    for each in said.values():
        wrong = troubles(each)
        for trouble in wrong:
            yield Finding("agents", trouble.level, trouble.what, trouble.fix)
        if not wrong:
            jobs = sum(each.jobs.values())
            told = "was stopped" if each.stopped else f"works, with {jobs} jobs that are not over"
            yield Finding("agents", "ok", f"The {each.kind} {each.role} {told}.")


CHECKS: dict[str, Check] = {
    "home": check_home,
    "disk": check_disk,
    "keys": check_keys,
    "engine": check_core,
    "chain": check_chain,
    "editions": check_editions,
    "providers": check_providers,
    "store": check_store,
    "database": check_index,
    "port": check_port,
    "agents": check_agents,
}


def _config(home: Home, settings: NodeSettings) -> Any:
    """The network that this home is set up for, or will be."""
    return read_config(home) if (home.root / "node.json").exists() else settings.network


def _files(places: Sequence[Path]) -> Iterator[Path]:
    count = 0
    for place in places:
        for path in [place] if place.is_file() else place.rglob("*") if place.is_dir() else []:
            count += 1
            if count > MAX_FILES:
                return
            if path.is_file() and not path.is_symlink() and os.access(path, os.F_OK):
                yield path


def answers(url: str) -> bool:
    """Whether a Darkroom node is there."""
    try:
        IndexClient(url, patience=2.0).health()
    except DarkroomError:
        return False
    return True
