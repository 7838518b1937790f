"""The rules of release: which jobs a custodian decrypts, and what leaves. Values in, values out, no IO.

Facts (`check_case`), all taken from a finalized block and from objects named by it:
 1. The license is of the job's buyer, dataset and policy; the policy is the one whose digest the license carries.
 2. Circuit and dataset have one profile and codebook; the rows are in the dataset.
 3. The sealing key can be sealed to.
 4. The dataset's key epoch is held, was not closed, and has served fewer jobs than its limit.

Verification (`check_execution`), before anything is decrypted, whatever the job's size:
 5. The output that is decrypted is the custodian's own re-execution, and its receipt is the agreed one. With `window`
    it may be the agreed one itself (`check_agreed`) once anybody could have shown a contract for `challenge_hours`
    that it is wrong: never where the job has no program, nor where its bytes cannot be had.
 6. `both`, and what is not re-executed: also at least `quorum` drawn executors, no two alike, none slashed and none of
    them the buyer, the owner or the custodian, revealed the agreed receipt; it says exactly this job, manifest, circuit
    and rows.

Policy (`check_policy`), the same for all buyers together, on public facts alone:
 7. The policy is coherent; the circuit's class is allowed; rows and bootstraps of a job are at most the policy's.
 8. Bits, the budget: on every row what the job says of a person, with what was said before to the same license, is at
    most `micro_bits_per_license` and what the license reserved on the chain, and with what was said before to anyone
    at most the person's limit (`app.protocol.policy.bits`). Rows of other versions are not matched with these: what
    they gave away counts on every row, except what the table's `carried` states row by row.
 9. An aggregate is a sum over rows that the circuit itself takes, so that nobody decrypts a row, and no other policy
    releases such a circuit. It has noise and covers at least `min_group` rows, in blocks of at least so many, and so
    does every stretch of rows that the aggregates released so far, and this one, can be subtracted down to. These are
    rules on the job's rows, which are public, never on how many of them meet a condition: that is private.
Further limits on how the bits may be spent, within a version:
10. Concentration: no combination of what is released on a row, this job included, has more than `max_concentration`
    of its variance in one column: exactly for linear forms, on a public sample where outputs with lookups take part.
11. Singling out: unless noise protects a sum, under the public distribution of codes, at least `min_group` rows of the
    dataset do not get the commonest answer of a circuit with lookups.
12. Rank: on every row, the exact rank of all linear forms released, plus the distinct outputs with lookups, stays
    within `max_rank` (0: half of the columns); a job that adds nothing to what its rows gave away is allowed.
    Rules 10 and 12 take rows in blocks (`app.protocol.policy.groups`) and bound their own work: a job that would need
    more exact arithmetic than a few groups is refused.

An equal query is answered from the ledger: the same values, no new noise, no new bits, no new rank.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from app.protocol.data.dataset import EncryptedTable
from app.protocol.documents import canonical, sha256
from app.protocol.ids import Digest
from app.protocol.market.entities import ZERO, DatasetRecord, Job, License
from app.protocol.market.mandate import MandateState
from app.protocol.market.receipt import RAW_WORDS, OutputPolicy, Receipt
from app.protocol.policy.bits import MAX_MICRO_BITS, charge, person_limit, release_kind
from app.protocol.policy.groups import Group, groups
from app.protocol.policy.leakage import Leakage, Released
from app.protocol.policy.linear_forms import Space, basis
from app.protocol.policy.reasons import Reason

MAX_EXACT_RANKS = 8  # groups of one decision whose rank is worked out exactly; it is bounded by a count before
MAX_RANK = 32  # linear forms per row range whose exact arithmetic stays within seconds
MAX_MICRO_EPSILON = 1 << 30  # about a thousand: above any meaning, far below any overflow
MAX_LEVELS = 1 << 16
MAX_BOOTSTRAPS = 1 << 32
MAX_CHALLENGE_HOURS = 24 * 14
MAX_KEY_BYTES = 128  # of a row key
MAX_RESULT_BYTES = 255 << 20  # of the values and row keys that one seal holds (`app.seal.hpke`), its header besides


@dataclass(frozen=True)
class ReleaseCase:
    """What chain and store say of a job. `dataset` is the version that the job was opened on."""

    chain_id: int
    market: str
    job: Job
    license: License
    dataset: DatasetRecord
    table: EncryptedTable
    policy: OutputPolicy
    leak: Leakage
    usable_key: bool  # whether the sealing key can be sealed to
    epochs: frozenset[int]  # key epochs that the custodian holds
    decryptions: int  # jobs decrypted in the table's epoch so far
    max_decryptions: int
    bootstraps: int = 0  # that re-execution of the job takes
    mandate: MandateState | None = None  # under which an agent ordered it
    program: Digest = ZERO  # what an order of this circuit states, where a contract can judge it


def check_case(case: ReleaseCase) -> Reason | None:
    """Rules 1 to 4; None when all hold. An order that states a program states the circuit's."""
    job, held, dataset, table, leak = case.job, case.license, case.dataset, case.table, case.leak
    if (held.id, held.buyer, held.dataset) != (job.license, job.buyer, job.dataset):
        return Reason.WRONG_LICENSE
    said = (table.data_root, table.profile, table.rows, table.epoch)
    if dataset.id != job.dataset or said != (dataset.data_root, dataset.profile, dataset.rows, dataset.epoch):
        return Reason.WRONG_DATASET
    if case.policy.digest != held.policy:
        return Reason.WRONG_POLICY
    if (leak.circuit, leak.profile, leak.codebook) != (job.circuit, table.profile, table.codebook.digest):
        return Reason.WRONG_CIRCUIT
    if job.program not in (ZERO, case.program):
        return Reason.WRONG_PROGRAM
    if job.first_row < 0 or job.rows < 1 or job.first_row + job.rows > dataset.rows:
        return Reason.ROWS_OUTSIDE
    if not case.usable_key:
        return Reason.WRONG_KEY
    if dataset.tombstoned or table.epoch not in case.epochs:
        return Reason.EPOCH_CLOSED
    if case.decryptions >= case.max_decryptions:
        return Reason.EPOCH_LIMIT
    return None


