"""A home with one owner on an embedded chain, who publishes tables of the same persons again and again.

Keys are random ones of the reference profile, ciphertexts, tags, ledger, chain and custodian are real.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from app.chain.market import Market
from app.client.keyring_store import EpochRecord
from app.client.owner import Owner
from app.client.person_records import HOLDS
from app.execution.inputs import load_manifest
from app.files.private import write_private
from app.files.sealed import MIN_WORK, seal
from app.home.home import Home
from app.home.network import Network
from app.protocol.data.dataset import EncryptedTable
from app.protocol.documents import sha256
from app.protocol.policy.leakage import Released
from app.protocol.policy.rules import Grant
from app.storage.folder import BlockStore
from fhe.circuit.codec import encode
from fhe.keys.keyring import HOLDS as KEYRING_HOLDS
from fhe.profiles import REFERENCE
from ingestion.recipe import Recipe, parse_recipe
from tests.support.custody import BUYER_PUBLIC, NAMES, linear_circuit, random_keys
from tests.support.market import MarketOnChain, open_market, set_stage

ROWS = 3 * 2048 + 40  # three blocks of the statement
BIT = 1_000_000
PASSPHRASE = "correct horse 41"
WEIGHTS = [17, -4, 9, 30, 2, 8, -11, 5]
HEAD = 'title = "t"\ndescription = "d"\nlicense = "l"\ncreator = "c"\n'
COLUMNS = "".join(f"[columns.{name}]\nlow = 0\nhigh = 255\n" for name in NAMES)
BY_KEY = 'rest = "drop"\nperson = "id"\n'
BY_CODES = 'rest = "drop"\n'
LIMIT = 16 * BIT  # the default about a person of eight columns of 256 codes


def recipe(table: str = BY_KEY, columns: Sequence[str] = NAMES, policy: str = "") -> Recipe:
    """A recipe of these columns; the policy is the default one unless its lines are given."""
    listed = "".join(f"[columns.{name}]\nlow = 0\nhigh = 255\n" for name in columns)
    return parse_recipe(f"{HEAD}[table]\n{table}{listed}[policy]\n{policy}")


def people(rows: int = ROWS, seed: int = 1) -> pl.DataFrame:
    """Rows of different persons, by key and by codes."""
    rng = np.random.default_rng(seed)
    codes = {name: rng.integers(0, 256, rows) for name in NAMES}
    return pl.DataFrame({"id": [f"p{seed}-{number}" for number in range(rows)], **codes})


@cache
def sealed_keys() -> bytes:
    """Random keys as a keyring keeps them; what is published here is told apart by more than its keys."""
    return seal(random_keys(1).to_bytes(), PASSPHRASE, KEYRING_HOLDS, work=MIN_WORK)


def chain_template(folder: Path) -> Path:
    """A chain with a market on it, people with dollars, bonded providers, and a stranger's dataset: to be copied."""
    from app.chain.evm.embedded import EmbeddedChain

    chain = EmbeddedChain(folder / "chain.sqlite")
    set_stage(open_market(chain, folder / "deployment.json"))
    chain.close()
    return folder


