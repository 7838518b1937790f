"""A job of real size as one order: 10,000 rows of a hundred trees, end to end on the contracts, with insecure keys.

What the size stands for is what is tested: blocks and one receipt, progress that is seen, a provider that is killed and
goes on, deadlines by cost and speed, and nobody who is drawn beyond its free capacity. The keys are small, so that a
million lookups take a minute of a core and not nine hours.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from app.chain.evm.embedded import EmbeddedChain
from app.custodian.agent import CustodianAgent
from app.custodian.market_chain import MarketChain
from app.execution import inputs
from app.execution.execute import execute
from app.protocol.documents import sha256
from app.protocol.market.entities import CAPACITY_SHARE, JobState
from app.protocol.market.receipt import Receipt, SealContext, SealedResult
from app.provider.actions import Done
from app.provider.agent import ProviderAgent
from app.seal.result import open_result
from app.storage.cid import digest_to_cid
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Readout
from fhe.circuit.codec import encode
from fhe.circuit.cost import cost
from tests.node.size_provider import PROFILE, known
from tests.support.custody import BUYER_KEY, BUYER_PUBLIC, NAMES, OPEN_POLICY, EncryptedDataset, codebook
from tests.support.market import BITS, DOLLAR, HOUR, TERMS, MarketOnChain, open_market, set_stage

ROWS = int(os.environ.get("DARKROOM_REAL_ROWS") or 10_000)
TREES = 100
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.deep


def forest() -> Circuit:
    """A hundred trees of three splits each, one lookup a tree and row, whose leaves are added up."""
    chance = np.random.default_rng(3)
    places = [(column, edge) for column in range(len(NAMES)) for edge in range(7)]
    picked = [np.sort(chance.choice(len(places), 3, replace=False)) for _ in range(TREES)]
    wires = sorted({int(place) for tree in picked for place in tree})
    first = Linear(
        3,
        3 * np.arange(TREES + 1),
        np.array([wires.index(int(place)) for tree in picked for place in tree]),
        np.tile([4, 2, 1], TREES),
        np.zeros(TREES, np.int64),
    )
    lookup = Lookup(10, np.arange(TREES), chance.integers(-8, 8, (TREES, 8)))
    total = Linear(
        10, np.array([0, TREES]), len(wires) + np.arange(TREES), np.ones(TREES, np.int64), np.zeros(1, np.int64)
    )
    inputs = tuple(Input(NAMES[places[wire][0]], "bins", places[wire][1]) for wire in wires)
    book = codebook(bins=True).digest
    return Circuit(PROFILE.digest, book, inputs, (first, lookup, total), ("y",), Readout("value"))


@dataclass
class Order:
    """The market, its encrypted table, and one job on all of its rows."""

    folder: Path
    world: EncryptedDataset
    stage: MarketOnChain
    circuit: Circuit
    units: int
    job: int


@pytest.fixture
def order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Order]:
    """Three providers: one of them is free for half of the job."""
    monkeypatch.setattr(inputs, "find", known)
    chain = EmbeddedChain(tmp_path / "chain.sqlite")
    stage = set_stage(open_market(chain, tmp_path / "deployment.json"), providers=3)
    world, circuit = EncryptedDataset(tmp_path, rows=ROWS, insecure=PROFILE, packing=True), forest()
    market = stage.market
    stage.publish(world.records[1])
    world.store.put(encode(circuit))
    offer = market.create_offer(
        stage.owner, stage.dataset, price_license=DOLLAR, price_job=DOLLAR, price_row=1, max_jobs=99, max_rows=ROWS,
        duration=24 * HOUR, policy=OPEN_POLICY.digest, **BITS,
    )  # fmt: skip
    license = market.buy_license(stage.buyer, offer.value).value
    units = cost(circuit, PROFILE, ROWS).units
    for provider, capacity in zip(stage.providers, (units // 2, units, units), strict=True):
        market.set_terms(provider, fixed_fee=0, price=1, capacity=capacity)
    job = stage.open(
        circuit=sha256(encode(circuit)), license=license, rows=ROWS, sealing_key=BUYER_PUBLIC, units=units,
        max_fee=10 * DOLLAR,
    )  # fmt: skip
    yield Order(tmp_path, world, stage, circuit, units, job)
    chain.close()


def serve(order: Order, name: str, rate: float) -> subprocess.Popen[str]:
    """A provider's process."""
    words = [sys.executable, "-m", "tests.node.size_provider", str(order.folder), name, str(rate)]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def clear(order: Order) -> I64:
    """What the forest gives on the plain codes."""
    first, lookup, _ = order.circuit.layers
    assert isinstance(first, Linear)
    assert isinstance(lookup, Lookup)
    edges = codebook(bins=True).columns[0].bins
    assert edges is not None
    wires = [(NAMES.index(wire.column), edges[wire.index]) for wire in order.circuit.inputs]
    bits = np.stack([order.world.codes[:, column] >= edge for column, edge in wires])
    leaves = bits[first.columns].reshape(TREES, 3, ROWS)
    sums: I64 = lookup.tables[np.arange(TREES)[:, None], 4 * leaves[:, 0] + 2 * leaves[:, 1] + leaves[:, 2]].sum(axis=0)
    return sums


