"""Moves of a dispute about a result with lookups, sent: how `app.dispute.play`'s moves become calls of the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.dispute.play import Move, OnLine, Refute
from app.protocol.market.disputes import Dispute

if TYPE_CHECKING:
    from app.chain.market import Market, Sent
    from app.chain.wallet.account import Account
    from app.dispute.lookup_truth import LookupTruth
    from app.dispute.made import MoveName
    from app.protocol.market.receipt import Receipt


def stood(market: Market, account: Account, dispute: Dispute, receipt: Receipt, truth: LookupTruth) -> Sent[Dispute]:
    """The executor's answer. A value that the result does not have is answered with any word: the contract clears."""
    there = dispute.value < truth.values
    leaves = truth.leaves(receipt.output, receipt.output_bytes, dispute.value) if there else ()
    totals, words = ((0,), ()) if not there or truth.packed else truth.sums(truth.asked(dispute.value))
    return market.answer_lookup_dispute(account, dispute, *truth.headers, receipt, leaves, totals, words)


def moved(
    market: Market, account: Account, dispute: Dispute, move: Move, truth: LookupTruth
) -> tuple[MoveName, Sent[Dispute]]:
    """Another move of a dispute about a lookup. Errors: Reverted; what `truth` raises."""
    match move:
        case Refute(term):
            evidence = truth.sum_evidence(dispute, term)
            return "judged", market.judge_sum_dispute(account, dispute, *truth.headers, term, evidence)
        case OnLine(on_line):
            what: MoveName = "judged" if on_line.kind in ("word", "sum", "result") else "narrowed"
            return what, market.move_on_line(account, dispute, *truth.headers, on_line)
    raise ValueError(f"{move} is no move about a lookup")
