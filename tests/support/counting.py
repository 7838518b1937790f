"""How many questions a chain's node is asked."""

from __future__ import annotations

from typing import Any

from app.chain.node import ChainNode


class CountingNode:
    """A node that counts the questions it is asked."""

    def __init__(self, node: ChainNode) -> None:
        self._node, self.asked = node, 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._node, name)
        if not callable(found):
            return found

        def asked(*args: Any, **named: Any) -> Any:
            self.asked += len(args[0]) if name == "blocks_at" else 1
            return found(*args, **named)

        return asked
