"""A whole market at work, each agent a process of its own, as it is run: what benchmarks and chaos are measured on.

A chain behind a URL, a store, a home with an owner, a buyer and bonded providers, one encrypted table, one license and
one small linear circuit. Jobs take stretches of rows that nobody took before, so that budgets hold for thousands.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from app.chain.wallet.account import Account
from app.client.buyer import Buyer
from app.client.keyring_store import EpochRecord
from app.client.owner import Owner
from app.demo.stage import BOND, DOLLAR, bond, pocket_money, set_stage
from app.home.config import NodeConfig
from app.home.home import Home
from app.home.network import Network
from app.home.setup import join
from app.protocol.documents import sha256
from app.protocol.market.entities import JobState
from app.protocol.policy.bits import MICRO
from app.seal.keys import SealingKey
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Input, Linear, Readout
from fhe.circuit.codec import encode
from fhe.circuit.cost import cost
from fhe.keys.secret_keys import SecretKeys
from fhe.profiles import REFERENCE

COLUMNS, LEVELS = 8, 256
ROWS = 16_384
JOB_ROWS = 4  # so small that a job's fixed costs are what is measured
WEIGHTS = np.array([17, -4, 9, 30, 2, 8, -11, 5], np.int64)
SETTLING_SECONDS = 10.0  # that a process has for its end after SIGTERM
ROOT = Path(__file__).parents[1]


@dataclass
class LiveMarket:
    """One market and the files of everybody in it."""

    home: Home
    network: Network
    buyer: Account
    key: SealingKey
    license: int
    circuit: Circuit
    codes: I64  # (rows, columns), what the owner encrypted
    providers: tuple[str, ...]
    opened: list[int] = field(default_factory=list)

    def open_job(self, place: int | None = None, rows: int = JOB_ROWS) -> int:
        """Order one job on the next rows, or on those of a place, which is one order however often it is given; its
        number. Errors: those of `Market.open_job`.
        """
        market, first = self.network.market, (len(self.opened) if place is None else place) * rows
        sent = market.open_job(
            self.buyer,
            self.license,
            circuit=sha256(encode(self.circuit)),
            first_row=first,
            rows=rows,
            sealing_key=self.key.public.hex(),
            units=cost(self.circuit, REFERENCE, rows).units,
            replicas=2,
            max_fee=DOLLAR // 10,
            purpose=f"{first}",
        )
        if sent.value not in self.opened:
            self.opened.append(sent.value)
        return sent.value

    def expected(self, number: int) -> I64:
        """What the owner sells of a job's rows: 1 where the sum is at least the threshold."""
        job = self.network.market.job(number)
        sums = self.codes[job.first_row : job.first_row + job.rows] @ WEIGHTS
        return (sums >= self.circuit.readout.at).astype(np.int64)

    def result(self, number: int, patience: float = 30.0) -> I64:
        """What the buyer opens. Errors: those of `Buyer.open_result`."""
        buyer = Buyer(self.network, self.home.actor("buyer"), self.buyer)
        return np.asarray(buyer.open_result(number, self.key, patience=patience).result.values).reshape(-1)

    def settled(self, jobs: Iterable[int]) -> list[int]:
        """Those of these jobs that are settled."""
        return [job for job in jobs if self.network.market.job(job).state is JobState.SETTLED]

    def commands(self, every: float = 0.5) -> dict[str, list[str]]:
        """The agents by name, each as the words after `darkroom`."""
        serve = ["serve", "--every", str(every)]
        found = {name: ["provider", *serve, "--threads", "1", "--as", name] for name in self.providers}
        found["owner"] = ["custodian", *serve, "--device", "cpu", "--as", "owner"]
        found["operator"] = ["node", "keeper", "--every", str(every), "--as", "operator"]
        return found

    def start(self, words: list[str], log: str) -> subprocess.Popen[bytes]:
        """One agent in a process of its own, which speaks into a file of the home's folder `logs`."""
        (self.home.root / "logs").mkdir(exist_ok=True)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")}
        with (self.home.root / "logs" / f"{log}.log").open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "darkroom", *words],
                env=clean | {"DARKROOM_HOME": str(self.home.root), "DARKROOM_LOG": "json"},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )


