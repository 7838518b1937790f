"""Disputes about circuits with lookups: whatever word of whatever step is false, it is found and convicts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from app.chain.evm.embedded import EmbeddedChain
from app.protocol.errors import Reverted
from app.protocol.market.disputes import Dispute, DisputePhase, LookupClaim, Verdict
from app.protocol.market.entities import JobState
from fhe.engine.trace.finder import false_term
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
    bits = int(court.tables[10])
    dispute = court.answered(dispute, lie, *court.lie_in(dispute, change << 64 - bits))
    claim = dispute.summed
    assert claim is not None
    game = court.lookup_game()
    term = false_term(dispute.totals, dispute.words, *game.sums(claim.row, claim.output, claim.word))
    assert term is not None
    sent = court.market.judge_sum_dispute(
        court.stage.buyer, dispute, court.program.header, court.tables, term, game.sum_evidence(claim, term)
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
        evidence = game.sum_evidence(dispute.summed, 1)
        dispute = market.judge_sum_dispute(buyer, dispute, header, court.tables, 1, evidence).value
        executor = court.stage.by_address(dispute.executor)
        while dispute.phase is not DisputePhase.OVER:
            claim = dispute.line
            assert claim is not None
            tape = game.tape(claim.row, claim.lookup)
            if dispute.phase is DisputePhase.NARROW:
                dispute = market.pick_node(buyer, dispute, int(rng.integers(1 << claim.bits))).value
            elif dispute.phase is DisputePhase.JUDGE:
                place = int(rng.integers(128))
                proof = game.word_proof(claim, claim.node * 128 + place)
                dispute = market.judge_word(buyer, dispute, header, court.tables, place, proof).value
            elif claim.tree == 0:
                dispute = market.begin_line(executor, dispute, header, court.tables, game.begun(claim, tape)).value
            elif claim.tree - claim.level == 3:
                words, path = tape.leaves(claim.level, claim.node), tape.path(claim.level, claim.node)
                dispute = market.show_words(executor, dispute, words, path).value
            else:
                bits = min(5, claim.tree - 3 - claim.level)
                nodes, path = tape.children(claim.level, claim.node, bits), tape.path(claim.level, claim.node)
                dispute = market.show_nodes(executor, dispute, nodes, path).value
        assert dispute.verdict is Verdict.CLEARED
    beyond = court.challenge(buyer, 0, 5 * 65)
    cleared = market.answer_lookup_dispute(
        court.drawn[0], beyond, header, court.tables, truth.receipt, (), (0,), ()
    ).value
    assert cleared.verdict is Verdict.CLEARED


def test_sums_over_lookups_are_judged_too(court: LookupTrial) -> None:
    """Totals that do not follow from the words, and too many or too few of them."""
    bits = int(court.tables[10])
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
        evidence = game.sum_evidence(claim, term)
        over = court.market.judge_sum_dispute(
            court.stage.buyer, dispute, court.program.header, court.tables, term, evidence
        ).value
        assert over.verdict is Verdict.CONVICTED
        again(court)


def test_a_line_is_tied_to_the_word_and_to_its_root(court: LookupTrial) -> None:
    """A true line does not end in the lie; nodes, words and paths of another line do not stand under the root."""
    dispute, change = looked_into(court, 3 * 65, 9)
    claim, game, market = dispute.line, court.lookup_game(), court.market
    assert claim is not None
    executor, header = court.stage.by_address(dispute.executor), court.program.header
    true, false = game.tape(claim.row, claim.lookup), false_line(court, claim, change, {})
    with pytest.raises(Reverted, match="totals"):
        market.begin_line(executor, dispute, header, court.tables, game.begun(claim, true))
    dispute = market.begin_line(executor, dispute, header, court.tables, game.begun(claim, false)).value
    dispute = market.pick_node(court.stage.buyer, dispute, 0).value
    claim = dispute.line
    assert claim is not None
    bits = min(5, claim.tree - 3 - claim.level)
    nodes, path = false.children(claim.level, claim.node, bits), false.path(claim.level, claim.node)
    for wrong in ((nodes[1:] + nodes[:1], path), (nodes, path[:-1]), (nodes[1:], path)):
        with pytest.raises(Reverted):
            market.show_nodes(executor, dispute, *wrong)
    with pytest.raises(Reverted):
        market.show_words(executor, dispute, bytes(1024), path)
