"""/healthz, /readyz and /metrics: for machines, without a key."""

from __future__ import annotations

import time

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from happyhorse.api.context import Here
from happyhorse.jobs.service import Service

router = APIRouter(tags=["health"])
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """This process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(here: Here) -> JSONResponse:
    """It can take work: the database answers. `workers` counts those that run; jobs wait while there are none."""
    try:
        live = sorted(here.service.workers.live_engines())
    except sa.exc.SQLAlchemyError:
        return JSONResponse({"status": "database unreachable", "workers": []}, 503)
    return JSONResponse({"status": "ok", "workers": live})


@router.get("/metrics", response_class=Response)
def metrics(request: Request) -> Response:
    """Prometheus text format."""
    return Response(generate_latest(request.app.state.registry), media_type="text/plain; version=0.0.4")


class JobsCollector(Collector):
    """Counts jobs when it is asked, so that every process of a fleet says the same."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def collect(self) -> list[GaugeMetricFamily]:
        jobs = GaugeMetricFamily("happyhorse_jobs", "Jobs that are kept, by status.", labels=["status"])
        for status, count in self.service.store.counts().items():
            jobs.add_metric([status], count)
        workers = GaugeMetricFamily(
            "happyhorse_workers", "Workers by engine and state.", labels=["engine", "state"]
        )
        rows = self.service.workers.list()
        for engine, state in sorted({(row.engine, row.state) for row in rows}):
            workers.add_metric(
                [engine, state], sum((row.engine, row.state) == (engine, state) for row in rows)
            )
        deliveries = GaugeMetricFamily(
            "happyhorse_webhook_deliveries", "Webhook deliveries that are kept, by state.", labels=["state"]
        )
        for state, count in self.service.deliveries.counts().items():
            deliveries.add_metric([state], count)
        return [jobs, workers, deliveries]


class CountRequests:
    """Counts and times requests by route, not by path: a path holds ids."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self.app = app
        labels = ["method", "route", "status"]
        self.requests = Counter("happyhorse_http_requests", "Requests.", labels, registry=registry)
        self.seconds = Histogram(
            "happyhorse_http_seconds",
            "Time to the first byte of the answer.",
            ["method", "route"],
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()

        started = False

        def note(status: int) -> None:
            route = getattr(scope.get("route"), "path", "none")
            # A caller may write any word for a method, and each label that was seen once is kept.
            method = scope["method"] if route != "none" and scope["method"] in _METHODS else "any"
            self.requests.labels(method, route, status).inc()
            self.seconds.labels(method, route).observe(time.perf_counter() - start)

        async def noted(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                note(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except Exception:  # answered with 500 further out, where no middleware sees it
            if not started:
                note(500)
            raise
