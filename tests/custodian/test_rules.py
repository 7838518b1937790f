"""The rules of release, as values: every rule has a job that meets it and a twin that breaks just that rule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.custodian.budget import judge_of
from app.custodian.evidence import Evidence, Limits, gather
from app.protocol.bits import MAX_MICRO_BITS, charge, default_person_limit, micro_bits, noisy_micro_bits
from app.protocol.dataset import Carried, EncryptedTable
from app.protocol.forms import AFFINE, Space, form
from app.protocol.leak import Leak, Released
from app.protocol.market import ZERO, DatasetRecord, Execution, Job, JobState, License
from app.protocol.reasons import WORDS, Reason, refusal
from app.protocol.receipt import RAW_WORDS, OutputPolicy, Receipt
from app.protocol.release import (
    MAX_BOOTSTRAPS,
    MAX_LEVELS,
    MAX_MICRO_EPSILON,
    MAX_RANK,
    Facts,
    Grant,
    check_execution,
    check_facts,
    check_policy,
    check_shape,
    policy_problems,
    spent_on,
)
from app.storage.cid import digest_to_cid
from fhe.leak import SAMPLE
from fhe.profiles import find
from tests.custodian.world import BUYER, OTHER, OWNER, PROVIDERS, World, codebook, linear_circuit

NAMES = [f"c{number}" for number in range(8)]
SPACE = Space(dict.fromkeys(NAMES, 256), {})
DATASET = DatasetRecord(1, OWNER, OWNER, "1" * 64, "2" * 64, "3" * 64, 1000, 1, 1, False)
JOB = Job(
    id=1, license=1, dataset=1, buyer=BUYER, state=JobState.COMPUTED, circuit="4" * 64, first_row=0, rows=100,
    sealing_key="5" * 64, units=1, replicas=2, executions=(), receipt="6" * 64, sealed=ZERO, decision=ZERO, deadline=0,
    opened_block=1,
)  # fmt: skip
TABLE = EncryptedTable(
    profile="3" * 64, codebook=codebook(), epoch=1, rows=1000, shards=(), evaluation_key=None, data_root="2" * 64
)
HELD = License(1, 1, 1, BUYER, 0, 10**9, 99, 10**6, "0" * 64, False)
BIT = 1_000_000
ROOMY = {"micro_bits_per_license": 1000 * BIT, "micro_bits_per_person": 1000 * BIT}  # bits are not what is looked at
POLICY = OutputPolicy(max_rank=2, release="score", **ROOMY)  # type: ignore[arg-type]


def leak(*rows: list[int], **changes: object) -> Leak:
    """The report of a linear circuit with these weights."""
    forms = tuple(form({(name, AFFINE): w for name, w in zip(NAMES, row, strict=False)}) for row in rows)
    report = Leak(
        circuit="4" * 64, profile="3" * 64, codebook="7" * 64, family="linear", labels=0,
        outputs=tuple(f"y{i}" for i in range(len(rows))), forms=forms, lows=(0,) * len(rows), highs=(1000,) * len(rows),
        shares=(("c0", 0.3),) * len(rows), rare=1.0,
    )  # fmt: skip
    return replace(report, **changes)  # type: ignore[arg-type]


def trees(**changes: object) -> Leak:
    """The report of a circuit with lookups and one output."""
    return leak([1], **({"forms": (), "family": "trees", "rare": 0.5} | changes))


def past(*rows: list[int], first: int = 0, end: int = 100, **changes: object) -> Released:
    """A release of these forms on rows [first, end) of the first version, by another license, for no bits."""
    entry = Released(99, 2, 1, first, end, "score", leak(*rows).forms, (), 0, "q")
    return replace(entry, **changes)  # type: ignore[arg-type]


A, B, C = [17, -4, 9, 30, 2, 8, -11, 5], [3, 14, -15, 9, 26, -5, 35, 8], [2, 7, 1, 8, 2, 8, 1, 8]


def facts_of(
    policy: OutputPolicy, report: Leak, *, table: EncryptedTable = TABLE, work: int = 0, **job: object
) -> Facts:
    """The facts of a job of this leak."""
    return Facts(
        chain_id=1, market="0x", job=replace(JOB, **job), license=HELD, dataset=DATASET, table=table, policy=policy,  # type: ignore[arg-type]
        leak=report, usable_key=True, epochs=frozenset({1}), decryptions=0, max_decryptions=9, bootstraps=work,
    )  # fmt: skip


def verdict(policy: OutputPolicy, report: Leak, *history: Released, **changes: object) -> Reason | Grant:
    """What the policy says to a job of this leak after these releases; outputs with lookups look like noise."""
    rng = np.random.default_rng(7)

    def sampled(name: str) -> bytes:
        return bytes(rng.integers(0, 999, SAMPLE).astype("<i8").tobytes())

    judge = judge_of(codebook(), {}, sampled)
    return check_policy(facts_of(policy, report, **changes), SPACE, history, judge)  # type: ignore[arg-type]


def test_rank_counts_exactly() -> None:
    """Two independent forms fit a rank of two, a third does not, and a combination of the two adds nothing."""
    both = [past(A), past(B)]
    assert verdict(POLICY, leak(B), past(A)) == Grant(_entry(leak(B)), rank=1, again=False)
    assert verdict(POLICY, leak(C), *both) is Reason.RANK_BUDGET
    third = verdict(POLICY, leak([x - 7 * y for x, y in zip(A, B, strict=True)]), *both)
    assert isinstance(third, Grant)
    assert third.rank == 1  # what it gives of a row by itself


def _entry(report: Leak) -> Released:
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


def _aggregates(**changes: object) -> OutputPolicy:
    noisy = {"release": "aggregate", "min_group": 20, "epsilon_micro_per_job": 100_000}
    return POLICY.model_copy(update=noisy | changes)


def test_aggregates() -> None:
    """Groups and what ranges can be subtracted down to keep the minimum; the same range is free again."""
    policy = _aggregates()
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
    assert verdict(_aggregates(epsilon_micro_per_job=0), leak(A)) is Reason.POLICY_INVALID
    granted = verdict(_aggregates(), leak(A))
    assert isinstance(granted, Grant)
    assert granted.entry.micro_bits == noisy_micro_bits(100_000) == 144_270


@pytest.mark.parametrize(
    ("changes", "report", "bits"),
    [
        ({"release": "label"}, leak(A, labels=2), BIT),
        ({"release": "label"}, leak(A, labels=5), micro_bits(5)),
        ({"release": "label"}, leak(A), 4 * BIT),
        ({"levels": 256}, leak(A), 8 * BIT),
        ({"levels": 256}, leak(A, B), 16 * BIT),
        ({"levels": 65536}, leak(A), micro_bits(1001)),
        ({"raw_scores": RAW_WORDS}, leak(A), micro_bits(1001)),
        ({"epsilon_micro_per_job": 1_000_000}, leak(A), noisy_micro_bits(1_000_000)),
        ({"release": "label", "epsilon_micro_per_job": 1_000_000}, leak(A, labels=2), BIT),
    ],
    ids=[
        "yes or no",
        "five classes",
        "no label",
        "levels",
        "two outputs",
        "few values",
        "raw",
        "noisy",
        "noise is more",
    ],
)
def test_charges(changes: dict[str, object], report: Leak, bits: int) -> None:
    """A release costs log2 of its distinct answers about a row, or its epsilon where that is less."""
    granted = verdict(POLICY.model_copy(update=changes), report)
    assert isinstance(granted, Grant)
    assert granted.entry.micro_bits == bits


def test_a_row_pays_for_all_rows_of_its_person() -> None:
    """Rows of one person may be asked about in different jobs; of a noisy sum the noise covers all of them."""
    policy, report = POLICY.model_copy(update={"release": "label"}), leak(A, labels=2)
    assert [charge(policy, report, rows) for rows in (1, 2, 3)] == [BIT, 2 * BIT, 3 * BIT]
    assert charge(_aggregates(), report, 3) == noisy_micro_bits(100_000)
    table = TABLE.model_copy(update={"rows_per_person": 3})
    granted = verdict(policy, report, table=table, rows=1)
    assert isinstance(granted, Grant)
    assert granted.entry.micro_bits == 3 * BIT


LABEL = OutputPolicy(max_rank=4, micro_bits_per_license=3 * BIT, micro_bits_per_person=5 * BIT)
YES_NO = leak(A, labels=2)


def test_bits_of_a_license_and_of_a_person() -> None:
    """A license may be told its own bits, and all licenses together those of a person; the last bit of each fits."""

    def told(license: int, bits: int, **changes: object) -> Released:
        return past(A, **{"license": license, "micro_bits": bits * BIT, "kind": "label"} | changes)

    assert isinstance(verdict(LABEL, YES_NO, told(1, 2)), Grant)
    assert verdict(LABEL, YES_NO, told(1, 3)) is Reason.BITS_LICENSE
    assert verdict(LABEL, YES_NO, told(1, 1), told(1, 2)) is Reason.BITS_LICENSE
    assert isinstance(verdict(LABEL, YES_NO, told(2, 4)), Grant)
    assert verdict(LABEL, YES_NO, told(2, 4), told(3, 1)) is Reason.BITS_PERSON
    assert verdict(LABEL, YES_NO, told(2, 3), told(1, 2)) is Reason.BITS_PERSON
    # one row in common is enough, rows beside it are not touched
    assert verdict(LABEL, YES_NO, told(2, 5, first=99, end=200)) is Reason.BITS_PERSON
    assert isinstance(verdict(LABEL, YES_NO, told(2, 5, first=100, end=200)), Grant)
    # the most that was said of one person counts, not the sum over different ones
    halves = [told(2, 4, first=0, end=50), told(3, 4, first=50, end=100)]
    assert isinstance(verdict(LABEL, YES_NO, *halves), Grant)
    assert verdict(LABEL, YES_NO, *halves, told(4, 1, first=49, end=51)) is Reason.BITS_PERSON


def test_the_limit_of_a_person_is_a_quarter_of_a_row_unless_more_is_said() -> None:
    """Eight columns of 256 codes hold 64 bits: 16 may leave for ever; a narrow table still sells eight."""
    policy = LABEL.model_copy(update={"micro_bits_per_person": 0})
    assert default_person_limit(codebook()) == 16 * BIT
    narrow = codebook().model_copy(update={"columns": codebook().columns[:1]})
    assert default_person_limit(narrow) == 8 * BIT
    assert isinstance(verdict(policy, YES_NO, past(A, micro_bits=15 * BIT)), Grant)
    assert verdict(policy, YES_NO, past(A, micro_bits=16 * BIT)) is Reason.BITS_PERSON


def test_other_versions_are_not_matched() -> None:
    """What another version gave away counts on every row, for the person and for the license, wherever it was there."""
    other = past(A, first=900, end=901, version=2, micro_bits=5 * BIT)
    assert verdict(LABEL, YES_NO, other) is Reason.BITS_PERSON
    mine = replace(other, license=1, micro_bits=3 * BIT)
    assert verdict(LABEL, YES_NO, mine) is Reason.BITS_LICENSE
    # its forms speak of another codebook, so rank and concentration do not follow them
    assert isinstance(verdict(POLICY, leak(C), past(A, version=2), past(B, version=2)), Grant)


def test_carried_charges() -> None:
    """Stretches that the table states replace the jobs inside the statement; a later job on an old version does not."""
    stated = TABLE.model_copy(
        update={"carried": (Carried(first_row=10, rows=20, micro_bits=5 * BIT),), "carried_jobs": 50}
    )
    inside = past(A, job=50, version=2, micro_bits=5 * BIT)
    late = replace(inside, job=51, micro_bits=BIT)
    assert verdict(LABEL, YES_NO, inside, table=stated) is Reason.BITS_PERSON
    assert isinstance(verdict(LABEL, YES_NO, inside, table=stated, first_row=30), Grant)
    assert isinstance(verdict(LABEL, YES_NO, inside, table=stated, rows=10), Grant)
    assert isinstance(verdict(LABEL, YES_NO, late, table=stated, rows=10), Grant)
    assert verdict(LABEL, YES_NO, late, replace(late, job=52, micro_bits=4 * BIT), table=stated, rows=10) is (
        Reason.BITS_PERSON
    )
    # what a license was told is not forgotten by a statement of persons
    mine = replace(inside, license=1, micro_bits=3 * BIT)
    assert verdict(LABEL, YES_NO, mine, table=stated, first_row=30) is Reason.BITS_LICENSE


@pytest.mark.parametrize("seed", range(20))
def test_spent_is_the_most_of_any_row(seed: int) -> None:
    """The sweep over stretches gives what adding up row by row gives, whatever overlaps what."""
    rng = np.random.default_rng(seed)
    rows = 40

    def stretch() -> tuple[int, int]:
        low, high = sorted(int(each) for each in rng.choice(rows + 1, 2, replace=False))
        return low, high

    history = []
    for job in range(int(rng.integers(0, 12))):
        first, end = stretch()
        version, bits = int(rng.integers(1, 4)), int(rng.integers(0, 9))
        history.append(past(A, job=job, version=version, first=first, end=end, micro_bits=bits))
    cuts = sorted(int(each) for each in rng.choice(rows + 1, 6, replace=False))
    carried = tuple(
        Carried(first_row=low, rows=high - low, micro_bits=int(rng.integers(0, 9)))
        for low, high in zip(cuts[::2], cuts[1::2], strict=True)
    )
    table = TABLE.model_copy(update={"carried": carried, "carried_jobs": int(rng.integers(0, 12))})
    version, (first, end) = int(rng.integers(1, 4)), stretch()

    def on(row: int) -> int:
        said = sum(c.micro_bits for c in carried if c.first_row <= row < c.first_row + c.rows)
        for entry in history:
            same = entry.version == version
            if (same and entry.first <= row < entry.end) or (not same and entry.job > table.carried_jobs):
                said += entry.micro_bits
        return said

    assert spent_on(table, history, version, first, end) == max(on(row) for row in range(first, end))


def test_an_equal_query_is_free_and_an_equal_answer_is_not() -> None:
    """Asked again, a query costs nothing, whoever asks; another query is charged though it may say the same."""
    granted = verdict(LABEL, YES_NO)
    assert isinstance(granted, Grant)
    full = replace(granted.entry, job=99, license=2, micro_bits=5 * BIT, answered=True)
    again = verdict(LABEL, YES_NO, full)
    assert isinstance(again, Grant)
    assert (again.again, again.entry.micro_bits, again.rank) == (True, 0, 0)
    assert verdict(LABEL, YES_NO, replace(full, answered=False)) is Reason.BITS_PERSON  # reserved, not out
    assert verdict(LABEL, YES_NO, full, rows=99) is Reason.BITS_PERSON  # other rows
    assert verdict(LABEL, leak(A, labels=2, circuit="8" * 64), full, circuit="8" * 64) is Reason.BITS_PERSON
    for coarse in ({"levels": 8}, {"epsilon_micro_per_job": 5_000_000}):
        assert verdict(LABEL.model_copy(update=coarse), YES_NO, full) is Reason.BITS_PERSON


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
    ],
    ids=str,
)
def test_policies_at_their_limits(change: dict[str, object]) -> None:
    """The last value inside each limit is accepted."""
    assert policy_problems(POLICY.model_copy(update=change)) == []


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Honest evidence of one job, gathered by the real code."""
    world = World(tmp_path_factory.mktemp("world"))
    number = world.job(linear_circuit([A]))
    found = gather(
        world.chain, world.store, world.chain.job(number), find_profile=find, epochs=frozenset({1}),
        decryptions=lambda epoch: 0, limits=Limits(),
    )  # fmt: skip
    assert isinstance(found, Evidence)
    return found


