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
SHOWN_FACTS = ("target", "classes", "above_threshold", "threshold", "link", "noise_scale")


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
    check_file(out)
    session = CommandContext(role, as_json)
    buyer = session.buyer
    named = None if model is None else buyer.models.find(model)
    opened = buyer.open_result(number, buyer.sealing_key(), model=named)
    show_result(session, opened, {"job": number}, out)


def show_result(session: CommandContext, opened: OpenedResult, what: dict[str, Any], out: Path | None) -> None:
    """Show or write a result; `what` names its job or jobs. Errors: BadInput for a file of another kind."""
    frame = opened.to_polars()
    if out is not None:
        frame.write_csv(out) if out.suffix == ".csv" else frame.write_parquet(out)
    header = opened.result.header
    value: dict[str, Any] = what | {
        "model": opened.model.digest if opened.model else None,
        "model_known_by": opened.known_by,
        "released": header.released,
        "levels": header.levels,
        "half_widths": opened.half_widths().tolist(),
        "intervals": opened.intervals(),
        "meaning": opened.meaning() or None,
        "rows": frame.to_dicts() if out is None else len(frame),
    }
    if out is not None:
        value["file"] = str(out)

    def draw(console: Any) -> None:
        facts: dict[str, Any] = what | {"model": _named(opened), "released": header.released, "rows": len(frame)}
        for name, each in opened.meaning().items():
            if name in SHOWN_FACTS and each is not None:
                facts[name.replace("_", " ")] = ", ".join(map(str, each)) if isinstance(each, list) else each
        if header.levels:
            wide = ", ".join(f"{each:.4g}" for each in opened.half_widths())
            facts["rounded"] = f"to {header.levels} levels: at most {wide} off"
        console.print(facts_table(facts))
        console.print(frame.head(SHOWN_ROWS))

    session.out.show(value, draw)


def check_file(out: Path | None) -> None:
    """Whether a result can be written to a file of this kind. Errors: BadInput."""
    if out is not None and out.suffix not in (".csv", ".parquet"):
        raise BadInput(f"Results are written as .csv or .parquet, not {out.suffix!r}.", "Name the file so.")


def _named(opened: OpenedResult) -> str:
    if opened.model is None:
        return "not on this machine: the values are the circuit's integers"
    how = {"order": "ordered with it", "circuit": "the only one here with this circuit", "name": "as you named it"}
    return f"{opened.model.digest[:16]} {opened.model.decoder.model} ({how[opened.known_by or 'name']})"
