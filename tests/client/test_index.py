"""The client of a node's index, against a served API over a real market, and against servers that are no such thing."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.client.index import http
from app.client.index.client import IndexClient, IndexedDataset, find_node
from app.client.index.crosscheck import check_dataset, check_job
from app.home.config import NODE_FILE, read_config, write_config
from app.home.home import Home
from app.protocol.errors import (
    BadInput,
    DarkroomError,
    NotFound,
    TooLarge,
    TryAgain,
    Unavailable,
    UsageError,
    VerificationFailed,
)
from app.protocol.market.entities import JobState
from tests.support.web import MarketNode


@pytest.fixture
def index(served: str, scene: MarketNode) -> IndexClient:
    """The index of the scene's market, after whatever other tests did on its chain."""
    scene.indexer.sync()
    return IndexClient.of(served, scene.market)


@contextmanager
def stranger(*answers: bytes) -> Iterator[str]:
    """A server that says these bytes to whoever connects, one connection after the other, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(answer)

        thread = threading.Thread(target=talk)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


def answer(body: bytes, status: str = "200 OK") -> bytes:
    """An HTTP answer."""
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body


def test_the_catalogue_is_searched_with_facets(index: IndexClient, scene: MarketNode) -> None:
    """Words and filters find the dataset or nothing; the page counts what was found."""
    found = index.catalogue({"rows_min": 1, "classes": ["linear"], "offered": True})
    assert [entry.id for entry in found.items] == [scene.stage.dataset]
    assert (found.total, found.next, found.facets.offered) == (1, None, 1)
    assert found.items[0].price_license == scene.market.offer(scene.offer).price_license
    assert index.catalogue({"rows_min": 10**6}).total == 0


def test_jobs_come_page_by_page(index: IndexClient, scene: MarketNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages together are the buyer's jobs, newest first, and no more of them than were asked for."""
    monkeypatch.setattr("app.client.index.client.PAGE", 2)
    mine = [each.id for each in index.jobs(buyer=scene.stage.buyer.address, most=100)]
    there = [job.id for job in scene.market.jobs(buyer=scene.stage.buyer.address)]
    assert len(there) >= 3
    assert mine == there[::-1]
    everybodys = [job.id for job in scene.market.jobs()][::-1]
    assert [each.id for each in index.jobs(most=3)] == everybodys[:3]
    refused = [each.id for each in index.jobs(most=99, state=["refused"])]
    assert refused == [job.id for job in scene.market.jobs(states=(JobState.REFUSED,))][::-1]
    assert scene.refused in refused


def test_a_job_is_followed(index: IndexClient, scene: MarketNode) -> None:
    """Its events come in order, and again from a cursor on."""
    events = [event for event in index.follow(scene.settled, seconds=0) if event]
    assert events[0].name == "JobOpened"
    assert "JobSettled" in [event.name for event in events]
    again = [event for event in index.follow(scene.settled, after=events[2].cursor, seconds=0) if event]
    assert again == events[3:]
    with pytest.raises(NotFound):
        list(index.follow(10**6, seconds=0))


def test_errors_keep_their_codes(index: IndexClient) -> None:
    """What the node refuses is the same error here as there; what only servers say keeps its code too."""
    with pytest.raises(NotFound) as missing:
        index.card(10**6)
    assert missing.value.next_step
    with pytest.raises(BadInput) as fields:
        index.catalogue({"rows_min": -1})
    assert fields.value.code == "invalid-fields"
    with pytest.raises(BadInput):
        index.catalogue({}, after="no cursor")
    with pytest.raises(NotFound):
        index.audit("0" * 16)
    with pytest.raises(UsageError) as route:
        index.http.get("/v1/nothing")
    assert (route.value.code, route.value.exit_code) == ("no-such-route", 2)
    busy = http.kind_of("too-many-requests", 429)("Wait.")
    assert (busy.code, busy.exit_code, isinstance(busy, TryAgain)) == ("too-many-requests", 5, True)


def test_what_the_chain_confirms(index: IndexClient, scene: MarketNode) -> None:
    """An index that tells the truth differs in nothing, and the offer is the chain's."""
    checked = check_dataset(scene.market, index.card(scene.stage.dataset))
    assert checked.differences == ()
    assert checked.offer == scene.market.offer(checked.offer.id if checked.offer else 0)
    for told in index.jobs(most=100):
        job, differences = check_job(scene.market, told)
        assert (job.id, differences) == (told.id, ())


LIES = {
    "owner": ("entry", "owner", "0x" + "11" * 20),
    "rows": ("entry", "rows", 10**6),
    "manifest": ("manifest", "", "ab" * 32),
    "tombstoned": ("entry", "tombstoned", True),
    "price_license": ("offers", "price_license", "1"),
    "price_row": ("offers", "price_row", "0"),
    "active": ("offers", "active", False),
    "policy": ("offers", "policy", {"digest": "cd" * 32}),
    "existence": ("offers", "id", 10**6),
}