def check_execution(case: ReleaseCase, recomputed: str, receipt: Receipt | None) -> Reason | None:
    """Rules 5 and 6. `recomputed`: digest of the custodian's own receipt; `receipt`: the agreed one as the store has
    it, if the policy asks for a quorum too.
    """
    if case.job.receipt == ZERO:
        return Reason.WRONG_RECEIPT
    if recomputed != case.job.receipt:
        return Reason.OUTPUT_MISMATCH
    return check_agreed(case, receipt) if case.policy.verify == "both" else None


def check_agreed(case: ReleaseCase, receipt: Receipt | None) -> Reason | None:
    """Rule 6: whether enough independent executors revealed the agreed receipt, and it says this very job."""
    job, dataset = case.job, case.dataset
    if receipt is None or receipt.digest != job.receipt or not describes(receipt, case):
        return Reason.WRONG_RECEIPT
    parties = {job.buyer.lower(), dataset.owner.lower(), dataset.custodian.lower()}
    agreed = {e.provider.lower() for e in job.executions if e.receipt == job.receipt and not e.out}
    return None if len(agreed - parties) >= case.policy.quorum else Reason.NO_QUORUM


def describes(receipt: Receipt, case: ReleaseCase) -> bool:
    """Whether a receipt is one of this job on this version of its dataset."""
    job, dataset, linear = case.job, case.dataset, bool(case.leak.forms)
    said = (receipt.chain_id, receipt.market, receipt.job, receipt.manifest, receipt.data_root)
    known = (case.chain_id, case.market, job.id, dataset.manifest, dataset.data_root)
    work = (receipt.circuit, receipt.profile, receipt.first_row, receipt.rows, receipt.form == "bodies")
    return said == known and work == (job.circuit, dataset.profile, job.first_row, job.rows, linear)


