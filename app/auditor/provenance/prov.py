"""A job as W3C PROV, in PROV-JSON (https://www.w3.org/submissions/prov-json/). Pure.

Entities are what a digest names, agents are accounts of the chain, activities are what the market's events say. A
dataset's versions are revisions of each other. Names: `cid:` for objects, `acct:` for accounts, `job:` for activities.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from app.auditor.provenance.lineage import JobLineage
from app.auditor.report import AuditReport
from app.protocol.ids import Digest
from app.protocol.market.disputes import Verdict
from app.protocol.market.entities import ZERO, DatasetRecord
from app.storage.cid import digest_to_cid

Attributes = dict[str, Any]


class _Document:
    """PROV-JSON under construction: records by kind and name; relations are numbered."""

    def __init__(self, prefixes: dict[str, str]) -> None:
        self._prefixes, self._records = prefixes, defaultdict[str, dict[str, Attributes]](dict)

    def add(self, kind: str, name: str, type: str, **attributes: Any) -> str:
        """An entity, agent or activity of a type; attributes without a value are left out. Its name.

        One that is there already, as an account in a second role is, gets one more type.
        """
        told = {key.replace("_", ":", 1): value for key, value in attributes.items() if value not in (None, "")}
        record = self._records[kind].setdefault(name, {"prov:type": [], **told})
        named = {"$": type if ":" in type else f"darkroom:{type}", "type": "prov:QUALIFIED_NAME"}
        if named not in record["prov:type"]:
            record["prov:type"].append(named)
        return name

    def relate(self, kind: str, **ends: str) -> None:
        """A relation between records, by PROV's names of its ends; once."""
        told = {f"prov:{end}": name for end, name in ends.items()}
        if told not in self._records[kind].values():
            self._records[kind][f"_:{kind}{len(self._records[kind]) + 1}"] = told

    def value(self) -> dict[str, Any]:
        """The document."""
        return {"prefix": self._prefixes, **self._records}


def prov_json(told: JobLineage, report: AuditReport | None = None) -> dict[str, Any]:
    """The job, what it came of, and what an audit found where one is given."""
    job = told.job
    document = _Document(
        {
            "cid": "ipfs://",
            "acct": f"eip155:{told.chain_id}:",
            "job": f"urn:darkroom:{told.chain_id}:{told.market}:{job.id}:",
            "darkroom": "urn:darkroom:",
        }
    )
    manifest = _versions(document, told.versions)
    buyer = document.add("agent", f"acct:{job.buyer}", "buyer")
    circuit = document.add("entity", _cid(job.circuit), "circuit", darkroom_sha256=job.circuit)
    policy = document.add("entity", _cid(told.policy), "policy", darkroom_sha256=told.policy)
    order = document.add("activity", "job:order", "order", prov_startTime=told.time("JobOpened"))
    document.relate("wasAssociatedWith", activity=order, agent=buyer)
    document.relate("used", activity=order, entity=circuit)
    inputs = [circuit, manifest]
    for file in told.files:
        column = document.add(
            "entity", f"cid:{file.cid}", "column", prov_label=f"{file.column} as {file.encoding}",
            darkroom_merkleRoot=file.root,
        )  # fmt: skip
        document.relate("hadMember", collection=manifest, entity=column)
        inputs.append(column)
    if told.manifest.table.evaluation_key is not None:
        key = f"cid:{told.manifest.table.evaluation_key}"
        inputs.append(document.add("entity", key, "evaluationKey"))
    _evaluations(document, told, inputs, order)
    _disputes(document, told)
    _release(document, told, policy)
    if report is not None:
        _audit(document, told, report)
    return document.value()


def _versions(document: _Document, versions: tuple[DatasetRecord, ...]) -> str:
    before = name = ""
    for record in versions:
        name = document.add(
            "entity", _cid(record.manifest), "prov:Collection",
            prov_label=f"dataset {record.id}, version {record.version}", darkroom_sha256=record.manifest,
            darkroom_dataRoot=record.data_root, darkroom_rows=record.rows, darkroom_epoch=record.epoch,
        )  # fmt: skip
        owner = document.add("agent", f"acct:{record.owner}", "owner")
        document.relate("wasAttributedTo", entity=name, agent=owner)
        if before and before != name:
            document.relate("wasDerivedFrom", generatedEntity=name, usedEntity=before)
        before = name
    return name


