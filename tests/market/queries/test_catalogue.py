"""Finding datasets: filters, orders, pages, facets, against a plain reading of every entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.chain.address import eip55
from app.market.db.database import Database
from app.market.queries.catalogue import (
    CLASSES,
    RELEASES,
    CatalogueEntry,
    CatalogueFilter,
    CatalogueSort,
    entries,
    search,
)
from app.market.queries.choices import COLUMNS, FLAGS, ROWS, choices, totals
from app.market.queries.dataset import dataset
from app.market.queries.view import read_cursor, write_cursor
from app.market.text import clean, query_words, words
from app.protocol.errors import BadInput, NotFound
from benchmarks.api_fixture import fill
from tests.support import postgres

DATASETS = 150
WORDS = st.sampled_from(["credit", "can", "NORTH", "sur", "harbour 20", "age 1", "zzz", "c"])
KEYS: dict[CatalogueSort, Callable[[CatalogueEntry], Any]] = {
    CatalogueSort.NEWEST: lambda e: -e.id,
    CatalogueSort.TITLE: lambda e: (e.title.casefold(), e.id),
    CatalogueSort.PRICE: lambda e: (10**77 if e.price_license is None else e.price_license, e.id),
    CatalogueSort.ROWS: lambda e: (-e.rows, -e.id),
    CatalogueSort.COLUMNS: lambda e: (-e.columns, -e.id),
    CatalogueSort.JOBS: lambda e: (-e.jobs_settled, -e.id),
}


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def full(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A filled index; only read."""
    if request.param == "postgres":
        server: postgres.Server = request.getfixturevalue("postgres_server")
        made = Database(server.new_database())
    else:
        made = Database(f"sqlite:///{tmp_path_factory.mktemp('full')}/index.sqlite")
    made.migrate()
    fill(made, datasets=DATASETS, jobs=300)
    yield made
    made.close()


def everything(full: Database) -> list[CatalogueEntry]:
    """All entries, without search."""
    with full.session() as session:
        return list(entries(session, range(1, DATASETS + 1)).values())


def texts(full: Database) -> dict[int, str]:
    """The words of each dataset, each after a space."""
    with full.session() as session:
        found = {}
        for number in range(1, DATASETS + 1):
            detail = dataset(session, number)
            parts = [detail.entry.title, detail.description, detail.entry.creator, *detail.entry.keywords]
            found[number] = " " + " ".join(words([*parts, *(column.name for column in detail.columns)]))
        return found


@st.composite
def filters(draw: st.DrawFn) -> CatalogueFilter:
    """Any combination of wishes."""
    optional = st.none()
    return CatalogueFilter(
        text=draw(st.one_of(st.just(""), WORDS)),
        rows_min=draw(optional | st.integers(0, 2_000_000)),
        rows_max=draw(optional | st.integers(0, 2_000_000)),
        columns_min=draw(optional | st.integers(0, 40)),
        columns_max=draw(optional | st.integers(0, 40)),
        price_max=draw(optional | st.integers(0, 10**9) | st.just(2**200)),
        classes=tuple(draw(st.sets(st.sampled_from(["linear", "trees", "additive", "lookup"]), max_size=2))),
        releases=tuple(draw(st.sets(st.sampled_from(["label", "score", "aggregate"]), max_size=2))),
        offered=draw(st.booleans()),
        private=draw(st.booleans()),
        automatic=draw(st.booleans()),
    )


def fits(entry: CatalogueEntry, wanted: CatalogueFilter, said: str) -> bool:
    """The plain meaning of a filter."""
    return all((
        all(f" {word}" in said for word in query_words(wanted.text)),
        wanted.rows_min is None or entry.rows >= wanted.rows_min,
        wanted.rows_max is None or entry.rows <= wanted.rows_max,
        wanted.columns_min is None or entry.columns >= wanted.columns_min,
        wanted.columns_max is None or entry.columns <= wanted.columns_max,
        wanted.price_max is None or (entry.price_license is not None and entry.price_license <= wanted.price_max),
        set(wanted.classes) <= set(entry.classes),
        not wanted.releases or set(wanted.releases) & set(entry.releases),
        not wanted.offered or entry.offers > 0,
        not wanted.private or entry.private,
        not wanted.automatic or entry.automatic,
    ))  # fmt: skip


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=filters(), sort=st.sampled_from(list(CatalogueSort)), limit=st.integers(1, 60))
def test_search_finds_what_fits_in_order_page_by_page(
    full: Database, wanted: CatalogueFilter, sort: CatalogueSort, limit: int
) -> None:
    """All pages together hold each dataset that fits once, in order; totals and facets count just these."""
    said = texts_of(full)
    expected = sorted((e for e in entries_of(full) if fits(e, wanted, said[e.id])), key=KEYS[sort])
    found: list[CatalogueEntry] = []
    after: str | None = None
    with full.session() as session:
        while True:
            page = search(session, wanted, sort=sort, limit=limit, after=after)
            found += page.items
            after = page.next
            if after is None:
                break
    assert [each.id for each in found] == [each.id for each in expected]
    assert page.total == len(expected)
    assert page.facets.offered == sum(each.offers > 0 for each in expected)
    assert page.facets.classes["trees"] == sum("trees" in each.classes for each in expected)
    assert page.facets.releases["label"] == sum("label" in each.releases for each in expected)
    rows = [each.rows for each in expected]
    assert page.facets.rows == ((min(rows), max(rows)) if rows else None)
    prices = [each.price_license for each in expected if each.price_license is not None]
    assert page.facets.price == ((min(prices), max(prices)) if prices else None)


