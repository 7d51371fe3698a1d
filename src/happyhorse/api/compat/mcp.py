"""The Model Context Protocol at `/mcp`: the tools of the published Happy Horse server, without that server between.

The protocol is the official SDK's, which speaks both its eras (a handshake first; since 2026-07-28 requests that stand alone).
It is loaded by the first request, as a server without such clients would start a third slower for it. Source: specs/api.md section 8.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from happyhorse.api.context import Context
from happyhorse.api.problems import problem
from happyhorse.errors import HappyHorseError

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager


class Endpoint:
    """The ASGI application at `/mcp`. Serves while `running` is entered; every request needs a key that may read."""

    def __init__(self, here: Context, *, version: str) -> None:
        self.here, self.version = here, version
        self._asked = asyncio.Event()
        self._manager: asyncio.Future[StreamableHTTPSessionManager] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self._manager = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(self._serve(self._manager))
        yield
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving

    async def _serve(self, loaded: asyncio.Future[StreamableHTTPSessionManager]) -> None:
        """In one task from beginning to end, as what the manager runs must be left where it was entered."""
        await self._asked.wait()
        try:
            server = await asyncio.to_thread(import_module, "happyhorse.api.compat.mcp_server")
            manager = server.manager(self.here, version=self.version)
        except Exception as err:  # whoever waits is told, and does not wait for ever
            loaded.set_exception(err)
            return
        async with manager.run():
            loaded.set_result(manager)
            await asyncio.Event().wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._manager is not None, "the application's lifespan has not begun"
        try:
            await run_in_threadpool(self.here.auth.identify, Request(scope), "read")
        except HappyHorseError as err:
            await problem(err.status, err.code, err.message)(scope, receive, send)
            return
        self._asked.set()
        manager = await asyncio.shield(self._manager)
        await manager.handle_request(scope, receive, send)
