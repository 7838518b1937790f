"""Disputes about circuits with lookups: whatever word of whatever step is false, it is found and convicts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from app.chain.evm.embedded import EmbeddedChain
from app.protocol.errors import Reverted
from app.protocol.market.disputes import Dispute, DisputePhase, LineMove, LookupClaim, Verdict
from app.protocol.market.entities import JobState
from fhe.engine.trace.finder import false_term
from fhe.engine.trace.lookup_game import LineProof
from fhe.engine.trace.tape import LookupTape
from fhe.profiles import insecure_test_profile
from tests.support.disputes import Claimed
from tests.support.lookup_disputes import FalseTape, LookupTrial, kinds, lookup_trial
from tests.support.market import DOLLAR

PROFILE = insecure_test_profile(64, 8)


@pytest.fixture(scope="module")
def court(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LookupTrial]:
    """A market on the embedded chain."""
    folder = tmp_path_factory.mktemp("lookups")
    chain = EmbeddedChain(folder / "chain.sqlite")
    yield lookup_trial(chain, folder, PROFILE)
    chain.close()


def accused(court: LookupTrial, value: int, change: int) -> tuple[Claimed, Dispute]:
    """A liar's result, whose last digit is off in one word, and the dispute about that."""
    court.ordered(rows=5, replicas=1)
    lie = court.false_word(court.honest(), value, change)
    court.revealed([lie])
    return lie, court.challenge(court.stage.buyer, 0, value)


def looked_into(court: LookupTrial, value: int, change: int) -> tuple[Dispute, int]:
    """Up to the lookup: the liar says that the lookup's word is off by so much."""
    lie, dispute = accused(court, value, change)
    bits = int(court.tables[11])
    dispute = court.answered(dispute, lie, *court.lie_in(dispute, change << 64 - bits))
    claim = dispute.summed
    assert claim is not None
    game = court.lookup_game()
    term = false_term(dispute.totals, dispute.words, *game.sums(claim.row, claim.output, claim.word))
    assert term is not None
    sent = court.market.judge_sum_dispute(
        court.stage.buyer,
        dispute,
        court.program.header,
        court.tables,
        term,
        game.sum_evidence(claim, term, dispute.totals, dispute.words),
    )
    court.gas["name"] = sent.gas
    return sent.value, change << 64 - bits


def false_line(court: LookupTrial, claim: LookupClaim, change: int, others: dict[int, int]) -> LookupTape:
    """A line that ends in the false word, with others before it."""
    true = court.lookup_game().tape(claim.row, claim.lookup)
    place, negated = true.shape.out_at(claim.word)
    return FalseTape(true, others | {place: -change if negated else change})


def again(court: LookupTrial) -> None:
    """Stakes for more."""
    for each in court.stage.providers:
        court.market.faucet(each, 100 * DOLLAR)
        court.market.register_provider(each, bond=100 * DOLLAR, fixed_fee=1000, price=2_000_000, capacity=10**9)


def test_a_false_lookup_is_found_and_convicts(court: LookupTrial) -> None:
    """The last word of a line is false, and nothing before it."""
    dispute, change = looked_into(court, 3 * 65 + 64, 1)
    over = court.descended(dispute, lambda claim: false_line(court, claim, change, {}))
    assert over.verdict is Verdict.CONVICTED
    assert court.market.dispute(over.id) == over
    assert court.market.job(court.job).state is JobState.DISPUTED
    again(court)


def fuzzed(court: LookupTrial, seed: int, games: int) -> None:
    """A word of a kind is false, perhaps others too, and the line ends as it must for the lie."""
    rng = np.random.default_rng(seed)
    shape = court.lookup_game().tape(5, 0).shape
    for number in range(games):
        low, high = kinds(shape)[int(rng.integers(len(kinds(shape)))) if games > 3 else 7 * number]
        others = {int(rng.integers(low, high)): int(rng.integers(1, 1 << 62))}
        for _ in range(int(rng.integers(0, 3))):
            others[int(rng.integers(0, shape.slots * shape.slot))] = int(rng.integers(1, 1 << 62))
        dispute, change = looked_into(court, int(rng.integers(5 * 65)), int(rng.integers(1, 1 << 20)))
        over = court.descended(dispute, lambda claim, o=others, c=change: false_line(court, claim, c, o))
        assert over.verdict is Verdict.CONVICTED, others
        again(court)


def test_false_words_of_several_kinds(court: LookupTrial) -> None:
    """Three of them."""
    fuzzed(court, 1, 3)


@pytest.mark.deep
def test_false_words_of_every_kind(court: LookupTrial) -> None:
    """A hundred and fifty, whole games."""
    fuzzed(court, 2, 150)


def griefed(court: LookupTrial, dispute: Dispute, tape: LookupTape, rng: np.random.Generator) -> LineMove:
    """A move that goes anywhere, with roots of another line, or lets a word be worked out that is true."""
    game, stretch, line = court.lookup_game(), dispute.stretch, dispute.line
    assert stretch is not None
    assert line is not None
    part = int(rng.integers(1 << stretch.bits))
    below = stretch.part(part)
    if below.level < below.levels:
        return LineMove("cut", part, game.roots(tape, line, below))
    return LineMove("word", part, proof=game.word_proof(line, below.node))