@dataclass(frozen=True)
class Grant:
    """A release that the policy allows: the entry to reserve, and what it adds to the rows' budgets."""

    entry: Released
    rank: int  # linear forms and outputs with lookups that it gives of each row; 0 for an answer given again
    again: bool  # the same query was answered before


# Whether some combination of what one of these groups gives away has more than a share of its variance in one column:
# CONCENTRATION, or ENTANGLED where that cannot be said in bounded time.
Judge = Callable[[Sequence[Group], float], Reason | None]


def check_policy(case: ReleaseCase, space: Space, history: Sequence[Released], judge: Judge) -> Reason | Grant:
    """Rules 7 to 12. `history`: what was released, or is reserved, on this dataset for all other jobs of anyone."""
    policy, leak, job = case.policy, case.leak, case.job
    refused = check_shape(policy, leak, job.rows, case.dataset.rows, case.bootstraps)
    if refused:
        return refused
    entry = entry_of(policy, leak, case.table, job, query_digest(policy, job, case.dataset))
    if any(earlier.query == entry.query and earlier.answered for earlier in history):
        return Grant(replace(entry, micro_bits=0), rank=0, again=True)
    refused = check_bits(policy, case.table, entry, history, case.license.micro_bits)
    if refused:
        return refused
    refused = check_history(policy, entry, space, case.dataset.rows, history, judge)
    return refused or Grant(entry, rank=rank_of(entry), again=False)


def entry_of(policy: OutputPolicy, leakage: Leakage, table: EncryptedTable, job: Job, query: str = "") -> Released:
    """What a release of this circuit under this policy would give away."""
    kind = release_kind(policy, leakage)
    return Released(
        job=job.id,
        license=job.license,
        version=job.version,
        first=job.first_row,
        end=job.first_row + job.rows,
        kind=kind,
        forms=leakage.released_forms(kind),
        opaque=leakage.opaque(),
        micro_bits=charge(policy, leakage, table.rows_per_person),
        query=query,
    )


def check_bits(
    policy: OutputPolicy, table: EncryptedTable, entry: Released, history: Sequence[Released], guaranteed: int
) -> Reason | None:
    """Rule 8. `guaranteed`: the bits that the entry's license reserved on the chain."""
    anyone, license = most_spent(table, entry, history)
    if license + entry.micro_bits > license_limit(policy, guaranteed):
        return Reason.BITS_LICENSE
    if anyone + entry.micro_bits > person_limit(policy, table.codebook):
        return Reason.BITS_PERSON
    return None


def license_limit(policy: OutputPolicy, guaranteed: int) -> int:
    """Micro-bits about one person that a license may be told: what its policy says, and never more than it reserved,
    since the rest is what other licenses were promised.
    """
    return min(policy.micro_bits_per_license, guaranteed)


def most_spent(table: EncryptedTable, entry: Released, history: Sequence[Released]) -> tuple[int, int]:
    """(micro-bits given to anyone, to the entry's license) about a person of the entry's rows of whom most was given.

    The two need not be the same person.
    """
    mine = [earlier for earlier in history if earlier.license == entry.license]
    place = (entry.version, entry.first, entry.end)
    fresh = table.model_copy(update={"carried": (), "carried_jobs": 0})  # what a license was given is not in it
    return spent_on(table, history, *place), spent_on(fresh, mine, *place)


def spent_on(table: EncryptedTable, history: Sequence[Released], version: int, first: int, end: int) -> int:
    """Micro-bits given about a person of rows [first, end) of a version, of whom most was given.

    Rows of other versions are not matched with these: their entries count on every row, except jobs that the table's
    `carried` states row by row.
    """
    everywhere = 0
    charged = [(each.first_row, each.first_row + each.rows, each.micro_bits) for each in table.carried]
    for entry in history:
        if entry.version == version:
            charged.append((entry.first, entry.end, entry.micro_bits))
        elif entry.job > table.carried_jobs:
            everywhere += entry.micro_bits
    inside = ((max(low, first), min(high, end), bits) for low, high, bits in charged if low < end and first < high)
    return everywhere + _heaviest(inside)


