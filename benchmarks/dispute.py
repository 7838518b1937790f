"""What it costs to convict a liar, both parties together: gas on the embedded chain, time, memory.

`linear_gas`: one false word in the result of 30 columns and a million rows; opening, answer and judgement, each at
least what EIP-7623 asks for its calldata, in a market where somebody was convicted before (`linear_gas_first`: the
first one pays for storage that nobody had used). `linear_aim_met` holds it against 400,000. `executor_seconds` and
`challenger_seconds` are what either computes for its moves, from the words of the dataset on; `trace_mib` is the most
memory that takes beyond the dataset, which both hold anyway.

`bootstrap_gas`: one false word of a lookup, under the reference profile, from the opening to the judgement, of the
kind that is dearest to judge (`bootstrap_dearest`; `bootstrap_judged` has the last move of each kind);
`bootstrap_aim_met` holds it against 900,000. `line_seconds`: the whole line of the lookup, which either
party makes once; `program_seconds`: the key's points and all roots, once a key.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from eth_account import Account as Keys

from app.chain.contracts.deployment import Terms, deploy
from app.chain.evm.embedded import EmbeddedChain
from app.chain.market import Market
from app.chain.wallet.account import Account
from app.protocol.data import merkle
from app.protocol.data.dataset import Affine, Codebook, ColumnCode, EncodedFile, EncryptedTable, Shard
from app.protocol.ids import Digest
from app.protocol.market.disputes import ProvenLeaf, RowsClaim, Verdict
from app.protocol.market.receipt import Receipt
from app.protocol.ports import Progress
from app.storage.content import file_cid
from fhe.arrays import I64, U64
from fhe.circuit.circuit import Circuit, Input, Linear, Readout
from fhe.circuit.codec import encode
from fhe.engine.linear import evaluate_bodies
from fhe.engine.output import OutputStage
from fhe.engine.trace.finder import first_false
from fhe.engine.trace.game import LinearGame
from fhe.engine.trace.program import JobProgram, program_of, proven
from fhe.engine.trace.sums import LinearTrace
from fhe.merkle import root_of
from fhe.profiles import REFERENCE

COLUMNS, ROWS = 30, 1_000_000
LINEAR_AIM = 400_000
PARTS = ("linear", "bootstrap")
ETHER, DOLLAR, DAY = 10**18, 10**6, 24 * 3600
BITS: dict[str, Any] = {"micro_bits": 8_000_000, "licenses": 10, "budget": 80_000_000}
NOTHING = Digest("00" * 32)


def run(progress: Progress, part: str = "") -> dict[str, Any]:
    """All figures, or one part's."""
    parts = {"linear": linear, "bootstrap": bootstrap}
    found: dict[str, Any] = {}
    for name in [part] if part else PARTS:
        found |= parts[name](progress)
    return found


def bootstrap(progress: Progress) -> dict[str, Any]:
    """The figures of a lookup."""
    from benchmarks.dispute_lookup import LookupWorld

    return _convictions(progress, LookupWorld(), "bootstrap_gas")


def linear(progress: Progress, columns: int = COLUMNS, rows: int = ROWS) -> dict[str, Any]:
    """The figures of a linear result."""
    return {"columns": columns, "rows": rows, **_convictions(progress, _World(columns, rows), "linear_gas")}


def _convictions(progress: Progress, world: Disputed, gas: str) -> dict[str, Any]:
    """The second conviction of a market, and what the first cost, which fills empty storage."""
    progress(1, 3)
    with tempfile.TemporaryDirectory() as folder:
        chain = EmbeddedChain(Path(folder) / "chain.sqlite")
        try:
            stage = Stage(chain, Path(folder) / "deployment.json", world)
            first = world.convicted(stage)
            progress(2, 3)
            found = world.convicted(stage)
        finally:
            chain.close()
    progress(3, 3)
    return {**found, f"{gas}_first": first[gas]}


class Disputed(Protocol):
    """What a job of a stage is about."""

    table: EncryptedTable
    circuit: Circuit
    program: JobProgram
    rows: int
    form: Literal["bodies", "lwe"]

    def convicted(self, stage: Stage) -> dict[str, Any]:
        """A liar is caught: figures."""


