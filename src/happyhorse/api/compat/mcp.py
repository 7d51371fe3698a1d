"""The Model Context Protocol at `/mcp`: the tools of the published Happy Horse server, without that server between.

The protocol is the official SDK's, which speaks both its eras (a handshake first; since 2026-07-28 requests that stand alone).
It runs without sessions, so any API process answers any request. Source: specs/api.md section 8.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import Request
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
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from happyhorse.api.body import MAX_JSON_BYTES, check_text
from happyhorse.api.compat.mcp_tools import POLL_S, TOOLS, Call, Caller
from happyhorse.api.context import Context
from happyhorse.api.problems import problem
from happyhorse.errors import HappyHorseError

_INSTRUCTIONS = (
    "Makes short clips, picture and sound together. A tool that makes one returns a task_id at once; poll happyhorse_get_task "
    f"every {POLL_S} seconds until its state is succeeded or failed."
)


class Endpoint:
    """The ASGI application at `/mcp`. Serves while `running` is entered; every request needs a key that may read."""

    def __init__(self, here: Context, *, version: str) -> None:
        self.here = here
        self.server = Server(
            "happyhorse",
            version=version,
            instructions=_INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
        )
        self.manager: StreamableHTTPSessionManager | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        manager = StreamableHTTPSessionManager(
            self.server, stateless=True, max_request_body_size=MAX_JSON_BYTES
        )
        async with manager.run():
            self.manager = manager
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.manager is not None, "the application's lifespan has not begun"
        try:
            await run_in_threadpool(self.here.auth.identify, Request(scope), "read")
        except HappyHorseError as err:
            await problem(err.status, err.code, err.message)(scope, receive, send)
            return
        await self.manager.handle_request(scope, receive, send)

    async def _list_tools(
        self,
        _context: Caller,
        _params: PaginatedRequestParams | None,
    ) -> ListToolsResult:
        return ListToolsResult(tools=[tool for tool, _ in TOOLS.values()])

    async def _call_tool(self, context: Caller, params: CallToolRequestParams) -> CallToolResult:
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
