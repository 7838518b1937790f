"""One tool: its words, its forms, and the function behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from app.mcp.schema import Arguments, ToolAnswer, ToolName

if TYPE_CHECKING:
    from app.mcp.desk import Desk

ToolKind = Literal["read", "compute", "pay"]  # compute works on this machine, and sends or pays nothing


@dataclass(frozen=True)
class AgentTool:
    """A verb that an agent may call. `run` takes a desk and arguments of the form, and gives an answer of the form."""

    name: ToolName
    title: str
    about: str
    kind: ToolKind
    arguments: type[Arguments]
    answer: type[ToolAnswer]
    run: Callable[[Desk, Any], ToolAnswer]
