"""A mandate: what a person lets an agent's key do with a stated sum, for a while.

It is an EIP-712 document, signed by the payer's wallet. The contract `Mandates` enforces what a chain can see; what it
cannot, the bits that an answer tells about a person and what kind of answer it is, the custodian enforces from public
records. `check` states the whole rule once: the agent's own software, the node and the custodian ask it.

Where AP2 (Agent Payments Protocol) has a name for a limit it is used: `amount_range` and `budget` (its constraints
`payment.amount_range` and `payment.budget`), `max_occurrences` (`payment.agent_recurrence`), `not_before` and
`not_after` (`payment.execution_date`). `open_payment_mandate` writes the part that AP2 knows in AP2's form.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from app.protocol.documents import Document, Hex32, Sha256
from app.protocol.errors import MandateRefused
from app.protocol.ids import Address, Digest
from app.protocol.market.entities import ZERO
from app.protocol.market.money import amount, dollars

MAX_DATASETS = 32  # of one mandate, as the contract has it
MAX_POLICIES = 32
MAX_PURPOSE_CHARACTERS = 500
MOST = (1 << 53) - 1  # that a document's number says exactly
MAX_SIGNATURE_DIGITS = 8192  # hex; contract wallets join those of several keys

What = Literal["license", "job", "ask"]  # an ask is a job whose answer is about many people together
ACTIONS: dict[What, int] = {"license": 1, "job": 2, "ask": 4}  # bits of the typed field `actions`

Text = Annotated[Address, StringConstraints(pattern=r"^0x[0-9a-fA-F]{40}$")]
Amount = Annotated[int, Field(ge=0, le=MOST)]
Number = Annotated[int, Field(ge=1, lt=1 << 32)]

TYPES: dict[str, list[dict[str, str]]] = {
    "Mandate": [
        {"name": "payer", "type": "address"},
        {"name": "agent", "type": "address"},
        {"name": "actions", "type": "uint8"},
        {"name": "datasets", "type": "uint256[]"},
        {"name": "policies", "type": "bytes32[]"},
        {"name": "sealingKey", "type": "bytes32"},
        {"name": "amountRange", "type": "uint256"},
        {"name": "budget", "type": "uint256"},
        {"name": "bitsRange", "type": "uint64"},
        {"name": "bitsBudget", "type": "uint64"},
        {"name": "maxOccurrences", "type": "uint32"},
        {"name": "notBefore", "type": "uint64"},
        {"name": "notAfter", "type": "uint64"},
        {"name": "nonce", "type": "uint64"},
        {"name": "purpose", "type": "string"},
    ]
}
NAME, VERSION = "Darkroom Mandates", "1"  # of the EIP-712 domain


class MandateReason(StrEnum):
    """Why a mandate does not cover an action; those that the contract checks too are its errors' names."""

    NOT_AGENT = "NotAgent"
    OTHER_CHAIN = "OtherChain"
    REVOKED = "MandateIsRevoked"
    EARLY = "MandateNotYetValid"
    EXPIRED = "MandateExpired"
    ACTION = "ActionNotGranted"
    DATASET = "DatasetNotGranted"
    POLICY = "PolicyNotGranted"
    SEALING_KEY = "SealingKeyNotGranted"
    OCCURRENCES = "NoOccurrencesLeft"
    AMOUNT = "AmountAboveRange"
    BUDGET = "BudgetSpent"
    BALANCE = "BalanceTooSmall"
    BITS = "BitsAboveRange"
    BITS_BUDGET = "BitsSpent"


