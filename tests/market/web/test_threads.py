"""How often a request changes threads, and how many of them read the index at once."""

from __future__ import annotations

import threading
import time
from typing import Any

import anyio.to_thread
import pytest

from app.market.db.tables import SyncStateRow
from app.market.web.index_reads import AT_ONCE, index_read
from tests.support import apart
from tests.support.web import ApiClient


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was handed to another thread, in order."""
    handed, real = [], anyio.to_thread.run_sync

    async def counted(work: Any, *args: Any, **settings: Any) -> Any:
        handed.append(work)
        return await real(work, *args, **settings)

    monkeypatch.setattr(anyio.to_thread, "run_sync", counted)
    return handed


def test_a_request_takes_one_turn_on_another_thread(browser: ApiClient, turns: list[Any]) -> None:
    """For its work alone: each further hand-over costs as much as a search of the catalogue, and fifty readers wait."""
    assert browser.client.get("/v1/datasets/1").status_code == 200
    assert len(turns) == 1


def test_the_catalogue_is_handed_over_only_while_it_has_to_be_read(browser: ApiClient, turns: list[Any]) -> None:
    """Once it was read for a state of the index, a search is answered at once, and says the same."""
    with browser.scene.database.writing() as session:  # another state, of which nothing is kept
        place = session.get(SyncStateRow, 1)
        assert place is not None
        place.revision += 1
    first = browser.client.get("/v1/datasets?sort=title&text=clinic")
    assert len(turns) == 1
    again = browser.client.get("/v1/datasets?sort=title&text=clinic")
    assert again.json() == first.json()
    assert len(turns) == 1
    browser.client.get("/v1/datasets?sort=title&text=other")  # a word that nobody asked for yet
    assert len(turns) == 2


def test_few_threads_read_the_index_and_none_waits_for_those_that_wait() -> None:
    """Fifty readers take turns on as many threads as help, also while each other thread waits for a chain."""
    reading, most, dead_chain = 0, 0, threading.Event()
    lock = threading.Lock()

    @index_read
    def read() -> None:
        nonlocal reading, most
        with lock:
            reading += 1
            most = max(most, reading)
        time.sleep(0.002)
        with lock:
            reading -= 1

    async def wait() -> None:
        await anyio.to_thread.run_sync(dead_chain.wait)

    async def look() -> None:
        await read()

    async def story() -> None:
        others = int(anyio.to_thread.current_default_thread_limiter().total_tokens)
        async with anyio.create_task_group() as waiting:
            for _ in range(others):
                waiting.start_soon(wait)
            async with anyio.create_task_group() as readers:
                for _ in range(50):
                    readers.start_soon(look)
            dead_chain.set()

    apart.run(story)
    assert most == AT_ONCE