def most_told(entries: Sequence[Released]) -> int:
    """The most micro-bits that these releases, of any versions, gave away about one person.

    Rows of different versions are not matched, so what other versions gave away counts on every row.
    """
    most = 0
    for version in {entry.version for entry in entries}:
        here = [(entry.first, entry.end, entry.micro_bits) for entry in entries if entry.version == version]
        rest = sum(entry.micro_bits for entry in entries if entry.version != version)
        most = max(most, rest + _heaviest(here))
    return most


def _heaviest(charged: Iterable[tuple[int, int, int]]) -> int:
    """The greatest sum of weights of stretches (first, end, weight) that share a row; 0 without any."""
    steps: dict[int, int] = {}
    for first, end, weight in charged:
        steps[first] = steps.get(first, 0) + weight
        steps[end] = steps.get(end, 0) - weight
    return max(itertools.accumulate(steps[place] for place in sorted(steps)), default=0)


def check_history(
    policy: OutputPolicy, entry: Released, space: Space, rows: int, history: Sequence[Released], judge: Judge
) -> Reason | None:
    """Rules 9, 10 and 12 on every row of a version of `rows` rows."""
    if entry.kind == "aggregate":
        return None if _apart(entry, history, policy.min_group) else Reason.RANGES_TOO_CLOSE
    own, told = groups(entry, history, rows)
    limit, exact = rank_limit(policy, space.columns), 0
    together = []
    for group in told:
        if own.numbers <= group.numbers:
            continue
        both = group | own
        if both.count > limit:
            exact += 1
            if exact > MAX_EXACT_RANKS:
                return Reason.ENTANGLED
            before = _rank(group)
            after = _rank(both) if before <= MAX_RANK else before + 1
            if after == before:
                continue
            if after > limit:
                return Reason.RANK_BUDGET
        together.append(both)
    return judge(together, policy.max_concentration) if together else None


def rank_of(entry: Released) -> int:
    """Linear forms and outputs with lookups that a release gives of each of its rows."""
    own, _ = groups(entry, (), entry.end)
    return _rank(own)


def _rank(group: Group) -> int:
    return len(basis(group.forms, most=2 * MAX_RANK)) + len(group.opaque)


def check_shape(policy: OutputPolicy, leakage: Leakage, rows: int, dataset_rows: int, bootstraps: int) -> Reason | None:
    """The rules that need no history: what `explain` can promise before a job is paid."""
    if policy_problems(policy):
        return Reason.POLICY_INVALID
    if leakage.family not in policy.circuits:
        return Reason.CIRCUIT_CLASS
    if rows > policy.max_rows_per_job:
        return Reason.ROWS_PER_JOB
    if bootstraps > policy.max_bootstraps:
        return Reason.TOO_MUCH_WORK
    if policy.release == "aggregate":
        if not leakage.block:
            return Reason.NOT_SUMMED
        if min(rows, leakage.block) < policy.min_group:
            return Reason.GROUP_TOO_SMALL
        return None
    if leakage.block:
        return Reason.SUMS_NOT_SOLD
    if rows * result_bytes(policy, leakage) > MAX_RESULT_BYTES:
        return Reason.ROWS_PER_JOB
    if any(share > policy.max_concentration for _, share in leakage.shares):
        return Reason.CONCENTRATION
    if not leakage.forms and leakage.rare * dataset_rows < policy.min_group:
        return Reason.SINGLES_OUT
    return None


def result_bytes(policy: OutputPolicy, leakage: Leakage) -> int:
    """What one row takes of a result before it is sealed, labels or scores."""
    values = 1 if release_kind(policy, leakage) == "label" else len(leakage.outputs)
    return 8 * values + policy.row_keys


