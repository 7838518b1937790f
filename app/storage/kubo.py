"""Blocks in an IPFS node that speaks Kubo's RPC, through ipfshttpclient.

Files are cut, hashed and checked here, block by block, so the node's own chunker and its honesty do not matter: it
keeps blocks, and finds those of others. A file is pinned once all its blocks are there, and fetched again. The client's
version check is left out: it knows Kubo up to 0.7, while the calls used here (block/put, block/get, block/stat,
pin/add) are the same. All of them may be repeated, so what passes (no connection, a cut answer, a busy server) is asked
again: work that reads ten blocks would hardly ever come to its end at one lost answer in ten.
"""

from __future__ import annotations

import io
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from app.protocol.backoff import growing, spread
from app.protocol.errors import NotFound, Unavailable, UsageError
from app.protocol.ids import CidText
from app.storage.cid import RAW, Cid
from app.storage.content import ContentStore
from app.storage.unixfs import MAX_BLOCK_BYTES, FileBuilder

BLOCK_TIMEOUT_S = 30.0
PIN_TIMEOUT_S = 300.0
TRIES, FIRST_PAUSE_S, LONGEST_PAUSE_S = 4, 0.1, 1.0
BUSY = frozenset({429, 500, 502, 503, 504})  # without Kubo's own words; with them, a 500 is its answer

T = TypeVar("T")


class KuboBlocks:
    """The blocks of one node. Nothing here is trusted on reading: see `ContentStore`."""

    def __init__(self, url: str, *, auth: tuple[str, str] | None = None, timeout_s: float = BLOCK_TIMEOUT_S) -> None:
        """`url` is the RPC's, like http://127.0.0.1:5001; `auth` a user and password. Errors: UsageError."""
        self._address, self._auth, self._timeout_s = _multiaddr(url), auth, timeout_s
        self._url = url
        self._threads = threading.local()  # requests' sessions are not made to be shared

    def has(self, cid: Cid) -> bool:
        """Whether the node itself holds the block; it does not look for it elsewhere."""
        try:
            self._call(lambda client: client.block.stat(cid.text, offline=True, timeout=self._timeout_s), cid)
        except NotFound:
            return False
        return True

    def get(self, cid: Cid) -> bytes:
        """The block, from the node or from whomever it finds, cut one byte above the largest block."""

        def read(client: Any) -> bytes:
            block = bytearray()
            with client.block.get(cid.text, stream=True, timeout=self._timeout_s) as parts:
                for part in parts:
                    block += part
                    if len(block) > MAX_BLOCK_BYTES:
                        break
            return bytes(block)

        return self._call(read, cid)

    def put(self, cid: Cid, block: bytes | bytearray | memoryview) -> None:
        """Hand the block over. Errors: Unavailable, also when the node gives it another name."""
        # `format` and `version` are the old spelling, which old nodes need and new ones still read.
        codec = "raw" if cid.codec == RAW else "dag-pb"
        options = {"format": codec, "version": "1", "mhtype": "sha2-256", "cid-base": "base32"}
        answer = self._call(
            lambda client: client.block.put(io.BytesIO(block), opts=options, timeout=self._timeout_s), cid
        )
        if answer["Key"] != cid.text:
            raise Unavailable(f"The IPFS node at {self._url} keeps {cid.text} under another name.")

    def pin(self, cid: Cid) -> None:
        """Have the node keep the file for good."""
        self._call(lambda client: client.pin.add(cid.text, timeout=PIN_TIMEOUT_S), cid)

    def pinned(self, cid: Cid) -> bool:
        """Whether the node has this file's own pin."""
        import ipfshttpclient.exceptions as fault

        def ask(client: Any) -> bool:
            try:
                return bool(client.pin.ls(cid.text, type="recursive", timeout=self._timeout_s)["Keys"])
            except fault.ErrorResponse as error:
                if "not pinned" in str(error).lower():
                    return False
                raise

        return self._call(ask, cid)

    def unpin(self, cid: Cid) -> None:
        """Have the node keep the file no longer than its other pins do."""
        self._call(lambda client: client.pin.rm(cid.text, timeout=PIN_TIMEOUT_S), cid)

    @property
    def removes(self) -> bool:
        """The node clears up by itself."""
        return False

    def remove(self, cid: Cid) -> None:
        """The node's own collection takes blocks that no pin holds."""

    def _call(self, action: Callable[[Any], T], cid: Cid) -> T:
        import ipfshttpclient.exceptions as fault

        try:
            return self._tried(action)
        except fault.TimeoutError:
            raise NotFound(
                f"The IPFS node at {self._url} did not deliver {cid.text} in time.", "Try again, or ask another node."
            ) from None
        except fault.ErrorResponse as error:
            if "not found" in str(error).lower() or "could not find" in str(error).lower():
                raise NotFound(f"The IPFS node at {self._url} does not have {cid.text}.", "Ask another node.") from None
            raise Unavailable(f"The IPFS node at {self._url} refused a request.", "See the node's own log.") from None
        except (fault.Error, OSError):
            raise Unavailable(
                f"The IPFS node at {self._url} cannot be reached.", "Check its address and that it runs."
            ) from None

    def _tried(self, action: Callable[[Any], T]) -> T:
        """What a call gives, repeated while its failure is one that passes. Errors: ipfshttpclient's."""
        import ipfshttpclient.exceptions as fault

        for attempt in range(1, TRIES):
            try:
                return action(self._client())
            except (fault.TimeoutError, fault.ErrorResponse):
                raise
            except (fault.Error, OSError) as error:  # what requests raises in the midst of an answer is the latter
                status = getattr(getattr(error, "original", None), "response", None)
                if status is not None and status.status_code not in BUSY:
                    raise
                time.sleep(spread(growing(FIRST_PAUSE_S, attempt, LONGEST_PAUSE_S)))
        return action(self._client())

    def _client(self) -> Any:
        import ipfshttpclient

        client = getattr(self._threads, "client", None)
        if client is None:
            # urllib3 2 on an argument that ipfshttpclient 0.7 passes; urllib3 3 is excluded from the dependencies.
            warnings.filterwarnings("ignore", message="The 'strict' parameter", category=FutureWarning)
            user, password = self._auth or (None, None)
            client = ipfshttpclient.Client(self._address, session=True, username=user, password=password)
            self._threads.client = client
        return client


class KuboStore(ContentStore):
    """The Store seam over an IPFS node. What is put is fetched again, so that nothing is named that is not there."""

    def __init__(self, url: str, *, auth: tuple[str, str] | None = None, timeout_s: float = BLOCK_TIMEOUT_S) -> None:
        super().__init__(KuboBlocks(url, auth=auth, timeout_s=timeout_s))

    def _pinned(self, builder: FileBuilder) -> CidText:
        cid = super()._pinned(builder)
        self.verify(cid)
        return cid


def _multiaddr(url: str) -> str:
    parts = urlsplit(url)
    try:
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (KeyError, ValueError):
        port = 0
    host = parts.hostname or ""
    if not host or not port or parts.path not in ("", "/") or parts.username or "/" in host:
        raise UsageError(f"{url!r} is not the address of an IPFS node.", "Write it like http://127.0.0.1:5001.")
    kind = "ip6" if ":" in host else "ip4" if host.replace(".", "").isdigit() else "dns"
    return f"/{kind}/{host}/tcp/{port}/{parts.scheme}"