_seen: dict[int, tuple[list[CatalogueEntry], dict[int, str]]] = {}


def entries_of(full: Database) -> list[CatalogueEntry]:
    """All entries, read once for a database."""
    if id(full) not in _seen:
        _seen[id(full)] = (everything(full), texts(full))
    return _seen[id(full)][0]


def texts_of(full: Database) -> dict[int, str]:
    """All words, read once for a database."""
    entries_of(full)
    return _seen[id(full)][1]


def test_an_owner_is_found_in_any_case(full: Database) -> None:
    """Addresses are the same in capitals and small letters; what is none is refused."""
    owner = entries_of(full)[0].owner
    with full.session() as session:
        found = search(session, CatalogueFilter(owner=owner.lower()))
        assert found.total == sum(each.owner == owner for each in entries_of(full)) > 0
        with pytest.raises(BadInput):
            search(session, CatalogueFilter(owner="0x12'; DROP TABLE datasets"))


@pytest.mark.parametrize("text", ["%", "_", "'", '"; --', "\x00", "\ud800", "ß" * 200, "a" * 200, "*", "İ"])
def test_any_text_may_be_searched_for(full: Database, text: str) -> None:
    """Letters of other languages, wildcards and quotes mean nothing but themselves."""
    with full.session() as session:
        assert search(session, CatalogueFilter.model_construct(text=text)).total in (0, DATASETS)


@given(st.text(max_size=60))
def test_a_cursor_that_no_list_gave_out_is_refused(text: str) -> None:
    """Whatever its text is."""
    with pytest.raises(BadInput):
        read_cursor(text, str, int)


@pytest.mark.parametrize("sort", list(CatalogueSort))
@pytest.mark.parametrize(
    "place",
    [(), (1,), ("x", 1), (1, 2), (True, 1), (2**63, 1), (-5, 1), ("\x00", 1), ("\ud800", 1), ("9" * 90, 1), (1.5, 1)],
)
def test_a_forged_cursor_does_no_harm(full: Database, sort: CatalogueSort, place: tuple[Any, ...]) -> None:
    """It is refused, or read as a place like any other; the database never sees what it cannot hold."""
    try:
        forged = write_cursor(sort, *place)
    except UnicodeEncodeError:
        forged = "InF1ZDgwMCI"
    with full.session() as session, suppress(BadInput):
        assert search(session, sort=sort, after=forged).total == DATASETS


def test_a_cursor_of_another_order_is_refused(full: Database) -> None:
    """Going on in another order would skip and repeat."""
    with full.session() as session:
        page = search(session, sort=CatalogueSort.ROWS, limit=5)
        with pytest.raises(BadInput, match="another order"):
            search(session, sort=CatalogueSort.COLUMNS, after=page.next)


@pytest.mark.parametrize("number", [0, -1, DATASETS + 1, 2**63, 2**300])
def test_a_dataset_that_is_not_there_is_not_found(full: Database, number: int) -> None:
    """Whatever its number."""
    with full.session() as session, pytest.raises(NotFound):
        dataset(session, number)


@pytest.mark.parametrize("limit", [0, -1, 101, 10**30])
def test_a_page_has_bounds(full: Database, limit: int) -> None:
    """Nobody gets everything at once."""
    with full.session() as session, pytest.raises(BadInput):
        search(session, limit=limit)


@given(st.text(max_size=300), st.integers(1, 200))
def test_cleaned_text_can_be_stored(text: str, limit: int) -> None:
    """It has no zero bytes, no surrogates, nothing that turns writing around, and is not too long."""
    made = clean(text, limit)
    made.encode()
    assert len(made) <= limit
    assert not set(made) & {"\x00", "\u202e", "\x1b"}


@given(st.text(max_size=100))
def test_what_is_indexed_is_what_is_asked_for(text: str) -> None:
    """Each word of a text is found by asking for that very word."""
    for word in words([text]):
        assert query_words(word) == [word]


def test_addresses_are_checked() -> None:
    """A slip in the capitals of a checksummed address is noticed."""
    right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # EIP-55's own example
    assert eip55(right.lower()) == eip55("0x" + right[2:].upper()) == eip55(right) == right
    for wrong in (right[:-1] + "D", right[:-1], right + "0", "", "0x" + "g" * 40, right + "\n"):
        with pytest.raises(BadInput):
            eip55(wrong)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=filters())
def test_each_choice_is_counted_as_the_search_that_it_leads_to(full: Database, wanted: CatalogueFilter) -> None:
    """The number beside a filter is what the catalogue finds once it is chosen."""
    prices = (0, 10**6, 10**8)
    with full.session() as session:
        counts = choices(session, wanted, prices)
        led: list[tuple[int, dict[str, Any]]] = []
        led += [(counts.classes[each], {"classes": (*wanted.classes, each)}) for each in CLASSES]
        led += [(counts.releases[each], {"releases": (each,)}) for each in RELEASES]
        led += [(counts.flags[each], {each: True}) for each in FLAGS]
        led += [(counts.rows[each], {"rows_min": each}) for each in ROWS]
        led += [(counts.columns[each], {"columns_min": each}) for each in COLUMNS]
        led += [(counts.prices[each], {"price_max": each}) for each in prices]
        found = totals(session, (wanted.model_copy(update=changes) for _, changes in led))
    assert [count for count, _ in led] == found
