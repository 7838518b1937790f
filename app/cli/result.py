"""`darkroom result`: opening what was released, on the buyer's machine and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import AsBuyer, AsJson, CommandContext
from app.console.output import facts_table
from app.protocol.errors import BadInput

if TYPE_CHECKING:
    from app.client.buyer import OpenedResult

app = typer.Typer(no_args_is_help=True, help="Results: open.")
SHOWN_ROWS = 10


@app.callback()
def group() -> None:
    """Keep `open` a verb of its own."""


@app.command("open")
def open_result(
    number: Annotated[int, typer.Argument(help="The job's number.", min=1)],
    out: Annotated[Path | None, typer.Option(help="Write the rows to a .csv or .parquet file.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Digest of the model to read it with, where this machine does not know.")
    ] = None,
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """Open a job's sealed result with the buyer's key and show or write it, in the units of the model ordered."""
    session = CommandContext(role, as_json)
    buyer = session.buyer
    named = None if model is None else buyer.models.find(model)
    opened = buyer.open_result(number, session.buyer.sealing_key(), model=named)
    frame = opened.to_polars()
    if out is not None:
        if out.suffix not in (".csv", ".parquet"):
            raise BadInput(f"Results are written as .csv or .parquet, not {out.suffix!r}.", "Name the file so.")
        frame.write_csv(out) if out.suffix == ".csv" else frame.write_parquet(out)
    header = opened.result.header
    value: dict[str, Any] = {
        "job": number,
        "model": opened.model.digest if opened.model else None,
        "model_known_by": opened.known_by,
        "released": header.released,
        "levels": header.levels,
        "half_widths": opened.half_widths().tolist(),
        "intervals": opened.intervals(),
        "rows": frame.to_dicts() if out is None else len(frame),
    }
    if out is not None:
        value["file"] = str(out)

    def draw(console: Any) -> None:
        facts: dict[str, Any] = {"job": number, "model": _named(opened), "released": header.released}
        facts["rows"] = len(frame)
        if header.levels:
            wide = ", ".join(f"{each:.4g}" for each in opened.half_widths())
            facts["rounded"] = f"to {header.levels} levels: at most {wide} off"
        console.print(facts_table(facts))
        console.print(frame.head(SHOWN_ROWS))

    session.out.show(value, draw)


def _named(opened: OpenedResult) -> str:
    if opened.model is None:
        return "not on this machine: the values are the circuit's integers"
    how = {"order": "ordered with it", "circuit": "the only one here with this circuit", "name": "as you named it"}
    return f"{opened.model.digest[:16]} {opened.model.decoder.model} ({how[opened.known_by or 'name']})"
