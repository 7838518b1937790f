"""What a contract emitted, decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.protocol.ids import TxHash


@dataclass(frozen=True)
class Event:
    """A decoded event. `args` by name: addresses in EIP-55, bytes32 as 64 hex digits."""

    contract: str
    name: str
    args: Mapping[str, Any]
    block: int
    block_hash: str
    tx: TxHash
    index: int
