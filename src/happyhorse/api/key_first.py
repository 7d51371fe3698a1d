"""The key before all else: nobody without one makes the server read a body, or learns what is wrong with a request."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from happyhorse.api.context import context_of

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class KeyFirst(APIRoute):
    """A route for callers with a key or a signed link. Its endpoint asks once more, for the scope that it needs."""

    def get_route_handler(self) -> Handler:
        return after_key(self, super().get_route_handler())


def after_key(route: APIRoute, handle: Handler) -> Handler:
    """The handler of a route, behind a look at the key: always when the framework reads a body for it, and else before
    it says what is wrong with a query, so that a poll is looked up once.
    """

    async def with_body(request: Request) -> Response:
        await run_in_threadpool(_check, request)
        return await handle(request)

    async def without_body(request: Request) -> Response:
        try:
            return await handle(request)
        except RequestValidationError:
            await run_in_threadpool(_check, request)
            raise

    return without_body if route.body_field is None else with_body


def _check(request: Request) -> None:
    here = context_of(request.app)
    if not here.links.is_signed(request):
        here.auth.check(request)