FACT_TWINS = {
    "another buyer": (lambda f: {"license": replace(f.license, buyer=OTHER)}, Reason.WRONG_LICENSE),
    "another license": (lambda f: {"license": replace(f.license, id=9)}, Reason.WRONG_LICENSE),
    "license of another dataset": (lambda f: {"license": replace(f.license, dataset=2)}, Reason.WRONG_LICENSE),
    "another dataset": (lambda f: {"dataset": replace(f.dataset, id=2)}, Reason.WRONG_DATASET),
    "another data root": (lambda f: {"dataset": replace(f.dataset, data_root="0" * 64)}, Reason.WRONG_DATASET),
    "another profile": (lambda f: {"dataset": replace(f.dataset, profile="0" * 64)}, Reason.WRONG_DATASET),
    "policy swap": (lambda f: {"policy": OutputPolicy(max_rank=9)}, Reason.WRONG_POLICY),
    "another circuit": (lambda f: {"leak": replace(f.leak, circuit="0" * 64)}, Reason.WRONG_CIRCUIT),
    "foreign codebook": (lambda f: {"leak": replace(f.leak, codebook="0" * 64)}, Reason.WRONG_CIRCUIT),
    "rows before": (lambda f: {"job": replace(f.job, first_row=-1)}, Reason.ROWS_OUTSIDE),
    "no rows": (lambda f: {"job": replace(f.job, rows=0)}, Reason.ROWS_OUTSIDE),
    "rows after": (lambda f: {"job": replace(f.job, rows=f.dataset.rows + 1)}, Reason.ROWS_OUTSIDE),
    "bad key": (lambda f: {"usable_key": False}, Reason.WRONG_KEY),
    "tombstone": (lambda f: {"dataset": replace(f.dataset, tombstoned=True)}, Reason.EPOCH_CLOSED),
    "key destroyed": (lambda f: {"epochs": frozenset({2})}, Reason.EPOCH_CLOSED),
    "epoch used up": (lambda f: {"decryptions": f.max_decryptions}, Reason.EPOCH_LIMIT),
}


