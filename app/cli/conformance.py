"""`darkroom conformance`: recorded jobs with one fault each, for whoever writes an auditor."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import AsJson
from app.console.output import Terminal, facts_table, rows_table
from app.protocol.errors import UsageError

if TYPE_CHECKING:
    from app.auditor.conformance.judge import Judged
    from app.auditor.conformance.kit import RecordedCase

app = typer.Typer(
    no_args_is_help=True, help="Auditors: recorded jobs, honest and with one fault each, and what must be said of them."
)


@app.command("list")
def list_cases(as_json: AsJson = False) -> None:
    """The recorded cases: which verdict an auditor must give, and which fact does not hold."""
    from app.auditor.conformance.kit import load

    rows = [_told(case) for case in load().cases]
    Terminal(as_json).show(rows, lambda out: out.print(rows_table(rows)))


@app.command("check")
def check(
    command: Annotated[
        list[str] | None,
        typer.Argument(help="The auditor: it gets a case's folder as its last argument; ours by default."),
    ] = None,
    case: Annotated[list[str] | None, typer.Option(help="Only this case; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Hold an auditor against the cases. It prints {"verdict": "confirmed", "open" or "wrong"} as its last line.

    After -- stands any command: darkroom conformance check -- python my_auditor.py. Exit code 4 where it is wrong.
    """
    from app.auditor.conformance.judge import judge, ours, theirs
    from app.auditor.conformance.kit import load

    kit, out = load(), Terminal(as_json)
    chosen = [kit.case(name) for name in case] if case else list(kit.cases)
    found: list[Judged] = []
    with out.progress("judge") as progress:
        for judged in judge(kit, chosen, theirs(command) if command else ours):
            found.append(judged)
            progress(len(found), len(chosen))
    missed = [each for each in found if not each.right]
    rows = [
        _told(each.case) | {"said": each.said.verdict or each.said.trouble, "wrong": list(each.said.wrong)}
        for each in missed
    ]

    def draw(console: Any) -> None:
        console.print(rows_table(rows, empty="Every case is judged as it must be."))
        console.print(f"{len(found) - len(missed)} of {len(found)} cases.")

    out.show({"cases": len(found), "right": len(found) - len(missed), "missed": rows}, draw)
    if missed:
        raise typer.Exit(4)


@app.command("explain")
def explain(
    case: Annotated[str, typer.Argument(help="The case's name.")],
    to: Annotated[Path | None, typer.Option(help="Write the case's folder here, for an auditor to read.")] = None,
    as_json: AsJson = False,
) -> None:
    """One case in words: what was recorded, what does not hold, and what differs from the honest market."""
    from app.auditor.conformance.kit import load

    kit = load()
    found = kit.case(case)
    changes = {name: sorted(entries) for name, entries in found.changes.items()}
    value: dict[str, Any] = {**_told(found), "changes": changes}
    if to is not None:
        if to.exists() and (not to.is_dir() or any(to.iterdir())):
            raise UsageError(f"{to} is there already.", "Name a new folder.")
        kit.write(found, to)
        value["folder"] = str(to)
    shown = value | {"changes": ", ".join(f"{len(keys)} of {name}" for name, keys in changes.items())}
    Terminal(as_json).show(value, lambda out: out.print(facts_table(shown)))


def _told(case: RecordedCase) -> dict[str, Any]:
    told = asdict(case)
    del told["changes"]
    return told
