"""create_app(service): the HTTP application. Routers, errors, limits; no logic of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi
from prometheus_client import CollectorRegistry

from happyhorse.api import generations, health, problems, resources
from happyhorse.api.auth import Auth
from happyhorse.api.body import LimitBody
from happyhorse.api.compat import dashscope
from happyhorse.api.context import Context
from happyhorse.api.feed import Feed
from happyhorse.api.links import Links
from happyhorse.jobs.service import Service

_ABOUT = (
    "Type a scene, get a clip: picture and sound from one network. Jobs are asynchronous: create a generation, then poll it, "
    "follow its events, or wait for it with the SDK. Errors are problem details (RFC 9457) with a stable `code`."
)


def create_app(
    service: Service, *, single_user: bool, public_url: str | None = None, version: str = "0"
) -> FastAPI:
    """Build the application around a service that is open.

    `single_user` lets requests without a credential in, from loopback only: the caller must have bound the server there.
    """
    feed = Feed(service.store)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await feed.close()

    app = FastAPI(title="happyhorse", version=version, description=_ABOUT, lifespan=lifespan, redoc_url=None)
    registry = CollectorRegistry()
    registry.register(health.JobsCollector(service))
    app.state.registry = registry
    app.state.context = Context(
        service, Auth(service.keys, single_user=single_user), Links(service.secret, public_url), feed
    )
    problems.install(app)
    for router in (generations.router, resources.router):
        app.include_router(router, responses=dict(problems.RESPONSES))  # type: ignore[arg-type]
    app.include_router(health.router)
    for prefix in ("", "/dashscope"):
        app.include_router(dashscope.router, prefix=prefix, include_in_schema=not prefix)
    app.add_middleware(LimitBody)
    if not single_user:  # a page of another site has no business with a server that asks for no key
        _allow_browsers(app)
    app.add_middleware(health.CountRequests, registry=registry)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _allow_browsers(app: FastAPI) -> None:
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "HEAD", "POST", "PUT", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Range"],
        expose_headers=["Location", "Content-Range", "Accept-Ranges"],
    )


def _openapi(app: FastAPI) -> dict[str, object]:
    """The framework's document plus what it cannot see: the body that is read by hand, and the keys."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        body = generations.BODY_SCHEMA.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas = document["components"]["schemas"]
        schemas.update(body.pop("$defs", {}))
        schemas["GenerationRequest"] = body
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}, {}]
        app.openapi_schema = document
    return app.openapi_schema
