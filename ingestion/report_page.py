"""A profile as one HTML file that any browser opens, without scripts and without anything from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

from ingestion.report import ColumnReport, TableReport

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; --line: #8884; --soft: #8882; --warn: #b45309; }
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top; }
th.n, td.n { text-align: right; }
.warn { border-left: .3rem solid var(--warn); padding: .1rem .8rem; margin: .5rem 0; }
.bar { background: var(--soft); display: block; height: .4rem; min-width: 4rem; }
.bar i { background: currentColor; display: block; height: 100%; opacity: .6; }
pre { background: var(--soft); overflow-x: auto; padding: 1rem; }
"""


def page(report: TableReport) -> str:
    """The whole file. What it says is private: it is written for the owner alone."""
    profile = report.profile
    warnings = "".join(f'<p class="warn">{escape(words)}</p>' for words in report.warnings)
    rows = "".join(_row(column, profile.rows) for column in report.columns)
    total = sum(sum(each.bytes.values()) for column in report.columns for each in column.published)
    total += sum(report.products.values())
    published = "".join(_published(column) for column in report.columns if column.published)
    heads = "".join(
        f'<th scope="col"{" class=n" if number else ""}>{name}</th>'
        for name, number in (
            ("Column", 0), ("Holds", 0), ("From", 1), ("To", 1), ("Missing", 1), ("Distinct", 1), ("To look at", 0),
        )
    )  # fmt: skip
    codes = "".join(
        f'<th scope="col"{" class=n" if number else ""}>{name}</th>'
        for name, number in (
            ("Published as", 0), ("Code", 0), ("Allows", 0), ("Bytes", 1), ("Mean error", 1), ("Spread lost", 1),
            ("Reveals", 0),
        )
    )  # fmt: skip
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Profile of {escape(profile.path.name)}</title>
<style>{_STYLE}</style>
<main>
<h1>{escape(profile.path.name)}</h1>
<p>{profile.rows:,} rows, {len(profile.columns):,} columns. Ciphertext to publish: {_size(total)}.</p>
<p class="warn">This page holds ranges of your own data, and is not published; keep it where the table is kept.</p>
<h2>What the table holds</h2>
<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>
<h2>What would be published</h2>
<div class="scroll"><table><thead><tr>{codes}</tr></thead><tbody>{published}</tbody></table></div>
<h2>Before you publish</h2>
{warnings or "<p>Nothing speaks against it.</p>"}
<h2>A recipe to edit</h2>
<pre>{escape(report.recipe)}</pre>
</main>
</html>
"""


def _row(column: ColumnReport, rows: int) -> str:
    found, row = column.profile, column.as_row()
    share = found.missing / rows
    missing = f"{found.missing:,}" + (f'<span class="bar"><i style="width:{share:.2%}"></i></span>' if share else "")
    notes = "<br>".join(escape(note) for note in column.notes)
    ends = "".join(f'<td class="n">{_value(row[key])}</td>' for key in ("low", "high"))
    return (
        f'<tr><th scope="row">{escape(found.name)}</th><td>{escape(found.kind)}</td>{ends}'
        f'<td class="n">{missing}</td><td class="n">{found.distinct:,}</td><td>{notes}</td></tr>'
    )


def _published(column: ColumnReport) -> str:
    lines = []
    for each in column.published:
        row = each.as_row()
        for encoding, facts in row["encodings"].items():
            code = row["code"] if encoding == "affine" else row["bins"]
            reveals = escape("; ".join(row["reveals"]) or "nothing of the data") if encoding == _first(row) else ""
            lines.append(
                f'<tr><th scope="row">{escape(row["column"])}</th><td>{escape(code)}</td>'
                f"<td>{escape(facts['allows'])}</td>"
                f'<td class="n">{_size(facts["bytes"])}</td><td class="n">{_value(facts["mean_error"])}</td>'
                f'<td class="n">{facts["lost"]:.2%}</td><td>{reveals}</td></tr>'
            )
    return "".join(lines)


def _first(row: dict[str, Any]) -> str:
    return str(next(iter(row["encodings"])))


def _value(value: object) -> str:
    return "" if value is None else escape(f"{value:.6g}" if isinstance(value, float) else str(value))


def _size(count: int) -> str:
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.3g} {unit}"
