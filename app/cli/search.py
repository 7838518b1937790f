"""`darkroom dataset search`: a node's index finds, the chain confirms."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape

from app.cli.context import AsJson, AsNode, CommandContext
from app.console.output import rows_table
from app.protocol.errors import NotFound
from app.protocol.market.money import dollars, token_units

if TYPE_CHECKING:
    from app.client.index.client import CatalogueFacets, CatalogueItem, IndexClient
    from app.client.index.crosscheck import Difference

Count = Annotated[int | None, typer.Option(min=0)]
Sort = Literal["newest", "title", "price", "rows", "columns", "jobs"]


class ModelKind(StrEnum):
    """Typer takes lists of these, and none of literals."""

    LINEAR = "linear"
    TREES = "trees"
    ADDITIVE = "additive"
    LOOKUP = "lookup"


class ReleaseKind(StrEnum):
    """What of a result an offer lets out."""

    LABEL = "label"
    SCORE = "score"
    AGGREGATE = "aggregate"


def search(
    words: Annotated[list[str] | None, typer.Argument(help="In title, keywords, columns or description.")] = None,
    rows_min: Count = None,
    rows_max: Count = None,
    columns_min: Count = None,
    columns_max: Count = None,
    price_max: Annotated[str | None, typer.Option(help="Of the cheapest license, in test dollars.")] = None,
    model: Annotated[
        list[ModelKind] | None, typer.Option(help="A kind of model that its offers allow; repeat.")
    ] = None,
    release: Annotated[
        list[ReleaseKind] | None, typer.Option(help="What an offer releases; repeat for any of.")
    ] = None,
    owner: Annotated[str | None, typer.Option(help="The owner's address.")] = None,
    offered: Annotated[bool, typer.Option("--offered", help="Only with an active offer.")] = False,
    noise: Annotated[bool, typer.Option("--noise", help="Only with differential-privacy noise.")] = False,
    automatic: Annotated[bool, typer.Option("--automatic", help="Only where no release waits for a hand.")] = False,
    sort: Annotated[Sort, typer.Option(help="The order.")] = "newest",
    most: Annotated[int, typer.Option(help="How many to show.", min=1, max=100)] = 20,
    after: Annotated[str | None, typer.Option(help="Go on after the place that the last search told.")] = None,
    node: AsNode = None,
    as_json: AsJson = False,
) -> None:
    """Search the catalogue in a node's index; owner, rows, version, price and policy are read from the chain.

    Where the node says otherwise the chain's word is shown, and the difference is told. Before you buy, dataset show
    reads everything about one dataset from chain and store.
    """
    session = CommandContext("anyone", as_json)
    index = session.index(node)
    wanted = {
        "text": " ".join(words or []),
        "rows_min": rows_min,
        "rows_max": rows_max,
        "columns_min": columns_min,
        "columns_max": columns_max,
        "price_max": None if price_max is None else token_units(price_max),
        "classes": model,
        "releases": release,
        "owner": owner,
        "offered": offered or None,
        "private": noise or None,
        "automatic": automatic or None,
        "sort": sort,
    }
    page = index.catalogue(wanted, limit=most, after=after)
    rows, wrong = _confirmed(session, index, page.items)
    value = {
        "datasets": rows,
        "total": page.total,
        "next": page.next,
        "facets": page.facets.model_dump(mode="json"),
        "differences": [str(each) for each in wrong],
    }

    def draw(out: Console) -> None:
        shown = [{**row, "title": escape(row["title"]), "license": _price(row["license"])} for row in rows]
        names = ("dataset", "title", "rows", "columns", "models", "releases", "offer", "license")
        table = [{name: row[name] if row[name] is not None else "-" for name in names} for row in shown]
        out.print(rows_table(table, empty="Nothing fits."))

    session.out.show(value, draw)
    if not as_json:
        session.out.say(escape(f"{page.total} found{_extent(page.facets)}."))
        if page.next:
            session.out.say(f"More: --after {escape(page.next)}")
    tell_differences(session, index, wrong)


def tell_differences(session: CommandContext, index: IndexClient, wrong: Sequence[Difference]) -> None:
    """What a node got wrong, on stderr, and whether being late explains it."""
    for each in wrong:
        session.out.say(f"[yellow]warning[/]: {escape(str(each))}")
    if wrong:
        late = index.status().index.behind
        why = f"is {late} blocks behind" if late else "says that it is up to date; if this stays, do not rely on it"
        session.out.say(f"[yellow]warning[/]: the index of {escape(index.http.host)} {why}.")


def _confirmed(
    session: CommandContext, index: IndexClient, entries: Sequence[CatalogueItem]
) -> tuple[list[dict[str, Any]], list[Difference]]:
    """A row for each entry that the chain knows, with the chain's facts; and what the node said otherwise."""
    from app.client.index.crosscheck import Difference, check_dataset

    rows, wrong = [], []
    for entry in entries:
        try:
            checked = check_dataset(session.network.market, index.card(entry.id))
        except NotFound:
            wrong.append(Difference(f"dataset {entry.id}", "existence", "there", "not there"))
            continue
        wrong += checked.differences
        record, offer = checked.record, checked.offer
        rows.append(
            {
                "dataset": record.id,
                "title": entry.title,
                "owner": record.owner,
                "manifest": record.manifest,
                "version": record.version,
                "rows": record.rows,
                "columns": entry.columns,
                "models": ", ".join(entry.classes),
                "releases": ", ".join(entry.releases),
                "offer": offer.id if offer else None,
                "license": offer.price_license if offer else None,
                "job": offer.price_job if offer else None,
                "row": offer.price_row if offer else None,
                "policy": offer.policy if offer else None,
            }
        )
    return rows, wrong


def _price(units: int | None) -> str | None:
    return None if units is None else dollars(units)


def _extent(facets: CatalogueFacets) -> str:
    """The facets in one line: `: linear 3, trees 1; 2 with an offer; 40 to 569 rows`."""
    kinds = ", ".join(f"{name} {count}" for name, count in (*facets.classes.items(), *facets.releases.items()) if count)
    words = [kinds, f"{facets.offered} with an offer" if facets.offered else ""]
    if facets.rows:
        words.append(f"{_span(*(f'{count:,}' for count in facets.rows))} rows")
    if facets.price:
        words.append(f"licenses from {_span(*map(dollars, facets.price))} test dollars")
    said = "; ".join(word for word in words if word)
    return f": {said}" if said else ""


def _span(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"
