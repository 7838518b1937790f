"""Real executors of jobs with lookups, liars among them, on the real contracts and a profile of no security."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from app.chain.node import DevNode
from app.chain.wallet.account import Account
from app.dispute.lines import Lines
from app.dispute.lookup_truth import LookupTruth
from app.dispute.player import Player
from app.dispute.truth import JobTruth
from app.execution import inputs
from app.execution.execute import Evaluation
from app.protocol.market.disputes import WORD, SumClaim
from app.storage.content import file_cid
from fhe.engine.output import OutputStage, lwe_bits, lwe_bytes
from fhe.engine.trace.tape import LookupTape
from fhe.merkle import root_of
from fhe.profile import EncryptionProfile
from fhe.profiles import find, insecure_test_profile
from tests.dispute.arena import Arena, arena
from tests.support.custody import EncryptedDataset, tree_circuit
from tests.support.lookup_disputes import FalseTape, kinds

PROFILE = insecure_test_profile(128, 6)
SIZE = PROFILE.polynomial_size
TREE = tree_circuit([(0, 1), (1, 2), (3, 4)], [1, 2, 3, 4, 5, 6, 7, 8], PROFILE)


def found(digest: str) -> EncryptionProfile:
    """`find` that knows the profile."""
    return find(digest, [PROFILE])


def knows(patch: pytest.MonkeyPatch) -> None:
    """Let everybody know the profile."""
    patch.setattr(inputs, "find", found)


@contextmanager
def lookup_arena(folder: Path, providers: int = 6, node: DevNode | None = None) -> Iterator[Arena]:
    """A market with a dataset whose key does not pack, and whose manifest says its roots."""
    with arena(folder, providers, EncryptedDataset(folder / "world", insecure=PROFILE, roots=True), node) as town:
        town.lines = Lines(beside=False)
        yield town


def corrupted(own: Evaluation, value: int, word: int, change: int) -> Evaluation:
    """The same with another word in a ciphertext, and a receipt that says so."""
    return with_words(own, value, {word: int(words_of(own)[value * (SIZE + 1) + word]) + change})


def with_words(own: Evaluation, value: int, others: Mapping[int, int]) -> Evaluation:
    """The same with these rounded words in a ciphertext, modulo what has room, and a receipt that says so."""
    bits, data = lwe_bits(PROFILE), bytearray(own.output)
    for word, said in others.items():
        start = 24 + value * lwe_bytes(SIZE, bits) + word // 2 * (bits // 4)
        place = slice(start, start + bits // 4)
        pair = int.from_bytes(data[place], "little")
        words = [pair % (1 << bits), pair >> bits]
        words[word % 2] = said % (1 << bits)
        data[place] = (words[0] | words[1] << bits).to_bytes(bits // 4, "little")
    named = {"output": file_cid(bytes(data)), "output_root": root_of(data)}
    return Evaluation(own.receipt.model_copy(update=named), bytes(data))


class LyingTruth(LookupTruth):
    """What a liar stands for: the word that it revealed, as a lookup's, and a line that ends in it."""

    liar: LookupLiar

    def sums(self, claim: SumClaim) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Ends in the word that it revealed: the last wire's word is off by as much."""
        totals, words = super().sums(claim)
        change = self.change(claim)
        return (*totals[:-1], (totals[-1] + change) % WORD), (*words[:-1], (words[-1] + change) % WORD)

    def change(self, claim: SumClaim) -> int:
        """How far the word that it revealed is off."""
        value = (claim.row - self.work.job.first_row) * (SIZE + 1) + claim.word
        return self.liar.off.get(value, 0)

    def line(self, row: int, lookup: int) -> LookupTape | None:
        """False somewhere, or nowhere."""
        true = super().line(row, lookup)
        assert isinstance(true, LookupTape)
        return FalseTape(true, self.liar.others(true))


class LookupLiar(Player):
    """Defends a false result as well as can be; accuses nobody."""

    def __init__(self, town: Arena, account: Account, own: Evaluation, rng: random.Random) -> None:
        super().__init__(town.market, town.world.store, account, town.lines)
        self.own, self.rng = own, random.Random(rng.random())
        self.off: dict[int, int] = {}
        self.lies: dict[int, int] | None = None
        bits = lwe_bits(PROFILE)
        true, said = words_of(town.honest(town.market.job(own.receipt.job))), words_of(own)
        for value in np.flatnonzero(true != said).tolist():
            self.off[value] = (int(said[value]) - int(true[value])) << 64 - bits

    def others(self, true: LookupTape) -> dict[int, int]:
        """Other false words, the same whenever the line is shown."""
        if self.lies is None:
            low, high = self.rng.choice(kinds(true.shape))
            self.lies = {self.rng.randrange(low, high): self.rng.randrange(1, WORD)} if self.rng.random() < 0.7 else {}
        return self.lies

    def truth(self, job: int) -> JobTruth:
        """Its own."""
        true = super().truth(job)
        assert isinstance(true, LookupTruth)
        lying = LyingTruth(true.work, true.store, true.lines)
        object.__setattr__(lying, "liar", self)
        return lying

    def _judged_rightly(self, _job: object) -> bool:
        return True


def words_of(own: Evaluation) -> npt.NDArray[np.uint32]:
    """Rounded words of a result, ciphertext by ciphertext."""
    return OutputStage.from_bytes(bytes(own.output)).words.reshape(-1).astype(np.uint32)