class OwnersHome:
    """One owner's home; `market` names which of the two markets its network is."""

    def __init__(self, template: Path, folder: Path) -> None:
        from app.chain.evm.embedded import EmbeddedChain
        from tests.support.market import person, staged

        self.folder = folder
        self.home = Home(folder / "home")
        shutil.copytree(template, folder / "chain")
        chain = EmbeddedChain(folder / "chain" / "chain.sqlite")
        self.store = BlockStore(folder / "store")
        self.stage: MarketOnChain = staged(Market.open(chain, folder / "chain" / "deployment.json"))
        actor = self.home.actor("owner", create=True)
        actor.path("passphrase").write_text(PASSPHRASE)
        self.account = person("owner")
        write_private(actor.path("persons.key"), seal(bytes(32), PASSPHRASE, HOLDS, work=MIN_WORK))
        self.owner = Owner(Network(chain, self.market, self.store), actor, self.account)
        self.made = 0

    @property
    def market(self) -> Market:
        """The contracts."""
        return self.stage.market

    def restarted(self) -> Owner:
        """The owner in a new process, who has to read every file again."""
        return Owner(self.owner.network, self.owner.actor, self.account)

    def elsewhere(self) -> Owner:
        """The same owner and home on a second market, deployed on the same chain."""
        node = self.owner.network.node
        market = open_market(node, self.folder / "second.json")  # type: ignore[arg-type]
        return Owner(Network(node, market, self.store), self.owner.actor, self.account)

    def keys(self) -> str:
        """A new keyring with random keys."""
        self.made += 1
        name = f"table-{self.made}"
        ring = self.owner.cabinet.keyring(name)
        ring.folder.mkdir(parents=True)
        write_private(ring.folder / "epoch-0001.key", sealed_keys())
        self.owner.cabinet.note(EpochRecord(keys=name, epoch=1, profile=REFERENCE.digest, evaluation_key=None))
        return name

    def next_epoch(self, dataset: int) -> None:
        """New keys of a dataset, as an earlier rotation that was cut short left them."""
        name = self.owner.cabinet.name_of(self.market.dataset(dataset).manifest)
        assert name is not None
        self.owner.cabinet.keyring(name).add(random_keys(2, epoch=2), PASSPHRASE, work=MIN_WORK)
        self.owner.cabinet.note(EpochRecord(keys=name, epoch=2, profile=REFERENCE.digest, evaluation_key=None))

    def file(self, frame: pl.DataFrame, name: str = "table.parquet") -> Path:
        """The rows as a file of the owner's."""
        path = self.folder / name
        frame.write_parquet(path)
        return path

    def publish(self, frame: pl.DataFrame, how: Recipe | None = None, owner: Owner | None = None) -> int:
        """A new dataset; its number."""
        return (owner or self.owner).publish(self.file(frame), how or recipe(), keys=self.keys()).sent.value

    def update(self, dataset: int, frame: pl.DataFrame, how: Recipe | None = None) -> None:
        """A new version."""
        self.owner.update(dataset, self.file(frame), how or recipe(), rotate=False)

    def table(self, dataset: int, owner: Owner | None = None) -> EncryptedTable:
        """What a dataset's present version says of itself."""
        network = (owner or self.owner).network
        return load_manifest(network.store, network.market.dataset(dataset)).table

    def starts(self, dataset: int, owner: Owner | None = None) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Micro-bits that each row of the present version starts with."""
        table = self.table(dataset, owner)
        found = np.zeros(table.rows, np.int64)
        for each in table.carried:
            found[each.first_row : each.first_row + each.rows] += each.micro_bits
        return found

    def released(self, dataset: int, first: int, end: int, micro_bits: int, *, version: int = 1, job: int = 1) -> None:
        """A release in the custodian's ledger, as the custodian writes it."""
        ledger = self.owner.ledger()
        claim = ledger.claim(job, dataset)
        assert claim is not None
        entry = Released(job, 1, version, first, end, "label", (), (), micro_bits, f"query {job}")
        ledger.reserve(claim, dataset, lambda history, kept: Grant(entry, rank=0, again=False))

    def license(self, dataset: int, how: Recipe) -> int:
        """A license of the buyer's under a recipe's policy."""
        offer = self.owner.offer(dataset, how.policy, how.offer).value
        return self.market.buy_license(self.stage.buyer, offer).value

    def open(self, dataset: int, license: int, rows: tuple[int, int], bias: int = 0, *, keep: bool = True) -> int:
        """A job that asks one yes-or-no question about rows [first, end); `keep` puts its circuit into the store."""
        circuit = replace(linear_circuit([WEIGHTS], [bias], at=0), codebook=self.table(dataset).codebook.digest)
        data = encode(circuit)
        if keep:
            self.store.put(data)
        return self.market.open_job(
            self.stage.buyer, license, circuit=sha256(data), first_row=rows[0], rows=rows[1] - rows[0],
            sealing_key=BUYER_PUBLIC, units=1, replicas=2, max_fee=6000,
        ).value  # fmt: skip

    def serve(self, job: int) -> None:
        """Providers compute a job honestly, and the custodian does what it does."""
        self.stage.execute(self.store, job)
        self.owner.custodian().step()
