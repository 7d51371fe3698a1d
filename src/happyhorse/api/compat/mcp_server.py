"""The server behind `/mcp`: the official SDK around our tools. Importing this imports that SDK, which is large."""

from __future__ import annotations

import json
from collections.abc import Mapping

from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
)

from happyhorse.api.body import MAX_JSON_BYTES, check_text
from happyhorse.api.compat.mcp_tools import POLL_S, TOOLS, Call, Caller
from happyhorse.api.context import Context
from happyhorse.errors import HappyHorseError

_INSTRUCTIONS = (
    "Makes short clips, picture and sound together. A tool that makes one returns a task_id at once; poll happyhorse_get_task "
    f"every {POLL_S} seconds until its state is succeeded or failed."
)


def manager(here: Context, *, version: str) -> StreamableHTTPSessionManager:
    """What answers requests while its `run` is entered; without sessions, so any API process answers any request."""
    tools = _Tools(here)
    server = Server(
        "happyhorse",
        version=version,
        instructions=_INSTRUCTIONS,
        on_list_tools=tools.list,
        on_call_tool=tools.call,
    )
    return StreamableHTTPSessionManager(server, stateless=True, max_request_body_size=MAX_JSON_BYTES)


class _Tools:
    def __init__(self, here: Context) -> None:
        self.here = here

    async def list(
        self,
        _context: Caller,
        _params: PaginatedRequestParams | None,
    ) -> ListToolsResult:
        return ListToolsResult(tools=[tool for tool, _ in TOOLS.values()])

    async def call(self, context: Caller, params: CallToolRequestParams) -> CallToolResult:
        if params.name not in TOOLS:
            raise MCPError(INVALID_PARAMS, f"there is no tool '{params.name[:60]}'")
        assert context.request is not None
        _, run = TOOLS[params.name]
        try:
            check_text(params.arguments)
            told = await run(Call(params.arguments or {}, context.request, self.here, context))
        except HappyHorseError as err:
            failure = {"code": err.code, "message": err.message, "field": err.field}
            return _result({"success": False, "error": failure}, is_error=True)
        return _result(told, is_error=False)


def _result(told: Mapping[str, object], *, is_error: bool) -> CallToolResult:
    text = json.dumps(told, ensure_ascii=False)
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=is_error)
