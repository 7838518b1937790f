"""Live events over a real connection, from a real server on a free port."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import httpx
import pytest

from app.market.web.errors.refusals import Busy
from tests.support.custody import linear_circuit
from tests.support.serving import serve
from tests.support.web import ApiClient, MarketNode

PATIENCE = 10.0


class Follower:
    """Reads a stream in a thread."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self.events: list[tuple[str, str, Any]] = []  # kind, id, data
        self.comments = 0
        self.over = threading.Event()
        self._url, self._headers = url, headers or {}
        self._response: httpx.Response | None = None
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        fields: dict[str, str] = {}
        try:
            with httpx.stream("GET", self._url, headers=self._headers, timeout=PATIENCE) as self._response:
                for line in self._response.iter_lines():
                    name, _, value = line.partition(": ")
                    if line.startswith(":"):
                        self.comments += 1
                    elif line:
                        fields[name] = value
                    elif fields:
                        if "event" in fields:
                            data = json.loads(fields["data"])
                            self.events.append((fields["event"], fields.get("id", ""), data))
                        fields = {}
        finally:
            self.over.set()

    def wait(self, name: str) -> None:
        """Until an event of this name came."""
        end = time.monotonic() + PATIENCE
        while name not in self.names():
            assert time.monotonic() < end, self.names()
            time.sleep(0.01)

    def names(self) -> list[str]:
        """The events so far."""
        return [data["name"] if kind == "event" else kind for kind, _, data in list(self.events)]

    def join(self) -> None:
        """Until the stream is over."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


def test_a_job_is_followed_as_it_happens(scene: MarketNode) -> None:
    """What happened before comes at once, what happens later comes when the index has it, and silence has a pulse."""
    job = scene.open(scene.circuit)
    scene.indexer.sync()
    with serve(scene) as (origin, _, _app):
        follower = Follower(f"{origin}/v1/jobs/{job}/events")
        follower.wait("JobOpened")
        scene.market.draw(scene.stage.buyer, job)
        scene.indexer.sync()
        follower.wait("JobAssigned")
        pulse = follower.comments
        time.sleep(0.5)
        assert follower.comments > pulse
    follower.join()
    *events, (last, _, _) = follower.events
    assert last == "end"
    assert [data["job"] for _, _, data in events] == [job] * len(events)


def test_a_broken_stream_goes_on_where_it_was(scene: MarketNode, browser: ApiClient) -> None:
    """With Last-Event-ID only what follows comes; as a query for clients that cannot set headers."""
    path = f"/v1/jobs/{scene.settled}/events?seconds=0"
    whole = [line for line in browser.client.get(path).text.split("\n") if line.startswith("id: ")]
    assert len(whole) > 5
    after = whole[2][4:]
    requests: tuple[dict[str, Any], ...] = (
        {"headers": {"last-event-id": after}},
        {"params": {"after": after, "seconds": 0}},
    )
    for request in requests:
        text = browser.client.get(path, **request).text
        assert [line for line in text.split("\n") if line.startswith("id: ")] == whole[3:]


def test_the_whole_market_is_followed_from_now_on(scene: MarketNode) -> None:
    """Without a place to go on from, old events do not come."""
    scene.indexer.sync()
    with serve(scene) as (origin, _, _app):
        follower = Follower(f"{origin}/v1/events")
        end = time.monotonic() + PATIENCE
        while not follower.comments:
            assert time.monotonic() < end
            time.sleep(0.01)
        job = scene.open(scene.keep(linear_circuit([[3, 1, 4, 1, 5, 9, 2, 6]])))
        scene.indexer.sync()
        follower.wait("JobOpened")
    follower.join()
    assert {data["job"] for kind, _, data in follower.events if kind == "event" and data["job"]} == {job}


@pytest.mark.parametrize("path", ["/v1/jobs/999/events", "/v1/jobs/1/events?after=x", "/v1/events?after=x"])
def test_what_cannot_be_followed_is_refused_at_once(browser: ApiClient, path: str) -> None:
    """Unknown jobs and made-up places are problems, not empty streams."""
    answer = browser.client.get(path)
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_streams_are_bounded(scene: MarketNode) -> None:
    """A client has so many streams and the node so many; a stream that ends makes room."""
    with serve(scene, max_streams_of_client=2, max_streams=3) as (origin, _, app):
        url = f"{origin}/v1/events"
        followers = [Follower(url), Follower(url, {"x-request-id": "second"})]
        streams = app.state.backend.streams
        end = time.monotonic() + PATIENCE
        while streams.count < 2:
            assert time.monotonic() < end
            time.sleep(0.01)
        refused = httpx.get(url, timeout=PATIENCE)
        assert (refused.status_code, refused.json()["code"]) == (503, "busy")
        assert httpx.get(f"{origin}/v1/jobs/1/events?seconds=0", timeout=PATIENCE).status_code == 503
        with streams.place("another client"), pytest.raises(Busy), streams.place("a third"):
            pass
    for follower in followers:
        follower.join()
    assert streams.count == 0


def test_a_client_that_goes_leaves_no_stream(scene: MarketNode) -> None:
    """A connection that the client cuts is noticed."""
    with serve(scene) as (origin, _, app):
        with httpx.stream("GET", f"{origin}/v1/events", timeout=PATIENCE) as response:
            lines = response.iter_lines()  # forgotten, it would cut the connection
            assert next(lines).startswith("retry")
            assert app.state.backend.streams.count == 1
        end = time.monotonic() + PATIENCE
        while app.state.backend.streams.count:
            assert time.monotonic() < end
            time.sleep(0.02)
