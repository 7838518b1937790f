"""`darkroom doctor`: what is wrong with this node, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.cli.context import AsJson
from app.cli.node import Config, settings_of
from app.console.output import Terminal
from app.home.home import Home

SIGNS = {"ok": ("✓ ok", "green"), "warn": ("! warn", "yellow"), "fail": ("✗ fail", "red")}


def doctor(
    config: Config = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="First put right what cannot lose anything: modes, leftovers.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check chain, contracts, store, database, index, engine, keys, disk, port, agents; exit code 1 when one fails."""
    from app.node.doctor import examine
    from app.node.repair import repair as put_right

    repaired = list(put_right(Home.default())) if repair else []
    findings = repaired + examine(Home.default(), settings_of(config))
    failed = any(finding.level == "fail" for finding in findings)

    def draw(out: Console) -> None:
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for each in findings:
            sign, style = SIGNS[each.level]
            said = Text(each.what)
            if each.fix:
                said.append(f"\n→ {each.fix}", style="bold")
            table.add_row(Text(sign, style=style), each.part, said)
        out.print(table)

    Terminal(as_json).show({"ok": not failed, "findings": [each.to_dict() for each in findings]}, draw)
    if failed:
        raise typer.Exit(1)
