"""Every liar is convicted, and no honest party ever is: the players' moves, in thousands of fuzzed games."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from app.dispute.play import Expire, Move, Narrow, Refute, Show, Stand, next_move
from app.protocol.ids import Address
from app.protocol.market.disputes import WORD, DisputePhase, RowsClaim, Verdict
from fhe.engine.trace.finder import first_false
from tests.dispute.referee import CHALLENGER, EXECUTOR, WINDOW, Facts, Game, Refused

MOST_MOVES = 20
Totals = Callable[[RowsClaim], tuple[int, ...]]


def facts_of(rng: random.Random) -> Facts:
    """A few terms, and one row or as many as take one, two or three looks; some totals wrap around."""
    terms, rows = rng.choice([0, 1, 2, 30]), rng.choice([1, 1, 2, 3, 127, 128, 129, 130, 1000, 20_000])
    small = np.random.default_rng(rng.randrange(1 << 32))
    products = small.integers(0, WORD, (rows, terms), dtype=np.uint64)
    return Facts(rng.randrange(WORD), products, first=rng.randrange(1, 1 << 20))


def lied(rng: random.Random, facts: Facts, word: int, kind: str) -> Totals:
    """Totals that end where they have to and that the contract takes: wrong from one place on, everywhere, or of
    another number.
    """
    place = rng.random()

    def totals(claim: RowsClaim) -> tuple[int, ...]:
        said = list(facts.totals(claim))
        whole = len(said) if claim.rows == 1 else len(said) + 1
        begin = int(place * whole)
        off = (claim.sum - facts.totals(claim)[-1]) % WORD if claim.rows == 1 else (word - facts.word) % WORD
        if kind == "noise" or begin < len(said):
            said[begin:] = [(each + off) % WORD for each in said[begin:]]
        if kind == "noise":
            said = [rng.randrange(WORD) for _ in said]
        if claim.rows == 1:
            if kind == "more":
                said.insert(rng.randrange(len(said)), rng.randrange(WORD))
            if kind == "fewer":
                said = said[1:] or said
            said[-1] = claim.sum
        return tuple(said)

    return totals


@dataclass
class Opponent:
    """Whoever is not honest, or not there: at some move it may fall silent, or come too late."""

    rng: random.Random
    totals: Totals
    silent_at: int  # the move from which on nobody hears of it

    def move(self, game: Game, number: int) -> Move | None:
        """Something that may be taken."""
        phase, claim = game.dispute.phase, game.dispute.claim
        if number >= self.silent_at:
            return None
        if phase is DisputePhase.ANSWER:
            return Stand()
        assert claim is not None
        if phase is DisputePhase.SHOW:
            return Show(self.totals(claim))
        if phase is DisputePhase.NARROW:
            return Narrow(self.rng.randrange(len(claim.cuts) - 1))
        return Refute(self.rng.randrange(len(game.dispute.totals)))


def played(game: Game, honest: Address, opponent: Opponent) -> Verdict:
    """The end of a game in which one of the two is honest."""
    for number in range(MOST_MOVES):
        if game.dispute.phase is DisputePhase.OVER:
            return game.dispute.verdict
        if game.dispute.player == honest:
            move = next_move(game.dispute, honest, game.now, game.facts)
            assert move is not None
            game.play(move, game.facts.totals)
            continue
        move = opponent.move(game, number)
        try:
            if move is None:
                raise Refused
            game.play(move, opponent.totals)
        except Refused:  # what it can do is refused, or it does nothing: its time runs out
            game.now = game.dispute.deadline + 1
            assert next_move(game.dispute, honest, game.now, game.facts) == Expire()
            game.play(Expire(), opponent.totals)
    raise AssertionError("a dispute that does not end")


def liar_is_convicted(rng: random.Random) -> str:
    """An executor whose value is false, against an honest challenger; the kind of its totals."""
    facts = facts_of(rng)
    word = (facts.word + rng.choice([1, 1 << 63, rng.randrange(1, WORD)])) % WORD
    kind = rng.choice(["late", "noise", "more", "fewer"])
    opponent = Opponent(rng, lied(rng, facts, word, kind), rng.choice([0, 2, 4, 99, 99]))
    assert played(Game(facts, word), CHALLENGER, opponent) is Verdict.CONVICTED
    return f"{kind} in {'a row' if len(facts.products) == 1 else 'a sum over rows'}"


def griefer_loses(rng: random.Random) -> None:
    """An executor whose value is true, against whoever says otherwise, silent or not."""
    facts = facts_of(rng)
    opponent = Opponent(rng, facts.totals, rng.choice([1, 3, 99]))
    assert played(Game(facts, facts.word), EXECUTOR, opponent) is Verdict.CLEARED


@pytest.mark.parametrize("seed", range(150))
def test_every_liar_is_convicted_and_nobody_honest(seed: int) -> None:
    """One of each for every seed."""
    rng = random.Random(seed)
    liar_is_convicted(rng)
    griefer_loses(rng)


@pytest.mark.deep
def test_ten_thousand_of_each() -> None:
    """The same, over more places, sizes and strategies, told by kind."""
    convicted = Counter[str]()
    for seed in range(10_000):
        rng = random.Random(f"deep {seed}")
        convicted[liar_is_convicted(rng)] += 1
        griefer_loses(rng)
    print(f"\n{convicted.total()} liars convicted, as many honest cleared: {dict(sorted(convicted.items()))}")
    assert len(convicted) == 8


def test_nothing_is_due_to_others_or_too_late() -> None:
    """A stranger plays nothing; who let its time pass has nothing to do; the other ends it."""
    facts = facts_of(random.Random(0))
    game = Game(facts, facts.word)
    stranger = Address("0x" + "5" * 40)
    assert next_move(game.dispute, stranger, 0, facts) is None
    assert next_move(game.dispute, CHALLENGER, WINDOW, facts) is None
    assert next_move(game.dispute, EXECUTOR, WINDOW + 1, facts) is None
    assert next_move(game.dispute, stranger, WINDOW + 1, facts) is None
    assert next_move(game.dispute, CHALLENGER, WINDOW + 1, facts) == Expire()


def test_a_challenger_does_not_judge_the_truth() -> None:
    """Where the other shows what is so, there is nothing to show: the bond is not thrown after it."""
    facts = Facts(5, np.array([[1, 2]], np.uint64))
    game = Game(facts, facts.word)
    game.play(Stand(), facts.totals)
    assert next_move(game.dispute, CHALLENGER, 0, facts) is None
    assert first_false((1, 2, 3), (1, 2)) == 0
    assert first_false((1, 2, 3), (1, 2, 3)) is None
    assert first_false((1, 9, 3), (1, 2, 3)) == 1
