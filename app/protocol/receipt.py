"""What passes between executor, chain, custodian and auditor. A receipt is a claim; re-execution is what checks it."""

from __future__ import annotations

from typing import Literal

from app.protocol.documents import Document, Hex32


class Receipt(Document):
    """An executor's claim: this circuit on these rows of this dataset gives exactly these bytes.

    It names no executor, so that honest ones write equal receipts and their digests can be compared.
    """

    kind: Literal["darkroom/receipt"] = "darkroom/receipt"
    chain_id: int
    market: str  # address of the job contract, EIP-55
    job: int
    manifest: Hex32
    data_root: Hex32
    circuit: Hex32
    profile: Hex32
    evaluator: str
    first_row: int
    rows: int
    form: Literal["bodies", "lwe", "packed"]  # what the output's words are: docs/canonical-evaluator.md
    output: str  # CID of the output file
    output_bytes: int
    output_root: Hex32  # Merkle root over the output's bytes


class SealContext(Document):
    """Everything that identifies a job; the associated data under which its result is sealed."""

    kind: Literal["darkroom/seal"] = "darkroom/seal"
    chain_id: int
    market: str
    job: int
    license: int
    buyer: str
    sealing_key: Hex32
    manifest: Hex32
    circuit: Hex32
    receipt: Hex32


class SealedResult(Document):
    """The result for the buyer's eyes only. `enc` is HPKE's encapsulated key, `ciphertext` base64."""

    kind: Literal["darkroom/sealed"] = "darkroom/sealed"
    context: SealContext
    enc: Hex32
    ciphertext_cid: str
    ciphertext_bytes: int


class Decision(Document):
    """What the custodian decided about a job, on which facts; signed by the custodian's account."""

    kind: Literal["darkroom/decision"] = "darkroom/decision"
    chain_id: int
    market: str
    job: int
    receipt: Hex32
    policy: Hex32
    verified_by: Literal["self", "quorum", "both"]
    outcome: Literal["release", "refuse"]
    reason: str  # a stable code, empty on release
    released: Literal["label", "score", "aggregate", ""]
    rank: int  # linear forms that this job adds to the budget of its rows
    micro_epsilon: int  # differential privacy budget charged; 0 without noise
    signature: str = ""  # EIP-191 over the digest of this document with an empty signature


class OutputPolicy(Document):
    """What an owner lets out. The custodian enforces it before it decrypts; its digest is in the offer on chain."""

    kind: Literal["darkroom/policy"] = "darkroom/policy"
    circuits: tuple[Literal["linear", "trees", "additive", "lookup"], ...] = ("linear", "trees", "additive")
    release: Literal["label", "score", "aggregate"] = "score"
    score_step: int = 1  # released scores are rounded to multiples of this
    min_group: int = 20  # rows in an aggregate, at least
    max_rows_per_job: int = 1_000_000
    max_rank: int = 0  # released linear forms per row, at most 32; 0 means half of the columns, at least 1
    max_concentration: float = 0.9  # share of an output's variance that one column may explain
    epsilon_micro_per_job: int = 0  # 0: no noise
    epsilon_micro_budget: int = 0
    verify: Literal["cheapest", "self", "quorum", "both"] = "cheapest"  # self where re-execution is cheap, else quorum
    quorum: int = 2
    approval: Literal["automatic", "manual"] = "automatic"