class Mandate(Document):
    """What a payer grants. Lists are ascending and hold nothing twice, so that equal grants are equal documents.

    Amounts are token units, bits are micro-bits (`app.protocol.policy.bits`) about any one person of a dataset, times
    seconds by the chain's clock. `policies` are digests of output policies: each names the kinds of circuit and of
    release that were looked at when it was signed. An owner who changes the policy is not bought from.
    """

    kind: Literal["darkroom/mandate"] = "darkroom/mandate"
    chain_id: int
    contract: Text  # `Mandates`, which verifies and enforces it
    payer: Text  # whose money it is: an account, or a contract wallet (ERC-1271)
    agent: Text  # the only key that may act under it
    actions: tuple[What, ...]
    datasets: tuple[Number, ...] = Field(min_length=1, max_length=MAX_DATASETS)
    policies: tuple[Sha256, ...] = Field(min_length=1, max_length=MAX_POLICIES)
    sealing_key: Hex32 = ZERO  # that results are sealed to; zeros: one that the agent names
    amount_range: Amount  # most that one action may take, what it sets aside for fees included
    budget: Amount  # most that all actions together may take; what comes back is not counted off
    bits_range: Amount  # most that one answer may tell
    bits_budget: Amount  # most that all answers together may tell, dataset by dataset
    max_occurrences: Annotated[int, Field(ge=1, lt=1 << 32)]  # actions in all
    not_before: Amount
    not_after: Amount
    nonce: Amount  # the payer voids all below a number at once
    purpose: Annotated[str, StringConstraints(min_length=1, max_length=MAX_PURPOSE_CHARACTERS)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if list(self.datasets) != sorted(set(self.datasets)) or list(self.policies) != sorted(set(self.policies)):
            raise ValueError("datasets and policies must be ascending and hold nothing twice")
        if not self.actions or list(self.actions) != [each for each in ACTIONS if each in self.actions]:
            raise ValueError(f"actions must be some of {', '.join(ACTIONS)}, in this order")
        if self.not_before > self.not_after or self.amount_range > self.budget or self.bits_range > self.bits_budget:
            raise ValueError("a limit for one action is at most that for all, and not_before at most not_after")
        return self

    @property
    def domain(self) -> dict[str, Any]:
        """The EIP-712 domain."""
        return {"name": NAME, "version": VERSION, "chainId": self.chain_id, "verifyingContract": self.contract}

    @property
    def message(self) -> dict[str, Any]:
        """The EIP-712 message, in the order of `TYPES`; digests as 0x and hex."""
        return {
            "payer": self.payer,
            "agent": self.agent,
            "actions": sum(ACTIONS[each] for each in self.actions),
            "datasets": list(self.datasets),
            "policies": [f"0x{each}" for each in self.policies],
            "sealingKey": f"0x{self.sealing_key}",
            "amountRange": self.amount_range,
            "budget": self.budget,
            "bitsRange": self.bits_range,
            "bitsBudget": self.bits_budget,
            "maxOccurrences": self.max_occurrences,
            "notBefore": self.not_before,
            "notAfter": self.not_after,
            "nonce": self.nonce,
            "purpose": self.purpose,
        }

    def grants(self, what: What) -> bool:
        """Whether it may be done at all: who may have any answer may have one about many people together."""
        return what in self.actions or (what == "ask" and "job" in self.actions)

    def overdrawn(self, micro_bits: int, told: int) -> bool:
        """Whether an answer would tell more about a person than is left of the mandate's bits.

        `told`: what all answers under it told so far about the person of the asked rows of whom most was told.
        """
        return micro_bits > self.bits_budget - told

    def check(self, action: MandateAction, spent: MandateSpent) -> MandateRefused | None:
        """Why this mandate does not cover an action after what was spent under it; None where it does."""
        return next(iter(self.refusals(action, spent)), None)

    def refusals(self, action: MandateAction, spent: MandateSpent) -> list[MandateRefused]:
        """Every reason why not, what no other action could change first."""
        amounts, bits, told = action.amount, action.micro_bits, spent.micro_bits
        answers = action.what != "license"
        named = self.sealing_key != ZERO and action.sealing_key is not None
        found = {
            MandateReason.OTHER_CHAIN: action.chain_id != self.chain_id
            or action.contract.lower() != self.contract.lower(),
            MandateReason.NOT_AGENT: action.agent.lower() != self.agent.lower(),
            MandateReason.REVOKED: spent.revoked,
            MandateReason.EARLY: action.now < self.not_before,
            MandateReason.EXPIRED: action.now > self.not_after,
            MandateReason.ACTION: not self.grants(action.what),
            MandateReason.DATASET: action.dataset not in self.datasets,
            MandateReason.POLICY: action.policy not in self.policies,
            MandateReason.SEALING_KEY: answers and named and action.sealing_key != self.sealing_key,
            MandateReason.OCCURRENCES: spent.occurrences >= self.max_occurrences,
            MandateReason.AMOUNT: amounts > self.amount_range,
            MandateReason.BUDGET: amounts > self.budget - spent.amount,
            MandateReason.BALANCE: spent.balance is not None and amounts > spent.balance,
            MandateReason.BITS: answers and bits > self.bits_range,
            MandateReason.BITS_BUDGET: answers and self.overdrawn(bits, told),
        }
        return [self.refusal(reason, action, spent) for reason, holds in found.items() if holds]

    def refusal(self, reason: MandateReason, action: MandateAction, spent: MandateSpent) -> MandateRefused:
        """A reason in words."""
        message, next_step = WORDS[reason]
        facts = {
            "agent": self.agent,
            "actions": ", ".join(self.actions),
            "what": action.what,
            "dataset": action.dataset,
            "policy": action.policy[:16],
            "asked": dollars(action.amount),
            "range": dollars(self.amount_range),
            "left": dollars(max(0, self.budget - spent.amount)),
            "balance": dollars(spent.balance or 0),
            "bits": _bits(action.micro_bits),
            "bits_range": _bits(self.bits_range),
            "bits_left": _bits(max(0, self.bits_budget - spent.micro_bits)),
            "occurrences": self.max_occurrences,
            "not_before": moment(self.not_before),
            "not_after": moment(self.not_after),
        }
        return MandateRefused(message.format_map(facts), next_step, reason=reason.value)

    def open_payment_mandate(self) -> dict[str, Any]:
        """The part that AP2 has words for, as the claims of its open payment mandate."""
        currency = {"currency": "USD"}
        return {
            "vct": "mandate.payment.open.1",
            "constraints": [
                {"type": "payment.amount_range", "min": 0, "max": float(amount(self.amount_range)), **currency},
                {"type": "payment.budget", "max": float(amount(self.budget)), **currency},
                {"type": "payment.agent_recurrence", "max_occurrences": self.max_occurrences},
                {
                    "type": "payment.execution_date",
                    "not_before": moment(self.not_before),
                    "not_after": moment(self.not_after),
                },
                {
                    "type": "payment.allowed_payees",
                    "allowed": [{"id": f"eip155:{self.chain_id}:dataset:{each}"} for each in self.datasets],
                },
            ],
            "iat": self.not_before,
            "exp": self.not_after,
        }


class SignedMandate(Document):
    """A mandate with its payer's signature: what an agent is given, and holds no secret."""

    kind: Literal["darkroom/signed-mandate"] = "darkroom/signed-mandate"
    mandate: Mandate
    signature: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2})*$", max_length=MAX_SIGNATURE_DIGITS)]


