"""A job's provenance in W3C PROV-JSON and in-toto statements, read by rules that are written down here again."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.auditor.conformance.kit import load
from app.auditor.conformance.own import audit_recorded, recorded_market
from app.auditor.provenance.attestation import statements
from app.auditor.provenance.export import export_audit
from app.auditor.provenance.lineage import JobLineage, lineage
from app.auditor.provenance.prov import prov_json
from app.auditor.report import AuditReport, CheckStatus
from app.protocol.errors import Unavailable

# PROV-DM: the ends of each relation, and what kind of record each end is.
RELATIONS = {
    "used": {"activity": "activity", "entity": "entity"},
    "wasGeneratedBy": {"entity": "entity", "activity": "activity"},
    "wasAssociatedWith": {"activity": "activity", "agent": "agent"},
    "wasAttributedTo": {"entity": "entity", "agent": "agent"},
    "wasDerivedFrom": {"generatedEntity": "entity", "usedEntity": "entity"},
    "wasInformedBy": {"informed": "activity", "informant": "activity"},
    "specializationOf": {"specificEntity": "entity", "generalEntity": "entity"},
    "hadMember": {"collection": "entity", "entity": "entity"},
}
KINDS = ("entity", "activity", "agent")


def told(name: str, folder: Path) -> tuple[JobLineage, AuditReport]:
    """A recorded case's lineage and audit."""
    kit = load()
    kit.write(kit.case(name), folder)
    return lineage(*recorded_market(folder)), audit_recorded(folder)


def check_prov(document: dict[str, Any]) -> None:
    """PROV-JSON's form, and PROV-DM's: relations lead from and to records of the kinds that they relate."""
    assert document.keys() <= {"prefix", *KINDS, *RELATIONS}
    names = {kind: document.get(kind, {}) for kind in KINDS}
    for records in names.values():
        for name, attributes in records.items():
            prefix, _, local = name.partition(":")
            assert prefix in document["prefix"]
            assert re.fullmatch(r"[\w.-]+", local), name
            for key, value in attributes.items():
                assert key.partition(":")[0] in {"prov", *document["prefix"]}, key
                for each in value if isinstance(value, list) else [value]:
                    assert isinstance(each, str | int) or each["type"] == "prov:QUALIFIED_NAME"
    for kind, ends in RELATIONS.items():
        for name, relation in document.get(kind, {}).items():
            assert name.startswith("_:")
            assert relation.keys() == {f"prov:{end}" for end in ends}
            assert all(relation[f"prov:{end}"] in names[of] for end, of in ends.items()), relation
    generated = [each["prov:entity"] for each in document["wasGeneratedBy"].values()]
    assert len(generated) == len(set(generated))  # PROV-CONSTRAINTS: one generation of each


@pytest.mark.parametrize(
    "name", ["honest trees", "honest refused", "honest waiting", "output withheld", "receipt spoilt"]
)
def test_prov_of_jobs(name: str, tmp_path: Path) -> None:
    """Well-formed at every stage and for a job with a fault; who did what with what follows from it."""
    facts, report = told(name, tmp_path)
    document = prov_json(facts, report)
    check_prov(json.loads(json.dumps(document)))
    verdict = {"honest trees": "confirmed", "honest refused": "confirmed", "receipt spoilt": "wrong"}.get(name, "open")
    assert document["activity"]["job:audit"]["darkroom:verdict"] == verdict
    assert len([each for each in document["entity"] if each.startswith("job:fact-")]) == len(report.checks)
    workers = {
        each["prov:agent"] for each in document["wasAssociatedWith"].values() if "evaluation" in each["prov:activity"]
    }
    assert workers == {f"acct:{each.provider}" for each in facts.job.executions}


