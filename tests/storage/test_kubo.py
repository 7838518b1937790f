"""An IPFS node is a source of blocks like any other: never believed, and each of its failures has a name.

Most tests speak HTTP to a small server that answers block/put, block/get, block/stat and pin/add in the form a node
does and can be told to misbehave. The deep test does the same work on a real daemon (js-ipfs).
"""

from __future__ import annotations

import contextlib
import email.parser
import email.policy
import json
import random
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from app.protocol.errors import BadBlock, NotFound, Unavailable, UsageError
from app.protocol.ids import Digest
from app.storage.cid import DAG_PB, RAW, digest_to_cid, of_block, parse
from app.storage.content import file_cid
from app.storage.kubo import KuboStore
from app.storage.unixfs import LEAF_BYTES, MAX_BLOCK_BYTES
from tests.support import ipfs_daemon

pytestmark = pytest.mark.filterwarnings("ignore:The 'strict' parameter:FutureWarning")  # ipfshttpclient on urllib3

LONG = random.Random(8).randbytes(2 * LEAF_BYTES + 99)
AS_KUBO = {"cid-version": "1", "raw-leaves": "true", "chunker": "size-1048576", "cid-base": "base32"}
ABSENT = digest_to_cid(Digest("ab" * 32))


class Node(ThreadingHTTPServer):
    """Blocks over HTTP, as a node's RPC answers; `fault` names the next misbehaviour."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.held: dict[str, bytes] = {}
        self.pinned: list[str] = []
        self.fault = ""
        self.passing: list[str] = []  # what goes wrong with the next requests

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Node

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        body = self._body()
        call = url.path.removeprefix("/api/v0/")
        passing = self.server.passing.pop() if self.server.passing else ""
        if passing in ("429", "503"):
            self._send(int(passing), b"<h1>busy</h1>", "text/html")
        elif passing == "reset":
            self.close_connection = True
        elif passing == "lost":
            self._send(200, b"", "application/json", length=100)
            self.close_connection = True
        elif self.server.fault == "error":
            self._answer(500, {"Message": "out of order", "Code": 0, "Type": "error"})
        elif call == "block/put":
            content = self._file(body)
            assert query["version"] == "1"
            cid = of_block(RAW if query["format"] == "raw" else DAG_PB, content).text
            self.server.held[cid] = content
            self._answer(200, {"Key": ABSENT if self.server.fault == "rename" else cid, "Size": len(content)})
        elif query["arg"] not in self.server.held:
            if self.server.fault == "silent":
                time.sleep(3)
            self._answer(500, {"Message": "block was not found locally", "Code": 0, "Type": "error"})
        elif call == "block/get":
            block = self.server.held[query["arg"]]
            lies = {
                "flip": block[:-1] + bytes((block[-1] ^ 1,)) if block else b"x",
                "cut": block[:-1],
                "huge": bytes(4 * MAX_BLOCK_BYTES),
            }
            self._send(200, lies.get(passing or self.server.fault, block), "text/plain")
        elif call == "block/stat":
            self._answer(200, {"Key": query["arg"], "Size": len(self.server.held[query["arg"]])})
        else:
            assert call == "pin/add"
            self.server.pinned.append(query["arg"])
            self._answer(200, {"Pins": [query["arg"]]})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _file(self, body: bytes) -> bytes:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        (part,) = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body).iter_parts()
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        return content

    def _answer(self, status: int, value: object) -> None:
        self._send(status, json.dumps(value).encode(), "application/json")

    def _send(self, status: int, content: bytes, kind: str, length: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length or len(content)))
        self.end_headers()
        with contextlib.suppress(OSError):  # a client that had enough
            self.wfile.write(content)


@pytest.fixture
def node() -> Iterator[Node]:
    """A small server in a thread."""
    server = Node()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def store(node: Node) -> KuboStore:
    """A store over it."""
    return KuboStore(node.url, timeout_s=1.0)


@pytest.mark.parametrize("size", [0, 5, LEAF_BYTES, LEAF_BYTES + 1, len(LONG)])
def test_bytes_come_back_from_a_node(store: KuboStore, node: Node, size: int) -> None:
    """A file has the CID that it has everywhere, is pinned by its top block, and is read back whole and in parts."""
    cid = store.put(LONG[:size])
    assert cid == file_cid(LONG[:size])
    assert node.pinned == [cid]
    assert all(of_block(parse(name).codec, block).text == name for name, block in node.held.items())
    assert store.size(cid) == size
    assert store.read(cid, limit=size) == LONG[:size]
    assert store.read(cid, size // 2, size // 3, limit=size) == LONG[size // 2 : size // 2 + size // 3]
    assert store.has(cid)


def test_a_file_on_disk_goes_to_a_node(store: KuboStore, tmp_path: Path) -> None:
    """put_file sends the same blocks."""
    path = tmp_path / "long"
    path.write_bytes(LONG)
    assert store.put_file(path) == file_cid(LONG)


@pytest.mark.parametrize("fault", ["flip", "cut", "huge"])
def test_a_lying_node_is_found_out(store: KuboStore, node: Node, fault: str) -> None:
    """Changed, cut and endless blocks are refused; an endless one is not read to its end."""
    cid = store.put(LONG[:1000])
    node.fault = fault
    with pytest.raises(BadBlock, match="does not hash"):
        store.read(cid, limit=1000)


@pytest.mark.parametrize("fault", ["flip", "cut", "huge"])
@pytest.mark.parametrize("size", [1000, len(LONG)])
def test_what_is_published_is_fetched_again(store: KuboStore, node: Node, fault: str, size: int) -> None:
    """A node that says it keeps a file and does not give it back as it was is found out while it is published."""
    node.fault = fault
    with pytest.raises(BadBlock, match="does not hash"):
        store.put(LONG[:size])


def test_what_a_node_does_not_have(store: KuboStore, node: Node) -> None:
    """An absent block is not found, whether the node says so or falls silent looking for it."""
    assert not store.has(ABSENT)
    with pytest.raises(NotFound, match="does not have"):
        store.read(ABSENT, limit=1)
    node.fault = "silent"
    with pytest.raises(NotFound, match="in time"):
        store.read(ABSENT, limit=1)


@pytest.mark.parametrize(
    "passing", [["429"], ["503"] * 3, ["reset"], ["lost"], ["flip"], ["cut"], ["reset", "flip", "503"]], ids="-".join
)
def test_what_passes_stops_nobody(store: KuboStore, node: Node, passing: list[str]) -> None:
    """A busy node, a lost answer, bytes that were spoilt on the way: each question is asked again, a few times."""
    cid = store.put(LONG)
    node.passing = list(passing)
    assert store.read(cid, limit=len(LONG)) == LONG
    assert not node.passing
    node.passing = list(passing)
    assert store.put(LONG) == cid
    assert not node.passing


def test_a_node_in_trouble(store: KuboStore, node: Node) -> None:
    """Errors of the node, a name that it made up, and a node that is not there are unavailability."""
    cid = store.put(b"x")
    node.fault = "error"
    for call in (lambda: store.read(cid, limit=1), lambda: store.put(b"y"), lambda: store.has(cid)):
        with pytest.raises(Unavailable, match="refused a request"):
            call()
    node.fault = "rename"
    with pytest.raises(Unavailable, match="under another name"):
        store.put(b"z")
    with pytest.raises(Unavailable, match="cannot be reached"):
        KuboStore("http://127.0.0.1:1").read(cid, limit=1)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:5001", "ftp://host", "http://", "http://host:port", "http://user@host", "http://host/path"]
)
def test_addresses_that_are_none(url: str) -> None:
    """What is not http(s)://host[:port] is refused before anything is sent."""
    with pytest.raises(UsageError, match="not the address"):
        KuboStore(url)