def _evaluations(document: _Document, told: JobLineage, inputs: list[str], order: str) -> None:
    for event in told.events:
        if event.name != "Revealed":
            continue
        who, digest = event.args["provider"], event.args["receipt"]
        agent = document.add("agent", f"acct:{who}", "provider")
        work = document.add(
            "activity", f"job:evaluation-{who}", "evaluation",
            prov_endTime=told.times.get(event.block), darkroom_transaction=event.tx,
            darkroom_evaluator=told.manifest.table.evaluator,
        )  # fmt: skip
        document.relate("wasAssociatedWith", activity=work, agent=agent)
        document.relate("wasInformedBy", informed=work, informant=order)
        for each in inputs:
            document.relate("used", activity=work, entity=each)
        receipt = document.add("entity", _cid(digest), "receipt", darkroom_sha256=digest)
        # equal receipts are one object: what each executor made is its claim to it
        claim = document.add("entity", f"job:receipt-of-{who}", "claim", darkroom_transaction=event.tx)
        document.relate("wasGeneratedBy", entity=claim, activity=work)
        document.relate("specializationOf", specificEntity=claim, generalEntity=receipt)
        if told.receipt is not None and digest == told.job.receipt:
            document.relate("wasDerivedFrom", generatedEntity=receipt, usedEntity=_output(document, told))


def _disputes(document: _Document, told: JobLineage) -> None:
    """Each dispute that is over: who said that whose claim is wrong, and how the contract judged it."""
    for event in told.events:
        if event.name != "DisputeEnded":
            continue
        executor, challenger = event.args["executor"], event.args["challenger"]
        accuser = document.add("agent", f"acct:{challenger}", "challenger")
        dispute = document.add(
            "activity", f"job:dispute-{event.args['dispute']}", "dispute",
            darkroom_verdict=Verdict(event.args["verdict"]).name.lower(), prov_endTime=told.times.get(event.block),
            darkroom_transaction=event.tx,
        )  # fmt: skip
        document.relate("wasAssociatedWith", activity=dispute, agent=accuser)
        document.relate("used", activity=dispute, entity=f"job:receipt-of-{executor}")


def _output(document: _Document, told: JobLineage) -> str:
    assert told.receipt is not None
    output = document.add(
        "entity", f"cid:{told.receipt.output}", "output", darkroom_sha256=told.output_sha256,
        darkroom_merkleRoot=told.receipt.output_root, darkroom_bytes=told.receipt.output_bytes,
    )  # fmt: skip
    for source in (told.versions[-1].manifest, told.job.circuit):
        document.relate("wasDerivedFrom", generatedEntity=output, usedEntity=_cid(source))
    return output


def _release(document: _Document, told: JobLineage, policy: str) -> None:
    job = told.job
    if job.decision == ZERO:
        return
    end = told.event("JobReleased") or told.event("JobRefused")
    custodian = document.add("agent", f"acct:{told.versions[-1].custodian}", "custodian")
    decision = document.add("entity", _cid(job.decision), "decision", darkroom_sha256=job.decision)
    answer = document.add(
        "activity", "job:answer", "answer", darkroom_reason=job.reason,
        prov_endTime=told.times.get(end.block) if end else None, darkroom_transaction=end.tx if end else None,
    )  # fmt: skip
    document.relate("wasAssociatedWith", activity=answer, agent=custodian)
    document.relate("used", activity=answer, entity=policy)
    document.relate("wasGeneratedBy", entity=decision, activity=answer)
    if told.receipt is None:
        return
    output = _output(document, told)
    document.relate("used", activity=answer, entity=output)
    if told.sealed is not None:
        sealed = document.add("entity", _cid(job.sealed), "sealed", darkroom_sha256=job.sealed)
        document.relate("wasGeneratedBy", entity=sealed, activity=answer)
        document.relate("wasDerivedFrom", generatedEntity=sealed, usedEntity=output)


def _audit(document: _Document, told: JobLineage, report: AuditReport) -> None:
    verdict = "wrong" if not report.confirmed else "confirmed" if report.complete else "open"
    audit = document.add("activity", "job:audit", "audit", darkroom_verdict=verdict)
    for number, check in enumerate(report.checks, 1):
        fact = document.add(
            "entity", f"job:fact-{number}", "fact", prov_label=check.claim, darkroom_fact=check.fact,
            darkroom_status=str(check.status), darkroom_digest=check.digest, darkroom_detail=check.detail,
        )  # fmt: skip
        document.relate("wasGeneratedBy", entity=fact, activity=audit)
    if told.receipt is not None:
        document.relate("used", activity=audit, entity=_output(document, told))


def _cid(digest: str) -> str:
    return f"cid:{digest_to_cid(Digest(digest))}"
