"""Jobs with packed results: agents alone convict who revealed a false one, whatever in its line is false."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from app.chain.wallet.account import Account
from app.dispute.lines import Lines
from app.dispute.lookup_truth import LookupTruth
from app.dispute.play import Move, OnLine
from app.dispute.player import Player
from app.dispute.truth import JobTruth
from app.execution.execute import Evaluation
from app.execution.program import stated_program
from app.protocol.market.disputes import WORD, Dispute, LineMove, SumClaim, Verdict
from app.protocol.market.entities import JobState
from app.storage.content import file_cid
from fhe.engine.trace.packed_line import PackedLine
from fhe.engine.trace.packing import PackingTape
from fhe.engine.trace.slots import Tape
from fhe.engine.trace.tape import LookupTape
from fhe.merkle import root_of
from tests.dispute.arena import ROWS, Arena, arena
from tests.dispute.lookup_arena import PROFILE, SIZE, TREE, knows
from tests.support.custody import EncryptedDataset
from tests.support.lookup_disputes import FalsePacking, FalseTape, packing_kinds

HEADER_BYTES = 24


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """One market for this module, whose dataset's key packs results, as owners' keys do by default."""
    folder = tmp_path_factory.mktemp("packed")
    with pytest.MonkeyPatch.context() as patch:
        knows(patch)
        world = EncryptedDataset(folder / "world", insecure=PROFILE, packing=True, roots=True)
        with arena(folder, 8, world) as market:
            market.lines = Lines(beside=False)
            yield market


def corrupted(own: Evaluation, word: int, change: int) -> Evaluation:
    """The same with another word of the result, and a receipt that says so."""
    data = bytearray(own.output)
    place = slice(HEADER_BYTES + 4 * word, HEADER_BYTES + 4 * word + 4)
    data[place] = ((int.from_bytes(data[place], "little") + change) % (1 << 32)).to_bytes(4, "little")
    named = {"output": file_cid(bytes(data)), "output_root": root_of(data)}
    return Evaluation(own.receipt.model_copy(update=named), bytes(data))


class LyingTruth(LookupTruth):
    """What a liar stands for: a line that ends in the word that it revealed, and perhaps other false words in it."""

    liar: PackedLiar

    def off(self, row: int, output: int, word: int) -> int:
        """How far a value's word is off."""
        packed, own = PackedLine(self.work.job.first_row, 1, SIZE, self.work.job.rows), self.liar.lies
        return sum(change for place, change in own.items() if packed.value(place) == (row, output, word))

    def sums(self, claim: SumClaim) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Ends in the value that its line has."""
        totals, words = super().sums(claim)
        off = self.off(claim.row, claim.output, claim.word)
        return (*totals[:-1], (totals[-1] + off) % WORD), (*words[:-1], (words[-1] + off) % WORD)

    def line(self, row: int, lookup: int) -> Tape | None:
        """False where the liar says it is; of a lookup, where it ends."""
        true = super().line(row, lookup)
        asked = row, lookup, self.liar.disputed
        if isinstance(true, PackingTape):
            asked = row, lookup, None
            return self.liar.false.setdefault(asked, FalsePacking(true, self.liar.lies))
        assert isinstance(true, LookupTape)
        assert self.liar.disputed is not None
        said, word = self.liar.disputed
        place, negated = true.shape.out_at(word)
        change = said - true.out(word)
        return self.liar.false.setdefault(asked, FalseTape(true, {place: -change if negated else change}))

    def due(self, dispute: Dispute) -> Move | None:
        """As its line and its sums have it."""
        line = dispute.line
        self.liar.disputed = None if line is None else (line.said, line.word)
        if dispute.summed is not None:  # what it would name has its own word
            own = self.sums(dispute.summed)[1][-1]
            self.liar.disputed = own, dispute.summed.word
        move = super().due(dispute)
        if isinstance(move, OnLine) and move.move.kind == "sum":
            return OnLine(self._with_own(dispute, move.move))
        return move

    def _with_own(self, dispute: Dispute, move: LineMove) -> LineMove:
        assert dispute.stretch is not None
        packed = PackedLine(self.work.job.first_row, 1, SIZE, self.work.job.rows)
        value = packed.value(dispute.stretch.part(move.part).node)
        assert value is not None
        off = self.off(*value)
        totals = (*move.totals[:-1], (move.totals[-1] + off) % WORD)
        words = (*move.words[:-1], (move.words[-1] + off) % WORD)
        return LineMove("sum", move.part, proof=move.proof, totals=totals, words=words)


class PackedLiar(Player):
    """Defends a false result as well as can be; accuses nobody. `kind`: which words of its line are false besides."""

    def __init__(self, town: Arena, account: Account, word: int, change: int, kind: int, rng: random.Random) -> None:
        super().__init__(town.market, town.world.store, account, town.lines)
        self.word, self.change, self.kind, self.rng = word, change, kind, rng
        self.lies: dict[int, int] = {}
        self.disputed: tuple[int, int] | None = None  # a lookup's word, and which
        self.false: dict[tuple[int, int, tuple[int, int] | None], Tape] = {}

    def truth(self, job: int) -> JobTruth:
        """Its own."""
        true = super().truth(job)
        assert isinstance(true, LookupTruth)
        if not self.lies:
            tape = true.line(true.work.job.first_row, 1 + true.work.job.rows)
            assert isinstance(tape, PackingTape)
            self.lies = self._lies(tape)
        lying = LyingTruth(true.work, true.store, true.lines)
        object.__setattr__(lying, "liar", self)
        return lying

    def _lies(self, tape: PackingTape) -> dict[int, int]:
        end, _ = tape.shape.out_at(self.word)
        low, high = packing_kinds(tape.shape)[self.kind]
        if low == 0:
            high = ROWS * (SIZE + 1)  # of the values that there are
        elsewhere = {self.rng.randrange(low, min(high, end)): self.rng.randrange(1, WORD)} if low < end else {}
        return {end: self.change << 32} | elsewhere

    def _judged_rightly(self, _job: object) -> bool:
        return True


def test_orders_of_packed_results_state_a_program(town: Arena) -> None:
    """By what the manifest says of the key."""
    job, _ = town.order(TREE)
    assert job.program == stated_program(TREE, PROFILE, town.world.manifest.table, job.rows)
    assert town.honest(job).receipt.form == "packed"


KINDS = [0, 2, 5, 9, -4, -2, -1]  # of which words stand in any line


@pytest.mark.parametrize(
    ("seed", "kind"),
    [(0, 0), (1, 5), *(pytest.param(seed, kind, marks=pytest.mark.deep) for seed in range(2, 8) for kind in KINDS)],
)
def test_a_liar_is_convicted_whatever_is_false_in_its_line(town: Arena, seed: int, kind: int) -> None:
    """Of two executors one lies; the other accuses it, both play to the end, and the honest one stays."""
    rng = random.Random(seed)
    job, drawn = town.order(TREE, replicas=2)
    own = town.honest(job)
    word, change = rng.randrange(SIZE + ROWS), rng.randrange(1, 1 << 20)
    lie = corrupted(own, word, change)
    good, bad = drawn
    job = town.answered(job, [(good, own), (bad, lie)])
    liar = PackedLiar(town, bad, word, change, kind, rng)
    honest = town.player(good)
    job = town.play(job.id, [honest, liar], own, [honest])
    (over,) = town.market.disputes(job.id)
    assert over.verdict is Verdict.CONVICTED
    assert over.block > 0
    assert (job.state, job.receipt) == (JobState.COMPUTED, own.receipt.digest)


@pytest.mark.parametrize("kind", [0, -1, *(pytest.param(kind, marks=pytest.mark.deep) for kind in KINDS[1:-1])])
def test_whoever_objects_to_the_truth_pays_for_it(town: Arena, kind: int) -> None:
    """An honest executor answers whoever says that a word is false, cuts what it is given, and is cleared."""
    job, drawn = town.order(TREE, replicas=2)
    own = town.honest(job)
    job = town.answered(job, [(each, own) for each in drawn])
    griefer = PackedLiar(town, town.stage.owner, 70, 9, kind, random.Random(2))
    town.market.open_dispute(town.stage.owner, job.id, 1, 70)
    job = town.play(job.id, [*(town.player(each) for each in drawn), griefer], own, [])
    (over,) = town.market.disputes(job.id)
    assert over.verdict is Verdict.CLEARED
    assert (job.state, job.receipt) == (JobState.COMPUTED, own.receipt.digest)
