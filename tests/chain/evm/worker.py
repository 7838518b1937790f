"""A process of its own on a shared chain file. Arguments: file, what to do, and its parameters; prints JSON lines."""

from __future__ import annotations

import json
import os
import signal
import sys

from app.chain.contracts.client import ContractClient
from app.chain.evm.embedded import EmbeddedChain
from app.chain.evm.sqlite import SqliteDB
from tests.support.market import person

SINK = "0x" + "11" * 20


def send(chain: EmbeddedChain, name: str, count: int) -> None:
    """Send `count` transactions of a person, and say after each which block holds it."""
    client, account = ContractClient(chain, []), person(name)
    for _ in range(count):
        receipt = client.transact(account, SINK, b"darkroom")
        print(json.dumps({"block": receipt.block, "hash": receipt.block_hash}), flush=True)


def die_after_writes(chain: EmbeddedChain, name: str, writes: int) -> None:
    """Send one transaction and be killed after so many writes of its block."""
    original, seen = SqliteDB.__setitem__, 0

    def fatal(self: SqliteDB, key: bytes, value: bytes) -> None:
        nonlocal seen
        original(self, key, value)
        seen += 1
        if seen == writes:
            os.kill(os.getpid(), signal.SIGKILL)

    SqliteDB.__setitem__ = fatal  # type: ignore[method-assign]
    send(chain, name, 1)
    print(json.dumps({"writes": seen}), flush=True)


if __name__ == "__main__":
    path, action, who, number = sys.argv[1:]
    {"send": send, "die": die_after_writes}[action](EmbeddedChain(path), who, int(number))
