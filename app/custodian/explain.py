"""What a custodian would say to a circuit, told before anyone pays. Pure: buyers, pages and `explain` use the same."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from app.custodian.budget import joint_on_sample, samples_of
from app.protocol.dataset import Codebook
from app.protocol.errors import BadInput
from app.protocol.forms import basis
from app.protocol.leak import Leak
from app.protocol.reasons import WORDS, Reason
from app.protocol.receipt import OutputPolicy
from app.protocol.release import check_history, check_shape, entry_of, policy_problems, rank_limit
from fhe.circuit import Circuit
from fhe.compile.check import check
from fhe.leak import leak_of, space_of
from fhe.profile import EncryptionProfile


@dataclass(frozen=True)
class Explanation:
    """What a circuit reveals under a policy, and whether the policy allows it as far as that is known beforehand.

    `rank` and `micro_epsilon` are what one job takes from the budgets of its rows; whether the budgets still have that
    depends on what was released on those rows before, which the owner's ledger knows.
    """

    allowed: bool
    reason: Reason | None
    leak: Leak | None  # None for a circuit that the dataset cannot run at all
    bits_per_row: float
    rank: int
    rank_limit: int
    micro_epsilon: int
    policy_problems: tuple[str, ...]

    def sentences(self) -> list[str]:
        """The same for a person to read."""
        said = [f"The policy cannot be used: {problem}." for problem in self.policy_problems]
        if self.reason is not None:
            said.append(f"It would be refused ({self.reason}): {WORDS[self.reason].message}")
            said.append(f"What to do: {WORDS[self.reason].next_step}")
        if self.leak is not None:
            said.append(f"It is a circuit of the class {self.leak.family} with {len(self.leak.outputs)} output(s).")
            said.append(f"A release says at most {self.bits_per_row:.1f} bits about each row.")
            said += [
                f"Column {column} explains {share:.0%} of the variance of {name}."
                for name, (column, share) in zip(self.leak.outputs, self.leak.shares, strict=True)
            ]
        if self.allowed:
            said.append(f"A job takes {self.rank} of the {self.rank_limit} linear forms that each row may give away.")
            if self.micro_epsilon:
                said.append(f"It takes a privacy budget of epsilon = {self.micro_epsilon / 10**6:g} of its rows.")
            said.append("Whether the rows still have that much left, the custodian decides when the job is computed.")
        return said


def explain(
    circuit: Circuit, codebook: Codebook, profile: EncryptionProfile, policy: OutputPolicy, rows: int, dataset_rows: int
) -> Explanation:
    """Judge a circuit by every rule that needs no history (`app.protocol.release`)."""
    space, problems = space_of(codebook), tuple(policy_problems(policy))
    leak: Leak | None = None
    rank, bits = 0, 0.0
    reason: Reason | None = Reason.CIRCUIT_UNSAFE
    with contextlib.suppress(BadInput):
        check(circuit, codebook, profile)
        leak = leak_of(circuit, codebook)
    if leak is not None:
        entry = entry_of(policy, leak, job=0, first_row=0, rows=rows)
        rank, bits = len(basis(entry.forms)) + len(entry.opaque), leak.bits(policy.release, max(1, policy.score_step))
        reason = check_shape(policy, leak, rows, dataset_rows)
        if reason is None:
            joint = joint_on_sample(samples_of(circuit, codebook), lambda _: None, codebook)
            found = check_history(policy, entry, space, (), joint)
            reason = found if isinstance(found, Reason) else None
    return Explanation(
        allowed=reason is None,
        reason=reason,
        leak=leak,
        bits_per_row=bits,
        rank=rank,
        rank_limit=rank_limit(policy, space),
        micro_epsilon=policy.epsilon_micro_per_job,
        policy_problems=problems,
    )
