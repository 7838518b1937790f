"""Token buckets: a client may do `burst` at once and `per_second` on the long run."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from app.market.web.settings import Rate

MAX_CLIENTS = 20_000


@dataclass
class _Bucket:
    level: float
    at: float


class RateLimiter:
    """One bucket a client, for the clients seen last."""

    def __init__(self, rate: Rate, clock: Callable[[], float], clients: int = MAX_CLIENTS) -> None:
        self._rate, self._clock, self._clients = rate, clock, clients
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, *clients: str, cost: float = 1.0) -> float:
        """Take from the buckets of all who answer for a request, such as an account and an address.

        0, or the seconds after which each has enough (and then nothing was taken from any). What is dearer than a whole
        burst empties a full bucket and is paid off before anything else.
        """
        now = self._clock()
        with self._lock:
            buckets = [self._bucket(client, now) for client in dict.fromkeys(clients)]
            while len(self._buckets) > self._clients:
                self._buckets.popitem(last=False)
            missing = max(min(cost, self._rate.burst) - bucket.level for bucket in buckets)
            if missing > 0:
                return math.ceil(missing / self._rate.per_second * 1000) / 1000
            for bucket in buckets:
                bucket.level -= cost
            return 0.0

    def headers(self, name: str, *clients: str) -> dict[str, str]:
        """What is left, in the form of the IETF's RateLimit header fields (draft-ietf-httpapi-ratelimit-headers)."""
        burst, rate = self._rate.burst, self._rate.per_second
        with self._lock:
            level = min(self._bucket(client, self._clock()).level for client in clients)
        left = max(0, math.floor(level))
        full = math.ceil(max(0.0, burst - level) / rate)
        return {
            "ratelimit-policy": f'"{name}";q={math.floor(burst)};w={math.ceil(burst / rate)}',
            "ratelimit": f'"{name}";r={left};t={full}',
        }

    def _bucket(self, client: str, now: float) -> _Bucket:
        """A client's bucket as it is now, as the one seen last."""
        bucket = self._buckets.pop(client, None) or _Bucket(self._rate.burst, now)
        self._buckets[client] = bucket
        passed = max(0.0, now - bucket.at)
        bucket.level = min(self._rate.burst, bucket.level + passed * self._rate.per_second)
        bucket.at = now
        return bucket
