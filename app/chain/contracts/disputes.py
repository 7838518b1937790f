"""Disputes about a job's receipts: their moves, and what the chain says of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from app.chain.contracts.client import Sent
from app.chain.contracts.custodians import JOBS
from app.chain.contracts.jobs import Jobs
from app.chain.contracts.roots import list_claim, matter, picked
from app.chain.events import Event
from app.chain.wallet.account import Account
from app.protocol.errors import NotFound, VerificationFailed
from app.protocol.ids import Address, Digest, Seconds, Units
from app.protocol.market.disputes import (
    Dispute,
    DisputePhase,
    Evidence,
    LineMove,
    LineStretch,
    LookupClaim,
    ProvenLeaf,
    RowsClaim,
    SumClaim,
    SumEvidence,
    Verdict,
    packed,
    unpacked,
)
from app.protocol.market.entities import ZERO
from app.protocol.market.receipt import Receipt

DISPUTES = "Disputes"
OPENED, SHOWN, ENDED = "DisputeOpened", "DisputeShown", "DisputeEnded"
SUMMED, DESCENDED, CUT = "DisputeSummed", "DisputeDescended", "DisputeCut"  # of circuits with lookups
MOVES = (OPENED, SHOWN, SUMMED, DESCENDED, CUT, ENDED)
ProgramHeader = tuple[int | str, ...]  # `fhe.engine.trace.program.Program.header`


class DisputeGame(Jobs):
    """Moves and reads of disputes. Errors of all: NotFound in a market of an edition that has none."""

    @property
    def has_disputes(self) -> bool:
        """Whether the market's edition knows disputes."""
        return DISPUTES in self.client.contracts

    def open_dispute(
        self, account: Account, job: int, index: int, value: int, most_bond: int | None = None
    ) -> Sent[Dispute]:
        """Say that value number `value` (row * outputs + output) of what executor number `index` revealed is wrong.

        Takes the bond, which is at most `most_bond`; when no allowance covers it, an approval goes first.
        Errors: Reverted, as NotDisputable, JobSuspended, BondTooLarge.
        """
        self._there()
        bond = self.dispute_bond(job)
        if self.allowance(account.address, JOBS) < bond:
            self.approve(account, JOBS, bond)
        most = bond if most_bond is None else most_bond
        return self._moved(self.client.send(account, DISPUTES, "open", job, index, value, most))

    def answer_dispute(
        self,
        account: Account,
        dispute: Dispute,
        program: ProgramHeader,
        receipt: Receipt,
        word: ProvenLeaf,
        totals: Sequence[int],
    ) -> Sent[Dispute]:
        """The executor stands by its receipt: the leaf of the output file that has the value, and totals as
        `show_dispute` takes them. Errors: Reverted.
        """
        moved = (dispute.id, _state(dispute), program, _receipt(receipt), as_struct(word), packed(totals))
        return self._moved(self.client.send(account, DISPUTES, "answer", *moved), dispute)

    def narrow_dispute(self, account: Account, dispute: Dispute, stretch: int) -> Sent[Dispute]:
        """The challenger names a stretch between neighbours of `claim.cuts`. Errors: Reverted."""
        claim = _claim_of(dispute)
        moved = (dispute.id, _state(dispute), as_struct(claim), packed(dispute.totals), stretch)
        return self._moved(self.client.send(account, DISPUTES, "narrow", *moved), dispute)

    def show_dispute(self, account: Account, dispute: Dispute, totals: Sequence[int]) -> Sent[Dispute]:
        """The executor shows totals: of several rows, those at the inner `claim.cuts`; of one, those before and after
        each of its terms, whose last one is `claim.sum`. Errors: Reverted.
        """
        claim = _claim_of(dispute)
        moved = (dispute.id, _state(dispute), as_struct(claim), packed(totals))
        return self._moved(self.client.send(account, DISPUTES, "show", *moved), dispute)

    def judge_dispute(
        self, account: Account, dispute: Dispute, program: ProgramHeader, term: int, evidence: Evidence
    ) -> Sent[Dispute]:
        """The challenger shows that total number `term` is false, or that there are too many or too few.

        Errors: Reverted, as WrongProof.
        """
        claim = _claim_of(dispute)
        moved = (
            dispute.id,
            _state(dispute),
            as_struct(claim),
            program,
            packed(dispute.totals),
            term,
            as_struct(evidence),
        )
        return self._moved(self.client.send(account, DISPUTES, "judge", *moved), dispute)

    def answer_lookup_dispute(
        self,
        account: Account,
        dispute: Dispute,
        program: ProgramHeader,
        tables: ProgramHeader,
        receipt: Receipt,
        leaves: Sequence[ProvenLeaf],
        totals: Sequence[int],
        words: Sequence[int],
    ) -> Sent[Dispute]:
        """As `answer_dispute`, of a circuit with lookups: the one or two leaves that have the word, totals over the
        terms of the last layer, the words of their wires; of a packed result the leaf alone. `tables`:
        `Lookups.header`. Errors: Reverted.
        """
        found = [as_struct(leaf) for leaf in leaves]
        said = _receipt(receipt)
        moved = (dispute.id, _state(dispute), (program, tables), said, found, packed(totals), packed(words))
        return self._moved(self.client.send(account, DISPUTES, "answerLookup", *moved), dispute)

    def judge_sum_dispute(
        self,
        account: Account,
        dispute: Dispute,
        program: ProgramHeader,
        tables: ProgramHeader,
        term: int,
        evidence: SumEvidence,
    ) -> Sent[Dispute]:
        """Whoever is to move shows that total number `term` or the word of its wire is false; or it names its lookup,
        where the evidence has roots. Errors: Reverted.
        """
        claim = dispute.summed
        if claim is None:
            raise _no_claim(dispute)
        sums = (
            packed(dispute.totals),
            packed(dispute.words),
            term,
            [as_struct(evidence.output), as_struct(evidence.term)],
        )
        moved = (dispute.id, _state(dispute), as_struct(claim))
        if evidence.roots:
            sent = self.client.send(account, DISPUTES, "name", *moved, program, sums, list(evidence.roots))
        else:
            sent = self.client.send(account, DISPUTES, "judgeSum", *moved, (program, tables), sums, evidence.proof)
        return self._moved(sent, dispute)

    def move_on_line(
        self, account: Account, dispute: Dispute, program: ProgramHeader, tables: ProgramHeader, move: LineMove
    ) -> Sent[Dispute]:
        """Either player's move about a line: `LookupGame.move` says which. Errors: Reverted."""
        line = dispute.line
        if line is None:
            raise _no_claim(dispute)
        if move.kind == "begin":
            begun = (_position(dispute), as_struct(line), list(move.roots))
            return self._moved(self.client.send(account, DISPUTES, "begin", dispute.id, *begun), dispute)
        if dispute.stretch is None:
            raise _no_claim(dispute)
        place = as_struct(dispute.stretch), picked(dispute.roots, move.part)
        if move.kind == "cut":
            moved = (_position(dispute), *place, list(move.roots))
            return self._moved(self.client.send(account, DISPUTES, "cut", dispute.id, *moved), dispute)
        said = (dispute.id, _state(dispute), as_struct(line), (program, tables), *place)
        if move.kind == "word":
            return self._moved(self.client.send(account, DISPUTES, "judgeWord", *said, move.said, move.proof), dispute)
        if move.kind == "sum":
            shown = packed(move.totals), packed(move.words)
            return self._moved(self.client.send(account, DISPUTES, "sumWord", *said, shown, move.proof), dispute)
        return self._moved(self.client.send(account, DISPUTES, "judgeResult", *said, move.proof), dispute)

    def expire_dispute(self, account: Account, dispute: Dispute) -> Sent[Dispute]:
        """End a dispute whose present player let its deadline pass. Anyone may. Errors: Reverted."""
        return self._moved(self.client.send(account, DISPUTES, "expire", dispute.id, _state(dispute)), dispute)

    def dispute(self, id: int) -> Dispute:
        """As its events say, which the contract's word binds while it runs. Errors: NotFound, VerificationFailed."""
        self._there()
        found = _replayed(self._events(id, None, self.first_block, self.client.node.head().number)).get(id)
        if found is None:
            raise NotFound(f"There is no dispute {id}.", "List a job's: darkroom job show.")
        if (self.client.read(DISPUTES, "digestOf", id) == ZERO) != (found.phase is DisputePhase.OVER):
            raise VerificationFailed(f"The node's events of dispute {id} are not all there.", "Ask another node.")
        return found

    def disputes(self, job: int) -> list[Dispute]:
        """All disputes of a job, by number. Errors: NotFound, Unavailable."""
        if not self.has_disputes:
            return []
        first = self._stored(job)["openedBlock"]
        return list(_replayed(self._events(None, job, first, self.client.node.head().number)).values())

    def dispute_bond(self, job: int) -> Units:
        """What opening one more dispute of a job takes now."""
        running, _ = self.dispute_window(job)
        return Units(int(self.client.read(DISPUTES, "leastBond")) * (running + 1))

    def dispute_window(self, job: int) -> tuple[int, Seconds]:
        """How many disputes of a job are running, and until when others may be opened; 0, 0 where none may be."""
        self._there()
        running, until = self.client.read(JOBS, "disputesOf", job)
        return int(running), Seconds(int(until))

    def move_window(self) -> Seconds:
        """Seconds for each move."""
        self._there()
        return Seconds(int(self.client.read(DISPUTES, "moveWindow")))

    def _there(self) -> None:
        if not self.has_disputes:
            raise NotFound(
                "The contracts of this market know no disputes.",
                "Move on to the present edition: darkroom node upgrade.",
            )

    @property
    def first_block(self) -> int:
        """The block from which on there can be events."""
        return 0

    def _events(self, dispute: int | None, job: int | None, first: int, last: int) -> list[Event]:
        found = [event for name in MOVES for event in self.client.find(DISPUTES, name, first, last, dispute, job)]
        return sorted(found, key=lambda event: (event.block, event.index))

    def _moved(self, sent: Sent[None], before: Dispute | None = None) -> Sent[Dispute]:
        for event in sent.events:
            if event.name in MOVES:
                before = as_dispute(event, before)
        if before is None:
            raise VerificationFailed(f"Transaction {sent.tx} moved no dispute.", "Check the deployment's contracts.")
        return sent.with_value(before)