@dataclass(frozen=True)
class MandateAction:
    """What an agent is about to do. `micro_bits`: what the answer would tell about any one person; 0 for a license."""

    what: What
    agent: str
    chain_id: int
    contract: str
    dataset: int
    policy: Digest
    amount: int  # token units that leave the mandate's account, fees that are set aside included
    now: int
    micro_bits: int = 0
    sealing_key: str | None = None  # None where it is not chosen yet


@dataclass(frozen=True)
class MandateSpent:
    """What was spent under a mandate. `micro_bits`: of the person of the asked rows of whom most was told."""

    amount: int = 0  # token units
    occurrences: int = 0
    micro_bits: int = 0
    balance: int | None = None  # token units that its account holds; None where nobody looked
    revoked: bool = False


@dataclass(frozen=True)
class MandateState:
    """A mandate as an order meets it."""

    mandate: Mandate
    licenses: frozenset[int]  # that were bought under it
    spent: MandateSpent


def _bits(micro: int) -> str:
    return f"{micro / 10**6:.4g}"


def moment(seconds: int) -> str:
    """A time for people and for AP2: ISO 8601 in UTC, or the number where no calendar has it."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return str(seconds)


_ANOTHER = "Ask the payer for another mandate: darkroom mandate sign."
_SHOW = "See what is left: darkroom mandate show."
WORDS: dict[MandateReason, tuple[str, str]] = {
    MandateReason.OTHER_CHAIN: ("The mandate was signed for another chain or contract.", _ANOTHER),
    MandateReason.NOT_AGENT: ("The mandate is for the key {agent} alone.", "Act with that key."),
    MandateReason.REVOKED: ("The payer has revoked the mandate.", _ANOTHER),
    MandateReason.EARLY: ("The mandate is valid from {not_before} on.", "Wait until then."),
    MandateReason.EXPIRED: ("The mandate was valid until {not_after}.", _ANOTHER),
    MandateReason.ACTION: ("The mandate grants {actions}, and this is a {what}.", _ANOTHER),
    MandateReason.DATASET: (
        "The mandate does not name dataset {dataset}.",
        "Choose one that it names, or ask the payer.",
    ),
    MandateReason.POLICY: (
        "The mandate does not name the output policy {policy}, which says what circuits run and what is released.",
        "Choose an offer with a policy that it names, or ask the payer.",
    ),
    MandateReason.SEALING_KEY: ("The mandate has results sealed to another key.", "Order with the key that it names."),
    MandateReason.OCCURRENCES: ("The mandate's {occurrences} actions are used up.", _ANOTHER),
    MandateReason.AMOUNT: ("This takes {asked} test dollars, and one action may take {range}.", "Ask for fewer rows."),
    MandateReason.BUDGET: ("This takes {asked} test dollars, and {left} are left of the mandate's budget.", _SHOW),
    MandateReason.BALANCE: (
        "This takes {asked} test dollars, and the mandate's account holds {balance}.",
        "Fund it: darkroom mandate fund.",
    ),
    MandateReason.BITS: (
        "This answer could tell {bits} bits about a person, and one answer may tell {bits_range}.",
        "Ask for coarser levels or a label.",
    ),
    MandateReason.BITS_BUDGET: (
        "This answer could tell {bits} bits about a person, and {bits_left} are left of the mandate's.",
        "Ask what was asked before, which is free, or ask the payer for another mandate.",
    ),
}
