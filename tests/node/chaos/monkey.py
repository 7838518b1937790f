"""What goes wrong with a market at work, by one seed: kills, twins, reorganisations, clocks, full disks, databases.

The agents are processes as `darkroom up` runs them; the monkey is their supervisor too, and starts again
what ended.
"""

from __future__ import annotations

import random
import resource
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from app.chain.rpc.node import AnvilNode
from app.protocol.errors import DarkroomError
from benchmarks.live_market import LiveMarket, end
from tests.node.chaos.faulty_proxy import CALM, ROUGH, FaultyProxy

DEEPEST = 10  # blocks of a reorganisation; the chain is final after twelve
BLOCK_TIME = 1  # seconds between two blocks once there was a reorganisation
A_BLOCK = 0.1  # seconds that a block which is being mined may take
MOST_AHEAD = 900  # seconds by which the chain's clock is moved in all: no deadline passes because of that
FULL_SECONDS = 4.0  # for which a disk is full, and a duplicate lives
PAUSE = (0.2, 1.0)  # seconds between two events
WORKS = 4.0  # times as long as it took to load an agent works before it is killed: else all of them only ever load
MOST_LONGER = 60.0  # seconds that a short run takes longer, until it had an event of each kind


@dataclass
class Monkey:
    """One run. `chain` is asked past the proxy."""

    market: LiveMarket
    chain: AnvilNode
    proxies: list[FaultyProxy]
    seed: int
    database: Callable[[], None] | None = None  # restarts a database server, where there is one
    index: list[str] = field(default_factory=lambda: ["node", "index"])
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._words = self.market.commands() | {"index": self.index}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._later: list[tuple[float, Callable[[], object]]] = []
        self._twins: list[subprocess.Popen[bytes]] = []
        self._spoke: dict[str, int] = {}  # the length of each agent's log when it was started last
        self._born: dict[str, float] = {}  # when that was
        self._loaded: dict[str, float] = {}  # how long it took from then to its first word, once that was seen
        self._ahead = 0

    def start(self) -> None:
        """All agents, and those that ended."""
        for name, words in self._words.items():
            if name not in self._running or self._running[name].poll() is not None:
                self._running[name] = self._started(name, words)

    def _started(self, name: str, words: list[str]) -> subprocess.Popen[bytes]:
        self._spoke[name], self._born[name] = self._length(name), time.monotonic()
        self._loaded.pop(name, None)
        return self.market.start(words, name)

    def _length(self, name: str) -> int:
        log = self.market.home.root / "logs" / f"{name}.log"
        return log.stat().st_size if log.exists() else 0

    def awake(self, name: str) -> bool:
        """Whether an agent or a twin has said anything since it was started."""
        return self._length(name) > self._spoke[name]

    def wait_ready(self, seconds: float) -> None:
        """Until every agent has said that it works, for so long at most: killing what only imports finds little."""
        limit = time.monotonic() + seconds
        silent = set(self._words)
        while silent and time.monotonic() < limit:
            logs = {name: self.market.home.root / "logs" / f"{name}.log" for name in silent}
            silent = {name for name, path in logs.items() if '"ready"' not in path.read_text("utf-8")}
            time.sleep(0.1)

    def rage(self, seconds: float) -> None:
        """Rough weather and one event after the other for so long."""
        for each in self.proxies:
            each.weather = ROUGH
        kinds = [self.kill, self.kill, self.kill, self.double, self.reorganise, self.jump, self.fill]
        if self.database is not None:
            kinds.append(self.restart_database)
        # Each kind once in every round, so that a short run has them all.
        until = time.monotonic() + seconds
        round_: list[Callable[[], None]] = []
        names = {each.__name__ for each in kinds}
        while (now := time.monotonic()) < until or (names - set(self.done) and now < until + MOST_LONGER):
            if not round_:
                round_ = self._chance.sample(kinds, len(kinds))
            event = round_.pop()
            if event == self.kill and not self.at_work():
                round_.insert(0, event)
            else:
                event()
                self.done[event.__name__] += 1
            time.sleep(self._chance.uniform(*PAUSE))
            self.at_work()  # notes whose first word came meanwhile
            self._catch_up()
            self.start()

    def at_work(self) -> list[str]:
        """The agents that have worked for a while since they were started: what only loads has nothing to lose.

        On a busy machine loading takes longer, and so does the while: kills come as often as work is done.
        """
        return [name for name in sorted(self._running) if self._worked(name) >= WORKS]

    def _worked(self, name: str) -> float:
        """For how many times as long as it took to load."""
        age = time.monotonic() - self._born[name]
        if name not in self._loaded and self.awake(name):
            self._loaded[name] = age
        return age / self._loaded[name] - 1 if name in self._loaded else 0.0

    def rest(self) -> None:
        """Calm weather, no twins, room on every disk, every agent running."""
        for each in self.proxies:
            each.weather = CALM
        for _, act in list(self._later):
            act()
        self._later.clear()
        end(self._twins)
        self._twins.clear()
        self.start()

    def stop(self) -> None:
        """End everything."""
        end([*self._running.values(), *self._twins])

    # --- what happens -----------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """One process that is at work ends without any word."""
        name = self._chance.choice(self.at_work())
        self._running[name].send_signal(signal.SIGKILL)
        self._running[name].wait()

    def double(self) -> None:
        """A second process of the same account and folder, for a while after it began to work; it is killed."""
        name = self._chance.choice(sorted(self._words))
        log = f"{name}-twin"
        twin = self._started(log, self._words[name])
        self._twins.append(twin)

        def end_twin() -> None:
            if self.awake(log) or twin.poll() is not None:
                twin.kill()
            else:
                self._after(FULL_SECONDS, end_twin)

        self._after(FULL_SECONDS * 2, end_twin)

    def reorganise(self) -> None:
        """Some blocks are replaced by others, without the transactions that were in them."""
        head = self.chain.head().number
        depth = self._chance.randint(1, min(DEEPEST, head - self.market.network.market.first_block))
        # A block that anvil mines meanwhile keeps its events and loses what it did: no chain does that.
        self.chain.request("evm_setIntervalMining", 0)
        time.sleep(A_BLOCK)
        self.chain.request("anvil_reorg", depth, [])
        self.chain.request("evm_setIntervalMining", BLOCK_TIME)

    def jump(self) -> None:
        """The chain's clock goes ahead."""
        step = self._chance.randint(30, 180)
        if self._ahead + step <= MOST_AHEAD:
            self._ahead += step
            self.chain.request("evm_increaseTime", hex(step))

    def fill(self) -> None:
        """No file of one process grows any more, as on a full disk, for some seconds."""
        name = self._chance.choice(sorted(set(self._running) - {"index"}))
        pid = self._running[name].pid
        with suppress(ProcessLookupError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
            self._after(FULL_SECONDS, lambda: _room(pid, hard))

    def restart_database(self) -> None:
        """The index's database server goes away and comes back."""
        assert self.database is not None
        self.database()

    def _after(self, seconds: float, act: Callable[[], object]) -> None:
        self._later.append((time.monotonic() + seconds, act))

    def _catch_up(self) -> None:
        now = time.monotonic()
        due = [each for each in self._later if each[0] <= now]
        self._later = [each for each in self._later if each[0] > now]
        for _, act in due:
            act()


def _room(pid: int, hard: int) -> None:
    with suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


def insisting(act: Callable[[], int], seconds: float) -> int:
    """Do something until it goes well, as a person would who repeats a command. Errors: the last one's."""
    limit = time.monotonic() + seconds
    while True:
        try:
            return act()
        except DarkroomError:
            if time.monotonic() > limit:
                raise
            time.sleep(0.3)