def _replayed(events: Iterable[Event]) -> dict[int, Dispute]:
    found: dict[int, Dispute] = {}
    for event in events:
        number = int(event.args["dispute"])
        found[number] = as_dispute(event, found.get(number))
    return found


def as_dispute(event: Event, before: Dispute | None) -> Dispute:
    """A dispute after one more of its events. Errors: VerificationFailed for an end of one that was not opened."""
    args = event.args
    number = int(args["dispute"])
    if event.name == ENDED:
        if before is None:
            raise VerificationFailed(
                f"The node gives an end of dispute {number}, but no beginning.", "Ask another node."
            )
        over = {"phase": DisputePhase.OVER, "verdict": Verdict(args["verdict"]), "block": event.block}
        return Dispute(**{**vars(before), **over})
    if event.name == CUT:
        if before is None:
            raise VerificationFailed(
                f"The node gives a cut of dispute {number}, but no beginning.", "Ask another node."
            )
        return _cut(event, before)
    state = args["state"]
    shown: dict[str, Any] = {}
    if event.name == SHOWN:
        shown = {"claim": as_claim(args["claim"]), "totals": unpacked(args["totals"])}
    elif event.name == SUMMED:
        words = {name: unpacked(args[name]) for name in ("totals", "words")}
        shown = {"summed": as_claim(args["claim"], SumClaim), **words}
    elif event.name == DESCENDED:
        shown = {"line": as_claim(args["claim"], LookupClaim)}
    return Dispute(
        id=number,
        job=int(state["job"]),
        index=int(state["index"]),
        phase=DisputePhase(state["phase"]),
        deadline=Seconds(int(state["deadline"])),
        executor=Address(state["executor"]),
        challenger=Address(state["challenger"]),
        bond=Units(int(state["bond"])),
        receipt=Digest(state["receipt"]),
        order=Digest(state["order"]),
        value=int(state["value"]),
        claimed=Digest(state["claim"]),
        block=event.block,
        **shown,
    )


