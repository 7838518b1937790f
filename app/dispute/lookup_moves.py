"""Moves of a dispute about a lookup, sent: how `app.dispute.play`'s moves become calls of the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.dispute.play import Descend, Move, Pick, Refute, RefuteWord
from app.protocol.market.disputes import Dispute
from fhe.engine.trace.lookup_game import WORDS_BELOW, look_bits

if TYPE_CHECKING:
    from app.chain.market import Market, Sent
    from app.chain.wallet.account import Account
    from app.dispute.lookup_truth import LookupTruth
    from app.dispute.made import MoveName
    from app.protocol.market.receipt import Receipt
    from fhe.engine.trace.tape import LookupTape


def stood(market: Market, account: Account, dispute: Dispute, receipt: Receipt, truth: LookupTruth) -> Sent[Dispute]:
    """The executor's answer. A value that the result does not have is answered with any word: the contract clears."""
    there = dispute.value < truth.values
    leaves = truth.leaves(receipt.output, receipt.output_bytes, dispute.value) if there else ()
    totals, words = truth.sums(truth.asked(dispute.value)) if there else ((0,), ())
    return market.answer_lookup_dispute(account, dispute, *truth.headers, receipt, leaves, totals, words)


def moved(
    market: Market, account: Account, dispute: Dispute, move: Move, truth: LookupTruth
) -> tuple[MoveName, Sent[Dispute]]:
    """Another move of a dispute about a lookup. Errors: Reverted; what `truth` raises."""
    match move:
        case Refute(term):
            assert dispute.summed is not None
            evidence = truth.game.sum_evidence(dispute.summed, term)
            return "judged", market.judge_sum_dispute(account, dispute, *truth.headers, term, evidence)
        case Descend():
            return "shown", _shown(market, account, dispute, truth)
        case Pick(node):
            return "narrowed", market.pick_node(account, dispute, node)
        case RefuteWord(place):
            proof = truth.word_proof(dispute, place)
            return "judged", market.judge_word(account, dispute, *truth.headers, place, proof)
    raise ValueError(f"{move} is no move about a lookup")


def _shown(market: Market, account: Account, dispute: Dispute, truth: LookupTruth) -> Sent[Dispute]:
    claim = dispute.line
    assert claim is not None
    tape: LookupTape | None = truth.line(claim)
    assert tape is not None
    if claim.tree == 0:
        return market.begin_line(account, dispute, *truth.headers, truth.game.begun(claim, tape))
    path = tape.path(claim.level, claim.node)
    if claim.tree - claim.level == WORDS_BELOW:
        return market.show_words(account, dispute, tape.leaves(claim.level, claim.node), path)
    nodes = tape.children(claim.level, claim.node, look_bits(claim))
    return market.show_nodes(account, dispute, nodes, path)