@pytest.mark.parametrize("fact", LIES)
def test_a_node_that_lies_is_told_apart(index: IndexClient, scene: MarketNode, fact: str) -> None:
    """Whatever money or trust depends on is compared, named, and taken from the chain."""
    where, name, lie = LIES[fact]
    told = index.http.get(f"/v1/datasets/{scene.stage.dataset}")
    if where == "offers":
        told["offers"] = [told["offers"][0] | {name: lie}]
    else:
        told[where] = told[where] | {name: lie} if name else lie
    checked = check_dataset(scene.market, IndexedDataset.model_validate(told))
    assert [each.fact for each in checked.differences] == [fact]
    assert checked.record == scene.market.dataset(scene.stage.dataset)
    assert checked.offer is None or checked.offer == scene.market.offer(checked.offer.id)


def test_an_index_of_another_market_is_refused(scene: MarketNode) -> None:
    """The node's market and chain must be this machine's."""
    index = {"height": 1, "head": 1, "behind": 0, "error": ""}
    told = {"version": "1", "chain_id": 5, "head": 1, "market": scene.market.address, "index": index}
    with stranger(answer(json.dumps(told).encode())) as url, pytest.raises(VerificationFailed, match="another market"):
        IndexClient.of(url, scene.market)


STRANGERS: dict[str, tuple[bytes, type[DarkroomError], str]] = {
    "no JSON": (answer(b"<html>"), Unavailable, "no Darkroom node"),
    "JSON of another kind": (answer(b'{"status": 1}'), Unavailable, "does not know"),
    "deep JSON": (answer(b"[" * 200_000), Unavailable, "no Darkroom node"),
    "not HTTP": (b"SSH-2.0-OpenSSH\r\n", Unavailable, "No node answers"),
    "nothing": (b"", Unavailable, "No node answers"),
    "a redirect": (answer(b"", "302 Found\r\nlocation: http://127.0.0.1:1/"), Unavailable, "no Darkroom node"),
    "an error of its own": (answer(b"Bad gateway", "502 Bad Gateway"), Unavailable, "no Darkroom node"),
    "too much": (answer(b" " * ((8 << 20) + 1)), TooLarge, "more than"),
    "half an answer": (answer(b"{}" * 9)[:-3], Unavailable, "No node answers"),
    "a code that is none": (
        answer(b'{"code": "__init__", "detail": "x", "next_step": ""}', "400 Bad Request"), Unavailable, "no Darkroom",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", STRANGERS)
def test_what_is_no_node_is_an_error_in_words(what: str) -> None:
    """Whatever answers at an address, the client ends with a sentence and a next step, and follows nothing."""
    said, kind, words = STRANGERS[what]
    with stranger(said) as url, pytest.raises(kind, match=words) as told:
        IndexClient(url).status()
    assert told.value.next_step


def test_an_answer_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node cannot hold a client for ever by answering ever so slowly."""
    monkeypatch.setattr(http, "ANSWER_SECONDS", 0.0)
    with stranger(answer(b" " * 100)) as url, pytest.raises(Unavailable, match="takes too long"):
        IndexClient(url).status()


def test_a_line_without_an_end_is_given_up() -> None:
    """An event stream of one endless line is cut."""
    with stranger(answer(b"data: " + b"x" * (2 << 20))) as url, pytest.raises(TooLarge, match="a line over"):
        list(IndexClient(url).follow(1))


def test_words_of_a_node_move_no_terminal() -> None:
    """Escape sequences and marks that turn writing around are taken out of what is shown."""
    problem = {"code": "not-found", "detail": "\x1b[2Jgone\u202e", "next_step": "\x07"}
    said = answer(json.dumps(problem).encode(), "404 Not Found")
    with stranger(said) as url, pytest.raises(NotFound) as told:
        IndexClient(url).card(1)
    assert told.value.message == " [2Jgone "
    assert told.value.message.isprintable()


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:80", "ftp://x", "http://", "http://x/v1", "http://u:p@x", "http://x:99999", "http://[::1"]
)
def test_addresses_that_are_none(url: str) -> None:
    """An address is scheme, host and perhaps a port."""
    with pytest.raises(UsageError, match="no node's address"):
        IndexClient(url)


def test_where_the_node_is_named(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A word of the command, then the environment, then node.json, then the node that runs in this home."""
    with pytest.raises(NotFound, match="No node runs"):
        find_node(home)
    (home.root / NODE_FILE).write_text("http://127.0.0.1:8081\n")
    assert find_node(home) == "http://127.0.0.1:8081"
    write_config(home, read_config(home).model_copy(update={"node": "https://market.example.org"}))
    assert find_node(home) == "https://market.example.org"
    monkeypatch.setenv("DARKROOM_NODE", "http://127.0.0.1:1")
    assert find_node(home) == "http://127.0.0.1:1"
    assert find_node(home, "http://127.0.0.1:2") == "http://127.0.0.1:2"
    assert find_node(Home(tmp_path / "none"), "http://127.0.0.1:2") == "http://127.0.0.1:2"
