"""`darkroom dataset profile` and `recipe`: what a table holds before anything is published, and a recipe to edit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from app.cli.context import AsJson, CommandContext
from app.console.output import rows_table
from app.files.private import write_private_once
from app.protocol.errors import BadInput
from app.protocol.plural import plural

if TYPE_CHECKING:
    from ingestion.reading import Reading
    from ingestion.report import TableReport

File = Annotated[
    Path, typer.Argument(help="CSV, NDJSON, Parquet or Arrow: a file, a pattern in quotes (*.csv), or a folder.")
]
Header = Annotated[bool | None, typer.Option(help="Whether the first line names the columns.")]
Names = Annotated[str, typer.Option(help="Names of all columns, with commas between them.")]
Separator = Annotated[str, typer.Option(help="Of a CSV file.")]
Missing = Annotated[list[str] | None, typer.Option(help="A word that means missing; may be repeated.")]
DecimalComma = Annotated[bool, typer.Option("--decimal-comma", help="Numbers have a decimal comma.")]
ThousandsSign = Annotated[str, typer.Option(help="The sign between groups of three digits.")]
Units = Annotated[list[str] | None, typer.Option("--unit", help="A sign beside numbers to leave out; may be repeated.")]
EncodingName = Annotated[str, typer.Option(help="Of a text file: cp1252, latin-1, utf-16-le, ...; UTF-8 by default.")]
SkipLines = Annotated[int, typer.Option(help="Lines above the header.", min=0, max=10_000)]
EmptyRows = Annotated[bool, typer.Option("--drop-empty-rows", help="Leave out blank lines and rows without a value.")]


def profile(
    file: File,
    recipe: Annotated[Path | None, typer.Option(help="TOML recipe: ranges, bins, policy, terms.", exists=True)] = None,
    html: Annotated[Path | None, typer.Option(help="Also write it as a page for a browser, for you alone.")] = None,
    draft: Annotated[Path | None, typer.Option(help="Also write the recipe that is drafted of it.")] = None,
    header: Header = None,
    names: Names = "",
    separator: Separator = "",
    missing: Missing = None,
    decimal_comma: DecimalComma = False,
    thousands: ThousandsSign = "",
    unit: Units = None,
    encoding: EncodingName = "",
    skip_lines: SkipLines = 0,
    drop_empty_rows: EmptyRows = False,
    as_json: AsJson = False,
) -> None:
    """Show what each column holds, and what publishing it would cost, allow, lose and reveal.

    Columns that seem to tell who a person is are named: they stay at home unless a recipe names them. Without a recipe
    the codes are those of the one that would be drafted. Nothing leaves this machine.
    """
    from ingestion.recipe import read_recipe
    from ingestion.report import report
    from ingestion.report_page import page

    session = CommandContext("owner", as_json)
    given = _reading(
        header, names, separator, missing, decimal_comma, thousands, unit, encoding, skip_lines, drop_empty_rows
    )
    for path in (html, draft):
        _check_free(path)
    made = report(file, read_recipe(recipe) if recipe else None, given)
    _write(html, page(made))
    _write(draft, made.recipe)
    session.out.show(made.as_json(), lambda out: out.print(_table(made)))
    for column in made.columns:
        for note in column.notes:
            session.out.say(f"[yellow]note[/]: column {escape(repr(column.profile.name))}: {escape(note)}")
    for warning in made.warnings:
        session.out.say(f"[yellow]note[/]: {escape(warning)}")


def recipe(
    file: File,
    out: Annotated[Path | None, typer.Option(help="Where to write it; stdout by default.")] = None,
    header: Header = None,
    names: Names = "",
    separator: Separator = "",
    missing: Missing = None,
    decimal_comma: DecimalComma = False,
    thousands: ThousandsSign = "",
    unit: Units = None,
    encoding: EncodingName = "",
    skip_lines: SkipLines = 0,
    drop_empty_rows: EmptyRows = False,
) -> None:
    """Draft a recipe for a table, to be completed by its owner: measured ranges are marked as such."""
    from ingestion.draft import default_recipe

    given = _reading(
        header, names, separator, missing, decimal_comma, thousands, unit, encoding, skip_lines, drop_empty_rows
    )
    _check_free(out)
    text = default_recipe(file, given)
    if out is None:
        print(text, end="")
    else:
        _write(out, text)


def _reading(
    header: bool | None,
    names: str,
    separator: str,
    missing: list[str] | None,
    decimal_comma: bool,
    thousands: str,
    units: list[str] | None,
    encoding: str,
    skip_lines: int,
    drop_empty_rows: bool,
) -> Reading:
    """How the file is meant, checked as a recipe's [table] is. Errors: BadInput."""
    from pydantic import ValidationError

    from ingestion.recipe import TableRecipe

    said = {
        "header": header,
        "names": tuple(name.strip() for name in names.split(",")) if names else (),
        "separator": "\t" if separator == "\\t" else separator,
        "missing_values": tuple(missing or ()),
        "decimal": "," if decimal_comma else ".",
        "thousands": thousands,
        "units": tuple(units or ()),
        "encoding": encoding,
        "skip_lines": skip_lines,
        "empty_rows": "drop" if drop_empty_rows else "refuse",
    }
    try:
        return TableRecipe.model_validate(said).reading
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{first['loc'][0]}: " if first["loc"] else ""
        raise BadInput(f"The file cannot be read like this: {where}{first['msg']}.", "See docs/recipe.md.") from None


def _table(made: TableReport) -> object:
    rows = []
    for column in made.columns:
        row = column.as_row()
        rows.append(
            {
                "column": row["column"],
                "holds": row["kind"],
                "range": " to ".join(each for each in (_short(row["low"]), _short(row["high"])) if each),
                "missing": row["missing"],
                "distinct": row["distinct"],
                "code": _code(row["code"], row["bins"]),
                "lost": f"{row['lost']:.2%}" if column.published else "-",
            }
        )
    plain = [
        {key: escape(str(value)) if isinstance(value, str) else value for key, value in row.items()} for row in rows
    ]
    return rows_table(plain, title=f"{escape(made.profile.path.name)}: {made.profile.rows:,} rows")


def _code(affine: str, bins: int) -> str:
    """Both of a column's encodings in few words; what the first loses has a column of its own."""
    return "; ".join(part for part in (affine.partition(", each ")[0], plural(bins, "bin") if bins else "") if part)


def _short(value: object) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _check_free(path: Path | None) -> None:
    if path is not None and path.exists():
        raise BadInput(f"There is already a file {path}.", "Name another.")


def _write(path: Path | None, text: str) -> None:
    """Write a file that this user alone can read: it holds ranges of private data. Errors: BadInput."""
    if path is not None and not write_private_once(path, text.encode()):
        raise BadInput(f"There is already a file {path}.", "Name another.")