@pytest.mark.ipfs
@pytest.mark.slow
def test_a_real_daemon(tmp_path: Path) -> None:
    """On js-ipfs: files come back, its reader sees the same bytes, pins are recursive and undone, absence is told."""
    import ipfshttpclient

    with ipfs_daemon.running(tmp_path / "repository") as url:
        store = KuboStore(url, timeout_s=2.0)
        data = LONG * 10
        cid = store.put(data)
        assert cid == file_cid(data)
        assert store.read(cid, limit=len(data)) == data
        assert store.read(cid, LEAF_BYTES - 5, 10, limit=10) == data[LEAF_BYTES - 5 : LEAF_BYTES + 5]
        assert store.has(cid)
        with pytest.raises(NotFound):
            store.read(ABSENT, limit=1)
        port = urlsplit(url).port
        with ipfshttpclient.Client(f"/ip4/127.0.0.1/tcp/{port}/http") as client:
            assert client.cat(cid) == data
            added = client.add_bytes(data, opts=AS_KUBO)
            assert added == cid
            assert len(client.pin.ls(type="recursive")["Keys"]) == 1
            assert len(client.pin.ls(type="indirect")["Keys"]) == -(-len(data) // LEAF_BYTES)
            pinned = set(client.pin.ls(type="recursive")["Keys"])
            door, recording = store.recorded()
            door.put(LONG)
            door.put(data)
            assert len(client.pin.ls(type="recursive")["Keys"]) == 2
            recording.undo()
            assert set(client.pin.ls(type="recursive")["Keys"]) == pinned
