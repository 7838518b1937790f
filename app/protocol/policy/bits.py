"""What a release costs a person: bits, counted in integer micro-bits (a millionth of a bit), always rounded up.

A release that can take A distinct answers multiplies anybody's chance of guessing anything about a person by at most A,
whatever the circuit, the weights and what else is known: the best guess after an answer is right with probability
sum over answers a of max_x P(x) P(a | x) <= A max_x P(x). That is log2 A bits (min-entropy leakage: Smith, "On the
Foundations of Quantitative Information Flow", FoSSaCS 2009). An epsilon-differentially private answer multiplies the
chance by at most e^epsilon, which is log2(e) epsilon bits. Costs of several releases add.
"""

from __future__ import annotations

import math

from app.protocol.data.dataset import Codebook
from app.protocol.data.derivation import Member, TimeSource, places
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.leakage import Leakage
from app.protocol.vocabulary import ReleaseKind

MICRO = 10**6  # micro-bits in a bit
MAX_MICRO_BITS = (1 << 32) - 1  # of a license, as the contract keeps it: some 4,295 bits, more than any row holds
LEAST_PERSON_BITS = 8  # what a table sells of a person at least, however little its rows hold
_LOG2_E = 14_426_950_408_889_635, 10**16  # log2(e) from above


def micro_bits(answers: int) -> int:
    """log2 of a number of distinct answers, at least 1."""
    return math.ceil(math.log2(answers) * MICRO)


def noisy_micro_bits(micro_epsilon: int) -> int:
    """Of an answer with differential privacy; `micro_epsilon` is a millionth of epsilon."""
    return -(-micro_epsilon * _LOG2_E[0] // _LOG2_E[1])


def release_kind(policy: OutputPolicy, leakage: Leakage) -> ReleaseKind:
    """What this policy releases of this circuit: a circuit without a label gives scores where labels are sold."""
    return "score" if policy.release == "label" and not leakage.labels else policy.release


def answers(policy: OutputPolicy, leakage: Leakage) -> tuple[int, ...]:
    """How many distinct values each released number of a row can take; of an aggregate, without its noise."""
    match release_kind(policy, leakage):
        case "label":
            return (leakage.labels,)
        case "score" if not policy.raw_scores:
            return tuple(min(policy.levels, spread + 1) for spread in leakage.ranges)
        case _:
            return tuple(spread + 1 for spread in leakage.ranges)


def row_charge(policy: OutputPolicy, leakage: Leakage) -> int:
    """Micro-bits that a release says of each of its rows, or of the group's rows each, for an aggregate."""
    exact = sum(micro_bits(each) for each in answers(policy, leakage))
    noisy = noisy_micro_bits(policy.epsilon_micro_per_job)
    if release_kind(policy, leakage) == "aggregate":
        return noisy
    return min(exact, noisy) if policy.epsilon_micro_per_job else exact


def noise_scale_milli(leakage: Leakage, policy: OutputPolicy, rows_per_person: int = 1) -> int:
    """Thousandths of the discrete Laplace scale: sensitivity / epsilon, rounded up so that epsilon is kept."""
    sensitivity = max(1, leakage.sensitivity) * rows_per_person
    return -(-sensitivity * 10**9 // policy.epsilon_micro_per_job)


def noise_of(leakage: Leakage | None, policy: OutputPolicy, rows_per_person: int) -> tuple[float, float]:
    """(epsilon, the noise's scale on each released number) of an aggregate; the scale is 0 without noise."""
    scale = 0.0
    if leakage is not None and policy.epsilon_micro_per_job:
        scale = noise_scale_milli(leakage, policy, rows_per_person) / 1000
    return policy.epsilon_micro_per_job / MICRO, scale


def charge(policy: OutputPolicy, leakage: Leakage, rows_per_person: int) -> int:
    """Micro-bits that a release costs each of its rows, where a person has up to `rows_per_person` rows.

    Limits are kept row by row, and a person's rows may be asked about in different jobs. So each row pays for all of
    them: what is truly told of a row is then at most the limit's part for it, and of the person at most the limit. The
    noise of an aggregate is scaled to all of a person's rows, so that a row's part of the epsilon is there already.
    """
    once = row_charge(policy, leakage)
    return once if release_kind(policy, leakage) == "aggregate" else once * rows_per_person


def source_micro_bits(codebook: Codebook) -> dict[str, int]:
    """What a row holds at most of each column of the owner's table: log2 of its number of different codes.

    However many columns are derived from it, a source holds what the largest of them holds, and its one-hot columns
    together as many values as they tell apart.
    """
    codes: dict[str, int] = {}
    members: dict[str, int] = {}
    for column in codebook.columns:
        if isinstance(column.derivation, Member):
            members[column.reads] = members.get(column.reads, 0) + 1
        own = max(column.affine.levels if column.affine else 1, len(column.bins or ()) + 1)
        codes[column.reads] = max(codes.get(column.reads, 1), own)
    for name, count in members.items():
        source = codebook.source(name)
        assert source is not None
        assert not isinstance(source, TimeSource)
        codes[name] = max(codes[name], min(count + 1, places(source)))
    return {name: micro_bits(count) for name, count in codes.items()}


def row_micro_bits(codebook: Codebook) -> int:
    """What a row of a table holds at most: log2 of the number of its different codes."""
    return sum(source_micro_bits(codebook).values())


def person_limit(policy: OutputPolicy, codebook: Codebook) -> int:
    """Micro-bits about one person that may leave in all, over all buyers and for ever."""
    return policy.micro_bits_per_person or default_person_limit(codebook)


def default_person_limit(codebook: Codebook) -> int:
    """A quarter of what a row holds, at least `LEAST_PERSON_BITS`: more is sold only by an owner's own word."""
    return max(row_micro_bits(codebook) // 4, LEAST_PERSON_BITS * MICRO)


def tell_bits(micro: int) -> str:
    """Micro-bits for people, with their unit: "1 bit", "3.5 bits"."""
    return f"{describe_bits(micro)} {'bit' if micro == MICRO else 'bits'}"


def describe_bits(micro: int) -> str:
    """Micro-bits for people, in bits."""
    bits = micro / MICRO
    return f"{bits:.0f}" if micro % MICRO == 0 else f"{bits:.2g}" if bits < 1 else f"{bits:.1f}"