def policy_problems(policy: OutputPolicy) -> list[str]:
    """What makes a policy meaningless or unsafe; empty for a usable one. Offers are checked by it too."""
    epsilon, bits = policy.epsilon_micro_per_job, policy.micro_bits_per_license
    rules = {
        "it allows no circuits": not policy.circuits,
        f"levels must be from 2 to {MAX_LEVELS}": not 2 <= policy.levels <= MAX_LEVELS,
        "raw_scores must be left out, or say the owner's sentence word for word": policy.raw_scores
        not in ("", RAW_WORDS),
        'raw_scores need release = "score"': bool(policy.raw_scores) and policy.release != "score",
        "min_group must be at least 2": policy.min_group < 2,
        "max_rows_per_job must be at least 1": policy.max_rows_per_job < 1,
        f"max_bootstraps must be from 0 to {MAX_BOOTSTRAPS}": not 0 <= policy.max_bootstraps <= MAX_BOOTSTRAPS,
        f"max_rank must be from 0 to {MAX_RANK}": not 0 <= policy.max_rank <= MAX_RANK,
        "max_concentration must be above 0 and at most 1": not 0 < policy.max_concentration <= 1,
        f"epsilon_micro_per_job must be from 0 to {MAX_MICRO_EPSILON}": not 0 <= epsilon <= MAX_MICRO_EPSILON,
        "an aggregate needs noise: epsilon_micro_per_job above 0": policy.release == "aggregate" and epsilon <= 0,
        f"micro_bits_per_license must be from 1 to {MAX_MICRO_BITS}": not 1 <= bits <= MAX_MICRO_BITS,
        "micro_bits_per_person must cover one license": policy.micro_bits_per_person != 0
        and not bits <= policy.micro_bits_per_person <= MAX_MICRO_BITS,
        "quorum must be at least 2": policy.verify != "self" and policy.quorum < 2,
        f"row_keys must be from 0 to {MAX_KEY_BYTES}": not 0 <= policy.row_keys <= MAX_KEY_BYTES,
        f"challenge_hours must be from 1 to {MAX_CHALLENGE_HOURS}": policy.verify == "window"
        and not 1 <= policy.challenge_hours <= MAX_CHALLENGE_HOURS,
        'challenge_hours go with verify = "window"': policy.verify != "window" and policy.challenge_hours != 0,
        "an aggregate names no row: row_keys go with label or score": policy.release == "aggregate"
        and policy.row_keys != 0,
    }
    return [problem for problem, present in rules.items() if present]


def rank_limit(policy: OutputPolicy, columns: int) -> int:
    """Dimensions that may be released of any row of a dataset with so many columns."""
    return min(policy.max_rank or max(1, columns // 2), MAX_RANK)


def query_digest(policy: OutputPolicy, job: Job, dataset: DatasetRecord) -> str:
    """Names everything that an answer depends on: circuit, rows, version of the dataset, and how it is coarsened.

    Row keys are no part of it: they are put beside an answer when it is sealed, and say nothing of a code.
    """
    coarse = [policy.release, policy.levels, policy.raw_scores, policy.epsilon_micro_per_job]
    return sha256(canonical([job.dataset, dataset.manifest, job.circuit, job.first_row, job.rows, *coarse]))


def _apart(entry: Released, history: Sequence[Released], least: int) -> bool:
    """Whether all stretches that aggregates of a version can be subtracted down to have at least `least` rows."""
    depth: dict[int, int] = {}
    for each in (entry, *history):
        if each.kind == "aggregate" and each.version == entry.version:
            depth[each.first] = depth.get(each.first, 0) + 1
            depth[each.end] = depth.get(each.end, 0) - 1
    covering = 0
    for low, high in itertools.pairwise(sorted(depth)):
        covering += depth[low]
        if covering and high - low < least:
            return False
    return True
