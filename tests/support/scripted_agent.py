"""An agent without a mind: it takes words for its search, follows each answer's `next`, and pays by its own bound."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mcp import Client

MOST_CALLS = 20  # until it gives up


@dataclass
class ScriptedAgent:
    """What it said to the server, and what it was answered."""

    client: Client
    max_price: str
    said: list[str] = field(default_factory=list)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """One call; its structured answer."""
        found = await self.client.call_tool(tool, arguments)
        self.said.append(tool)
        assert not found.is_error, found.structured_content
        answer: dict[str, Any] = found.structured_content
        self.answers[tool] = answer
        return answer

    async def find_out(self, words: str) -> dict[str, Any]:
        """From words to an audited answer; the audit."""
        answer = await self.call("search_datasets", text=words)
        while (step := answer["next"])["tool"] is not None and len(self.said) < MOST_CALLS:
            own = {"max_price": self.max_price} if step["tool"] in ("open_job", "ask", "buy_license") else {}
            answer = await self.call(step["tool"], **(step["arguments"] | own))
        return answer
