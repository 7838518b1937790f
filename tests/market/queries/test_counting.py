"""What is read of the whole index is read once for each state of it, whoever asks at the same time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from app.market.db.database import Database
from app.market.db.tables import SyncStateRow
from app.market.queries.counting import KEPT, NotKept, counted, kept_only
from app.market.queries.listings import Kept, listings
from benchmarks.api_fixture import fill


@pytest.fixture
def index(tmp_path: Path) -> Database:
    """A small index with a state."""
    made = Database(f"sqlite:///{tmp_path}/index.sqlite")
    made.migrate()
    fill(made, datasets=3, jobs=1)
    return made


def change(index: Database) -> None:
    """Bring the index to another state."""
    with index.writing() as session:
        place = session.get(SyncStateRow, 1)
        assert place is not None
        place.revision += 1
        session.add(place)


def test_all_who_ask_at_once_wait_for_one_count(index: Database) -> None:
    """A change of the index is read by one thread, not by all readers."""
    counts: list[int] = []
    inside, together = threading.Event(), threading.Barrier(9)

    def count() -> int:
        counts.append(1)
        inside.wait(30)
        return len(counts)

    def ask() -> None:
        with index.session() as session:
            together.wait(30)
            found.append(counted(session, "how many", count))

    found: list[int] = []
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    together.wait(30)
    inside.set()
    for thread in threads:
        thread.join()
    assert found == [1] * 8


def test_a_new_state_is_read_anew_and_the_old_one_forgotten(index: Database) -> None:
    """Listings hold for the state that they were read in; no more than one state is kept."""
    with index.session() as session:
        first = listings(session)
        assert listings(session) is first
        for number in range(KEPT):
            counted(session, f"{number}", lambda: 0)
    change(index)
    with index.session() as session:
        assert listings(session) is not first
        assert counted(session, "0", lambda: "again") == "again"


def test_a_reader_of_an_earlier_state_gets_that_one(index: Database) -> None:
    """A session that began before the newest change sees nothing of it."""
    with index.session() as old:
        assert counted(old, "what", lambda: "old") == "old"
        change(index)
        with index.session() as new:
            assert counted(new, "what", lambda: "new") == "new"
        assert counted(old, "what", lambda: "old") == "old"


def test_who_is_in_a_hurry_gets_only_what_is_kept(index: Database) -> None:
    """Neither made, nor waited for while another makes it."""
    begun, made = threading.Event(), threading.Event()

    def slowly() -> str:
        begun.set()
        made.wait(30)
        return "made"

    def make() -> None:
        with index.session() as session:
            counted(session, "slow", slowly)

    other = threading.Thread(target=make)
    with index.session() as session:
        with kept_only(), pytest.raises(NotKept):
            counted(session, "slow", slowly)
        other.start()
        assert begun.wait(30)
        with kept_only(), pytest.raises(NotKept):
            counted(session, "slow", slowly)
        made.set()
        other.join()
        with kept_only():
            assert counted(session, "slow", slowly) == "made"


def test_what_nobody_asks_for_gives_way() -> None:
    """At most so many values are kept."""
    kept: Kept[int, str] = Kept(2)
    for number in (1, 2):
        kept.put(number, f"{number}")
    assert kept.get(1) == "1"
    kept.put(3, "3")
    assert [kept.get(number) for number in (1, 2, 3)] == ["1", None, "3"]
