"""Why a custodian does not release: stable codes, one fixed sentence each, and what the buyer can do.

A reason follows from public facts alone (the chain, the circuit, the policy, the ledger of what was released), never
from a decrypted value, and its sentence is fixed, so that neither says anything about the data.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from app.protocol.errors import PolicyRefused


class Reason(StrEnum):
    """A refusal's code, as a decision and the chain record it."""

    WRONG_LICENSE = "wrong-license"
    WRONG_DATASET = "wrong-dataset"
    WRONG_POLICY = "wrong-policy"
    WRONG_CIRCUIT = "wrong-circuit"
    WRONG_PROGRAM = "wrong-program"
    WRONG_RECEIPT = "wrong-receipt"
    WRONG_KEY = "wrong-key"
    ROWS_OUTSIDE = "rows-outside"
    EPOCH_CLOSED = "epoch-closed"
    EPOCH_LIMIT = "epoch-limit"
    NO_QUORUM = "no-quorum"
    OUTPUT_MISMATCH = "output-mismatch"
    POLICY_INVALID = "policy-invalid"
    CIRCUIT_UNSAFE = "circuit-unsafe"
    CIRCUIT_CLASS = "circuit-class"
    ROWS_PER_JOB = "rows-per-job"
    GROUP_TOO_SMALL = "group-too-small"
    RANGES_TOO_CLOSE = "ranges-too-close"
    NOT_SUMMED = "not-summed"
    SUMS_NOT_SOLD = "sums-not-sold"
    TOO_MUCH_WORK = "too-much-work"
    CONCENTRATION = "concentration"
    SINGLES_OUT = "singles-out"
    RANK_BUDGET = "rank-budget"
    ENTANGLED = "entangled"
    BITS_LICENSE = "bits-license"
    BITS_PERSON = "bits-person"
    MANDATE_ACTION = "mandate-action"
    MANDATE_BITS = "mandate-bits"
    MANDATE_UNREADABLE = "mandate-unreadable"
    UNAVAILABLE = "unavailable"
    NOT_APPROVED = "not-approved"


class Message(NamedTuple):
    """What a person reads for a reason."""

    message: str
    next_step: str


_ASK = "Ask the dataset's owner."
MESSAGES = {
    Reason.WRONG_LICENSE: Message("The job's license is not its buyer's, or not of this dataset.", "Buy a license."),
    Reason.WRONG_DATASET: Message(
        "The job names another version of the dataset.", "Open a job on the present version."
    ),
    Reason.WRONG_POLICY: Message("The output policy is not the one that the license was sold under.", _ASK),
    Reason.WRONG_CIRCUIT: Message(
        "The circuit was compiled for another profile or codebook.", "Compile the model for this dataset."
    ),
    Reason.WRONG_PROGRAM: Message(
        "The order states another program than its circuit has, so no dispute about it could be judged.",
        "Order again: this software states the right one.",
    ),
    Reason.WRONG_RECEIPT: Message("The receipt does not describe this job.", "Open the job again."),
    Reason.WRONG_KEY: Message("The sealing key is not a usable X25519 key.", "Make a new one: darkroom keys sealing."),
    Reason.ROWS_OUTSIDE: Message("The job's rows are not all in the dataset.", "Choose rows inside the dataset."),
    Reason.EPOCH_CLOSED: Message(
        "The keys that this dataset was encrypted under were destroyed.", "Use the dataset's newest version."
    ),
    Reason.EPOCH_LIMIT: Message(
        "The dataset's keys have served all the jobs they may.", "Wait for the next key epoch."
    ),
    Reason.NO_QUORUM: Message(
        "Too few independent executors revealed the agreed receipt.", "Open the job with more replicas."
    ),
    Reason.OUTPUT_MISMATCH: Message("The executors' output is not what re-execution gives.", "Open the job again."),
    Reason.POLICY_INVALID: Message("The output policy contradicts itself.", _ASK),
    Reason.CIRCUIT_UNSAFE: Message(
        "The circuit reads what is not published, or its values or noise could leave their range.",
        "Compile the model again for this dataset.",
    ),
    Reason.CIRCUIT_CLASS: Message(
        "The policy does not allow circuits of this class.", "Use a model of an allowed class."
    ),
    Reason.ROWS_PER_JOB: Message(
        "The job has more rows than the policy allows, or than one sealed result holds.", "Ask for fewer rows."
    ),
    Reason.GROUP_TOO_SMALL: Message("The aggregate covers fewer rows than the policy asks.", "Ask for more rows."),
    Reason.RANGES_TOO_CLOSE: Message(
        "The difference to an aggregate that was released before would be too small a group.",
        "Use the row ranges of earlier aggregates, or ranges apart from them.",
    ),
    Reason.NOT_SUMMED: Message(
        "The policy releases sums over rows, and the circuit gives a value for each row.",
        "Order the sum of its scores: darkroom model sum.",
    ),
    Reason.SUMS_NOT_SOLD: Message(
        "The circuit sums over rows, and the policy releases values of rows.",
        "Choose an offer that releases aggregates: darkroom dataset show.",
    ),
    Reason.TOO_MUCH_WORK: Message(
        "The job has more bootstraps than the owner's machines recompute for one job.", "Ask for fewer rows."
    ),
    Reason.CONCENTRATION: Message(
        "An output, alone or with earlier ones, nearly reproduces one column.",
        "Use a model that rests on more columns: darkroom custodian explain.",
    ),
    Reason.SINGLES_OUT: Message(
        "The circuit answers alike for nearly every row, so it would point at a few.", "Use a model with wider leaves."
    ),
    Reason.RANK_BUDGET: Message(
        "No more independent linear forms of these rows may be released.", "Use rows that were scored less."
    ),
    Reason.ENTANGLED: Message(
        "Its outputs are so nearly combinations of earlier ones, in so many ways, that they cannot be judged in time.",
        "Use rows that were scored less, or a model that was used on them before.",
    ),
    Reason.BITS_LICENSE: Message(
        "The license has had all the bits about some person among these rows that it was sold.",
        "Use other rows, or buy another license: darkroom license buy.",
    ),
    Reason.BITS_PERSON: Message(
        "All bits about some person among these rows that their owner sells, to anyone, have been released.",
        "Use other rows.",
    ),
    Reason.MANDATE_ACTION: Message(
        "The agent's mandate grants no answer about single rows.",
        "Ask for an aggregate, or ask the payer for another mandate: darkroom mandate sign.",
    ),
    Reason.MANDATE_BITS: Message(
        "The agent's mandate has fewer bits left about one person than this answer would tell.",
        "Ask for coarser levels, or ask the payer for another mandate: darkroom mandate sign.",
    ),
    Reason.MANDATE_UNREADABLE: Message(
        "The agent's mandate is of no form that this software knows.",
        "Ask the payer for another one: darkroom mandate sign.",
    ),
    Reason.UNAVAILABLE: Message(
        "The circuit that the job names cannot be fetched from the store.",
        "Put it where others find it, and open the job again.",
    ),
    Reason.NOT_APPROVED: Message("The owner looked at the job and did not approve it.", _ASK),
}


def refusal(reason: Reason) -> PolicyRefused:
    """The error a buyer sees."""
    return PolicyRefused(f"{MESSAGES[reason].message} ({reason})", MESSAGES[reason].next_step)
