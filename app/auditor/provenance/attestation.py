"""A job's audit as in-toto statements (https://in-toto.io/Statement/v1), to be signed by whoever audited.

Two statements: how the output was made (SLSA provenance v1), and what the audit found (SLSA verification summary v1).
They are not signed here: whoever audited signs them, for example as a DSSE envelope. Pure.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app import __version__
from app.auditor.provenance.lineage import JobLineage
from app.auditor.report import AuditReport
from app.protocol.errors import Unavailable
from app.protocol.ids import Digest
from app.storage.cid import digest_to_cid

STATEMENT = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
SUMMARY = "https://slsa.dev/verification_summary/v1"
BUILD = "urn:darkroom:job"  # docs/provenance.md says what its parameters are


def statements(told: JobLineage, report: AuditReport, *, verifier: str, now: int) -> tuple[dict[str, Any], ...]:
    """How the output came to be, and the audit's verdict on it. `verifier` is a URI, `now` seconds since the epoch.

    Errors: Unavailable while facts are open, since then there is nothing that could be attested.
    """
    if not told.output_sha256 or told.receipt is None or (report.confirmed and not report.complete):
        raise Unavailable(
            f"Facts of job {told.job.id} are still open, so nothing can be attested of it.",
            "Audit it again when it is over, with a store and a node that have everything.",
        )
    subject = [
        {"name": f"ipfs://{told.receipt.output}", "digest": {"sha256": told.output_sha256}},
        _document(told.job.receipt),
    ]
    return (
        {"_type": STATEMENT, "subject": subject, "predicateType": PROVENANCE, "predicate": _made(told)},
        {
            "_type": STATEMENT,
            "subject": subject,
            "predicateType": SUMMARY,
            "predicate": _found(told, report, verifier, now),
        },
    )


def _made(told: JobLineage) -> dict[str, Any]:
    job, receipt = told.job, told.receipt
    assert receipt is not None
    files = [
        {
            "name": f"{file.column} as {file.encoding}",
            "uri": f"ipfs://{file.cid}",
            "digest": {"rfc9162Sha256": file.root},
        }
        for file in told.files
    ]
    metadata = {"invocationId": _job(told), "startedOn": told.time("JobOpened"), "finishedOn": told.time("JobComputed")}
    return {
        "buildDefinition": {
            "buildType": BUILD,
            "externalParameters": {
                "circuit": job.circuit, "manifest": told.versions[-1].manifest,
                "firstRow": job.first_row, "rows": job.rows,
            },
            "internalParameters": {"evaluator": receipt.evaluator, "profile": receipt.profile},
            "resolvedDependencies": [_document(job.circuit), _document(told.versions[-1].manifest), *files],
        },
        "runDetails": {
            "builder": {"id": f"urn:darkroom:evaluator:{receipt.evaluator}"},
            "metadata": {name: value for name, value in metadata.items() if value is not None},
            "byproducts": [_document(each) for each in (job.decision, job.sealed) if int(each, 16)],
        },
    }  # fmt: skip


def _found(told: JobLineage, report: AuditReport, verifier: str, now: int) -> dict[str, Any]:
    facts = sorted({check.fact for check in report.checks})
    return {
        "verifier": {"id": verifier, "version": {"darkroom": __version__}},
        "timeVerified": datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z"),
        "resourceUri": _job(told),
        "policy": {"uri": f"ipfs://{digest_to_cid(told.policy)}", "digest": {"sha256": told.policy}},
        "verificationResult": "PASSED" if report.complete else "FAILED",
        "verifiedLevels": [f"DARKROOM_{fact.upper()}" for fact in facts if _holds(report, fact)],
    }  # fmt: skip


def _holds(report: AuditReport, fact: str) -> bool:
    """Whether every line of a fact is confirmed."""
    return all(check.status == "confirmed" for check in report.checks if check.fact == fact)


def _document(digest: str) -> dict[str, Any]:
    """A document, whose CID follows from its digest."""
    return {"name": f"ipfs://{digest_to_cid(Digest(digest))}", "digest": {"sha256": digest}}


def _job(told: JobLineage) -> str:
    return f"urn:darkroom:{told.chain_id}:{told.market}:{told.job.id}"
