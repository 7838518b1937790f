"""What a custodian would say to a circuit, told before anyone pays. Pure: buyers, pages and `explain` use the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.policy.judge import Kept, judge_of, samples_of
from app.protocol.data.dataset import EncryptedTable
from app.protocol.errors import BadInput
from app.protocol.ids import Address, Digest, Seconds
from app.protocol.market.entities import ZERO, DatasetRecord, Job, JobState
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.bits import describe_bits, person_limit, release_kind
from app.protocol.policy.leakage import Leakage, Released
from app.protocol.policy.reasons import MESSAGES, Reason
from app.protocol.policy.rules import (
    check_bits,
    check_history,
    check_shape,
    entry_of,
    license_limit,
    most_spent,
    policy_problems,
    query_digest,
    rank_limit,
    rank_of,
)
from fhe.circuit.circuit import Circuit
from fhe.circuit.cost import cost
from fhe.compile.check import check
from fhe.leakage import leakage_of, space_of
from fhe.profile import EncryptionProfile

LABEL_ONLY = "The label is taken under encryption: whoever decrypts, the custodian too, sees it and nothing else."
LABEL_KEPT_BACK = "The custodian decrypts the scores that the label is read from, and lets the label out alone."


@dataclass(frozen=True)
class Explanation:
    """What a circuit reveals under a policy, and whether the policy allows it as far as that is known beforehand.

    Micro-bits are of one person: what a job costs, what the license and anyone were given already on the rows of whom
    most was given, and their limits. What is known of earlier releases is the `history` that was handed in.
    """

    allowed: bool
    reason: Reason | None
    leak: Leakage | None  # None for a circuit that the dataset cannot run at all
    released: str  # "label", "score" or "aggregate"; "" without a leak
    micro_bits: int
    spent_license: int
    spent_person: int
    limit_license: int
    limit_person: int
    rank: int
    rank_limit: int
    bootstraps: int
    policy_problems: tuple[str, ...]
    fault: BadInput | None = None  # what keeps the dataset from running the circuit at all
    log2_failure: float | None = None  # of the output or lookup most likely to be read wrongly
    again: bool = False  # the same was asked and answered before: the custodian gives the same answer, at no charge
    row_keys: int = 0  # bytes in which each result's row is named to the buyer; 0: it is not

    @property
    def decrypted(self) -> str:
        """What whoever decrypts sees of each row: "label" where the circuit ends in it, else "outputs"."""
        return "" if self.leak is None else "label" if self.leak.label_only else "outputs"

    def sentences(self) -> list[str]:
        """The same for a person to read."""
        said = [f"The policy cannot be used: {problem}." for problem in self.policy_problems]
        if self.fault is not None:
            said.append(f"This dataset cannot run it: {self.fault.message}")
        if self.reason is not None:
            said.append(f"It would be refused ({self.reason}): {MESSAGES[self.reason].message}")
            said.append(f"What to do: {MESSAGES[self.reason].next_step}")
        if self.leak is not None:
            said.append(f"It is a circuit of the class {self.leak.family} with {len(self.leak.outputs)} output(s).")
            told = "nothing new" if self.again else describe_leakage(self.micro_bits)
            said.append(f"A release says {told} about each person.")
            if self.released == "label":
                said.append(LABEL_ONLY if self.leak.label_only else LABEL_KEPT_BACK)
            if self.row_keys:
                said.append(
                    f"Each result stands beside its row's key, a text of the owner's of at most {self.row_keys} bytes."
                )
            said += [
                f"Column {column} explains {share:.0%} of the variance of {name}."
                for name, (column, share) in zip(self.leak.outputs, self.leak.shares, strict=True)
                if column
            ]
        if self.allowed:
            left = self.limit_license - self.spent_license - self.micro_bits
            said.append(
                f"After it the license has {describe_bits(left)} of its {describe_bits(self.limit_license)} bits left."
            )
            left = self.limit_person - self.spent_person - self.micro_bits
            whole = describe_bits(self.limit_person)
            said.append(f"The owner then sells {describe_bits(left)} more bits about these rows, of {whole} in all.")
            said.append(f"It takes {self.rank} of the {self.rank_limit} linear forms that each row may give away.")
        return said


def describe_leakage(micro: int) -> str:
    """How much so many micro-bits are, for people."""
    if micro == 10**6:
        return "at most one yes-or-no fact (1 bit)"
    return f"at most as much as {describe_bits(micro)} yes-or-no facts ({describe_bits(micro)} bits)"


def explain(
    circuit: Circuit,
    table: EncryptedTable,
    profile: EncryptionProfile,
    policy: OutputPolicy,
    rows: int,
    *,
    first_row: int = 0,
    license: int = 0,
    version: int = 1,
    dataset: DatasetRecord | None = None,
    guaranteed: int | None = None,
    history: Sequence[Released] = (),
    kept: Kept = lambda _: None,
) -> Explanation:
    """Judge a circuit on `rows` rows from `first_row` by every rule of `app.protocol.policy.rules` that public facts
    decide.

    `history`: what was released on the dataset before, as far as the caller knows it, and `kept` the sampled outputs of
    its circuits with lookups; `version` is the table's, `guaranteed` the bits that the license reserved. With its
    `dataset`, an answer given again costs nothing.
    """
    codebook, problems = table.codebook, tuple(policy_problems(policy))
    space, work = space_of(codebook), 0
    leak: Leakage | None = None
    reason: Reason | None = Reason.CIRCUIT_UNSAFE
    fault: BadInput | None = None
    failure: float | None = None
    try:
        failure = check(circuit, codebook, profile).log2_failure
        leak, work = leakage_of(circuit, codebook), cost(circuit, profile, rows).bootstraps
    except BadInput as error:
        fault = error
    if leak is None:
        limit = rank_limit(policy, space.columns)
        return Explanation(False, reason, None, "", 0, 0, 0, 0, 0, 0, limit, work, problems, fault, failure)
    job = _job(leak.circuit, first_row, rows, license, version)
    query = query_digest(policy, replace(job, dataset=dataset.id), dataset) if dataset else ""
    entry = entry_of(policy, leak, table, job, query)
    again = bool(query) and any(earlier.query == query for earlier in history)
    entry = replace(entry, micro_bits=0) if again else entry
    limit = license_limit(policy, policy.micro_bits_per_license if guaranteed is None else guaranteed)
    reason = check_shape(policy, leak, rows, table.rows, work)
    if reason is None and not again:
        reason = check_bits(policy, table, entry, history, limit)
    if reason is None and not again:
        judge = judge_of(codebook, samples_of(circuit, codebook), kept)
        reason = check_history(policy, entry, space, table.rows, history, judge)
    spent_person, spent_license = most_spent(table, entry, history)
    return Explanation(
        allowed=reason is None,
        reason=reason,
        leak=leak,
        released=release_kind(policy, leak),
        micro_bits=entry.micro_bits,
        spent_license=spent_license,
        spent_person=spent_person,
        limit_license=limit,
        limit_person=person_limit(policy, codebook),
        rank=0 if again else rank_of(entry),
        rank_limit=rank_limit(policy, space.columns),
        bootstraps=work,
        policy_problems=problems,
        log2_failure=failure,
        again=again,
        row_keys=policy.row_keys,
    )


def _job(circuit: Digest, first_row: int, rows: int, license: int, version: int) -> Job:
    """The job that would be opened, before it has a number."""
    return Job(
        id=0,
        license=license,
        dataset=0,
        buyer=Address(""),
        state=JobState.NONE,
        circuit=circuit,
        first_row=first_row,
        rows=rows,
        sealing_key=ZERO,
        units=0,
        replicas=1,
        executions=(),
        receipt=ZERO,
        sealed=ZERO,
        decision=ZERO,
        deadline=Seconds(0),
        opened_block=0,
        version=version,
    )
