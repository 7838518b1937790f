"""Real jobs whose executors may lie, on a real chain, and both sides of a dispute about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.chain.market import Market
from app.chain.node import DevNode
from app.chain.wallet.account import Account
from app.execution.execute import execute
from app.execution.inputs import JobInputs
from app.execution.source import StoreSource
from app.protocol.documents import sha256
from app.protocol.ids import Address
from app.protocol.market.disputes import Dispute, DisputePhase
from app.protocol.market.receipt import Receipt
from app.storage.content import file_cid
from fhe.circuit.circuit import Circuit
from fhe.circuit.codec import encode
from fhe.engine.trace.finder import false_stretch, first_false
from fhe.engine.trace.game import LinearGame
from fhe.engine.trace.program import JobProgram, program_of, proven
from fhe.engine.trace.sums import LinearTrace
from fhe.merkle import root_of
from fhe.profile import EncryptionProfile
from fhe.profiles import insecure_test_profile
from tests.support.custody import BUYER_PUBLIC, EncryptedDataset, linear_circuit
from tests.support.market import BITS, DOLLAR, HOUR, MarketOnChain, digest, open_market, set_stage

WEIGHTS = [[17, -4, 9, 30, 2, 8, -11, 5], [0, 3, 0, -1, 0, 0, 2, 0]]
HEADER_WORDS = 3


@dataclass
class Claimed:
    """A result as somebody claims it."""

    receipt: Receipt
    output: bytes

    def with_word(self, word: int, change: int) -> Claimed:
        """The same with another word of the output file."""
        data = bytearray(self.output)
        place = slice(8 * word, 8 * word + 8)
        data[place] = ((int.from_bytes(data[place], "little") + change) % (1 << 64)).to_bytes(8, "little")
        return self.with_output(bytes(data))

    def with_output(self, output: bytes) -> Claimed:
        """The same with another output file."""
        named = {"output": file_cid(output), "output_bytes": len(output), "output_root": root_of(output)}
        return Claimed(self.receipt.model_copy(update=named), output)


@dataclass
class Trial:
    """A market with a dataset and a job that states its program."""

    stage: MarketOnChain
    world: EncryptedDataset
    circuit: Circuit
    job: int = 0
    drawn: tuple[Account, ...] = ()
    gas: dict[str, int] = field(default_factory=dict)

    @property
    def market(self) -> Market:
        """Of the stage."""
        return self.stage.market

    @property
    def program(self) -> JobProgram:
        """Of its circuit."""
        found = program_of(self.circuit, self.world.profile, self.world.manifest.table)
        assert found is not None
        return found

    def ordered(self, rows: int = 40, first_row: int = 3, replicas: int = 2, *, license: int = 2) -> int:
        """A job that states its program, drawn."""
        self.world.store.put(encode(self.circuit))
        self.job = self.stage.open(
            circuit=sha256(encode(self.circuit)), rows=rows, first_row=first_row, replicas=replicas, license=license,
            sealing_key=BUYER_PUBLIC, program=self.program.digest,
        )  # fmt: skip
        self.drawn = tuple(self.stage.by_address(each) for each in self.stage.draw(self.job))
        return self.job

    def honest(self) -> Claimed:
        """The true result."""
        market, world = self.market, self.world
        facts = (market.chain_id, market.address, market.job(self.job), market.dataset(self.stage.dataset))
        done = execute(JobInputs(*facts, world.manifest, self.circuit, world.profile), world.store, threads=1)
        return Claimed(done.receipt, bytes(done.output))

    def revealed(self, claims: Sequence[Claimed]) -> None:
        """What each of the drawn reveals, in the order of the draw."""
        of = {each.address: claim.receipt.digest for each, claim in zip(self.drawn, claims, strict=True)}
        self.stage.answer(self.job, list(of), lambda address: of[Address(address)])

    def word_of(self, value: int) -> int:
        """The word of the output file that a value is."""
        rows = self.circuit.result_rows(self.market.job(self.job).rows)
        row, output = divmod(value, len(self.circuit.outputs))
        return HEADER_WORDS + output * rows + row

    def game(self) -> LinearGame:
        """What anybody can compute."""
        table, store, profile = self.world.manifest.table, self.world.store, self.world.profile
        files = [file for shard in table.shards for file in shard.files]
        trace = LinearTrace(self.circuit, profile, table, StoreSource(table, profile, store), 0)
        return LinearGame(
            self.program,
            trace,
            lambda number, length, word: proven(store.read(files[number].cid, limit=length), word),
            lambda: [each.root for each in files],
        )

    # The moves

    def challenge(self, challenger: Account, index: int, value: int) -> Dispute:
        """Open a dispute against one of the drawn."""
        sent = self.market.open_dispute(challenger, self.job, index, value)
        self.gas["open"] = sent.gas
        return sent.value

    def answer(self, dispute: Dispute, claim: Claimed, totals: Sequence[int] | None = None) -> Dispute:
        """The executor's answer: what it can show of its claim, as truly as it can unless `totals` are given."""
        executor = self.stage.by_address(dispute.executor)
        word = self.word_of(dispute.value)
        shown = tuple(self.totals_for(dispute, claim) if totals is None else totals)
        proof = proven(claim.output, word)
        sent = self.market.answer_dispute(executor, dispute, self.program.header, claim.receipt, proof, shown)
        self.gas["answer"] = sent.gas
        return sent.value

    def totals_for(self, dispute: Dispute, claim: Claimed) -> list[int]:
        """Totals of a liar that has no better idea: the true ones, but for the last."""
        from app.protocol.market.disputes import RowsClaim

        row, output = divmod(dispute.value, len(self.circuit.outputs))
        block = self.circuit.block or 1
        low = claim.receipt.first_row + row * block
        high = min(low + block, claim.receipt.first_row + claim.receipt.rows)
        word = self.word_of(dispute.value)
        said = int.from_bytes(claim.output[8 * word : 8 * word + 8], "little")
        asked = RowsClaim(digest(""), digest(""), output, low, high, 0, said, digest(""))
        return self.liars(asked)

    def liars(self, claim) -> list[int]:  # type: ignore[no-untyped-def]
        """True totals, but for the last of one row, which is what was claimed."""
        totals = list(self.game().totals(claim))
        if claim.rows == 1:
            totals[-1] = claim.sum
        return totals

    def played(self, dispute: Dispute, show: Callable[[Dispute], Sequence[int]] | None = None) -> Dispute:
        """To the end, from the executor's answer on: the challenger honest, the executor as `show` says."""
        challenger = next(each for each in self.stage.people() if each.address == dispute.challenger)
        executor, game = self.stage.by_address(dispute.executor), self.game()
        while dispute.phase is not DisputePhase.OVER:
            claim = dispute.claim
            assert claim is not None
            if dispute.phase is DisputePhase.NARROW:
                stretch = false_stretch(dispute.totals, game.totals(claim))
                sent = self.market.narrow_dispute(challenger, dispute, stretch)
            elif dispute.phase is DisputePhase.SHOW:
                shown = self.liars(claim) if show is None else show(dispute)
                sent = self.market.show_dispute(executor, dispute, shown)
            else:
                term = first_false(dispute.totals, game.totals(claim))
                assert term is not None
                evidence = game.evidence(claim, term)
                sent = self.market.judge_dispute(challenger, dispute, self.program.header, term, evidence)
            self.gas[dispute.phase.name.lower()] = sent.gas
            dispute = sent.value
        return dispute


def trial(
    node: DevNode,
    folder: Path,
    *,
    providers: int = 4,
    rows: int = 60,
    block: int = 0,
    insecure: EncryptionProfile | None = None,
) -> Trial:
    """A market on a fresh chain, with an encrypted dataset under a profile of no security, and a second license."""
    stage = set_stage(open_market(node, folder / "deployment.json"), providers)
    world = EncryptedDataset(folder / "world", rows=rows, insecure=insecure or insecure_test_profile())
    stage.publish(world.records[1])
    offer = stage.market.create_offer(
        stage.owner, stage.dataset, price_license=DOLLAR, price_job=DOLLAR, price_row=1, max_jobs=1000,
        max_rows=10**6, duration=300 * HOUR, policy=world.manifest.policy.digest, **BITS,
    )  # fmt: skip
    stage.market.buy_license(stage.buyer, offer.value)
    return Trial(stage, world, linear_circuit(WEIGHTS, profile=world.profile, bins=True, block=block))
