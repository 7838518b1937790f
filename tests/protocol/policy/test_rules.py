"""The rules of release, as values: every rule has a job that meets it and a twin that breaks just that rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.custodian.evidence import Judgement, JudgementLimits, load_judgement
from app.protocol.errors import BadDocument
from app.protocol.ids import Address, Digest
from app.protocol.market.entities import ZERO, Execution
from app.protocol.market.receipt import RAW_WORDS, OutputPolicy, Receipt
from app.protocol.policy.bits import MAX_MICRO_BITS, noisy_micro_bits
from app.protocol.policy.leakage import Leakage, Released
from app.protocol.policy.reasons import MESSAGES, Reason, refusal
from app.protocol.policy.rules import (
    MAX_BOOTSTRAPS,
    MAX_KEY_BYTES,
    MAX_LEVELS,
    MAX_MICRO_EPSILON,
    MAX_RANK,
    MAX_RESULT_BYTES,
    Grant,
    ReleaseCase,
    check_case,
    check_execution,
    check_shape,
    policy_problems,
    result_bytes,
)
from app.seal.hpke import MAX_SEALED_BYTES
from app.seal.result import MAX_HEADER_BYTES
from app.storage.cid import digest_to_cid
from fhe.profiles import find
from tests.protocol.policy.verdicts import POLICY, A, B, C, aggregates, leak, past, trees, verdict
from tests.support.custody import BUYER, OTHER, OWNER, PROVIDERS, MarketInMemory, linear_circuit


def test_rank_counts_exactly() -> None:
    """Two independent forms fit a rank of two, a third does not, and a combination of the two adds nothing."""
    both = [past(A), past(B)]
    assert verdict(POLICY, leak(B), past(A)) == Grant(_entry(leak(B)), rank=1, again=False)
    assert verdict(POLICY, leak(C), *both) is Reason.RANK_BUDGET
    third = verdict(POLICY, leak([x - 7 * y for x, y in zip(A, B, strict=True)]), *both)
    assert isinstance(third, Grant)
    assert third.rank == 1  # what it gives of a row by itself


def _entry(report: Leakage) -> Released:
    grant = verdict(POLICY, report)
    assert isinstance(grant, Grant)
    return grant.entry


def test_rank_is_counted_on_every_row() -> None:
    """A single row in common is enough for a refusal, and rows beside it are not touched."""
    history = [past(A, first=0, end=60), past(B, first=40, end=101)]
    assert verdict(POLICY, leak(C), *history, first_row=0, rows=40) is not Reason.RANK_BUDGET
    assert verdict(POLICY, leak(C), *history, first_row=0, rows=41) is Reason.RANK_BUDGET
    assert verdict(POLICY, leak(C), *history, first_row=60, rows=40) is not Reason.RANK_BUDGET
    assert verdict(POLICY, leak(C), *history, first_row=59, rows=40) is Reason.RANK_BUDGET


def test_rank_default_is_half_of_the_columns() -> None:
    """Without a stated rank, half of the columns is the limit."""
    policy = POLICY.model_copy(update={"max_rank": 0})
    forms = [[int(i == j) * 5 + int((i + 1) % 8 == j) * 5 + 1 for j in range(8)] for i in range(5)]
    assert isinstance(verdict(policy, leak(*forms[:4])), Grant)
    assert verdict(policy, leak(*forms)) is Reason.RANK_BUDGET


def test_labels_of_many_classes_depend_on_differences() -> None:
    """The greatest of three scores reveals two dimensions, the three scores reveal three."""
    label = POLICY.model_copy(update={"release": "label"})
    assert isinstance(verdict(label, leak(A, B, C, labels=3)), Grant)
    assert verdict(POLICY, leak(A, B, C, labels=3)) is Reason.RANK_BUDGET


def test_lookups_count_one_form_an_output() -> None:
    """Every distinct output with lookups takes one dimension; the same output again takes none."""
    first = verdict(POLICY, trees())
    assert isinstance(first, Grant)
    assert first.rank == 1
    history = [past(A), past(opaque=("other:y0",))]
    assert verdict(POLICY, trees(), *history) is Reason.RANK_BUDGET
    again = verdict(POLICY, trees(), past(A), past(opaque=("4" * 64 + ":y0",)))
    assert isinstance(again, Grant)


def test_concentration() -> None:
    """A copy of one column, one that is nearly so, and two forms that differ by one are refused."""
    roomy = POLICY.model_copy(update={"max_rank": 4})
    copy = leak([0, 1], shares=(("c1", 1.0),))
    assert verdict(roomy, copy) is Reason.CONCENTRATION
    assert verdict(roomy, leak([200, 1, 1, 1, 1, 1, 1, 1], shares=(("c0", 0.9998),))) is Reason.CONCENTRATION
    shifted = [*A[:3], A[3] + 1, *A[4:]]
    assert isinstance(verdict(roomy, leak(shifted)), Grant)
    assert verdict(roomy, leak(shifted), past(A)) is Reason.CONCENTRATION
    assert isinstance(verdict(roomy.model_copy(update={"max_concentration": 1.0}), copy), Grant)


def test_aggregates() -> None:
    """Groups and what ranges can be subtracted down to keep the minimum; the same range is free again."""
    policy = aggregates()
    assert verdict(policy, leak(A), rows=19) is Reason.GROUP_TOO_SMALL
    assert isinstance(verdict(policy, leak(A), rows=20), Grant)
    whole = past(B, kind="aggregate")
    assert verdict(policy, leak(A), whole, rows=99) is Reason.RANGES_TOO_CLOSE
    assert verdict(policy, leak(A), whole, first_row=19, rows=81) is Reason.RANGES_TOO_CLOSE
    assert isinstance(verdict(policy, leak(A), whole, rows=80), Grant)
    assert isinstance(verdict(policy, leak(A), whole, rows=100), Grant)
    assert isinstance(verdict(policy, leak(A), whole, first_row=105, rows=50), Grant)
    assert isinstance(verdict(policy, leak([1], shares=(("c0", 1.0),))), Grant)
    assert isinstance(verdict(policy, trees()), Grant)


def test_aggregates_need_noise() -> None:
    """A sum without noise is exact about its members to whoever knows the others; its policy releases nothing."""
    assert verdict(aggregates(epsilon_micro_per_job=0), leak(A)) is Reason.POLICY_INVALID
    granted = verdict(aggregates(), leak(A))
    assert isinstance(granted, Grant)
    assert granted.entry.micro_bits == noisy_micro_bits(100_000) == 144_270


def test_raw_scores_need_the_owners_own_words() -> None:
    """Scores are rounded to levels unless the policy says, word for word, that columns can be computed from them."""
    assert policy_problems(POLICY.model_copy(update={"raw_scores": RAW_WORDS})) == []
    assert len(policy_problems(POLICY.model_copy(update={"raw_scores": RAW_WORDS.lower()}))) == 1


def test_shape_rules() -> None:
    """Class, rows, work and singling out are refused before anything is paid."""
    assert verdict(OutputPolicy(circuits=("trees",)), leak(A)) is Reason.CIRCUIT_CLASS
    assert verdict(OutputPolicy(max_rows_per_job=99), leak(A)) is Reason.ROWS_PER_JOB
    assert isinstance(verdict(OutputPolicy(max_rows_per_job=100), leak(A)), Grant)
    assert verdict(OutputPolicy(max_bootstraps=999), trees(), work=1000) is Reason.TOO_MUCH_WORK
    assert isinstance(verdict(OutputPolicy(max_bootstraps=1000), trees(), work=1000), Grant)
    assert check_shape(POLICY, trees(rare=0.0199), 100, 1000, 0) is Reason.SINGLES_OUT
    assert check_shape(POLICY, trees(rare=0.02), 100, 1000, 0) is None


def test_a_result_fits_its_seal() -> None:
    """What no seal holds is refused before it is paid, and before the custodian computes it for nothing."""
    policy, leakage = POLICY.model_copy(update={"max_rows_per_job": 10**9}), trees(rare=0.5)
    each = result_bytes(policy, leakage)
    assert each == 8 * len(leakage.outputs)
    most = MAX_RESULT_BYTES // each
    assert check_shape(policy, leakage, most, 10**9, 0) is None
    assert check_shape(policy, leakage, most + 1, 10**9, 0) is Reason.ROWS_PER_JOB
    assert MAX_RESULT_BYTES + MAX_HEADER_BYTES < MAX_SEALED_BYTES
    assert result_bytes(policy.model_copy(update={"row_keys": 16}), leakage) == each + 16


@pytest.mark.parametrize(
    "change",
    [
        {"circuits": ()},
        {"min_group": 1},
        {"max_rows_per_job": 0},
        {"max_rank": -1},
        {"max_rank": MAX_RANK + 1},
        {"max_concentration": 0.0},
        {"max_concentration": 1.01},
        {"epsilon_micro_per_job": -1},
        {"epsilon_micro_per_job": MAX_MICRO_EPSILON + 1},
        {"levels": 1},
        {"levels": MAX_LEVELS + 1},
        {"raw_scores": "yes"},
        {"raw_scores": RAW_WORDS, "release": "label"},
        {"release": "aggregate"},
        {"max_bootstraps": -1},
        {"max_bootstraps": MAX_BOOTSTRAPS + 1},
        {"micro_bits_per_license": 0},
        {"micro_bits_per_license": MAX_MICRO_BITS + 1},
        {"micro_bits_per_license": 2, "micro_bits_per_person": 1},
        {"micro_bits_per_person": MAX_MICRO_BITS + 1},
        {"verify": "both", "quorum": 1},
        {"row_keys": -1},
        {"row_keys": MAX_KEY_BYTES + 1},
        {"row_keys": 1, "release": "aggregate", "epsilon_micro_per_job": 1},
    ],
    ids=str,
)
def test_meaningless_policies(change: dict[str, object]) -> None:
    """A policy that contradicts itself is named as such and releases nothing."""
    policy = POLICY.model_copy(update=change)
    assert len(policy_problems(policy)) >= 1
    assert verdict(policy, leak(A)) is Reason.POLICY_INVALID
    assert policy_problems(POLICY) == []


@pytest.mark.parametrize(
    "change",
    [
        {"min_group": 2},
        {"max_rows_per_job": 1},
        {"max_rank": MAX_RANK},
        {"max_concentration": 1.0},
        {"epsilon_micro_per_job": MAX_MICRO_EPSILON},
        {"levels": 2},
        {"levels": MAX_LEVELS},
        {"raw_scores": RAW_WORDS},
        {"release": "aggregate", "epsilon_micro_per_job": 1},
        {"max_bootstraps": 0},
        {"max_bootstraps": MAX_BOOTSTRAPS},
        {"micro_bits_per_license": 1, "micro_bits_per_person": 1},
        {"micro_bits_per_license": MAX_MICRO_BITS, "micro_bits_per_person": 0},
        {"verify": "both", "quorum": 2},
        {"verify": "self", "quorum": 0},
        {"row_keys": MAX_KEY_BYTES},
    ],
    ids=str,
)
def test_policies_at_their_limits(change: dict[str, object]) -> None:
    """The last value inside each limit is accepted."""
    assert policy_problems(POLICY.model_copy(update=change)) == []


def test_policies_without_row_keys_keep_their_bytes() -> None:
    """What was published before keys were sold has its digest; one that sells them says so, and 0 is left out."""
    old, new = OutputPolicy(), OutputPolicy(row_keys=24)
    assert b"row_keys" not in old.to_bytes()
    assert OutputPolicy.from_bytes(new.to_bytes()) == new
    assert new.digest != old.digest
    with pytest.raises(BadDocument):
        OutputPolicy.from_bytes(new.to_bytes().replace(b'"row_keys":24', b'"row_keys":0'))
    assert "row_keys" in OutputPolicy.model_json_schema(mode="serialization")["properties"]


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Judgement:
    """Honest evidence of one job, gathered by the real code."""
    world = MarketInMemory(tmp_path_factory.mktemp("world"))
    number = world.job(linear_circuit([A]))
    found = load_judgement(
        world.chain, world.store, world.chain.job(number), find_profile=find, epochs=frozenset({1}),
        decryptions=lambda epoch: 0, limits=JudgementLimits(),
    )  # fmt: skip
    assert isinstance(found, Judgement)
    return found


FACT_TWINS: dict[str, tuple[Callable[[ReleaseCase], dict[str, Any]], Reason]] = {
    "another buyer": (lambda f: {"license": replace(f.license, buyer=Address(OTHER))}, Reason.WRONG_LICENSE),
    "another license": (lambda f: {"license": replace(f.license, id=9)}, Reason.WRONG_LICENSE),
    "license of another dataset": (lambda f: {"license": replace(f.license, dataset=2)}, Reason.WRONG_LICENSE),
    "another dataset": (lambda f: {"dataset": replace(f.dataset, id=2)}, Reason.WRONG_DATASET),
    "another data root": (lambda f: {"dataset": replace(f.dataset, data_root=Digest("0" * 64))}, Reason.WRONG_DATASET),
    "another profile": (lambda f: {"dataset": replace(f.dataset, profile=Digest("0" * 64))}, Reason.WRONG_DATASET),
    "policy swap": (lambda f: {"policy": OutputPolicy(max_rank=9)}, Reason.WRONG_POLICY),
    "another circuit": (lambda f: {"leak": replace(f.leak, circuit=Digest("0" * 64))}, Reason.WRONG_CIRCUIT),
    "foreign codebook": (lambda f: {"leak": replace(f.leak, codebook=Digest("0" * 64))}, Reason.WRONG_CIRCUIT),
    "rows before": (lambda f: {"job": replace(f.job, first_row=-1)}, Reason.ROWS_OUTSIDE),
    "no rows": (lambda f: {"job": replace(f.job, rows=0)}, Reason.ROWS_OUTSIDE),
    "rows after": (lambda f: {"job": replace(f.job, rows=f.dataset.rows + 1)}, Reason.ROWS_OUTSIDE),
    "bad key": (lambda f: {"usable_key": False}, Reason.WRONG_KEY),
    "tombstone": (lambda f: {"dataset": replace(f.dataset, tombstoned=True)}, Reason.EPOCH_CLOSED),
    "key destroyed": (lambda f: {"epochs": frozenset({2})}, Reason.EPOCH_CLOSED),
    "epoch used up": (lambda f: {"decryptions": f.max_decryptions}, Reason.EPOCH_LIMIT),
}


@pytest.mark.parametrize("twin", FACT_TWINS)
def test_facts(evidence: Judgement, twin: str) -> None:
    """Honest facts pass; each changed fact is refused for its own reason."""
    change, reason = FACT_TWINS[twin]
    assert check_case(evidence.facts) is None
    rows = evidence.facts.dataset.rows
    for first, count in ((0, rows), (rows - 1, 1)):
        assert check_case(replace(evidence.facts, job=replace(evidence.facts.job, first_row=first, rows=count))) is None
    assert check_case(replace(evidence.facts, **change(evidence.facts))) is reason


def _receipt(facts: ReleaseCase, **changes: object) -> Receipt:
    said = {
        "chain_id": facts.chain_id, "market": facts.market, "job": facts.job.id, "manifest": facts.dataset.manifest,
        "data_root": facts.dataset.data_root, "circuit": facts.job.circuit, "profile": facts.dataset.profile,
        "evaluator": "darkroom-canonical-1", "first_row": facts.job.first_row, "rows": facts.job.rows, "form": "bodies",
        "output": "x", "output_bytes": 1, "output_root": "0" * 64,
    }  # fmt: skip
    return Receipt.model_validate(said | changes)


@pytest.mark.parametrize("verify", ["self", "both"])
def test_execution_rules(evidence: Judgement, verify: str) -> None:
    """Both ways need the own digest, and `both` enough independent executors besides."""
    honest = _receipt(evidence.facts)
    policy = OutputPolicy(verify=verify, quorum=2)  # type: ignore[arg-type]

    def judge(own: str = honest.digest, receipt: Receipt | None = honest, **job: object) -> Reason | None:
        parts = tuple(Execution(Address(p), ZERO, honest.digest) for p in PROVIDERS[:2])
        changed = replace(evidence.facts.job, **({"receipt": honest.digest, "executions": parts} | job))  # type: ignore[arg-type]
        return check_execution(replace(evidence.facts, job=changed, policy=policy), own, receipt)

    assert judge() is None
    assert judge(receipt=None) is (None if verify == "self" else Reason.WRONG_RECEIPT)
    assert judge(own="0" * 64) is Reason.OUTPUT_MISMATCH
    assert judge(receipt=_receipt(evidence.facts, job=77)) is (None if verify == "self" else Reason.WRONG_RECEIPT)
    agreed = honest.digest
    alone = [
        (Execution(Address(PROVIDERS[0]), ZERO, agreed),),
        (
            Execution(Address(PROVIDERS[0]), ZERO, agreed),
            Execution(Address(PROVIDERS[0].upper().replace("0X", "0x")), ZERO, agreed),
        ),
        (
            Execution(Address(PROVIDERS[0]), ZERO, agreed),
            Execution(Address(BUYER), ZERO, agreed),
            Execution(Address(OWNER), ZERO, agreed),
        ),
        (Execution(Address(PROVIDERS[0]), ZERO, agreed), Execution(Address(PROVIDERS[1]), ZERO, ZERO)),
        (Execution(Address(PROVIDERS[0]), ZERO, agreed), Execution(Address(PROVIDERS[1]), ZERO, agreed, out=True)),
    ]
    for executions in alone:
        assert judge(executions=executions) is (None if verify == "self" else Reason.NO_QUORUM)


@pytest.mark.parametrize("field", ["chain_id", "market", "job", "manifest", "data_root", "circuit", "profile", "rows"])
def test_receipt_of_another_job(evidence: Judgement, field: str) -> None:
    """An agreed receipt that says anything else than this job is refused, whoever agreed on it."""
    value: object = 999 if field in ("chain_id", "job", "rows") else "8" * 64
    lie = _receipt(evidence.facts, **{field: value})
    parts = tuple(Execution(Address(p), ZERO, lie.digest) for p in PROVIDERS[:2])
    job = replace(evidence.facts.job, receipt=lie.digest, executions=parts)
    facts = replace(evidence.facts, job=job, policy=OutputPolicy(verify="both"))
    assert check_execution(facts, lie.digest, lie) is Reason.WRONG_RECEIPT


def test_every_reason_has_fixed_words() -> None:
    """Each reason has one sentence and one next step, short enough for the chain's 32 letters."""
    assert set(MESSAGES) == set(Reason)
    for reason in Reason:
        assert len(reason) <= 32
        assert refusal(reason).next_step
        assert str(refusal(reason)).count(f"({reason})") == 1


def test_store_holds_the_policy(tmp_path: Path) -> None:
    """A policy of an offer that the manifest does not carry is read from the store, by its digest."""
    world = MarketInMemory(tmp_path)
    policy = OutputPolicy(max_rank=3)
    license = world.license(policy)
    assert world.store.read(digest_to_cid(world.chain.licenses[license].policy), limit=9999) == policy.to_bytes()
    number = world.job(linear_circuit([A]), license=license)
    assert world.agent().process(number).what == "done"
