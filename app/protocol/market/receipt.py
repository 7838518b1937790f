"""What passes between executor, chain, custodian and auditor. A receipt is a claim; re-execution is what checks it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from app.protocol.documents import Document, GrownDocument, Hex32, Sha256, parse_canonical
from app.protocol.errors import BadDocument
from app.protocol.vocabulary import CircuitClass, ReleaseKind, Verification


class Receipt(Document):
    """An executor's claim: this circuit on these rows of this dataset gives exactly these bytes.

    It names no executor, so that honest ones write equal receipts and their digests can be compared.
    """

    kind: Literal["darkroom/receipt"] = "darkroom/receipt"
    chain_id: int
    market: str  # address of the job contract, EIP-55
    job: int
    manifest: Sha256
    data_root: Sha256
    circuit: Sha256
    profile: Sha256
    evaluator: str
    first_row: int
    rows: int
    form: Literal["bodies", "lwe", "packed"]  # what the output's words are: docs/canonical-evaluator.md
    output: str  # CID of the output file
    output_bytes: int
    output_root: Sha256  # Merkle root over the output's bytes


class SealContext(Document):
    """Everything that identifies a job; the associated data under which its result is sealed."""

    kind: Literal["darkroom/seal"] = "darkroom/seal"
    chain_id: int
    market: str
    job: int
    license: int
    buyer: str
    sealing_key: Hex32
    manifest: Sha256
    circuit: Sha256
    receipt: Sha256


class SealedResult(Document):
    """The result for the buyer's eyes only. `enc` is HPKE's encapsulated key, `ciphertext` base64."""

    kind: Literal["darkroom/sealed"] = "darkroom/sealed"
    context: SealContext
    enc: Hex32
    ciphertext_cid: str
    ciphertext_bytes: int


class Decision(Document):
    """What the custodian decided about a job, on which facts; signed by the custodian's account.

    Everything in it follows from public facts, so that an auditor works it out again.
    """

    kind: Literal["darkroom/decision"] = "darkroom/decision"
    chain_id: int
    market: str
    job: int
    receipt: Sha256
    policy: Sha256
    verified_by: Verification
    outcome: Literal["release", "refuse"]
    reason: str  # a stable code, empty on release
    released: Literal["label", "score", "aggregate", ""]
    rank: int  # linear forms that this job adds to what was released of its rows
    micro_bits: int  # charged to each person among its rows: app.protocol.policy.bits; 0 for an answer given again
    query: str  # digest of all that the answer depends on, empty on refusal: equal queries have equal answers
    again: bool  # the query was answered before: the same answer was served, at no charge
    signature: str = ""  # EIP-191 over the digest of this document with an empty signature


RAW_WORDS = "I sell raw scores. A buyer can compute my columns from as many of them as there are columns."


# What policies said before bits were counted, and what stands in its place.
RETIRED_RULES = {
    "score_step": "levels stands in its place: scores are rounded to so many levels of each output's own range",
    "epsilon_micro_budget": "bits stand in its place: micro_bits_per_license and micro_bits_per_person",
    "verify": 'it is "self" (the owner\'s machines recompute every result), "both" or "window"',
}


class OutputPolicy(GrownDocument):
    """What an owner lets out. The custodian enforces it before it decrypts; its digest is in the offer on chain.

    Bits are in millionths: `app.protocol.policy.bits` says what a release costs. The defaults are the safe ones.
    """

    later: ClassVar[frozenset[str]] = frozenset({"row_keys", "challenge_hours"})

    kind: Literal["darkroom/policy"] = "darkroom/policy"
    circuits: tuple[CircuitClass, ...] = ("linear", "trees", "additive")
    release: ReleaseKind = "label"  # label: scores of a circuit that has no label
    levels: int = 16  # scores are rounded to so many levels of each output's own public range
    raw_scores: str = ""  # RAW_WORDS, word for word: scores are not rounded at all
    min_group: int = 20  # rows in an aggregate, at least
    max_rows_per_job: int = 1_000_000
    max_bootstraps: int = 2_000_000  # in a job: the owner's machines recompute every one of them
    max_rank: int = 0  # released linear forms per row, at most 32; 0 means half of the columns, at least 1
    max_concentration: float = 0.9  # share of an output's variance that one column may explain
    epsilon_micro_per_job: int = 0  # 0: no noise; an aggregate needs some
    micro_bits_per_license: int = 8_000_000  # about one person, to one license
    micro_bits_per_person: int = 0  # about one person, over all buyers for ever; 0: a quarter of what a row holds
    verify: Verification = "self"  # recomputed by the owner; both: and agreed on by executors; window: see below
    quorum: int = 2  # executors that must agree, with `both` and `window`
    approval: Literal["automatic", "manual"] = "automatic"
    row_keys: int = 0  # bytes in which each result's row is named to its buyer, by a key of the owner's; 0: it is not
    challenge_hours: int = 0  # with `window`: for so long anybody may object to a result before it is decrypted

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The policy of canonical bytes. Errors: TooLarge, BadDocument."""
        try:
            return super().from_bytes(data)
        except BadDocument:
            check_present(parse_canonical(data))
            raise


def check_present(policy: Any) -> None:
    """Errors: BadDocument for a policy, as a JSON value, of before bits were counted: nobody may compute under it."""
    old = policy if isinstance(policy, dict) else {}
    for rule, instead in RETIRED_RULES.items():
        if rule in old and (rule != "verify" or old[rule] in ("cheapest", "quorum")):
            raise BadDocument(
                f"This output policy still says {rule}; {instead}.",
                "Its owner has to publish the policy again: darkroom dataset update, then darkroom dataset offer.",
            )
