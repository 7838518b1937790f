"""Disputes about a job's receipts: their moves, and what the chain says of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.chain.contracts.client import Sent
from app.chain.contracts.custodians import JOBS
from app.chain.contracts.jobs import Jobs
from app.chain.events import Event
from app.chain.wallet.account import Account
from app.protocol.errors import NotFound, VerificationFailed
from app.protocol.ids import Address, Digest, Seconds, Units
from app.protocol.market.disputes import Claim, Dispute, DisputePhase, Evidence, ProvenLeaf, Verdict, packed, unpacked
from app.protocol.market.entities import ZERO
from app.protocol.market.receipt import Receipt

DISPUTES = "Disputes"
OPENED, SHOWN, ENDED = "DisputeOpened", "DisputeShown", "DisputeEnded"
MOST = (1 << 256) - 1
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
        said = (
            receipt.manifest, receipt.data_root, receipt.circuit, receipt.profile, receipt.first_row, receipt.rows,
            receipt.output, receipt.output_root,
        )  # fmt: skip
        moved = (dispute.id, _state(dispute), program, said, _leaf(word), packed(totals))
        return self._moved(self.client.send(account, DISPUTES, "answer", *moved), dispute)

    def narrow_dispute(self, account: Account, dispute: Dispute, stretch: int) -> Sent[Dispute]:
        """The challenger names a stretch between neighbours of `claim.cuts`. Errors: Reverted."""
        claim = _claim_of(dispute)
        moved = (dispute.id, _state(dispute), _claim(claim), packed(dispute.totals), stretch)
        return self._moved(self.client.send(account, DISPUTES, "narrow", *moved), dispute)

    def show_dispute(self, account: Account, dispute: Dispute, totals: Sequence[int]) -> Sent[Dispute]:
        """The executor shows totals: of several rows, those at the inner `claim.cuts`; of one, those before and after
        each of its terms, whose last one is `claim.sum`. Errors: Reverted.
        """
        claim = _claim_of(dispute)
        moved = (dispute.id, _state(dispute), _claim(claim), packed(totals))
        return self._moved(self.client.send(account, DISPUTES, "show", *moved), dispute)

    def judge_dispute(
        self, account: Account, dispute: Dispute, program: ProgramHeader, term: int, evidence: Evidence
    ) -> Sent[Dispute]:
        """The challenger shows that total number `term` is false, or that there are too many or too few.

        Errors: Reverted, as WrongProof.
        """
        claim = _claim_of(dispute)
        shown = (
            _leaf(evidence.output), _leaf(evidence.term), _leaf(evidence.input), _leaf(evidence.shard),
            evidence.shard_number, evidence.file_root, list(evidence.file_path), _leaf(evidence.word),
        )  # fmt: skip
        moved = (dispute.id, _state(dispute), _claim(claim), program, packed(dispute.totals), term, shown)
        return self._moved(self.client.send(account, DISPUTES, "judge", *moved), dispute)

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
        found = [
            event
            for name in (OPENED, SHOWN, ENDED)
            for event in self.client.find(DISPUTES, name, first, last, dispute, job)
        ]
        return sorted(found, key=lambda event: (event.block, event.index))

    def _moved(self, sent: Sent[None], before: Dispute | None = None) -> Sent[Dispute]:
        for event in sent.events:
            if event.name in (OPENED, SHOWN, ENDED):
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
    state = args["state"]
    claim = None if event.name == OPENED else as_claim(args["claim"])
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
        claim=claim,
        totals=() if claim is None else unpacked(args["totals"]),
        block=event.block,
    )


def as_claim(said: Mapping[str, Any]) -> Claim:
    """From the contract's struct."""
    return Claim(
        program=Digest(said["program"]),
        data_root=Digest(said["dataRoot"]),
        output=int(said["output"]),
        low=int(said["low"]),
        high=int(said["high"]),
        at_low=int(said["atLow"]),
        at_high=int(said["atHigh"]),
        shown=Digest(said["shown"]),
    )


def _claim_of(dispute: Dispute) -> Claim:
    if dispute.claim is None:
        raise VerificationFailed(f"In dispute {dispute.id} nothing was claimed yet.", "Wait for the executor's answer.")
    return dispute.claim


def _state(dispute: Dispute) -> tuple[Any, ...]:
    return (
        dispute.job, dispute.index, int(dispute.phase), dispute.deadline, dispute.executor, dispute.challenger,
        dispute.bond, dispute.receipt, dispute.order, dispute.value, dispute.claimed,
    )  # fmt: skip


def _claim(claim: Claim) -> tuple[Any, ...]:
    return (
        claim.program, claim.data_root, claim.output, claim.low, claim.high, claim.at_low, claim.at_high, claim.shown,
    )  # fmt: skip


def _leaf(leaf: ProvenLeaf) -> tuple[Any, ...]:
    return leaf.data, list(leaf.path)
