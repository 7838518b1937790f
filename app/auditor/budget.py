"""What was told about the persons of a dataset, recomputed from public records, and whether the limits were kept.

Every settled job is charged again from its circuit, its policy and its rows (`app.execution.history`); each decision
must say that charge; and at each job the sums over the rows must have been within the policy that it ran under.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.auditor.report import AuditCheck, CheckStatus
from app.execution.history import History
from app.execution.inputs import load_manifest, load_policy
from app.protocol.documents import MAX_DOCUMENT_BYTES
from app.protocol.errors import DarkroomError, TryAgain
from app.protocol.ids import Digest
from app.protocol.market.receipt import Decision
from app.protocol.policy.bits import describe_bits, person_limit, tell_bits
from app.protocol.policy.leakage import Released
from app.protocol.policy.rules import license_limit, most_spent, spent_on
from app.storage.cid import digest_to_cid

if TYPE_CHECKING:
    from app.chain.market import Market
    from app.protocol.ports import Store


@dataclass(frozen=True)
class BudgetReport:
    """Micro-bits told about the person of whom most was told, in the present version, and each release's check."""

    dataset: int
    version: int
    limit: int  # of the manifest's policy, over all buyers for ever
    spent: int
    by_license: dict[int, int]  # the same to each license alone
    checks: tuple[AuditCheck, ...]

    @property
    def confirmed(self) -> bool:
        """No release is wrong."""
        return all(check.status is not CheckStatus.WRONG for check in self.checks)


def audit_budget(market: Market, store: Store, dataset: int) -> BudgetReport:
    """Recount a dataset's budget. Errors: NotFound for an unknown dataset or a manifest out of reach, BadDocument."""
    record = market.dataset(dataset)
    manifest = load_manifest(store, record)
    entries = History(market, store).on(dataset)
    place = (record.version, 0, record.rows)
    licenses = sorted({entry.license for entry in entries})
    return BudgetReport(
        dataset=dataset,
        version=record.version,
        limit=person_limit(manifest.policy, manifest.codebook),
        spent=spent_on(manifest.table, entries, *place),
        by_license={
            one: spent_on(manifest.table, [e for e in entries if e.license == one], *place) for one in licenses
        },
        checks=tuple(_checks(market, store, sorted(entries, key=lambda e: (market.job(e.job).closed_block, e.job)))),
    )


def _checks(market: Market, store: Store, entries: Sequence[Released]) -> Iterator[AuditCheck]:
    for number, entry in enumerate(entries):
        claim = f"job {entry.job} was charged what it says and kept to the limits"
        try:
            status, digest, detail = _judge(market, store, entry, entries[:number])
        except TryAgain as error:
            status, digest, detail = CheckStatus.OPEN, "", str(error)
        except DarkroomError as error:
            status, digest, detail = CheckStatus.WRONG, "", str(error)
        yield AuditCheck("budget", claim, digest_to_cid(Digest(digest)) if digest else "", digest, status, detail)


def _judge(market: Market, store: Store, entry: Released, before: Sequence[Released]) -> tuple[CheckStatus, str, str]:
    job = market.job(entry.job)
    manifest = load_manifest(store, market.dataset_version(job.dataset, job.version))
    held = market.license(job.license)
    policy = load_policy(store, manifest, held.policy)
    decision = Decision.from_bytes(store.read(digest_to_cid(job.decision), limit=MAX_DOCUMENT_BYTES))
    said = f"{tell_bits(entry.micro_bits)} about each person"
    if decision.micro_bits != entry.micro_bits:
        return CheckStatus.WRONG, job.decision, f"{said}, but the decision says {describe_bits(decision.micro_bits)}"
    anyone, license = most_spent(manifest.table, entry, before)
    limit = person_limit(policy, manifest.codebook)
    if license + entry.micro_bits > license_limit(policy, held.micro_bits) or anyone + entry.micro_bits > limit:
        return CheckStatus.WRONG, job.decision, f"{said}, which is more than was left"
    return (
        CheckStatus.CONFIRMED,
        job.decision,
        f"{said}; {describe_bits(anyone + entry.micro_bits)} of {describe_bits(limit)} in all",
    )
