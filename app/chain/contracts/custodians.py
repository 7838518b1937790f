"""The custodian's part in jobs: its bond, its answers, and the chain that these form on each dataset.

Each answer (a release or a refusal) names the head that it goes on from, so that a second ledger, or one restored from
an old copy, cannot answer: the contract refuses any head but the present one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.chain.contracts.client import Sent
from app.chain.contracts.datasets import Datasets
from app.chain.contracts.entities import as_answered, reason_to_word
from app.chain.contracts.token import PaymentToken
from app.chain.events import Event
from app.chain.wallet.account import Account
from app.protocol.errors import AlreadyReleased, NotFound, Reverted, VerificationFailed
from app.protocol.ids import Digest, Units
from app.protocol.market.entities import ZERO, Answered, Custody, JobState

JOBS = "JobMarket"


class Custodians(Datasets, PaymentToken):
    """Custodians' actions and reads. Bonds are token units, heads 64 hex digits."""

    def bond_custodian(self, account: Account, dataset: int, amount: int) -> Sent[int]:
        """Add to what answers for the silence of a dataset's custodian; anyone may. The value is the whole bond.

        When no allowance covers it, an approval of exactly that amount goes first. Errors: Reverted.
        """
        if amount > self.allowance(account.address, JOBS):
            self.approve(account, JOBS, amount)
        sent = self.client.send(account, JOBS, "bondCustodian", dataset, amount)
        return sent.with_value(self.custody(dataset).bond)

    def unbond_custodian(self, account: Account, dataset: int, amount: int) -> Sent[int]:
        """Take back a part of the bond that no open job holds (the custodian or the owner); the value is what stays.

        It becomes a claim of the account, to be withdrawn. Errors: Reverted, as CustodianNotBonded.
        """
        sent = self.client.send(account, JOBS, "unbondCustodian", dataset, amount)
        return sent.with_value(self.custody(dataset).bond)

    def custody(self, dataset: int) -> Custody:
        """A dataset's custodian bond, and the part that open jobs hold."""
        bond, held = self.client.read(JOBS, "custodyOf", dataset)
        return Custody(Units(bond), Units(held))

    def release(
        self, account: Account, job: int, *, sealed: Digest, decision: Digest, head: Digest | None = None
    ) -> Sent[None]:
        """Publish the sealed result's digest, which also settles the job.

        `head` is what the decision goes on from, by default the present head. Errors: AlreadyReleased; Reverted, as
        StaleHead where another answer came first.
        """
        return self._answer(account, job, "release", sealed, decision, head)

    def refuse(
        self, account: Account, job: int, *, reason: str, decision: Digest, head: Digest | None = None
    ) -> Sent[None]:
        """Refuse a release for a reason (a code of at most 32 letters). Errors: as `release`; BadInput."""
        return self._answer(account, job, "refuse", reason_to_word(reason), decision, head)

    def contest(self, account: Account, job: int) -> Sent[JobState]:
        """Have others compute a job again whose agreed result the custodian found wrong, once and in time.

        The custodian's bond pays them when the old result stands, and liars' stakes when it falls. The value is the
        job's state afterwards, DISPUTED. Errors: Reverted, as AlreadyContested or CustodianNotBonded.
        """
        return self.client.send(account, JOBS, "contest", job).with_value(JobState.DISPUTED)

    def decision_head(self, dataset: int) -> Digest:
        """The head of a dataset's answers, 64 zeros before the first."""
        return Digest(self.client.read(JOBS, "decisionHead", dataset))

    def decisions(self, dataset: int, *, after: Digest = ZERO, first: int | None = None) -> list[Answered]:
        """The answers on a dataset that follow the head `after`, in the chain's order; all of them by default.

        `first` is a block to read from, in which `after` was given or before: it spares reading all of the chain.
        The answers are checked against the contract's present head, so that a node can leave none out.
        Errors: VerificationFailed, also where `after` is no head of this dataset (the chain was reorganised, or it is
        another market's).
        """
        head = self.decision_head(dataset)  # before the events: what is answered meanwhile is the next call's
        if head == after:
            return []
        events = self._answers(dataset, first)
        if first is None:
            every = list(as_answered(events, ZERO))
            heads = [ZERO, *(each.head for each in every)]
            if head in heads and after in heads[: heads.index(head)]:
                return every[heads.index(after) : heads.index(head)]
        else:
            begun = sum(event.block <= first for event in events)
            for start in range(begun + 1):  # `after` was given somewhere in the block `first`
                found = list(as_answered(events[start:], after))
                heads = [each.head for each in found]
                if head in heads:
                    return found[: heads.index(head) + 1]
        raise VerificationFailed(
            f"The node's answers on dataset {dataset} do not lead from the known ones to the contract's present head.",
            "Use a node with full history; after a reorganisation, read the answers from the first block again.",
        )

    def longest_life(self) -> int:
        """Most seconds from a job's opening to its end, whoever stays silent."""
        return int(self.client.read(JOBS, "longestLife"))

    def _answers(self, dataset: int, first: int | None) -> Sequence[Event]:
        """The events of a dataset's releases and refusals from a block on, in order; of all blocks by default.

        Of a few the jobs are looked up. Of all, they are told by the openings: few questions, and all of history.
        """
        begun, last = self.first_block if first is None else first, self.client.node.head().number
        found = [each for name in ("JobReleased", "JobRefused") for each in self.client.find(JOBS, name, begun, last)]
        if first is None:
            opened = self.client.find(JOBS, "JobOpened", begun, last, None, dataset)
            jobs = {event.args["job"] for event in opened}
        else:
            stored = self._stored_each(sorted({each.args["job"] for each in found}))
            jobs = {job for job, each in stored.items() if each["dataset"] == dataset}
        return sorted((each for each in found if each.args["job"] in jobs), key=lambda each: (each.block, each.index))

    def _answer(
        self, account: Account, job: int, function: str, word: str, decision: str, head: str | None
    ) -> Sent[None]:
        try:
            known = self.decision_head(self._stored(job)["dataset"]) if head is None else head
            return self.client.send(account, JOBS, function, job, word, decision, known)
        except Reverted as error:
            if error.reason == "WrongState" and self._stored(job)["state"] in (JobState.RELEASED, JobState.SETTLED):
                raise AlreadyReleased(f"Job {job} was released before.", "Serve the same result again.") from None
            raise

    def _stored_each(self, ids: Sequence[int]) -> dict[int, Mapping[str, Any]]:
        """The structs of jobs, in few questions; without those that nobody opened, or that a reorganisation took."""
        stored = self.client.read_many([(JOBS, "get", (job,)) for job in ids]) if ids else []
        return {job: each for job, each in zip(ids, stored, strict=True) if not isinstance(each, Reverted)}

    def _stored(self, id: int) -> Mapping[str, Any]:
        """A job's struct. Errors: NotFound."""
        try:
            stored: Mapping[str, Any] = self.client.read(JOBS, "get", id)
        except Reverted as error:
            if error.reason != "NoSuchJob":
                raise
            stored = {}
        if not stored or stored["state"] == JobState.NONE:
            raise NotFound(f"There is no job {id}.", "List yours: darkroom job list.")
        return stored
