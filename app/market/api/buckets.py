"""Token buckets: a client may do `burst` at once and `per_second` on the long run."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

MAX_CLIENTS = 20_000


@dataclass(frozen=True)
class Rate:
    """A limit, in costs."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    burst: Annotated[float, Field(ge=1, le=1e9)]
    per_second: Annotated[float, Field(ge=1e-3, le=1e9)]


@dataclass
class _Bucket:
    level: float
    at: float


class Buckets:
    """One bucket a client, for the clients seen last."""

    def __init__(self, rate: Rate, clock: Callable[[], float], clients: int = MAX_CLIENTS) -> None:
        self._rate, self._clock, self._clients = rate, clock, clients
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, client: str, cost: float = 1.0) -> float:
        """Take from a client's bucket: 0, or the seconds after which there is enough (and then nothing was taken)."""
        now = self._clock()
        with self._lock:
            bucket = self._buckets.pop(client, None) or _Bucket(self._rate.burst, now)
            self._buckets[client] = bucket
            while len(self._buckets) > self._clients:
                self._buckets.popitem(last=False)
            passed = max(0.0, now - bucket.at)
            bucket.level = min(self._rate.burst, bucket.level + passed * self._rate.per_second)
            bucket.at = now
            missing = min(cost, self._rate.burst) - bucket.level
            if missing > 0:
                return math.ceil(missing / self._rate.per_second * 1000) / 1000
            bucket.level -= cost
            return 0.0
