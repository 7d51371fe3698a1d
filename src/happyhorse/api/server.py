"""run_server(): uvicorn around the application, and the worker process beside it. Returns when it was told to stop."""

from __future__ import annotations

import logging
import ssl
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from happyhorse.api.app import create_app
from happyhorse.api.auth import is_loopback
from happyhorse.api.body import MAX_JSON_BYTES
from happyhorse.api.context import context_of
from happyhorse.api.feed import Feed
from happyhorse.errors import Forbidden, InvalidRequest
from happyhorse.jobs.service import Service
from happyhorse.jobs.supervisor import WorkerProcess
from happyhorse.settings import Settings

_GRACE_S = 3


@dataclass(frozen=True)
class Tls:
    """What https is served with; both are PEM files."""

    certificate: Path
    key: Path


def read_tls(certificate: Path | None, key: Path | None) -> Tls | None:
    """Check the two files before anything is started. Raises: InvalidRequest when one is missing or they do not fit."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise InvalidRequest("--tls-cert and --tls-key go together; give both, or none for http")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            certificate, key, password=""
        )  # a key with a password is refused, not asked for
    except OSError as err:  # ssl.SSLError is one
        raise InvalidRequest(
            f"--tls-cert {certificate} and --tls-key {key} are not a certificate and its key: {err}"
        ) from err
    return Tls(certificate, key)


def run_server(
    service: Service,
    settings: Settings,
    *,
    host: str,
    port: int,
    worker: WorkerProcess | None,
    without_keys: bool = False,
    tls: Tls | None = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises: Forbidden on a public address without keys."""
    single_user = is_loopback(host)
    if not single_user and not without_keys and not service.keys.any_live():
        text = f"{host} can be reached by others and there is no key; make one with 'happyhorse keys create NAME'"
        raise Forbidden(f"{text}, or start with --without-keys and make it then")
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    app = create_app(
        service, single_user=single_user, public_url=settings.public_url, version=version("happyhorse")
    )
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_GRACE_S,
        ws_max_size=MAX_JSON_BYTES,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
        proxy_headers=False,
    )
    config.app = BehindProxy(app, config.forwarded_allow_ips)  # type: ignore[arg-type]
    server = _Server(config, settings.engine, context_of(app).feed)
    if worker is not None:
        worker.start()
    try:
        server.run()
    except KeyboardInterrupt:
        pass  # uvicorn raises it again after it has stopped
    finally:
        if worker is not None:
            worker.stop()
        service.close()


class BehindProxy(ProxyHeadersMiddleware):
    """Believes a trusted proxy (uvicorn's FORWARDED_ALLOW_IPS, 127.0.0.1 when it is not set) also under which name it was asked.

    Links in answers are made of that name, so a proxy that asks this server by its own address breaks no client.
    """

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        client = scope.get("client")
        if client and client[0] in self.trusted_hosts:
            names = [value for name, value in scope["headers"] if name == b"x-forwarded-host"]
            if names:
                others = [pair for pair in scope["headers"] if pair[0] != b"host"]
                asked = (
                    names[-1].rpartition(b",")[2].strip()
                )  # of several proxies the one that asks us is the trusted one
                scope = {**scope, "headers": [(b"host", asked), *others]}
        await super().__call__(scope, receive, send)


class _Server(uvicorn.Server):
    """Says once where it listens, and ends the streams of news before it waits for what is being answered."""

    def __init__(self, config: uvicorn.Config, engine: str, feed: Feed) -> None:
        super().__init__(config)
        self.engine, self.feed = engine, feed

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started:
            scheme = "https" if self.config.is_ssl else "http"
            at = f"{scheme}://{self.config.host}:{self.config.port}"
            sys.stderr.write(f"happyhorse: engine {self.engine}, page at {at}, API described at {at}/docs\n")
            sys.stderr.flush()

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        self.feed.end()
        await super().shutdown(sockets)  # type: ignore[arg-type]
