"""What can be set about the API. Sizes are bytes, times seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

LOCAL = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Rate:
    """A limit, in costs."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    burst: Annotated[float, Field(ge=1, le=1e9)]
    per_second: Annotated[float, Field(ge=1e-3, le=1e9)]


class WebLimits(BaseModel):
    """What keeps one client, or all of them, from taking a node for themselves."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    max_body: Annotated[int, Field(ge=1 << 12, le=1 << 26)] = (1 << 20) + (1 << 14)  # a document, and words around it
    max_blob: Annotated[int, Field(gt=0)] = 1 << 30  # served in one answer
    rate: Rate | None = Rate(burst=600, per_second=60)  # of each client; None: no limit
    heavy: Rate | None = Rate(burst=120, per_second=2)  # of what takes work: quotes, audits, drafts, uploads, sign-ins
    uploads: Rate | None = Rate(burst=1 << 24, per_second=1 << 10)  # bytes that are kept for a client; 88 MB a day
    max_streams: Annotated[int, Field(gt=0, le=10_000)] = 200  # live event streams at a time
    max_streams_of_client: Annotated[int, Field(gt=0, le=10_000)] = 8
    quotes_at_once: Annotated[int, Field(gt=0, le=1000)] = 2
    audit_units: Annotated[int, Field(ge=0)] = 200_000  # static cost of the largest job that this node audits; ~ 100 s
    audit_queue: Annotated[int, Field(gt=0, le=10_000)] = 8  # audits that may wait


class WebServerSettings(WebLimits):
    """The defaults suit a node on one's own machine."""

    origin: str = "http://127.0.0.1:8080"  # scheme, host and port that browsers see; sign-ins name it
    hosts: tuple[str, ...] = LOCAL  # further host names, without port, that requests may name
    title: str = "Darkroom"
    heartbeat: Annotated[float, Field(gt=0)] = 15.0  # between signs of life on an idle stream
    poll: Annotated[float, Field(gt=0)] = 0.5  # between looks at the index for live streams
    max_lag: Annotated[int, Field(ge=0)] = 20  # blocks that the index may be behind and still be called ready
    relay: bool = True  # JSON-RPC for browser wallets
    facilitator: str | None = None  # where payments of single asks are settled (x402); None: there are none here
    faucet: bool = True  # where the chain can hand out ether: development chains only

    @model_validator(mode="after")
    def _origin_is_one(self) -> Self:
        parts = urlsplit(self.origin)
        if (
            parts.scheme not in ("http", "https")
            or not parts.netloc
            or f"{parts.scheme}://{parts.netloc}" != self.origin
        ):
            raise ValueError("origin is scheme://host[:port] and nothing else")
        return self

    @property
    def secure(self) -> bool:
        """Browsers reach the node over TLS."""
        return self.origin.startswith("https:")

    @property
    def domain(self) -> str:
        """Host and port, as a sign-in message names them (EIP-4361)."""
        return urlsplit(self.origin).netloc

    @property
    def known_hosts(self) -> frozenset[str]:
        """Host names that requests may carry, in lower case and without port."""
        own = urlsplit(self.origin).hostname or ""
        return frozenset(name.lower() for name in (f"[{own}]" if ":" in own else own, *self.hosts))