@pytest.mark.parametrize("twin", FACT_TWINS)
def test_facts(evidence: Evidence, twin: str) -> None:
    """Honest facts pass; each changed fact is refused for its own reason."""
    change, reason = FACT_TWINS[twin]
    assert check_facts(evidence.facts) is None
    rows = evidence.facts.dataset.rows
    for first, count in ((0, rows), (rows - 1, 1)):
        assert (
            check_facts(replace(evidence.facts, job=replace(evidence.facts.job, first_row=first, rows=count))) is None
        )
    assert check_facts(replace(evidence.facts, **change(evidence.facts))) is reason


def _receipt(facts: Facts, **changes: object) -> Receipt:
    said = {
        "chain_id": facts.chain_id, "market": facts.market, "job": facts.job.id, "manifest": facts.dataset.manifest,
        "data_root": facts.dataset.data_root, "circuit": facts.job.circuit, "profile": facts.dataset.profile,
        "evaluator": "darkroom-canonical-1", "first_row": facts.job.first_row, "rows": facts.job.rows, "form": "bodies",
        "output": "x", "output_bytes": 1, "output_root": "0" * 64,
    }  # fmt: skip
    return Receipt.model_validate(said | changes)


@pytest.mark.parametrize("verify", ["self", "both"])
def test_execution_rules(evidence: Evidence, verify: str) -> None:
    """Both ways need the own digest, and `both` enough independent executors besides."""
    honest = _receipt(evidence.facts)
    policy = OutputPolicy(verify=verify, quorum=2)  # type: ignore[arg-type]

    def judge(own: str = honest.digest, receipt: Receipt | None = honest, **job: object) -> Reason | None:
        parts = tuple(Execution(p, ZERO, honest.digest) for p in PROVIDERS[:2])
        changed = replace(evidence.facts.job, **({"receipt": honest.digest, "executions": parts} | job))  # type: ignore[arg-type]
        return check_execution(replace(evidence.facts, job=changed, policy=policy), own, receipt)

    assert judge() is None
    assert judge(receipt=None) is (None if verify == "self" else Reason.WRONG_RECEIPT)
    assert judge(own="0" * 64) is Reason.OUTPUT_MISMATCH
    assert judge(receipt=_receipt(evidence.facts, job=77)) is (None if verify == "self" else Reason.WRONG_RECEIPT)
    agreed = honest.digest
    alone = [
        (Execution(PROVIDERS[0], ZERO, agreed),),
        (Execution(PROVIDERS[0], ZERO, agreed), Execution(PROVIDERS[0].upper().replace("0X", "0x"), ZERO, agreed)),
        (Execution(PROVIDERS[0], ZERO, agreed), Execution(BUYER, ZERO, agreed), Execution(OWNER, ZERO, agreed)),
        (Execution(PROVIDERS[0], ZERO, agreed), Execution(PROVIDERS[1], ZERO, ZERO)),
        (Execution(PROVIDERS[0], ZERO, agreed), Execution(PROVIDERS[1], ZERO, agreed, out=True)),
    ]
    for executions in alone:
        assert judge(executions=executions) is (None if verify == "self" else Reason.NO_QUORUM)