def _cut(event: Event, before: Dispute) -> Dispute:
    args, line = event.args, before.line
    if line is None:
        raise _no_claim(before)
    roots = tuple(Digest(root) for root in (args["low"], *args["roots"]))
    claimed = before.claimed if before.stretch is None else before.stretch.line
    bits = (len(roots) - 1).bit_length() - 1
    stretch = LineStretch(claimed, line.levels, int(args["level"]), int(args["node"]), bits)
    changed = {
        "phase": DisputePhase(args["phase"]), "deadline": Seconds(int(args["deadline"])), "block": event.block,
        "stretch": stretch, "roots": roots, "claimed": list_claim(stretch, roots),
    }  # fmt: skip
    return Dispute(**{**vars(before), **changed})


T = TypeVar("T", RowsClaim, SumClaim, LookupClaim)


def as_claim(said: Mapping[str, Any], kind: type[T] = RowsClaim) -> T:  # type: ignore[assignment]
    """From the contract's struct, whose fields have the entity's names in another spelling."""
    plain = {re.sub("([A-Z])", r"_\1", name).lower(): value for name, value in said.items()}
    fields: dict[str, Any] = {
        name: Digest(value) if isinstance(value, str) else int(value) for name, value in plain.items()
    }
    return kind(**fields)


def _claim_of(dispute: Dispute) -> RowsClaim:
    if dispute.claim is None:
        raise _no_claim(dispute)
    return dispute.claim


def _line_of(dispute: Dispute) -> LookupClaim:
    if dispute.line is None:
        raise _no_claim(dispute)
    return dispute.line


def _no_claim(dispute: Dispute) -> VerificationFailed:
    return VerificationFailed(f"In dispute {dispute.id} nothing such was claimed.", "Read it again.")


def _state(dispute: Dispute) -> tuple[Any, ...]:
    return (
        dispute.job, dispute.index, int(dispute.phase), dispute.deadline, dispute.executor, dispute.challenger,
        dispute.bond, dispute.receipt, dispute.order, dispute.value, dispute.claimed,
    )  # fmt: skip


def _position(dispute: Dispute) -> tuple[Any, ...]:
    return (
        dispute.job, matter(dispute), dispute.executor, dispute.challenger, int(dispute.phase), dispute.deadline,
    )  # fmt: skip


def as_struct(value: Any) -> Any:
    """An entity as the contract's struct: its fields, in order."""
    if isinstance(value, (RowsClaim, SumClaim, LookupClaim, LineStretch, Evidence, ProvenLeaf)):
        return tuple(as_struct(field) for field in vars(value).values())
    return [as_struct(each) for each in value] if isinstance(value, tuple) else value


def _receipt(receipt: Receipt) -> tuple[Any, ...]:
    return (
        receipt.manifest, receipt.data_root, receipt.circuit, receipt.profile, receipt.first_row, receipt.rows,
        receipt.output, receipt.output_root,
    )  # fmt: skip
