"""Which releases are looked at together: bounded in number, and never fewer than a row saw."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol.policy.groups import MAX_BLOCKS, Group, groups, union
from app.protocol.policy.leakage import Released
from app.protocol.policy.linear_forms import AFFINE, Form, form

FORMS: list[Form] = [form({("a", AFFINE): weight, ("b", AFFINE): 1}) for weight in range(1, 6)]


def release(job: int, first: int, end: int, which: int = 0, **changes: object) -> Released:
    fields = {"version": 1, "kind": "score", "forms": (FORMS[which],), "opaque": ()} | changes
    return Released(job=job, license=1, first=first, end=end, micro_bits=1, query=str(job), **fields)  # type: ignore[arg-type]


def members(group: Group) -> set[Form | str]:
    return {*group.forms, *group.opaque}


SPANS = st.tuples(st.integers(0, 59), st.integers(1, 60), st.integers(0, 4)).map(
    lambda t: (min(t[0], t[1] - 1), max(t[0] + 1, t[1]), t[2])
)


@given(st.lists(SPANS, max_size=12), SPANS)
def test_small_tables_are_looked_at_row_by_row(spans: list[tuple[int, int, int]], asked: tuple[int, int, int]) -> None:
    """The groups are exactly the sets of what was released on some row of the entry."""
    history = [release(n, *span) for n, span in enumerate(spans, start=2)]
    first, end, which = asked
    own, found = groups(release(1, first, end, which), history, 60)
    assert members(own) == {FORMS[which]}
    rows = {frozenset(f for e in history if e.first <= row < e.end for f in e.forms) for row in range(first, end)}
    assert {frozenset(members(group)) for group in found} == rows
    assert len(found) == len(rows)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 9_999_999), st.integers(1, 10**7)), min_size=1, max_size=60))
def test_large_tables_are_looked_at_in_bounded_many_blocks(spans: list[tuple[int, int]]) -> None:
    """No choice of row ranges makes more groups than blocks, and every row's set is inside one of them."""
    rows = 10_000_000
    history = [release(n, first, min(first + size, rows), n % 5) for n, (first, size) in enumerate(spans, start=2)]
    _, found = groups(release(1, 0, rows), history, rows)
    assert len(found) <= MAX_BLOCKS
    for each in history:
        for row in (each.first, each.end - 1):
            told = {f for e in history if e.first <= row < e.end for f in e.forms}
            assert any(told <= members(group) for group in found)


def test_other_versions_and_aggregates_are_left_out() -> None:
    """Rows of another version are other rows, and an aggregate gives no row away by its form."""
    history = [release(2, 0, 9, 1, version=2), release(3, 0, 9, 2, kind="aggregate"), release(4, 0, 9, 3)]
    own, found = groups(release(1, 0, 9, kind="aggregate"), history, 9)
    assert (own.count, [members(each) for each in found]) == (0, [{FORMS[3]}])


def test_a_union_holds_every_group() -> None:
    """What bounds the union bounds each of them."""
    history = [release(2, 0, 5, 1, opaque=("c:y",)), release(3, 5, 9, 2)]
    _, found = groups(release(1, 0, 9), history, 9)
    assert members(union(found)) == {FORMS[1], FORMS[2], "c:y"}
