"""Questions that can be asked of a dataset, made of its codebook alone: where a newcomer begins."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from app.client.ask.cells import AskedCategory, AskedColumn, AskedTable, text
from app.client.ask.plan import plan
from app.client.ask.query import parse
from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadQuery
from fhe.profile import EncryptionProfile

MOST = 5
MOST_CELLS = 12  # of a column that is grouped by, so that the answer can be looked over
MOST_READ = 200  # columns that are looked at


def samples(codebook: Codebook, profile: EncryptionProfile, *, lookups: bool) -> tuple[str, ...]:
    """At most five questions, the simplest first, each of which compiles; `lookups`: whether it takes bootstraps."""
    found: list[str] = []
    for sql in _candidates(AskedTable(codebook)):
        try:
            planned = plan(parse(sql), codebook, profile)
        except BadQuery:
            continue
        if planned.circuit is not None and (lookups or not planned.lookups) and sql not in found:
            found.append(sql)
    return tuple(found[:MOST])


def _candidates(table: AskedTable) -> Iterator[str]:
    asked = [table[name] for name in itertools.islice(table, MOST_READ)]
    summed = [each for each in asked if isinstance(each, AskedColumn) and each.affine and not _two(each)]
    told_apart = [each for each in asked if _cells(each)]
    cut = [each for each in told_apart if each.binned]
    few = [each for each in told_apart if 1 < _cells(each) <= MOST_CELLS]
    grouped = next((each for each in few if not each.binned), few[0] if few else None)
    if summed:
        yield written([f"avg({quoted(each.name)})" for each in summed[:2]])
    if grouped is not None:
        yield written(["count(*)"], group=quoted(grouped.name))
    if cut:
        name = quoted(cut[0].name)
        yield written([f"histogram({name})"])
        yield written([f"median({name})"], where=_half(cut[0]))
        if grouped is not None and grouped is not cut[0]:
            yield written(["count(*)"], where=_half(cut[0]), group=quoted(grouped.name))


def written(aggregates: list[str], *, where: str = "", group: str = "") -> str:
    """A question as SQL, of parts that are SQL already."""
    said = ["SELECT", ", ".join([group] * bool(group) + aggregates), "FROM data"]
    return " ".join([*said, *["WHERE", where] * bool(where), *["GROUP BY", group] * bool(group)])


def quoted(name: str) -> str:
    """A column's name as SQL takes it: as it is where it reads back so, else in quotes."""
    try:
        if parse(written([f"avg({name})"], where=f"{name} >= 1", group=name)).groups == (name,):
            return name
    except BadQuery:
        pass
    return '"' + name.replace('"', '""') + '"'


def _two(column: AskedColumn) -> bool:
    return column.affine is not None and column.affine.levels == 2


def _cells(column: AskedColumn | AskedCategory) -> int:
    try:
        return len(column.cells)
    except BadQuery:
        return 0


def _half(column: AskedColumn | AskedCategory) -> str:
    """A condition that cuts a binned column about in the middle of its bins."""
    edges = [cell.low for cell in column.cells if cell.low is not None]
    return f"{quoted(column.name)} >= {text(edges[len(edges) // 2])}"
