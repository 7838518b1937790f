"""One account's part in the disputes of a market: what is due is looked for on the chain, and played.

Nothing is kept on disk: who opened what, what was shown and whose turn it is stand on the chain, what is true follows
from public records, and a move that a killed process sent is found in the outbox. Playing again is harmless.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from app.dispute import lookup_moves
from app.dispute.difference import false_bit, read_receipt
from app.dispute.lines import Lines
from app.dispute.lookup_truth import LookupTruth
from app.dispute.made import Accusation, MoveName, Played
from app.dispute.play import Expire, Move, Narrow, Refute, Show, Stand, next_move
from app.dispute.truth import JobTruth
from app.execution.inputs import load_job_inputs
from app.protocol.errors import BadModel, NotAllowed, NotFound
from app.protocol.market.disputes import Dispute, DisputePhase
from app.protocol.market.entities import ZERO, Job

if TYPE_CHECKING:
    from app.chain.market import Market, Sent
    from app.chain.wallet.account import Account
    from app.execution.execute import Evaluation
    from app.protocol.ids import Digest
    from app.protocol.ports import Store

KEPT_TRUTHS = 8  # of the jobs that were played last
UNREAD_SECONDS = 300.0  # before a result that could not be read, or shown to be wrong, is looked at again
MARGIN = 600  # seconds that are kept to open a dispute of one's own after another's


def running(market: Market, job: Job) -> list[Dispute]:
    """The running disputes of a job, whoever plays them. Errors: Unavailable."""
    if job.program == ZERO or not market.has_disputes or not market.dispute_window(job.id)[0]:
        return []
    return [each for each in market.disputes(job.id) if each.phase is not DisputePhase.OVER]


class Player:
    """An account that defends its own receipts and objects to false ones."""

    def __init__(self, market: Market, store: Store, account: Account, lines: Lines | None = None) -> None:
        """`lines`: where lines of lookups are computed, by default beside everything else."""
        self._market, self._store, self._account = market, store, account
        self._lines = lines or Lines()
        self._truths: dict[int, JobTruth] = {}
        self._unread: dict[tuple[Digest, Digest], float] = {}  # until when, by the monotonic clock

    def running(self, job: Job) -> list[Dispute]:
        """The running disputes of a job, whoever plays them. Errors: Unavailable."""
        return running(self._market, job)

    def moves(self, job: Job) -> Iterator[Played]:
        """Make every move that is this account's, each when it is made.

        Errors: those of transactions; NotFound, BadBlock where a record that a move needs is out of reach.
        """
        if not (running := self.running(job)):
            self._truths.pop(job.id, None)  # with lookups it has a key in memory
        self._of_this_order(job)
        for dispute in running:
            mine = self._account.address in (dispute.executor, dispute.challenger)
            move = next_move(dispute, self._account.address, self._market.now(), self.truth(job.id)) if mine else None
            if move is not None:
                yield self._make(dispute, move)

    def accusations(self, job: Job, own: Evaluation) -> list[Accusation]:
        """Whom this account can show a contract to be wrong, and has not, by its `own` evaluation of the job.

        Where another challenges the same executor it is waited for, as long as there is time for one's own after it.
        Errors: Unavailable.
        """
        others = {
            index: part
            for index, part in enumerate(job.executions)
            if part.receipt not in (ZERO, own.receipt.digest) and not part.out
        }
        if not others or job.program == ZERO or not self._market.has_disputes:
            return []
        self._of_this_order(job)
        running, until = self._market.dispute_window(job.id)
        now = self._market.now()
        if now > until:
            return []
        known, found = self._market.disputes(job.id), list[Accusation]()
        for index, part in others.items():
            against = [each for each in known if each.index == index]
            if any(each.challenger == self._account.address for each in against):
                continue
            if any(each.phase for each in against) and now + self._longest_game + MARGIN < until:
                continue
            bit = self._false_bit(part.receipt, own)
            if bit is not None and self._judged_rightly(job):
                running += 1
                bond = self._least_bond * running
                found.append(Accusation(index, part.provider, self.truth(job.id).value(bit), bond))
        return found

    def _judged_rightly(self, job: Job) -> bool:
        """Whether the job's order states its circuit's program: by another one nobody is judged by what is so."""
        try:
            return self.truth(job.id).program.digest == job.program
        except BadModel:
            return False

    def accuse(self, job: Job, accusation: Accusation) -> Played:
        """Open a dispute with its bond. Errors: NotAllowed where the account has too little; Reverted."""
        if (have := self._market.balance(self._account.address)) < accusation.bond:
            raise NotAllowed(
                f"A dispute about job {job.id} takes a bond of {accusation.bond} token units; the account has {have}.",
                "Fund the account: darkroom account show names it.",
            )
        sent = self._market.open_dispute(
            self._account, job.id, accusation.index, accusation.value, most_bond=accusation.bond
        )
        return Played(job.id, sent.value.id, "opened", sent)

    def _false_bit(self, receipt: Digest, own: Evaluation) -> int | None:
        """As `false_bit`; what cannot be read is not looked for again at once."""
        key = receipt, own.receipt.digest
        if time.monotonic() < self._unread.get(key, 0.0):
            return None
        bit = false_bit(self._store, receipt, own)
        if bit is None:
            self._unread[key] = time.monotonic() + UNREAD_SECONDS
        return bit

    def truth(self, job: int) -> JobTruth:
        """What is true of a job. Errors: those of `load_job_inputs`."""
        found = self._truths.pop(job, None) or self._read(job)
        self._truths[job] = found
        while len(self._truths) > KEPT_TRUTHS:
            self._truths.pop(next(iter(self._truths)))
        return found

    def _of_this_order(self, job: Job) -> None:
        """Forget what was true of another order with this number."""
        known = self._truths.get(job.id)
        if known is not None and known.work.job.asked != job.asked:
            del self._truths[job.id]

    def _read(self, job: int) -> JobTruth:
        work = load_job_inputs(self._market, self._store, job)
        if len(work.circuit.layers) > 1:
            return LookupTruth(work, self._store, self._lines)
        return JobTruth(work, self._store)

    def _make(self, dispute: Dispute, move: Move) -> Played:
        market, account, truth = self._market, self._account, self.truth(dispute.job)
        what: MoveName
        sent: Sent[Dispute]
        match move:
            case Expire():
                what, sent = "ended", market.expire_dispute(account, dispute)
            case Stand():
                what, sent = "answered", self._stand(dispute, truth)
            case _ if isinstance(truth, LookupTruth):
                what, sent = lookup_moves.moved(market, account, dispute, move, truth)
            case Show(totals):
                what, sent = "shown", market.show_dispute(account, dispute, totals)
            case Narrow(stretch):
                what, sent = "narrowed", market.narrow_dispute(account, dispute, stretch)
            case Refute(term):
                assert dispute.claim is not None
                evidence = truth.evidence(dispute.claim, term)
                what, sent = "judged", market.judge_dispute(account, dispute, truth.program.header, term, evidence)
            case _:
                raise ValueError(f"{move} is no move about a linear result")
        return Played(dispute.job, dispute.id, what, sent)

    def _stand(self, dispute: Dispute, truth: JobTruth) -> Sent[Dispute]:
        """A value that the result does not have is answered with any word: the contract clears at once."""
        receipt = read_receipt(self._store, dispute.receipt)
        if receipt is None:
            raise NotFound(f"The receipt of dispute {dispute.id} is no receipt.", "This account revealed other bytes.")
        if isinstance(truth, LookupTruth):
            return lookup_moves.stood(self._market, self._account, dispute, receipt, truth)
        there = dispute.value < truth.values
        word = truth.shown(receipt.output, receipt.output_bytes, truth.place(dispute.value if there else 0))
        totals = truth.totals(truth.claim(dispute.value)) if there else ()
        return self._market.answer_dispute(self._account, dispute, truth.program.header, receipt, word, totals)

    @cached_property
    def _least_bond(self) -> int:
        return int(self._market.client.read("Disputes", "leastBond"))

    @cached_property
    def _longest_game(self) -> int:
        return int(self._market.client.read("Disputes", "longestGame"))
