"""The market's entities as the chain records them: values only, no IO.

Amounts are integers in the payment token's smallest unit. Times are seconds since the epoch, by the chain's clock.
Digests are 32 bytes in lower-case hex. Addresses are EIP-55 text.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from app.protocol.errors import LicenseExhausted, LicenseExpired, LicenseRevoked, NotYourLicense, RowsOutsideDataset
from app.protocol.ids import Address, Digest, Seconds, TxHash, Units

NOTHING = Units(0)
NEVER = Seconds(0)
ZERO = Digest("0" * 64)


class JobState(IntEnum):
    """Where a job stands; the numbers are the contract's."""

    NONE = 0
    OPEN = 1  # funded; waiting for the draw
    ASSIGNED = 2  # executors drawn; they commit, then reveal
    DISPUTED = 3  # digests differ, or executors fell silent; more are drawn
    COMPUTED = 4  # enough equal digests; waiting for the custodian
    RELEASED = 5  # sealed result is out; waiting for settlement
    SETTLED = 6  # everyone's share can be withdrawn
    REFUSED = 7  # the custodian's policy said no, with a reason; the buyer's price is refunded
    EXPIRED = 8  # somebody missed a deadline; they pay
    FAILED = 9  # no majority of executors could be found; the buyer is refunded

    @property
    def terminal(self) -> bool:
        """Nothing can happen to the job any more."""
        return self in (JobState.SETTLED, JobState.REFUSED, JobState.EXPIRED, JobState.FAILED)


LIVE = frozenset(state for state in JobState if state is not JobState.NONE and not state.terminal)


class Approval(IntEnum):
    """What the dataset's owner said of a job, once and for good; the numbers are the contract's."""

    NONE = 0
    APPROVED = 1
    DENIED = 2  # the contract takes no release of it any more


APPROVAL_EVENTS = {
    Approval.APPROVED: "JobApproved",
    Approval.DENIED: "JobDenied",
}  # what the contract emits with each word


class LicenseState(StrEnum):
    """Computed from a license's facts and the clock, never stored."""

    ACTIVE = "active"
    PENDING = "pending"
    EXHAUSTED = "exhausted"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True)
class DatasetRecord:
    """A published dataset: an ERC-721 token and the digests it stands for."""

    id: int
    owner: Address
    custodian: Address  # the account that may release and refuse jobs on it
    manifest: Digest  # SHA-256 of the manifest document; its CID holds the same hash
    data_root: Digest
    profile: Digest
    rows: int
    version: int  # 1 at first; grows with each new manifest
    epoch: int  # of the dataset's keys
    tombstoned: bool


@dataclass(frozen=True)
class Offer:
    """Terms under which anyone may buy a license."""

    id: int
    dataset: int
    seller: Address
    price_license: Units
    price_job: Units
    price_row: Units
    max_jobs: int
    max_rows: int
    duration: Seconds  # seconds of validity from the purchase
    policy: Digest  # digest of the OutputPolicy
    active: bool
    micro_bits: int = 0  # about one person that each license is guaranteed (app.protocol.policy.bits)
    licenses_left: int = 0  # that can still be bought


@dataclass(frozen=True)
class License:
    """A buyer's right to run jobs on a dataset, under the offer it was bought from."""

    id: int
    offer: int
    dataset: int
    buyer: Address
    valid_from: Seconds
    valid_until: Seconds
    jobs_left: int
    rows_left: int
    policy: Digest
    revoked: bool
    micro_bits: int = 0  # about one person that it is guaranteed
    settled: bool = False  # it is over, and what it did not use was given back to the dataset

    def state(self, now: int) -> LicenseState:
        """The license's state at `now`; what forbids most comes first."""
        if self.revoked:
            return LicenseState.REVOKED
        if now < self.valid_from:
            return LicenseState.PENDING
        if now > self.valid_until:
            return LicenseState.EXPIRED
        if self.jobs_left == 0 or self.rows_left == 0:
            return LicenseState.EXHAUSTED
        return LicenseState.ACTIVE


@dataclass(frozen=True)
class BitBudget:
    """What a dataset's owner sells about one person, in micro-bits, as the chain counts it."""

    micro_bits: int  # in all
    reserved: int  # by offers and licenses that are not settled, and used by those that are


@dataclass(frozen=True)
class Custody:
    """What a dataset's custodian has put down against its own silence, in token units."""

    bond: Units
    held: Units  # by open jobs


PRICED_UNITS = 1_000_000  # what a provider's price is for: one unit, half a millisecond of a core, costs too little
RESULT_KEPT_DAYS = 30  # for which a custodian's store has a sealed result at least, after the job's end
CAPACITY_SHARE = 4  # a provider's capacity is what it computes in one part of so many of the commit window


