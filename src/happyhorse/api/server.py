"""run_server(): uvicorn around the application, and the worker process beside it. Returns when it was told to stop."""

from __future__ import annotations

import logging
import sys

import uvicorn

from happyhorse.api.app import create_app
from happyhorse.api.auth import is_loopback
from happyhorse.errors import Forbidden
from happyhorse.jobs.service import Service
from happyhorse.jobs.supervisor import WorkerProcess
from happyhorse.settings import Settings

_GRACE_S = 3


def run_server(
    service: Service,
    settings: Settings,
    *,
    host: str,
    port: int,
    worker: WorkerProcess | None,
    without_keys: bool = False,
) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises: Forbidden on a public address without keys."""
    single_user = is_loopback(host)
    if not single_user and not without_keys and not service.keys.any_live():
        text = f"{host} can be reached by others and there is no key; make one with 'happyhorse keys create NAME'"
        raise Forbidden(f"{text}, or start with --without-keys and make it then")
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    app = create_app(service, single_user=single_user, public_url=settings.public_url)
    config = uvicorn.Config(
        app, host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE_S
    )
    server = _Server(config, settings.engine)
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


class _Server(uvicorn.Server):
    """Says once where it listens."""

    def __init__(self, config: uvicorn.Config, engine: str) -> None:
        super().__init__(config)
        self.engine = engine

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started:
            at = f"http://{self.config.host}:{self.config.port}"
            sys.stderr.write(f"happyhorse: engine {self.engine} at {at}, API described at {at}/docs\n")
            sys.stderr.flush()