def test_the_lineage_of_a_sealed_result(tmp_path: Path) -> None:
    """From the sealed bytes back to every column, the evaluation key and the dataset's first version."""
    facts, report = told("honest trees", tmp_path)
    document = prov_json(facts, report)
    came_of: dict[str, set[str]] = {}
    for each in document["wasDerivedFrom"].values():
        came_of.setdefault(each["prov:generatedEntity"], set()).add(each["prov:usedEntity"])
    for each in document["hadMember"].values():
        came_of.setdefault(each["prov:collection"], set()).add(each["prov:entity"])
    (sealed,) = [name for name, each in document["entity"].items() if each["prov:type"][0]["$"] == "darkroom:sealed"]
    reached, waiting = set[str](), [sealed]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += came_of.get(name, ())
    columns = {f"cid:{file.cid}" for file in facts.files}
    assert len(columns) == 4
    assert columns <= reached
    labels = {document["entity"][name].get("prov:label") for name in reached}
    assert {"dataset 1, version 1", "dataset 1, version 2"} <= labels
    used = {each["prov:entity"] for each in document["used"].values()}
    assert f"cid:{facts.manifest.table.evaluation_key}" in used


def test_statements_of_an_audit(tmp_path: Path) -> None:
    """Subjects are the bytes in the store by SHA-256, inputs are named, and the verdict is the audit's."""
    facts, report = told("honest linear", tmp_path)
    made, found = statements(facts, report, verifier="https://auditor.example", now=1_800_000_000)
    assert facts.receipt is not None
    output = (tmp_path / "objects" / facts.receipt.output).read_bytes()
    for each in (made, found):
        assert each["_type"] == "https://in-toto.io/Statement/v1"
        assert each["subject"][0]["digest"] == {"sha256": hashlib.sha256(output).hexdigest()}
        assert each["subject"][1]["digest"] == {"sha256": facts.job.receipt}
    assert made["predicateType"] == "https://slsa.dev/provenance/v1"
    needed = made["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert {each["digest"].get("sha256") for each in needed} >= {facts.job.circuit, facts.versions[-1].manifest}
    assert {each["digest"].get("rfc9162Sha256") for each in needed} >= {file.root for file in facts.files}
    assert made["predicate"]["buildDefinition"]["externalParameters"]["rows"] == facts.job.rows
    assert found["predicateType"] == "https://slsa.dev/verification_summary/v1"
    said = found["predicate"]
    assert (said["verificationResult"], said["timeVerified"]) == ("PASSED", "2027-01-15T08:00:00Z")
    assert said["verifiedLevels"] == sorted({f"DARKROOM_{check.fact.upper()}" for check in report.checks})


def test_what_is_not_so_is_attested_as_failed(tmp_path: Path) -> None:
    """A wrong fact fails the summary and is no verified level; an open one attests nothing."""
    facts, report = told("output with a false bit", tmp_path)
    _, found = statements(facts, report, verifier="urn:a", now=0)
    assert found["predicate"]["verificationResult"] == "FAILED"
    levels = set(found["predicate"]["verifiedLevels"])
    assert "DARKROOM_MANIFEST" in levels
    assert not levels & {"DARKROOM_RESULT", "DARKROOM_RECEIPT"}
    waiting = replace(report, checks=(replace(report.checks[0], status=CheckStatus.OPEN),))
    with pytest.raises(Unavailable, match="still open"):
        statements(facts, waiting, verifier="urn:a", now=0)
    with pytest.raises(Unavailable, match="still open"):
        statements(replace(facts, receipt=None), report, verifier="urn:a", now=0)


def test_exports_are_files(tmp_path: Path) -> None:
    """What was asked for is written and nothing else; a place that cannot be written is a clear refusal."""
    _, report = told("honest linear", tmp_path)
    market, store, _ = recorded_market(tmp_path)
    prov, attestation = tmp_path / "prov.json", tmp_path / "attestation.jsonl"
    assert list(export_audit(market, store, report, None, None, "urn:a")) == []
    assert list(export_audit(market, store, report, prov, attestation, "urn:a")) == [prov, attestation]
    check_prov(json.loads(prov.read_text("utf-8")))
    lines = [json.loads(line) for line in attestation.read_text("utf-8").splitlines()]
    assert [each["predicate"].get("verifier", {}).get("id") for each in lines] == [None, "urn:a"]
    with pytest.raises(Unavailable, match="cannot be written"):
        list(export_audit(market, store, report, tmp_path / "no" / "such.json", None, "urn:a"))
