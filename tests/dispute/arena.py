"""Real executors, liars among them, on the real contracts: jobs of a shared market, played to their end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.chain.evm.embedded import EmbeddedChain
from app.chain.market import Market
from app.chain.node import DevNode
from app.chain.wallet.account import Account
from app.dispute.lines import Lines
from app.dispute.made import Played
from app.dispute.player import Player, running
from app.dispute.truth import JobTruth
from app.execution.execute import Evaluation, execute
from app.execution.inputs import load_job_inputs
from app.execution.program import stated_program
from app.protocol.documents import sha256
from app.protocol.market.disputes import WORD, RowsClaim
from app.protocol.market.entities import Job
from app.storage.content import file_cid
from fhe.circuit.circuit import Circuit
from fhe.circuit.codec import encode
from fhe.merkle import root_of
from tests.support.custody import BUYER_PUBLIC, EncryptedDataset, linear_circuit
from tests.support.market import BITS, DOLLAR, HOUR, MarketOnChain, open_market, set_stage

WEIGHTS = [[17, -4, 9, 30, 2, 8, -11, 5], [0, 3, 0, -1, 0, 0, 2, 0]]
CIRCUITS = {block: linear_circuit(WEIGHTS, block=block) for block in (0, 20)}  # 20: sums over rows
ROWS, FIRST = 40, 3
DAY = 24 * HOUR
STAKE = 1000 * DOLLAR  # ten jobs' worth


class Moves(Protocol):
    """Somebody with a part in a job's disputes."""

    def moves(self, job: Job) -> Iterator[Played]:
        """Make what moves it likes."""


@dataclass(frozen=True)
class LyingTruth(JobTruth):
    """What a liar shows: totals that end in its own word, and are wrong from `share` of them on."""

    output: bytes = b""
    share: float = 0.0

    def claim(self, value: int) -> RowsClaim:
        """Ends in the word that it revealed."""
        honest, place = super().claim(value), 8 * self.place(value)
        word = int.from_bytes(self.output[place : place + 8], "little")
        return RowsClaim(**{**vars(honest), "at_high": word})

    def totals(self, claim: RowsClaim) -> tuple[int, ...]:
        """Taken by the contract."""
        said = list(super().totals(claim))
        begin = int(self.share * len(said))
        if claim.rows > 1:
            return tuple((each + (number >= begin)) % WORD for number, each in enumerate(said))
        return (*((each + (number >= begin)) % WORD for number, each in enumerate(said[:-1])), claim.sum)


class Liar(Player):
    """Defends a false result as well as can be; accuses nobody."""

    def __init__(self, arena: Arena, account: Account, own: Evaluation, share: float) -> None:
        super().__init__(arena.market, arena.world.store, account)
        self.own, self.share, self.store = own, share, arena.world.store

    def truth(self, job: int) -> JobTruth:
        """Its own."""
        return LyingTruth(super().truth(job).work, self.store, bytes(self.own.output), self.share)


@dataclass
class Arena:
    """A market with a dataset and providers, whose jobs state their programs."""

    stage: MarketOnChain
    world: EncryptedDataset
    license: int
    lines: Lines | None = None

    @property
    def market(self) -> Market:
        """Of the stage."""
        return self.stage.market

    def order(self, circuit: Circuit, replicas: int = 2, program: str = "") -> tuple[Job, list[Account]]:
        """A job that states its program, or another, and its executors."""
        self.renew()
        self.world.store.put(encode(circuit))
        program = program or stated_program(circuit, self.world.profile, self.world.manifest.table, ROWS)
        number = self.stage.open(
            circuit=sha256(encode(circuit)), rows=ROWS, first_row=FIRST, replicas=replicas, license=self.license,
            sealing_key=BUYER_PUBLIC, program=program,
        )  # fmt: skip
        drawn = [self.stage.by_address(each) for each in self.stage.draw(number)]
        return self.market.job(number), drawn

    def renew(self) -> None:
        """Whoever could not be drawn puts down more: convictions take stakes, jobs that nobody settles hold them, and
        opponents who are silent let hours pass. However many jobs were played before, the next one finds executors.
        """
        rules, now = self.market.draw_rules(), self.market.node.now()
        for each in self.stage.providers:
            record = self.market.provider(each.address)
            late = record.heartbeat + rules.heartbeat_window // 2 < now
            if late or not record.seat or record.bond - record.locked < 2 * rules.stake_floor:
                self.market.faucet(each, STAKE)
                terms = {"fixed_fee": record.fixed_fee, "price": record.price, "capacity": record.capacity}
                self.market.register_provider(each, bond=STAKE, **terms)

    def honest(self, job: Job) -> Evaluation:
        """The true result."""
        return execute(load_job_inputs(self.market, self.world.store, job.id), self.world.store, threads=1)

    def answered(self, job: Job, claims: Sequence[tuple[Account, Evaluation]]) -> Job:
        """Everybody publishes, commits and reveals its own; the job then."""
        for _, each in claims:
            self.world.store.put(bytes(each.output))
            self.world.store.put(each.receipt.to_bytes())
        of = {str(account.address): each.receipt.digest for account, each in claims}
        self.stage.answer(job.id, list(of), lambda address: of[address])
        return self.market.job(job.id)

    def player(self, account: Account) -> Player:
        """An honest one."""
        return Player(self.market, self.world.store, account, self.lines)

    def play(self, job: int, players: Sequence[Moves], own: Evaluation, accusers: Sequence[Player]) -> Job:
        """Until nothing runs: everybody moves, who is silent runs out of time; the job then."""
        node = self.market.node
        assert isinstance(node, DevNode)
        for _ in range(60):
            moved = 0
            for player in players:
                if isinstance(player, Player) and player in accusers:
                    record = self.market.job(job)
                    moved += len([player.accuse(record, each) for each in player.accusations(record, own)])
                moved += len(list(player.moves(self.market.job(job))))
            disputes = running(self.market, self.market.job(job))
            if not moved and not disputes:
                return self.market.job(job)
            if not moved:
                node.advance(min(each.deadline for each in disputes) - node.now() + 1)
        raise AssertionError("disputes that do not end")


def forged(own: Evaluation, word: int, change: int) -> Evaluation:
    """The same with another word of the output file, and a receipt that says so."""
    data = bytearray(own.output)
    place = slice(8 * word, 8 * word + 8)
    data[place] = ((int.from_bytes(data[place], "little") + change) % WORD).to_bytes(8, "little")
    named = {"output": file_cid(bytes(data)), "output_root": root_of(data)}
    return Evaluation(own.receipt.model_copy(update=named), bytes(data))


@contextmanager
def arena(
    folder: Path, providers: int = 4, world: EncryptedDataset | None = None, node: DevNode | None = None
) -> Iterator[Arena]:
    """A fresh one on an embedded chain or `node`, with a dataset under the reference profile or a given `world`."""
    chain = node or EmbeddedChain(folder / "chain.sqlite")
    stage = set_stage(open_market(chain, folder / "deployment.json"), providers)
    world = world or EncryptedDataset(folder / "world")
    stage.publish(world.records[1])
    offer = stage.market.create_offer(
        stage.owner, stage.dataset, price_license=DOLLAR, price_job=DOLLAR, price_row=1, max_jobs=1000,
        max_rows=10**6, duration=300 * DAY, policy=world.manifest.policy.digest, **BITS,
    )  # fmt: skip
    yield Arena(stage, world, stage.market.buy_license(stage.buyer, offer.value).value)
    if isinstance(chain, EmbeddedChain):
        chain.close()
