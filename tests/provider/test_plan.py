"""Which jobs a provider gives back for lack of time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.protocol.ids import Address, Seconds
from app.protocol.market.entities import ZERO, Job, JobState
from app.provider.plan import SLACK, too_late

WORK = st.lists(st.tuples(st.integers(1, 5_000), st.integers(0, 10_000)), max_size=8)


def job(number: int, units: int, deadline: int) -> Job:
    """A job that waits for one provider."""
    return Job(
        id=number, license=1, dataset=1, buyer=Address("0xb"), state=JobState.ASSIGNED, circuit=ZERO, first_row=0,
        rows=1,
        sealing_key=ZERO, units=units, replicas=1, executions=(), receipt=ZERO, sealed=ZERO, decision=ZERO,
        deadline=Seconds(deadline), opened_block=1,
    )  # fmt: skip


def test_what_fits_is_kept_and_what_does_not_gives_way() -> None:
    """A job too large for its deadline is given back, and those behind it are not late because of it."""
    soon, large, later = job(1, 1_000, 1_100), job(2, 10_000, 2_000), job(3, 1_000, 2_100)
    assert too_late([later, large, soon], 1.0, 0) == [large]
    assert too_late([later, large, soon], 10.0, 0) == []
    assert too_late([later, large, soon], 1.0, 5_000) == [soon, large, later]


def test_what_is_done_or_under_way_counts() -> None:
    """A job that is nearly done is not given back after a restart, and one that comes behind a long one is, at once."""
    large = job(1, 10_000, 2_000)
    assert too_late([large], 1.0, 0, done=lambda _: 0.9) == []
    assert too_late([large], 10.0, 0) == []
    assert too_late([large], 10.0, 0, before=20_000) == [large]


@given(WORK, st.integers(1, 100))
def test_nothing_that_is_kept_is_late(work: list[tuple[int, int]], rate: int) -> None:
    """Computed one after the other, the earliest deadline first, each job that is kept ends in time."""
    jobs = [job(number, units, deadline) for number, (units, deadline) in enumerate(work)]
    late = too_late(jobs, rate, 0)
    ready = 0.0
    for each in sorted((each for each in jobs if each not in late), key=lambda each: (each.deadline, each.id)):
        ready += each.units / rate
        assert ready + SLACK <= each.deadline
