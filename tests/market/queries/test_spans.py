"""Row ranges of releases, added up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.market.queries.budget import heaviest, union

SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)).map(lambda s: (s[0], s[0] + s[1])), max_size=8)


@given(SPANS)
def test_the_union_of_spans_covers_the_same_rows(spans: list[tuple[int, int]]) -> None:
    """Each row once, in order."""
    covered = sorted({row for first, end in spans for row in range(first, end)})
    assert [row for first, end in union(spans) for row in range(first, end)] == covered


@given(SPANS, st.data())
def test_the_heaviest_row_bears_the_greatest_sum(spans: list[tuple[int, int]], data: st.DataObject) -> None:
    """As adding up row by row says."""
    weighed = [(span, data.draw(st.integers(0, 9))) for span in spans]
    sums = [sum(weight for (first, end), weight in weighed if first <= row < end) for row in range(41)]
    assert heaviest(weighed) == max(sums)
