"""The Model Context Protocol around the toolbox, by its official SDK: over stdio, or over HTTP on this machine alone.

Over HTTP anybody on this machine could call. So a server with a mandate wants its token with every request
(`Authorization: Bearer ...`), which lies in a file that its user alone can read; other hosts and origins are refused.
"""

from __future__ import annotations

import hmac
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)

from app import __version__
from app.mcp.desk import Desk
from app.mcp.tool import AgentTool
from app.mcp.toolbox import INSTRUCTIONS, TOOLS, call

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

AT_ONCE = 4  # calls that run at the same time; others wait
MAX_BODY = 2 << 20  # bytes of one request over HTTP
IDLE_SECONDS = 1800.0
MAX_SESSIONS = 16
PATH = "/mcp"


def described(tool: AgentTool) -> Tool:
    """A tool as the protocol lists it."""
    return Tool(
        name=tool.name,
        title=tool.title,
        description=tool.about,
        input_schema=tool.arguments.model_json_schema(),
        output_schema=tool.answer.model_json_schema(mode="serialization"),
        annotations=ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.kind != "pay",
            destructive_hint=tool.kind == "pay",
            idempotent_hint=tool.kind != "pay",
            open_world_hint=True,
        ),
    )


def serve(desk: Desk) -> Server[Any]:
    """A server of the tools on a desk."""
    listed = [described(each) for each in TOOLS.values()]
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def list_tools(_: ServerRequestContext[Any], __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=listed)

    async def call_tool(_: ServerRequestContext[Any], asked: CallToolRequestParams) -> CallToolResult:
        run = partial(call, desk, asked.name, dict(asked.arguments or {}))
        found = await anyio.to_thread.run_sync(run, limiter=limiter)
        text = json.dumps(found.value, ensure_ascii=False)
        return CallToolResult(
            content=[TextContent(type="text", text=text)], structured_content=found.value, is_error=found.failed
        )

    return Server(
        "darkroom",
        version=__version__,
        title="Darkroom",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        get_tool_input_schema=lambda name: described(TOOLS[name]).input_schema if name in TOOLS else None,
    )


def over_stdio(desk: Desk) -> None:
    """Serve on stdin and stdout until stdin ends."""

    async def run() -> None:
        server = serve(desk)
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())

    anyio.run(run)


def http_app(desk: Desk, token: str | None) -> ASGIApp:
    """The server as an ASGI application at `PATH`; with a token, for whoever sends it alone."""
    app = serve(desk).streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        max_request_body_size=MAX_BODY,
        session_idle_timeout=IDLE_SECONDS,
        max_sessions=MAX_SESSIONS,
        host="127.0.0.1",
    )
    return app if token is None else _Guarded(app, token)


class _Guarded:
    """An application for holders of a token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._wanted = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._wanted):
                headers = [(b"www-authenticate", b"Bearer"), (b"content-type", b"text/plain")]
                await send({"type": "http.response.start", "status": 401, "headers": headers})
                await send({"type": "http.response.body", "body": b"This server wants its token: darkroom mcp says.\n"})
                return
        await self._app(scope, receive, send)
