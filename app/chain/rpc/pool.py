"""Several JSON-RPC endpoints of one chain, asked one at a time: the next one takes over when one fails.

Answers of different nodes are not mixed at will. One endpoint is asked until it fails. Another takes over only if it is
on the same chain, has the block that was last taken for final, and is not behind the newest block that was seen:
nothing that was final is undone, and no head goes back, because a question went to another machine. Endpoints that
failed rest for a while that grows; the first one in the settings is gone back to when it is well again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.chain.rpc.provider import BoundedProvider
from app.protocol.backoff import growing
from app.protocol.errors import DarkroomError, Unavailable

FIRST_REST, LONGEST_REST = 2.0, 300.0  # seconds for which an endpoint that failed is left alone
TRIES, TIMEOUT = 2, (3.0, 20.0)  # of one endpoint, where there are others: seconds to connect, and between two bytes
BACK_SECONDS = 60.0  # between looks whether an endpoint that stands earlier in the settings is well again


@dataclass
class _Endpoint:
    provider: BoundedProvider
    failures: int = 0
    due: float = float("-inf")  # from when on it may be asked again
    said: str = ""  # its last trouble


class PooledProvider:
    """`BoundedProvider` over several endpoints of one chain."""

    def __init__(self, urls: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        """Errors: UsageError."""
        self._endpoints = [_Endpoint(BoundedProvider(url, tries=TRIES, timeout=TIMEOUT)) for url in urls]
        self._clock = clock
        self._urls = tuple(urls)
        self._now: _Endpoint | None = None  # the one that is asked
        self._looked = float("-inf")
        self._chain = ""
        self._head = -1
        self._final: tuple[int, str] | None = None

    def __str__(self) -> str:
        return f"{type(self).__name__}({self.host!r})"

    __repr__ = __str__

    @property
    def host(self) -> str:
        """The host that is asked now."""
        return (self._now or self._endpoints[0]).provider.host

    def again(self) -> PooledProvider:
        """Another provider of the same endpoints, for a client of its own."""
        return PooledProvider(self._urls)

    def saw_head(self, number: int) -> None:
        """A newest block was read: no endpoint that is behind it takes over."""
        self._head = max(self._head, number)

    def saw_final(self, number: int, digest: str) -> None:
        """A block was taken for final: no endpoint without it takes over."""
        if self._final is None or number >= self._final[0]:
            self._final = (number, digest)

    def health(self) -> list[tuple[str, str]]:
        """(host, "" or its last trouble) of each endpoint, in the order of the settings."""
        return [(each.provider.host, each.said if each.failures else "") for each in self._endpoints]

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        """The response of the endpoint that is asked, or of the next that answers. Errors: TooLarge, Unavailable."""
        answer: dict[str, Any] = self._answered(lambda provider: provider.make_request(method, params))
        return answer

    def make_batch_request(self, questions: Sequence[tuple[str, Any]]) -> list[dict[str, Any]]:
        """All of one endpoint; as `make_request`."""
        answers: list[dict[str, Any]] = self._answered(lambda provider: provider.make_batch_request(questions))
        return answers

    def send(self, what: str, body: bytes, batch: int | None = None) -> Any:
        """As `BoundedProvider.send`, of one endpoint."""
        return self._answered(lambda provider: provider.send(what, body, batch))

    def _answered(self, ask: Callable[[BoundedProvider], Any]) -> Any:
        self._go_back()
        for endpoint in self._in_turn():
            try:
                if endpoint is not self._now:
                    self._check(endpoint.provider)
                answer = ask(endpoint.provider)
            except Unavailable as error:
                self._failed(endpoint, error)
                continue
            self._now, endpoint.failures = endpoint, 0
            return answer
        told = "; ".join(f"{each.provider.host}: {each.said}" for each in self._endpoints)
        raise Unavailable(f"No chain node answers ({told}).", "Start one, or correct the chain's URLs in the settings.")

    def _in_turn(self) -> list[_Endpoint]:
        """The one that is asked now, then those that are well, by the settings, then those that rest."""
        rest = [each for each in self._endpoints if each is not self._now]
        return ([self._now] if self._now else []) + sorted(rest, key=lambda each: each.due > self._clock())

    def _go_back(self) -> None:
        """Take an earlier endpoint again that is well: it was named first."""
        if self._now in (None, self._endpoints[0]) or self._clock() - self._looked < BACK_SECONDS:
            return
        self._looked = self._clock()
        for endpoint in self._endpoints:
            if endpoint is self._now:
                return
            if endpoint.due <= self._clock():
                try:
                    self._check(endpoint.provider)
                except Unavailable as error:
                    self._failed(endpoint, error)
                    continue
                self._now, endpoint.failures = endpoint, 0
                return

    def _failed(self, endpoint: _Endpoint, error: DarkroomError) -> None:
        endpoint.failures += 1
        endpoint.due = self._clock() + growing(FIRST_REST, endpoint.failures, LONGEST_REST)
        endpoint.said = error.message
        if endpoint is self._now:
            self._now, self._looked = None, self._clock()

    def _check(self, provider: BoundedProvider) -> None:
        """Whether an endpoint may take over. Errors: Unavailable."""
        chain = self._read(provider, "eth_chainId")
        self._chain = self._chain or str(chain)
        if chain != self._chain:
            raise Unavailable(f"It is on chain {chain}, and the others on {self._chain}.", "Correct the settings.")
        if self._final is not None:
            number, digest = self._final
            block = self._read(provider, "eth_getBlockByNumber", hex(number), False)
            if not isinstance(block, dict) or block.get("hash") != digest:
                raise Unavailable(f"It does not have block {number} that is final.", "See whether it is in sync.")
        if self._head >= 0:
            told = str(self._read(provider, "eth_blockNumber"))
            head = int(told, 16) if re.fullmatch(r"0x[0-9a-fA-F]{1,16}", told) else -1
            if head < self._head:
                raise Unavailable(f"It is at block {head} and the chain at {self._head}.", "Wait until it is in sync.")

    def _read(self, provider: BoundedProvider, method: str, *params: Any) -> Any:
        answer = provider.make_request(method, params)
        if "error" in answer:
            raise Unavailable(f"It refused {method}.", "Use another node.")
        return answer["result"]
