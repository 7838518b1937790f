"""Who computed the first of two lookups falsely, and everything after it rightly: of its second line only the word that
it read is false by itself.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from app.chain.wallet.account import Account
from app.dispute.lines import Lines
from app.dispute.lookup_truth import LookupTruth
from app.dispute.player import Player
from app.dispute.truth import JobTruth
from app.execution.execute import Evaluation
from app.protocol.market.disputes import WORD
from app.protocol.market.entities import Job
from fhe.arrays import I64, U64
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Readout
from fhe.engine.output import lwe_bits
from fhe.engine.trace.lookup_game import LookupGame
from fhe.engine.trace.tape import LookupTape
from tests.dispute.arena import FIRST, Arena
from tests.dispute.lookup_arena import PROFILE, with_words
from tests.support.custody import NAMES, codebook
from tests.support.lookup_disputes import FalseTape, kinds


def two_layers() -> Circuit:
    """The parity of three bits, and then a number of it and two others."""

    def words(*values: int) -> I64:
        return np.array(values, np.int64)

    bits = tuple(Input(NAMES[column], "bins", edge) for column, edge in ((0, 1), (1, 2), (3, 4), (2, 3), (4, 5)))
    layers = (
        Linear(3, words(0, 3), words(0, 1, 2), words(4, 2, 1), words(0)),
        Lookup(4, words(0), words(0, 1, 1, 0, 1, 0, 0, 1).reshape(1, 8)),
        Linear(3, words(0, 3), words(3, 4, 5), words(4, 2, 1), words(0)),
        Lookup(10, words(0), words(1, 2, 3, 4, 5, 6, 7, 8).reshape(1, 8)),
        Linear(10, words(0, 1), words(6), words(1), words(0)),
    )
    return Circuit(PROFILE.digest, codebook(bins=True).digest, bits, layers, ("y0",), Readout("value"))


TWO = two_layers()
FIRST_WIRE = len(TWO.inputs)  # the first lookup


@dataclass(frozen=True)
class Slip:
    """In which row the first lookup is off, in which word, and by how much; and what else its line has wrong before."""

    row: int  # of the dataset
    word: int
    change: int
    others: tuple[tuple[int, int], ...] = ()


class FalseGame(LookupGame):
    """Everything that follows from a slip."""

    slip: Slip

    def wire(self, row: int, wire: int) -> U64:
        """The first lookup's is off."""
        words = super().wire(row, wire)
        if (row, wire) == (self.slip.row, FIRST_WIRE):
            words = words.copy()
            words[self.slip.word : self.slip.word + 1] += np.uint64(self.slip.change % WORD)
        return words


@dataclass(frozen=True)
class SlipTruth(LookupTruth):
    """What follows from a slip, and a line of the first lookup that ends in it."""

    slip: Slip

    @cached_property
    def game(self) -> LookupGame:
        """From the slip on."""
        true = super().game
        false = FalseGame(**{each.name: getattr(true, each.name) for each in fields(true)} | {"_tapes": {}})
        false.slip = self.slip
        return false

    def line(self, row: int, lookup: int) -> LookupTape | None:
        """Of the first lookup a false one."""
        made = super().line(row, lookup)
        assert isinstance(made, LookupTape)
        if (row, lookup) != (self.slip.row, 0):
            return made
        place, negated = made.shape.out_at(self.slip.word)
        return FalseTape(made, {**dict(self.slip.others), place: -self.slip.change if negated else self.slip.change})


class DeepLiar(Player):
    """Defends a slip as well as can be, or says that the truth is false by it; accuses nobody by itself."""

    def __init__(self, town: Arena, account: Account, job: Job, rng: random.Random) -> None:
        super().__init__(town.market, town.world.store, account, Lines(beside=False))
        true = super().truth(job.id)
        assert isinstance(true, LookupTruth)
        shape, others = true.game.tape(FIRST, 0).shape, []
        if rng.random() < 0.7:
            low, high = rng.choice(kinds(shape))
            others = [(rng.randrange(low, high), rng.randrange(1, WORD))]
        slip = Slip(FIRST + rng.randrange(job.rows), rng.randrange(shape.size + 1), rng.randrange(1, WORD), (*others,))
        self.slip, self._lying = slip, SlipTruth(true.work, true.store, Lines(beside=False), slip)

    def truth(self, job: int) -> JobTruth:
        """Its own."""
        return self._lying

    def result(self, own: Evaluation) -> Evaluation:
        """What comes out of the slip."""
        game, bits, row = self._lying.game, lwe_bits(PROFILE), self.slip.row
        out = game.wire(row, FIRST_WIRE + 1)
        rounded = {word: (int(each) + (1 << 63 - bits)) % WORD >> 64 - bits for word, each in enumerate(out)}
        return with_words(own, row - FIRST, rounded)

    def _judged_rightly(self, _job: object) -> bool:
        return True
