"""`darkroom audit --challenge JOB`: say before the contract that executors' results are wrong, and see it through."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import typer

from app.cli.context import CommandContext, DeviceChoice
from app.console.output import rows_table
from app.protocol.market.money import amount, dollars, token_units


def challenge(
    job: int,
    role: str,
    bond: str | None,
    threads: int | None,
    device: DeviceChoice,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Without a `bond` nothing is sent: what would be is shown, and exit code 4 says that there is something."""
    from app.client.challenging import Challenger
    from app.execution.checkpoint import Checkpoints

    session = CommandContext(role, as_json)
    challenger = Challenger(session.network, session.account, job)
    kept = Checkpoints(session.home.root / "audits")
    with session.out.progress("re-execute") as progress:
        found = challenger.objection(threads=threads, device=device.value, progress=progress, checkpoints=kept)
    value: dict[str, Any] = {
        "job": job,
        "receipt": found.own.receipt.digest,
        "accusations": [asdict(each) for each in found.accusations],
        "bond": found.bond,
        "until": found.until,
        "running": found.running,
        "sent": [],
        "disputes": [],
    }
    if bond is not None and (found.accusations or found.running):
        sent: list[str] = []

        def told(played: Any) -> None:
            sent.append(played.said)
            session.out.say(f"{played.said} ({played.sent.tx})")

        challenger.raise_(found, token_units(bond), told)
        over = challenger.play(told, timeout)
        value["sent"] = sent
        value["disputes"] = [
            {"dispute": each.id, "executor": each.executor, "verdict": each.verdict.name.lower()} for each in over
        ]

    def draw(out: Any) -> None:
        if not found.accusations and not value["disputes"]:
            out.print("Nobody's result can be shown to be wrong, or everybody's that can is accused already.")
        elif bond is None:
            rows = [{**asdict(each), "bond": dollars(each.bond)} for each in found.accusations]
            out.print(rows_table(rows, title=f"Job {job}: results that are wrong"))
            out.print(f"Nothing was sent. To object, name the bond: --bond {amount(found.bond)}")
        else:
            out.print(rows_table(value["disputes"], title=f"Job {job}: disputes"))

    session.out.show(value, draw)
    if bond is None and found.accusations:
        raise typer.Exit(4)
