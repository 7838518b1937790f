"""`darkroom audit`: check a job without anybody's permission, and `darkroom demo`: the whole story."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.context import AsDevice, AsJson, CommandContext, DeviceChoice
from app.console.output import rows_table
from app.protocol.errors import UsageError
from app.protocol.policy.bits import describe_bits

MARKS = {"confirmed": "[green]confirmed[/]", "wrong": "[bold red]WRONG[/]", "open": "[yellow]open[/]"}


def audit(
    job: Annotated[int | None, typer.Argument(help="The job's number.", min=1)] = None,
    budget: Annotated[
        int | None, typer.Option(help="Recount what was told about the persons of this dataset instead.", min=1)
    ] = None,
    certificate: Annotated[
        int | None, typer.Option(help="Re-check every job of this dataset's certificate instead.", min=1)
    ] = None,
    challenge: Annotated[
        int | None,
        typer.Option(
            help="Object before the contract to wrong results of this job instead, as --as; see --bond.", min=1
        ),
    ] = None,
    role: Annotated[str, typer.Option("--as", metavar="ROLE", help="Whose account objects: for --challenge.")] = "",
    bond: Annotated[
        str | None,
        typer.Option(help="Test dollars that a --challenge may put down; without it nothing is sent, and told alone."),
    ] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds that a --challenge may take.", min=0)] = None,
    threads: Annotated[int | None, typer.Option(help="Threads; all cores by default.", min=1)] = None,
    device: AsDevice = DeviceChoice.AUTO,
    erc8004: Annotated[
        bool, typer.Option("--erc8004", help="Add the audit as a validator's response for an ERC-8004 registry.")
    ] = False,
    prov: Annotated[
        Path | None, typer.Option(help="Write the job, its dataset's versions and this audit as W3C PROV-JSON here.")
    ] = None,
    attestation: Annotated[
        Path | None,
        typer.Option(help="Write in-toto statements of the job and this audit here, a line each; unsigned."),
    ] = None,
    verifier: Annotated[str, typer.Option(help="Who audited, as a URI: for --attestation.")] = "urn:darkroom:auditor",
    as_json: AsJson = False,
) -> None:
    """Re-check every fact of a job, of a dataset's certificate, or its privacy budget, from public records alone; or
    object before the contract to results that are wrong.

    Exit code 4 when a fact is wrong, and when there is something to object to.
    """
    if [job, budget, certificate, challenge].count(None) != 3:
        raise UsageError(
            "Name one job, or one by --challenge, or one dataset by --budget or --certificate.",
            "For example: darkroom audit 7",
        )
    if bool(role) != (challenge is not None):
        raise UsageError(
            "Objecting takes --challenge JOB and the role whose account does it, and nothing else does.",
            "For example: darkroom audit --challenge 7 --as auditor",
        )
    if job is None and (prov or attestation or erc8004):
        raise UsageError("Only the audit of one job is exported.", "For example: darkroom audit 7 --prov job.json")
    if job is not None:
        _job(job, threads, device, as_json, erc8004=erc8004, exports=(prov, attestation, verifier))
    elif budget is not None:
        _budget(budget, as_json)
    elif challenge is not None:
        from app.cli.challenge import challenge as object_to

        object_to(challenge, role, bond, threads, device, timeout, as_json)
    elif certificate is not None:
        _certificate(certificate, threads, device, as_json)


def _job(
    job: int,
    threads: int | None,
    device: DeviceChoice,
    as_json: bool,
    *,
    erc8004: bool,
    exports: tuple[Path | None, Path | None, str],
) -> None:
    from app.auditor.provenance.export import export_audit
    from app.client.auditing import audit_job
    from app.execution.checkpoint import Checkpoints

    session = CommandContext("anyone", as_json)
    kept = Checkpoints(session.home.root / "audits")
    kept.sweep()
    with session.out.progress("re-execute") as progress:
        report = audit_job(
            session.network, job, threads=threads, device=device.value, progress=progress, checkpoints=kept
        )
    rows = [
        {"fact": each.claim, "status": MARKS[each.status], "digest": each.digest[:16], "detail": each.detail}
        for each in report.checks
    ]

    def draw(out: Any) -> None:
        out.print(rows_table(rows, title=f"Job {job}: {report.state}"))
        out.print("Every fact is confirmed." if report.complete else "", end="\n" if report.complete else "")

    value = report.to_dict()
    if erc8004:
        from app.chain.erc8004 import validation

        record = session.network.market.job(job)
        value["erc8004"] = validation(report.to_dict(), circuit=record.circuit, receipt=record.receipt)
        session.out.say("For a program: add --json; the call of the registry is in it.")
    session.out.show(value, draw)
    for path in export_audit(session.network.market, session.network.store, report, *exports):
        session.out.say(f"Written: {path}.")
    if not report.confirmed:
        raise typer.Exit(4)


def _certificate(dataset: int, threads: int | None, device: DeviceChoice, as_json: bool) -> None:
    from app.client.auditing import audit_job
    from app.client.certificate import CERTIFIED, certificate

    session = CommandContext("anyone", as_json)
    made = certificate(session.network.market, session.network.store, dataset)
    reports = []
    for each in made.answers:
        with session.out.progress(f"re-execute job {each.job}") as progress:
            report = audit_job(session.network, each.job, threads=threads, device=device.value, progress=progress)
        reports.append((each, report))
    confirmed = all(report.confirmed for _, report in reports)
    rows = [
        {
            "job": each.job,
            "question": each.sql,
            "status": MARKS["confirmed" if report.complete else "open" if report.confirmed else "wrong"],
        }
        for each, report in reports
    ]

    def draw(out: Any) -> None:
        out.print(rows_table(rows, title=f"Dataset {dataset}: {made.digest}"))
        out.print(f"What is confirmed here is {CERTIFIED}.")

    value = {
        "dataset": dataset,
        "certificate": made.digest,
        "confirmed": confirmed,
        "answers": [{"job": each.job, "question": each.sql, "audit": report.to_dict()} for each, report in reports],
    }
    session.out.show(value, draw)
    if not confirmed:
        raise typer.Exit(4)


def _budget(dataset: int, as_json: bool) -> None:
    from dataclasses import asdict

    from app.auditor.budget import audit_budget

    session = CommandContext("anyone", as_json)
    report = audit_budget(session.network.market, session.network.store, dataset)
    rows = [{"release": each.claim, "status": MARKS[each.status], "detail": each.detail} for each in report.checks]

    def draw(out: Any) -> None:
        out.print(rows_table(rows, title=f"Dataset {dataset}, version {report.version}: what was told about a person"))
        out.print(
            f"{describe_bits(report.spent)} of {describe_bits(report.limit)} bits about the person most was told of."
        )

    session.out.show({**asdict(report), "confirmed": report.confirmed}, draw)
    if not report.confirmed:
        raise typer.Exit(4)


def demo(as_json: AsJson = False) -> None:
    """The whole story on real data: publish, buy, compute on ciphertext, release, open, audit, get paid."""
    from app.demo.story import tell
    from app.node.locks import only_node

    session = CommandContext("operator", as_json)
    with only_node(session.home):  # a node's agents would act in the demo's place, and it retires what the node sells
        tell(session.home, session.out)
