"""A market left running: what its agents do in a minute, what they ask the chain for, and how large they become.

`jobs_per_min`: small linear jobs from their opening to their settlement, with four providers, a custodian and a keeper
as processes of their own on anvil; the fullest minute once all of them work, and never more than two dozen jobs open.
`idle_calls_growth`: questions to the chain in one look of provider, custodian and keeper at 10,000 jobs that are over,
by those at 10. `index_blocks_per_s`, `index_events_per_s`: the index of that chain built from its first block on.
`catalogue_p95_ms`: searches by 50 readers at once, each asking again at once, in an index of 10,000 datasets. Readers
and server share the cores, so `catalogue_server_cpu_ms` and `catalogue_reader_cpu_ms` tell what a request costs each.
`rss_mb`: the largest resident memory of an agent after `rss_jobs` jobs. `jobs_cpu_s`: CPU seconds of all agents for a
job, after the first two dozen.

`--part catalogue`, `idle` or `jobs` takes the figures of that part alone.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from app.home.home import Home
from benchmarks import api, live_market
from benchmarks.anvil import anvil, program
from benchmarks.idle_looks import MANY, idle_looks
from benchmarks.live_market import LiveMarket

PROVIDERS = 4
BACKLOG = 24  # jobs that are open at a time
MINUTE = 60.0
JOBS = 2_000
MOST_SECONDS = 2_400.0  # for those; `rss_jobs` says how many there were
READERS = 50
DATASETS, INDEXED_JOBS = 10_000, 2_000
LIVELY = ("--block-time", "1", "--mixed-mining", "--slots-in-an-epoch", "1")
CHAIN_ID = 31_337

Told = Callable[[float], None]  # hears which part of the work is done


def run(progress: Callable[[int, int], None], part: str = "") -> dict[str, Any]:
    """The figures of a part, or of all; DARKROOM_BENCH_JOBS sets how many jobs are run, 2,000 by default, in at most
    DARKROOM_BENCH_SECONDS, and DARKROOM_BENCH_FINISHED how many are over before a look is counted, 10,000 by default.
    """
    done = 0.0
    figures: dict[str, Any] = {}
    for name in [part] if part else PARTS:
        share = 1 / (1 if part else len(PARTS))
        begun = time.monotonic()
        figures |= PARTS[name](partial(_told, progress, done, share))
        figures[f"{name}_seconds"] = round(time.monotonic() - begun, 1)
        done += share
    return figures


def _told(progress: Callable[[int, int], None], done: float, share: float, of: float) -> None:
    progress(int(1000 * (done + share * of)), 1000)


def catalogue(told: Told) -> dict[str, Any]:
    """The catalogue under readers who never pause."""
    with tempfile.TemporaryDirectory() as name, api.serving(Path(name), DATASETS, INDEXED_JOBS) as port:
        told(0.5)
        api.measure(port, api.catalogue_search, api.WARM, READERS)
        (server,) = (each.pid for each in multiprocessing.active_children() if each.pid is not None)
        before, own = _cpu([server]), time.process_time()
        found = api.measure(port, api.catalogue_search, api.SECONDS, READERS)
        spent = {"server": _cpu([server]) - before, "reader": time.process_time() - own}
    return {
        **{f"catalogue_{name}": found[name] for name in ("p50_ms", "p95_ms", "requests_per_s")},
        **{f"catalogue_{who}_cpu_ms": round(1000 * cpu / found["requests"], 2) for who, cpu in spent.items()},
    }


def idle(told: Told) -> dict[str, Any]:
    """Looks that find nothing, after few and many finished jobs, and the index of that chain."""
    many = int(os.environ.get("DARKROOM_BENCH_FINISHED", MANY))
    with tempfile.TemporaryDirectory() as name, anvil(_anvil(), CHAIN_ID) as node:
        return idle_looks(node, Path(name), lambda done: told(done / many), many)


def jobs(told: Told) -> dict[str, Any]:
    """Jobs through the whole protocol, and what the agents weigh after them."""
    wanted = int(os.environ.get("DARKROOM_BENCH_JOBS", JOBS))
    with tempfile.TemporaryDirectory() as name, anvil(_anvil(), CHAIN_ID, *LIVELY) as node:
        market = live_market.set_up_market(Home(Path(name) / "home"), f"http://{node.host}", providers=PROVIDERS)
        return throughput(market, wanted, lambda done: told(done / wanted))


PARTS: dict[str, Callable[[Told], dict[str, Any]]] = {"catalogue": catalogue, "idle": idle, "jobs": jobs}


def _anvil() -> Path:
    binary = program()
    if binary is None:
        raise SystemExit("anvil is not installed: run contracts/setup.sh, or name it in DARKROOM_ANVIL.")
    return binary


def throughput(market: LiveMarket, jobs: int, told: Callable[[int], None]) -> dict[str, Any]:
    """Run so many jobs through the whole protocol."""
    ends: list[float] = []  # when each was seen settled
    open_: set[int] = set()
    warm: tuple[int, float] | None = None  # how many were settled, and the CPU seconds of all agents, once all worked
    with live_market.serving(market) as running:
        limit = time.monotonic() + float(os.environ.get("DARKROOM_BENCH_SECONDS", MOST_SECONDS))
        while len(ends) < jobs and time.monotonic() < limit:
            while len(open_) < BACKLOG and len(market.opened) < jobs:
                open_.add(market.open_job())
            over = market.settled(open_)
            ends += [time.monotonic()] * len(over)
            open_ -= set(over)
            told(len(ends))
            if warm is None and len(ends) >= BACKLOG:
                warm = len(ends), _cpu(_pids(running))
            if dead := [name for name, process in running.items() if process.poll() is not None]:
                raise RuntimeError(f"{', '.join(dead)} ended by itself.")
            time.sleep(0.25)
        sizes = {name: resident(process.pid) for name, process in running.items()}
        spent = (_cpu(_pids(running)) - warm[1]) / (len(ends) - warm[0]) if warm and len(ends) > warm[0] else 0.0
    for number in market.opened[:: max(1, jobs // 10)]:
        if number not in open_ and (market.result(number) != market.expected(number)).any():
            raise RuntimeError(f"job {number} has another result than its rows")
    return {"jobs_per_min": fullest_minute(ends), "rss_mb": max(sizes.values()), "rss_jobs": len(ends)} | {
        "jobs_cpu_s": round(spent, 3),
        **{f"rss_{name}_mb": size for name, size in sizes.items()},
    }


def fullest_minute(ends: list[float]) -> float:
    """Ends in the minute with most of them; scaled where all of it took less."""
    if len(ends) < 2:
        return 0.0
    span = ends[-1] - ends[0]
    if span < MINUTE:
        return round(len(ends) * MINUTE / max(span, 1.0), 1)
    starts = [each for each in ends if each + MINUTE <= ends[-1]]
    return float(max(sum(start <= each < start + MINUTE for each in ends) for start in starts))


def _pids(running: Mapping[str, subprocess.Popen[bytes]]) -> list[int]:
    return [process.pid for process in running.values()]


def _cpu(pids: Iterable[int]) -> float:
    """CPU seconds that all of these took since they began."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """Megabytes of a process that are in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