def done(line: str) -> int:
    """Rows that a line of a provider's process says are done; -1 of another line."""
    found = re.match(r"at (\d+) of (\d+)", line)
    assert found is None or int(found[2]) == ROWS
    return -1 if found is None else int(found[1])


def test_one_order_of_a_million_lookups(order: Order) -> None:
    """One order, two drawn of the two that have room for all of it, one receipt over many blocks, one right result."""
    market, rate = order.stage.market, CAPACITY_SHARE * order.units / TERMS.commit_window
    slow = ProviderAgent(
        market, order.world.store, order.stage.providers[1], order.folder / "slow", threads=1, units_per_second=1.0
    )
    market.node.mine(3)  # type: ignore[attr-defined]
    slow.step()  # draws
    drawn = {part.provider for part in market.job(order.job).executions}
    assert drawn == {each.address for each in order.stage.providers[1:]}  # nobody beyond its free capacity
    first, second = "provider 1", "provider 2"

    seen: list[int] = []
    with serve(order, first, rate) as killed:
        assert killed.stdout is not None
        for line in killed.stdout:
            seen.append(done(line))
            if seen[-1] > ROWS // 2:
                break
        killed.kill()
    assert len({each for each in seen if each >= 0}) > 2  # it was seen to get on

    again, other = serve(order, first, rate), serve(order, second, rate)
    said, _ = again.communicate(timeout=1800)
    other.communicate(timeout=1800)
    assert (again.returncode, other.returncode) == (0, 0)
    resumed = next(done(line) for line in said.splitlines() if done(line) >= 0)
    assert resumed > ROWS // 4  # what was done before the kill was not done again
    job = market.job(order.job)
    assert job.state is JobState.COMPUTED
    receipt = Receipt.from_bytes(order.world.store.read(digest_to_cid(job.receipt), limit=1 << 20))
    assert (receipt.rows, {part.receipt for part in job.executions}) == (ROWS, {job.receipt})

    custodian = CustodianAgent(
        MarketChain(market, order.stage.owner),
        order.world.store,
        lambda _: order.world.keys,
        order.world.ledger_of(market.chain_id, market.address),
        order.stage.owner.sign_digest,
        execute=lambda facts, _: execute(facts, order.world.store, threads=1),
        threads=1,
        find_profile=known,  # type: ignore[arg-type]
    )
    outcomes = {each.job: (each.what, each.detail) for each in custodian.step()}
    assert outcomes[order.job][0] == "done", outcomes
    job = market.job(order.job)
    assert job.state is JobState.SETTLED
    record = market.dataset_version(job.dataset, job.version)
    context = SealContext(
        chain_id=market.chain_id, market=market.address, job=job.id, license=job.license, buyer=job.buyer,
        sealing_key=job.sealing_key, manifest=record.manifest, circuit=job.circuit, receipt=job.receipt,
    )  # fmt: skip
    document = SealedResult.from_bytes(order.world.store.read(digest_to_cid(job.sealed), limit=1 << 20))
    ciphertext = order.world.store.read(document.ciphertext_cid, limit=1 << 28)
    values = open_result(document, ciphertext, BUYER_KEY, context).values
    assert np.array_equal(values.reshape(-1), clear(order))


def test_whoever_would_be_late_declines_at_once(order: Order) -> None:
    """By the job's cost, its deadline and the speed that was measured: a machine that is too slow keeps its stake."""
    market, slow = order.stage.market, order.stage.providers[1]
    deadline_rate = order.units / (TERMS.commit_window * 2)
    agent = ProviderAgent(
        market, order.world.store, slow, order.folder / "slow", threads=1, units_per_second=deadline_rate
    )
    market.node.mine(3)  # type: ignore[attr-defined]
    agent.step()
    actions = agent.step()
    assert next(each.what for each in actions if each.job == order.job) is Done.DECLINED
    record = market.provider(slow.address)
    assert (record.locked, record.in_use) == (0, 0)