@dataclass(frozen=True)
class ProviderRecord:
    """A bonded compute provider."""

    address: Address
    bond: Units
    price: Units  # for PRICED_UNITS units of static cost
    capacity: int  # units it takes at a time, over all its jobs; see CAPACITY_SHARE
    heartbeat: Seconds  # time of its last sign of life
    unbonding: Seconds  # time from which the bond can be taken back; 0 while it serves
    locked: Units = NOTHING  # the part of the bond that running jobs hold
    seat: int = 0  # its place in the draw, from 1; 0 when it has none
    in_use: int = 0  # units of the jobs that hold a stake of it
    fixed_fee: Units = NOTHING  # what any job costs on top: it covers the transactions that a job takes

    def fee(self, units: int) -> int:
        """What it asks for one execution of so many units, in token units, as ProviderRegistry's draw computes it."""
        return self.fixed_fee - (-self.price * units // PRICED_UNITS)


@dataclass(frozen=True)
class Execution:
    """One drawn executor's part in a job."""

    provider: Address
    commitment: Digest  # 64 zeros until it commits, and again once it has revealed
    receipt: Digest  # digest, 64 zeros until it reveals
    fee: Units = NOTHING  # what it earns if its digest wins
    out: bool = False  # it declined, or missed a deadline and was slashed


@dataclass(frozen=True)
class Job:
    """One run of one circuit on one row range, as the chain knows it."""

    id: int
    license: int
    dataset: int
    buyer: Address
    state: JobState
    circuit: Digest
    first_row: int
    rows: int
    sealing_key: str  # the buyer's X25519 public key, 32 bytes hex
    units: int  # static cost that the fee is counted in
    replicas: int  # executors that must agree
    executions: tuple[Execution, ...]
    receipt: Digest  # the agreed digest, 64 zeros before
    sealed: Digest  # digest of the sealed result, 64 zeros before release
    decision: Digest  # digest of the custodian's decision, 64 zeros before
    deadline: Seconds  # of the present state; 0 in terminal ones
    opened_block: int
    version: int = 1  # of the dataset when the job was opened
    price: Units = NOTHING  # what the owner earns when the job settles
    max_fee: Units = NOTHING  # escrowed for all executors together
    round: int = 0  # of the draw; grows with each dispute
    revealing: bool = False  # every drawn executor has committed, so receipts may be revealed
    seed_block: int = 0  # the block whose hash draws executors, while OPEN or DISPUTED
    closed_block: int = 0  # the block that ended the job; 0 before
    reason: str = ""  # the custodian's code for a refusal
    approval: Approval = Approval.NONE  # the owner's word
    contested_from: int = 0  # executors that had been drawn when the custodian contested their result; 0 if it did not
    program: Digest = ZERO  # that its order states: what a dispute reads of it (docs/trace.md); zeros without one

    @property
    def asked(self) -> tuple[int, int, Digest, int, int]:
        """What is to be computed: dataset, version, circuit, first row, rows. A reorganisation may give a job's number
        to another order, and what somebody has of the number is of this order only where all of these are equal.
        """
        return self.dataset, self.version, self.circuit, self.first_row, self.rows


@dataclass(frozen=True)
class Answered:
    """A custodian's answer to a job, in its place in the chain of answers on one dataset."""

    job: int
    decision: Digest  # digest
    sealed: Digest  # digest of the sealed result, 64 zeros for a refusal
    reason: str  # of a refusal, "" for a release
    head: Digest  # of the dataset's answers once this one was given
    block: int
    tx: TxHash


def check_use(license: License, dataset: DatasetRecord, buyer: str, first_row: int, rows: int, now: int) -> None:
    """Whether `buyer` may open a job on these rows now; the contract enforces the same and has the last word.

    Errors: NotYourLicense, LicenseRevoked, LicenseExpired, LicenseExhausted, RowsOutsideDataset.
    """
    check_holder(license, buyer)
    state = license.state(now)
    if state is LicenseState.REVOKED:
        raise LicenseRevoked(f"License {license.id} was revoked by the owner.", "Buy another: darkroom license buy.")
    if state in (LicenseState.EXPIRED, LicenseState.PENDING):
        raise LicenseExpired(f"License {license.id} is not valid now ({state}).", "Buy another: darkroom license buy.")
    if state is LicenseState.EXHAUSTED or rows > license.rows_left:
        raise LicenseExhausted(
            f"License {license.id} has {license.jobs_left} jobs and {license.rows_left} rows left; this job takes 1 and"
            f" {rows}.",
            "Ask for fewer rows or buy another license: darkroom license buy.",
        )
    check_rows(dataset, first_row, rows)


def check_holder(license: License, buyer: str) -> None:
    """Whether a license is this account's. Errors: NotYourLicense."""
    if license.buyer.lower() != buyer.lower():
        raise NotYourLicense(f"License {license.id} belongs to another account.", "Buy one: darkroom license buy.")


def check_rows(dataset: DatasetRecord, first_row: int, rows: int) -> None:
    """Whether a dataset has these rows. Errors: RowsOutsideDataset."""
    if first_row < 0 or rows < 1 or first_row + rows > dataset.rows:
        raise RowsOutsideDataset(
            f"Rows {first_row} to {first_row + rows - 1} are not all in dataset {dataset.id} of {dataset.rows} rows.",
            "Choose rows inside the dataset: darkroom dataset show.",
        )
