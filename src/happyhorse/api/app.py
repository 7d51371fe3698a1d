"""create_app(service): the HTTP application. Routers, errors, limits; no logic of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from prometheus_client import CollectorRegistry
from starlette.routing import Route

from happyhorse.api import generations, health, page, problems, prompts, resources, results, webhooks
from happyhorse.api.auth import Auth
from happyhorse.api.body import LimitBody
from happyhorse.api.compat import (
    acedata,
    aiml,
    dashscope,
    dashscope_uploads,
    fal,
    fal_storage,
    inferencesh,
    mcp,
    openai,
    openai_webhooks,
    openrouter,
    replicate,
    runware,
    shared,
    uploads,
)
from happyhorse.api.context import Context
from happyhorse.api.feed import Feed
from happyhorse.api.forms import forms
from happyhorse.api.links import Links
from happyhorse.api.openapi import document
from happyhorse.jobs.dispatcher import Dispatcher
from happyhorse.jobs.service import Service

_ABOUT = (
    "Type a scene, get a clip: picture and sound from one network. Jobs are asynchronous: create a generation, then poll it, "
    "follow its events, or wait for it with the SDK. Errors are problem details (RFC 9457) with a stable `code`."
)

_CANCELS_S = 1.0
_log = logging.getLogger("happyhorse.api")

_DIALECTS: Mapping[str, Sequence[APIRouter]] = {
    "dashscope": (dashscope.router, dashscope_uploads.router, dashscope_uploads.objects),
    "openai": (openai.router, openai_webhooks.router),
    "replicate": (replicate.router,),
    "inferencesh": (inferencesh.router,),
    "fal": (fal.router, fal.sync_router, fal_storage.router),
}


def create_app(
    service: Service, *, single_user: bool, public_url: str | None = None, version: str = "0"
) -> FastAPI:
    """Build the application around a service that is open.

    `single_user` lets requests without a credential in, from loopback only: the caller must have bound the server there.
    """
    feed = Feed(service.store)
    links = Links(service.secret, public_url)
    dispatcher = Dispatcher(
        service.deliveries,
        service.endpoints,
        service.store,
        service.outbound,
        forms(links),
        secret=service.secret,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        dispatcher.start()
        cancels = asyncio.create_task(_see_cancels_through(service))
        async with tools.running():
            yield
        cancels.cancel()
        await asyncio.to_thread(dispatcher.stop)
        await feed.close()

    app = FastAPI(title="happyhorse", version=version, description=_ABOUT, lifespan=lifespan, redoc_url=None)
    registry = CollectorRegistry()
    registry.register(health.JobsCollector(service))
    app.state.registry = registry
    app.state.context = Context(service, Auth(service.keys, single_user=single_user), links, feed)
    tools = mcp.Endpoint(app.state.context, version=version)
    app.router.routes.append(Route("/mcp", tools))
    problems.install(app)
    for prefix in ("", "/openai", "/replicate"):  # before the native routes at the same paths, which it calls
        app.include_router(shared.router, prefix=prefix)
    for router in (generations.router, results.router, webhooks.router, resources.router, prompts.router):
        app.include_router(router)
    app.include_router(health.router)
    app.include_router(page.router)
    _add_dialects(app)
    app.add_middleware(LimitBody)
    if not single_user:  # a page of another site has no business with a server that asks for no key
        _allow_browsers(app)
    app.add_middleware(health.CountRequests, registry=registry)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    return app


async def _see_cancels_through(service: Service) -> None:
    """Cancel what takes longer than its caller wants to wait, and end what no worker lives to end; any process of a fleet does it."""

    def chores() -> None:
        service.store.cancel_overdue()
        service.store.finish_abandoned_cancels(lambda: {worker.id for worker in service.workers.live()})

    while True:
        await asyncio.sleep(_CANCELS_S)
        try:
            await asyncio.to_thread(chores)
        except Exception:  # of the database, mostly; nothing else would start this again
            _log.exception("what is to be canceled could not be seen through")


def _add_dialects(app: FastAPI) -> None:
    """Each at the root and below its own name, for reverse proxies; those without a name of their own at the root only."""
    for name, routers in _DIALECTS.items():
        for prefix in ("", f"/{name}"):
            for router in routers:
                app.include_router(router, prefix=prefix, include_in_schema=not prefix)
    for router in (uploads.router, acedata.router, openrouter.router, aiml.router, runware.router):
        app.include_router(router)


def _allow_browsers(app: FastAPI) -> None:
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["*"],  # each SDK sends its own; nothing here goes by cookies
        expose_headers=[
            "Location",
            "Content-Range",
            "Accept-Ranges",
            "ETag",
            "Retry-After",
            "openai-poll-after-ms",
            "x-fal-request-id",
        ],
    )