def set_up_market(home: Home, chain: str, store: str = "folder:store", providers: int = 4) -> LiveMarket:
    """Deploy, bond, publish, offer, buy; the keys are drawn by NumPy, which takes no time and serves no real secret.

    Errors: Unavailable.
    """
    stage = set_stage(home, NodeConfig(chain=chain, deployment="deployment.json", store=store))
    network, market = stage.network, stage.network.market
    names = tuple(f"provider-{number + 1}" for number in range(providers))
    for name in names:
        _, account = join(home, network, name)
        pocket_money(network, account, BOND)
        bond(network, account)
    dataset, codes = _publish(home, stage.owner)
    buyer, key = stage.buyer.account, stage.buyer.sealing_key()
    pocket_money(network, buyer, 1000 * DOLLAR)
    market.approve(buyer, market.addresses["JobMarket"], 900 * DOLLAR)
    offer = next(each.id for each in market.offers(dataset))
    license = market.buy_license(buyer, offer).value
    circuit = _circuit(stage.owner, dataset)
    network.store.put(encode(circuit))
    return LiveMarket(home, network, buyer, key, license, circuit, codes, names)


def _publish(home: Home, owner: Owner) -> tuple[int, I64]:
    from app.client.custody import ensure_custody
    from ingestion.recipe import parse_recipe

    rng = np.random.default_rng(7)
    codes = rng.integers(0, LEVELS, (ROWS, COLUMNS)).astype(np.int64)
    names = [f"c{number}" for number in range(COLUMNS)]
    path = home.root / "table.csv"
    path.write_text("\n".join([",".join(names), *(",".join(map(str, row)) for row in codes)]) + "\n")
    columns = "".join(f"[columns.c{n}]\nlow = 0\nhigh = {LEVELS - 1}\nstep = 1\n" for n in range(COLUMNS))
    recipe = parse_recipe(
        'title = "Measured"\ndescription = "Random codes."\nlicense = "None"\ncreator = "Nobody"\n'
        f"[policy]\nmicro_bits_per_license = {20 * MICRO}\nmicro_bits_per_person = {40 * MICRO}\n"
        f"[offer]\nmax_jobs = 1_000_000\nmax_rows = 100_000_000\nlicenses = 1\n{columns}",
        "recipe",
    )
    bits = [rng.integers(0, 2, n).astype(np.uint8) for n in (REFERENCE.polynomial_size, REFERENCE.lwe_dimension)]
    keyring = owner.cabinet.keyring("measured")
    keyring.add(SecretKeys(REFERENCE.digest, 1, *bits), owner.actor.passphrase())
    owner.cabinet.note(EpochRecord(keys="measured", epoch=1, profile=REFERENCE.digest, evaluation_key=None))
    number = owner.publish(path, recipe, keys="measured", encodings=("affine",)).sent.value
    path.unlink()
    pocket_money(owner.network, owner.account, 1000 * DOLLAR)
    ensure_custody(owner.network.market, owner.account, number, 500 * DOLLAR)
    owner.offer(number, recipe.policy, recipe.offer)
    return number, codes


def _circuit(owner: Owner, dataset: int) -> Circuit:
    from app.client.dataset import Dataset

    book = Dataset.open(owner.network, dataset).codebook
    layer = Linear(27, np.array([0, COLUMNS]), np.arange(COLUMNS), WEIGHTS, np.zeros(1, np.int64))
    inputs = tuple(Input(column.name, "affine") for column in book.columns)
    middle = int(WEIGHTS.sum()) * LEVELS // 2
    return Circuit(REFERENCE.digest, book.digest, inputs, (layer,), ("y",), Readout("threshold", middle))


@contextmanager
def serving(market: LiveMarket, every: float = 0.5) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """All agents at work; they end with the context."""
    running = {name: market.start(words, name) for name, words in market.commands(every).items()}
    try:
        yield running
    finally:
        end(running.values())


def end(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """Ask all of them to end, and make those that do not."""
    mine = list(processes)
    for each in mine:
        if each.poll() is None:
            each.send_signal(signal.SIGTERM)
    limit = time.monotonic() + SETTLING_SECONDS
    for each in mine:
        try:
            each.wait(max(0.1, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            each.kill()
            each.wait()