def test_the_honest_are_never_convicted(court: LookupTrial) -> None:
    """A challenger that goes down anywhere and judges anything loses its bond."""
    rng = np.random.default_rng(4)
    court.ordered(rows=5, replicas=1)
    truth, market, buyer = court.honest(), court.market, court.stage.buyer
    court.revealed([truth])
    game, header = court.lookup_game(), court.program.header
    for value in (2 * 65 + 7, 64):
        dispute = court.challenge(buyer, 0, value)
        dispute = court.answered(dispute, truth, *map(list, game.sums(*court.place(value))))
        assert dispute.summed is not None
        assert false_term(dispute.totals, dispute.words, *game.sums(*court.place(value))) is None
        evidence = game.sum_evidence(dispute.summed, 1, dispute.totals, dispute.words)
        dispute = market.judge_sum_dispute(buyer, dispute, header, court.tables, 1, evidence).value
        executor = court.stage.by_address(dispute.executor)
        false: dict[int, LookupTape] = {}
        while dispute.phase is not DisputePhase.OVER:
            claim = dispute.line
            assert claim is not None
            tape = game.tape(claim.row, claim.lookup)
            if dispute.phase.executors:
                dispute = market.move_on_line(executor, dispute, header, court.tables, game.move(dispute)).value
                continue
            places = rng.integers(0, tape.shape.slots * tape.shape.slot, 40).tolist()
            other = false.setdefault(claim.lookup, FalseTape(tape, dict.fromkeys(places, 1)))
            dispute = market.move_on_line(
                buyer, dispute, header, court.tables, griefed(court, dispute, other, rng)
            ).value
        assert dispute.verdict is Verdict.CLEARED
    beyond = court.challenge(buyer, 0, 5 * 65)
    cleared = market.answer_lookup_dispute(
        court.drawn[0], beyond, header, court.tables, truth.receipt, (), (0,), ()
    ).value
    assert cleared.verdict is Verdict.CLEARED


def test_sums_over_lookups_are_judged_too(court: LookupTrial) -> None:
    """Totals that do not follow from the words, and too many or too few of them."""
    bits = int(court.tables[11])
    for kind in range(3):
        lie, dispute = accused(court, 70, 5)
        totals, words = court.lookup_game().sums(*court.place(70))
        false = (totals[-1] + (5 << 64 - bits)) % (1 << 64)
        shown = [([*totals[:-1], false], list(words)), ([*totals, false], [*words, 0]), ([false], [])][kind]
        dispute = court.answered(dispute, lie, *shown)
        game, claim = court.lookup_game(), dispute.summed
        assert claim is not None
        term = false_term(dispute.totals, dispute.words, *game.sums(claim.row, claim.output, claim.word))
        assert term is not None
        evidence = game.sum_evidence(claim, term, dispute.totals, dispute.words)
        over = court.market.judge_sum_dispute(
            court.stage.buyer, dispute, court.program.header, court.tables, term, evidence
        ).value
        assert over.verdict is Verdict.CONVICTED
        again(court)


def test_moves_are_tied_to_what_was_said(court: LookupTrial) -> None:
    """Who is not to move cannot; neither roots that were not given, nor too few, nor the other's last one will do."""
    dispute, change = looked_into(court, 3 * 65, 9)
    claim, game, market = dispute.line, court.lookup_game(), court.market
    assert claim is not None
    buyer, executor = court.stage.buyer, court.stage.by_address(dispute.executor)
    header = court.program.header, court.tables
    place, _ = game.tape(claim.row, claim.lookup).shape.out_at(claim.word)
    false = FalseTape(game.tape(claim.row, claim.lookup), {place - 1: change})
    move = game.move(dispute, false)
    with pytest.raises(Reverted, match="not to move"):
        market.move_on_line(buyer, dispute, *header, move)
    dispute = market.move_on_line(executor, dispute, *header, move).value
    move = game.move(dispute)
    assert dispute.stretch is not None
    end = dispute.roots[move.part + 1]
    others = replace(dispute, roots=(*dispute.roots[:1], *dispute.roots[:0:-1]))
    for wrong, said in (
        (replace(move, roots=move.roots[1:]), dispute),
        (replace(move, roots=(*move.roots[:-1], end)), dispute),
        (move, others),
        (replace(move, kind="word"), dispute),
        (replace(move, kind="result"), dispute),
    ):
        with pytest.raises(Reverted):
            market.move_on_line(buyer, said, *header, wrong)
    over = market.move_on_line(buyer, dispute, *header, move).value
    while over.phase is not DisputePhase.OVER:
        player, tape = (executor, false) if over.phase.executors else (buyer, None)
        over = market.move_on_line(player, over, *header, game.move(over, tape)).value
    assert over.verdict is Verdict.CONVICTED


def test_a_lookup_is_no_published_wire(court: LookupTrial) -> None:
    """Its number is behind theirs, where a program has other records, or zeros: no word of a file or a mask is read by
    those, which would convict an honest executor.
    """
    court.ordered(rows=5, replicas=1)
    truth, market, buyer = court.honest(), court.market, court.stage.buyer
    court.revealed([truth])
    game, header, value = court.lookup_game(), court.program.header, 3 * 65 + 7
    dispute = court.challenge(buyer, 0, value)
    dispute = court.answered(dispute, truth, *map(list, game.sums(*court.place(value))))
    claim = dispute.summed
    assert claim is not None
    evidence = game.sum_evidence(claim, 1, dispute.totals, dispute.words)
    lookup = game.named(claim, 1, dispute.totals, dispute.words)
    assert lookup is not None
    proof = LineProof()
    game._datum(proof, claim.row, court.program.inputs + lookup, claim.word)
    read = replace(evidence, roots=(), proof=proof.data)
    with pytest.raises(Reverted):
        market.judge_sum_dispute(buyer, dispute, header, court.tables, 1, read)
    assert isinstance(market.node, EmbeddedChain)
    market.node.advance(market.move_window() + 60)
    assert market.expire_dispute(buyer, dispute).value.verdict is Verdict.CLEARED