class _World:
    """A table of arbitrary words, which is all that a dispute sees of ciphertexts, and a job's true result."""

    def __init__(self, columns: int, rows: int) -> None:
        size = REFERENCE.polynomial_size
        rng = np.random.default_rng(7)
        chunks = -(-rows // size)
        self.files = [rng.integers(0, 1 << 64, chunks * size, np.uint64) for _ in range(columns)]
        names = [f"column {number}" for number in range(columns)]
        code = Affine(low=0.0, step=1.0, levels=256)
        codebook = Codebook(
            columns=tuple(ColumnCode(name=name, dtype="float64", affine=code, declared=True) for name in names)
        )
        roots = [root_of(file.view(np.uint8).data) for file in self.files]
        files = tuple(
            EncodedFile(column=name, encoding="affine", cid="", polys=chunks, seed="00" * 16, root=root)
            for name, root in zip(names, roots, strict=True)
        )
        self.table = EncryptedTable(
            profile=REFERENCE.digest, codebook=codebook, epoch=1, rows=rows, evaluation_key=None,
            shards=(Shard(first_row=0, rows=rows, files=files),), data_root=merkle.data_root(roots),
        )  # fmt: skip
        weights: I64 = rng.integers(1, 100, columns)
        layer = Linear(27, np.array([0, columns]), np.arange(columns), weights, np.array([5]))
        inputs = tuple(Input(name, "affine") for name in names)
        self.circuit = Circuit(REFERENCE.digest, codebook.digest, inputs, (layer,), ("y",), Readout("value"))
        bodies = evaluate_bodies(self.circuit, REFERENCE, self.table, self, 0, rows, threads=2)
        stage = OutputStage("bodies", rows, 1, layer.width, size, 64, bodies)
        self.output = bytes(stage.to_bytes())
        program = program_of(self.circuit, REFERENCE, self.table)
        assert program is not None
        self.program, self.roots, self.rows = program, roots, rows
        self.form: Literal["bodies", "lwe"] = "bodies"
        trace = LinearTrace(self.circuit, REFERENCE, self.table, self, 0)
        self.game = LinearGame(program, trace, self._shown, lambda: roots)

    def bodies(self, input: Input, shard: int, chunks: range) -> U64:  # noqa: ARG002 - there is one
        """Words of one input, as `ChunkSource`."""
        size = REFERENCE.polynomial_size
        file = self.files[int(input.column.split()[1])]
        return file[chunks.start * size : chunks.stop * size].reshape(-1, size)

    def mask(self, input: Input, shard: int, chunks: range) -> U64:
        """No mask is asked for."""
        raise NotImplementedError

    def _shown(self, file: int, _length: int, word: int) -> ProvenLeaf:
        return proven(self.files[file].view(np.uint8).data, word)

    def convicted(self, stage: Stage) -> dict[str, Any]:
        """A liar is caught at the last row but a few: figures."""
        value = self.table.rows - 10
        word = 3 + value
        lie = bytearray(self.output)
        lie[8 * word] ^= 1
        stage.ordered()
        receipt = stage.revealed(bytes(lie))
        opened = stage.market.open_dispute(stage.buyer, stage.job, 0, value)

        def answered() -> tuple[Any, list[int]]:
            said = int.from_bytes(lie[8 * word : 8 * word + 8], "little")
            claim = RowsClaim(NOTHING, NOTHING, 0, value, value + 1, 0, said, NOTHING)
            return proven(bytes(lie), word), [*self.game.totals(claim)[:-1], said]

        def judged() -> tuple[int, Any]:
            claim = moved.value.claim
            assert claim is not None
            term = first_false(moved.value.totals, self.game.totals(claim))
            assert term is not None
            return term, self.game.evidence(claim, term)

        executor = measured(answered)
        moved = stage.market.answer_dispute(stage.executor, opened.value, self.program.header, receipt, *executor.value)
        challenger = measured(judged)
        ended = stage.market.judge_dispute(stage.buyer, moved.value, self.program.header, *challenger.value)
        if ended.value.verdict is not Verdict.CONVICTED:
            raise AssertionError("the liar was not convicted")
        parts = {"open": opened.gas, "answer": moved.gas, "judge": ended.gas}
        return {
            "linear_gas": sum(parts.values()),
            "linear_aim_met": sum(parts.values()) <= LINEAR_AIM,
            "linear_moves": parts,
            "executor_seconds": executor.seconds,
            "challenger_seconds": challenger.seconds,
            "trace_mib": max(executor.mib, challenger.mib),
        }


@dataclass(frozen=True)
class Measured:
    """What work gave, and what it took."""

    value: Any
    seconds: float
    mib: float


def measured(work: Callable[[], Any]) -> Measured:
    """Once for the time, once for the memory, which slows it."""
    start = time.perf_counter()
    value = work()
    seconds = time.perf_counter() - start
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return Measured(value, seconds, peak / 2**20)


@dataclass
class Stage:
    """A market with one job on the table, and its people."""

    chain: EmbeddedChain
    path: Path
    world: Disputed
    job: int = 0
    license: int = 0
    buyer: Account = field(default_factory=lambda: _person("buyer"))
    executor: Account = field(default_factory=lambda: _person("executor"))
    owner: Account = field(default_factory=lambda: _person("owner"))

    def __post_init__(self) -> None:
        deployer = _person("deployer")
        self.chain.fund(deployer.address, ETHER)
        deploy(self.chain, deployer, self.path, Terms(stake_floor=10 * DOLLAR))
        market = self.market = Market.open(self.chain, self.path)
        for each in (self.owner, self.buyer, self.executor):
            self.chain.fund(each.address, ETHER)
            market.faucet(each, 10_000 * DOLLAR)
            for contract in ("LicenseMarket", "ProviderRegistry", "JobMarket"):
                market.approve(each, contract, 10_000 * DOLLAR)
        market.register_provider(self.executor, bond=1000 * DOLLAR, fixed_fee=1000, price=1000, capacity=10**9)
        table = self.world.table
        self.manifest = _digest("manifest")
        dataset = market.publish_dataset(
            self.owner, manifest=self.manifest, data_root=table.data_root, profile=REFERENCE.digest, rows=table.rows
        ).value
        market.bond_custodian(self.owner, dataset, 100 * DOLLAR)
        offer = market.create_offer(
            self.owner, dataset, price_license=DOLLAR, price_job=DOLLAR, price_row=1, max_jobs=20,
            max_rows=2 * table.rows, duration=30 * DAY, policy=_digest("policy"), **BITS,
        ).value  # fmt: skip
        self.license = market.buy_license(self.buyer, offer).value

    def ordered(self) -> None:
        """Another job on the whole table, drawn."""
        market = self.market
        self.job = market.open_job(
            self.buyer, self.license, circuit=hashlib.sha256(encode(self.world.circuit)).hexdigest(), first_row=0,
            rows=self.world.rows, sealing_key=_digest("key"), units=1000, replicas=1, max_fee=DOLLAR,
            program=self.world.program.digest,
        ).value  # fmt: skip
        market.draw(self.buyer, self.job)

    def revealed(self, output: bytes) -> Receipt:
        """The executor commits to a result, and reveals it."""
        job, table = self.market.job(self.job), self.world.table
        receipt = Receipt(
            chain_id=self.market.chain_id, market=self.market.address, job=self.job, manifest=self.manifest,
            data_root=table.data_root, circuit=job.circuit, profile=REFERENCE.digest, evaluator=table.evaluator,
            first_row=0, rows=self.world.rows, form=self.world.form, output=file_cid(output), output_bytes=len(output),
            output_root=root_of(output),
        )  # fmt: skip
        self.market.commit(self.executor, self.job, Digest(receipt.digest), _digest("salt"))
        self.market.reveal(self.executor, self.job, receipt.digest, _digest("salt"))
        return receipt


def _person(name: str) -> Account:
    return Account(Keys.from_key(hashlib.sha256(name.encode()).digest()))


def _digest(label: str) -> Digest:
    return Digest(hashlib.sha256(label.encode()).hexdigest())