@pytest.mark.parametrize("field", ["chain_id", "market", "job", "manifest", "data_root", "circuit", "profile", "rows"])
def test_receipt_of_another_job(evidence: Evidence, field: str) -> None:
    """An agreed receipt that says anything else than this job is refused, whoever agreed on it."""
    value: object = 999 if field in ("chain_id", "job", "rows") else "8" * 64
    lie = _receipt(evidence.facts, **{field: value})
    parts = tuple(Execution(p, ZERO, lie.digest) for p in PROVIDERS[:2])
    job = replace(evidence.facts.job, receipt=lie.digest, executions=parts)
    facts = replace(evidence.facts, job=job, policy=OutputPolicy(verify="both"))
    assert check_execution(facts, lie.digest, lie) is Reason.WRONG_RECEIPT


def test_every_reason_has_fixed_words() -> None:
    """Each reason has one sentence and one next step, short enough for the chain's 32 letters."""
    assert set(WORDS) == set(Reason)
    for reason in Reason:
        assert len(reason) <= 32
        assert refusal(reason).next_step
        assert str(refusal(reason)).count(f"({reason})") == 1


def test_store_holds_the_policy(tmp_path: Path) -> None:
    """A policy of an offer that the manifest does not carry is read from the store, by its digest."""
    world = World(tmp_path)
    policy = OutputPolicy(max_rank=3)
    license = world.license(policy)
    assert world.store.read(digest_to_cid(world.chain.licenses[license].policy), limit=9999) == policy.to_bytes()
    number = world.job(linear_circuit([A]), license=license)
    assert world.agent().process(number).what == "done"
