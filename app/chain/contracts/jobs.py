"""Jobs: opening, the draw, commit and reveal, the owner's word, and the end of deadlines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from app.chain.contracts.abi import WORD_BYTES
from app.chain.contracts.client import ContractClient, Sent
from app.chain.contracts.custodians import JOBS, Custodians
from app.chain.contracts.entities import as_job, commitment, content_of
from app.chain.contracts.licensing import Licensing
from app.chain.contracts.openings import JobOpening, JobOpenings
from app.chain.contracts.providers import Providers
from app.chain.wallet.account import Account
from app.protocol.errors import DarkroomError, Reverted, Unavailable
from app.protocol.ids import Address, Digest
from app.protocol.market.entities import ZERO, Approval, Job, JobState, check_use
from app.protocol.market.fees import fee_bid

DRAW_TRIES = 4  # blocks that may be armed anew before the chain is said to be too fast
OPENINGS_WITH_PROGRAM = {"open": "openWithProgram", "openWithPermit": "openWithProgramAndPermit"}
MOST_DRAWS = 64  # calls that go on with one draw: 2,048 seats


class Jobs(Custodians, Licensing, Providers):
    """Job actions and reads."""

    def __init__(self, client: ContractClient) -> None:
        self.client = client
        self._openings = JobOpenings(client)

    def open_job(
        self,
        account: Account,
        license: int,
        *,
        circuit: str,
        first_row: int,
        rows: int,
        sealing_key: str,
        units: int,
        replicas: int,
        max_fee: int,
        version: int | None = None,
        content: str | None = None,
        program: str = "",
        purpose: str = "",
        again: bool = False,
    ) -> Sent[int]:
        """Open and fund a job in one transaction, by permit; the value is its id.

        `units` is the circuit's static cost on these rows; `max_fee` bounds what all executors together cost.
        `version` and `content` (app.chain.contracts.entities.content_of) say for which version of the dataset the job
        was quoted; by default for the present one. `program` is the digest (fhe.engine.trace.program) by which
        receipts of the job can be disputed, "" for none. With a `purpose` under which this machine opened a job before,
        and not `again`, that one is the answer and nothing is paid. Errors: those of `check_use`, NotFound; Reverted,
        as OrderOutdated where the dataset has moved on and CustodianNotBonded where its custodian's bond cannot answer
        for one more job; those of `ContractClient.send`.
        """
        if not again and (earlier := self.ordered_job(account, purpose)):
            return earlier
        order, cost = self.ordering(
            account.address,
            license,
            circuit=circuit,
            first_row=first_row,
            rows=rows,
            sealing_key=sealing_key,
            units=units,
            replicas=replicas,
            max_fee=max_fee,
            version=version,
            content=content,
        )
        permit = tuple[Any, ...]()
        if cost <= self.allowance(account.address, JOBS):
            function = "open"
        else:
            function, permit = "openWithPermit", self.permit(account, JOBS, cost)
        said: tuple[Any, ...] = (order, *permit)
        if program:
            function, said = OPENINGS_WITH_PROGRAM[function], (order, program, *permit)
        return opened(self.client.send(account, JOBS, function, *said, purpose=purpose, again=again))

    def ordering(
        self,
        buyer: str,
        license: int,
        *,
        circuit: str,
        first_row: int,
        rows: int,
        sealing_key: str,
        units: int,
        replicas: int,
        max_fee: int,
        version: int | None = None,
        content: str | None = None,
    ) -> tuple[tuple[Any, ...], int]:
        """The contract's Order struct for `open_job`, checked against the buyer's license, and what opening it takes.

        Errors: those of `check_use`, NotFound.
        """
        bought = self.license(license)
        dataset, terms = self.dataset(bought.dataset), self.offer(bought.offer)
        check_use(bought, dataset, buyer, first_row, rows, self.client.node.now())
        quoted = (version or dataset.version, content or content_of(dataset))
        order = (license, circuit, first_row, rows, sealing_key, units, replicas, max_fee, *quoted)
        return order, terms.price_job + terms.price_row * rows + max_fee

    def ordered_job(self, account: Account, purpose: str) -> Sent[int] | None:
        """The job that this machine opened for a purpose, waited for; None where it did not. Errors: as `send`."""
        sent = self.client.ordered(account, purpose)
        return None if sent is None else opened(sent)

    def draw(self, account: Account, job: int, *, patience: float = 60.0) -> Sent[tuple[Address, ...]]:
        """Draw executors once the block with their randomness is there, which is waited for so many seconds; the value
        is their addresses. Anyone may.

        A draw that comes after the chain forgot that block's hash arms another block; then this draws again. In a table
        of more seats than one call looks at, it goes on until all are found: the last transaction is returned.
        Errors: Reverted, as NotEnoughProviders; Unavailable.
        """
        late, first = 0, self._answered(job)
        for _ in range(MOST_DRAWS):
            self.client.node.wait_block(self._stored(job)["seedBlock"], patience)
            sent = self.client.send(account, JOBS, "draw", job)
            names = {event.name for event in sent.events}
            if "JobAssigned" in names:
                parts = self.client.read(JOBS, "executionsOf", job)
                return sent.with_value(tuple(each["provider"] for each in parts[first:]))
            late += "DrawContinued" not in names
            if late == DRAW_TRIES:
                raise Unavailable(f"The draw of job {job} came too late {DRAW_TRIES} times.", "Try again.")
        raise Unavailable(f"{MOST_DRAWS} calls did not find the executors of job {job}.", "Draw again: it goes on.")

    def _answered(self, job: int) -> int:
        """How many executors earlier rounds drew: each of them has committed, or is out."""
        parts = self.client.read(JOBS, "executionsOf", job)
        said = (each["out"] or {each["commitment"], each["receipt"]} != {ZERO} for each in parts)
        return max((place for place, each in enumerate(said, 1) if each), default=0)

    def job_program(self, job: int) -> Digest:
        """The digest by which a job's receipts can be disputed; "" for a job that states none.

        Errors: Unavailable where the node has no event that the contract's word binds.
        """
        jobs = self.client.contracts[JOBS].interface
        if not jobs.takes("orderDigest", 1) or self.client.read(JOBS, "orderDigest", job) == ZERO:
            return Digest("")
        block = self._stored(job)["openedBlock"]
        stated = self.client.find(JOBS, "ProgramStated", block, block, job)
        if not stated:
            raise Unavailable(f"The node has no event of job {job}'s program.", "Use a node with full history.")
        return Digest(stated[-1].args["program"])

    def commit(self, account: Account, job: int, receipt: Digest, salt: str) -> Sent[Digest]:
        """Commit to a receipt digest under a salt of 32 random bytes; the value is the commitment."""
        word = self.commitment(job, account.address, receipt, salt)
        return self.client.send(account, JOBS, "commit", job, word).with_value(word)

    def decline(self, account: Account, job: int) -> Sent[JobState]:
        """Step back from a job before committing, keeping the stake; the value is the job's state afterwards."""
        sent = self.client.send(account, JOBS, "decline", job)
        return sent.with_value(JobState(self._stored(job)["state"]))

    def reveal(self, account: Account, job: int, receipt: str, salt: str) -> Sent[JobState]:
        """Reveal the receipt digest; the value is the job's state afterwards."""
        sent = self.client.send(account, JOBS, "reveal", job, receipt, salt)
        names = {event.name for event in sent.events}
        outcomes = {"JobComputed": JobState.COMPUTED, "JobDisputed": JobState.DISPUTED, "JobFailed": JobState.FAILED}
        return sent.with_value(next((s for name, s in outcomes.items() if name in names), JobState.ASSIGNED))

    def approve_job(self, account: Account, job: int) -> Sent[Approval]:
        """The owner's yes to a job's release, once and for good. Errors: Reverted."""
        return self.client.send(account, JOBS, "approve", job).with_value(Approval.APPROVED)

    def deny_job(self, account: Account, job: int) -> Sent[Approval]:
        """The owner's no: the contract takes no release of this job any more. Errors: Reverted."""
        return self.client.send(account, JOBS, "deny", job).with_value(Approval.DENIED)

    def expire(self, account: Account, job: int) -> Sent[JobState]:
        """Move on a job whose deadline has passed; the value is its state afterwards. Anyone may."""
        sent = self.client.send(account, JOBS, "expire", job)
        return sent.with_value(JobState(self._stored(job)["state"]))

    def pause(self, account: Account, duration: int) -> Sent[int]:
        """Refuse new jobs for some seconds (the guardian, within its bounds); the value is the time until which."""
        sent = self.client.send(account, JOBS, "pause", duration)
        return sent.with_value(int(sent.event("Paused").args["until"]))

    def unpause(self, account: Account) -> Sent[None]:
        """End a pause early (the guardian)."""
        return self.client.send(account, JOBS, "unpause")

    def commitment(self, job: int, provider: Address, receipt: Digest, salt: str) -> Digest:
        """What `provider` commits to; see `entities.commitment`."""
        return commitment(self.client.node.chain_id, Address(self.client.address(JOBS)), job, provider, receipt, salt)

    def reveal_call(self, job: int, receipt: Digest) -> bytes:
        """How the call of a reveal begins: the salt's 32 bytes follow."""
        reveal = self.client.contracts[JOBS].interface.encode_call("reveal", (job, receipt, ZERO))
        return reveal[:-WORD_BYTES]

    def job(self, id: int) -> Job:
        """A job with everything that its structs and events say. Errors: NotFound, Unavailable."""
        stored, executions = self._stored(id), self.client.read(JOBS, "executionsOf", id)
        return self._job(id, stored, executions, self._openings.of({id: stored["openedBlock"]}).get(id))

    def live(self, ids: Sequence[int], troubled: Callable[[int, DarkroomError], None] | None = None) -> list[Job]:
        """The jobs with these numbers that are not over, in few questions to the node, however many there are.

        One that a reorganisation took meanwhile is left out. `troubled` is told of one that cannot be read, which ends
        nothing then. Errors: Unavailable.
        """
        asked = [(JOBS, function, (number,)) for number in ids for function in ("get", "executionsOf")]
        values = self.client.read_many(asked) if ids else []
        read = {
            number: (stored, executions)
            for number, stored, executions in zip(ids, values[::2], values[1::2], strict=True)
            if not isinstance(stored, Reverted) and not isinstance(executions, Reverted)
            if stored["state"] != JobState.NONE and not JobState(stored["state"]).terminal
        }
        openings = self._openings.of({number: stored["openedBlock"] for number, (stored, _) in read.items()})
        found = []
        for number, (stored, executions) in read.items():
            try:
                found.append(self._job(number, stored, executions, openings.get(number)))
            except DarkroomError as error:
                if troubled is None:
                    raise
                troubled(number, error)
        return found

    def ends(self, ids: Sequence[int]) -> dict[int, int]:
        """The blocks in which jobs came to their end; without those that did not, or that nobody opened.

        Errors: Unavailable.
        """
        return {
            job: each["closedBlock"]
            for job, each in self._stored_each(ids).items()
            if each["closedBlock"] and JobState(each["state"]).terminal
        }

    def _job(
        self, id: int, stored: Mapping[str, Any], executions: Sequence[Mapping[str, Any]], opened: JobOpening | None
    ) -> Job:
        if opened is None:  # it was reorganised between two questions, or the node has pruned it
            raise Unavailable(
                f"The node has no event of job {id}'s opening.", "Try again, or use a node with full history."
            )
        closed: dict[str, Mapping[str, Any]] = {}
        if block := stored["closedBlock"]:
            for name in ("JobReleased", "JobRefused"):
                closed.update({event.name: event.args for event in self.client.find(JOBS, name, block, block, id)})
        return as_job(id, stored, executions, opened, closed)

    def jobs(
        self,
        *,
        dataset: int | None = None,
        buyer: str | None = None,
        states: Collection[JobState] | None = None,
        first: int = 1,
    ) -> Iterator[Job]:
        """Jobs from id `first` on, or those of a dataset, of a buyer, in some states; by id."""
        for number in range(max(first, 1), self.job_count() + 1):
            stored = self._stored(number)
            if dataset not in (None, stored["dataset"]) or buyer not in (None, stored["buyer"]):
                continue
            if states is None or stored["state"] in states:
                yield self.job(number)

    def quote_fee(self, license: int, units: int, replicas: int, buyer: str) -> int:
        """A `max_fee` for which there should be executors, by `fees.fee_bid`: token units for all of them together.

        Errors: NotFound; Unavailable when too few providers can be drawn for a usual fee.
        """
        draw = self.draw_for(self.dataset(self.license(license).dataset), buyer)
        return fee_bid(self.providers(), draw, units=units, replicas=replicas)

    def job_count(self) -> int:
        """Jobs ever opened; ids run from 1 to this."""
        return int(self.client.read(JOBS, "jobCount"))

    def commit_window(self) -> int:
        """Seconds in which a drawn executor commits."""
        return int(self.client.read(JOBS, "commitWindow"))

    def paused_until(self) -> int:
        """The time until which no new job can be opened; past or 0 when there is no pause."""
        return int(self.client.read(JOBS, "pausedUntil"))


def opened(sent: Sent[None]) -> Sent[int]:
    """The number of the job that a transaction opened."""
    return sent.with_value(int(sent.event("JobOpened").args["job"]))
