"""Commands on the machine that runs the service: the server and its workers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from happyhorse.cli.build import (
    find_settings,
    hosted_key,
    load_engine,
    open_database,
    open_service,
    open_signer,
)
from happyhorse.cli.options import EngineName

DataDir = Annotated[
    Path | None,
    typer.Option(help="Database, files and locks [~/.local/share/happyhorse].", metavar="FOLDER"),
]
DatabaseUrl = Annotated[
    str | None, typer.Option(help="postgresql://... [SQLite in the data folder].", metavar="URL")
]
_Storage = Annotated[
    str | None,
    typer.Option(help="s3://bucket/prefix for results and inputs [the data folder].", metavar="URL"),
]
_Seconds = Annotated[float, typer.Option(help="How long the test card takes.", min=0, max=3600, metavar="N")]


def serve(  # noqa: PLR0913, PLR0917  one parameter for each flag
    engine: EngineName = None,
    host: Annotated[str, typer.Option(help="Address to listen on.", metavar="ADDRESS")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535, metavar="N")] = 8000,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    storage: _Storage = None,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Take jobs; workers run elsewhere.")] = False,
    testcard_seconds: _Seconds = 0.0,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Start on a public address before there is a key.")
    ] = False,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Serve https: the certificate, PEM.", metavar="FILE")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.", metavar="FILE")] = None,
) -> None:
    """Serve the page and the API, with a worker."""
    from happyhorse.api.server import read_tls, run_server
    from happyhorse.jobs.supervisor import WorkerProcess

    tls = read_tls(tls_cert, tls_key)
    settings = find_settings(engine, data_dir, database_url, storage)
    service = open_service(settings)
    worker = None
    if not no_worker:
        if settings.engine == "hosted":
            hosted_key(settings)  # a worker that cannot start would be started again and again
        arguments = ["--engine", settings.engine, "--testcard-seconds", str(testcard_seconds)]
        worker = WorkerProcess(arguments, settings.environment())
    run_server(service, settings, host=host, port=port, worker=worker, without_keys=without_keys, tls=tls)


def worker(
    engine: EngineName = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    storage: _Storage = None,
    testcard_seconds: _Seconds = 0.0,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="Stop when standard input ends.", hidden=True)
    ] = False,
) -> None:
    """Run jobs of one engine from the queue.

    Any number of workers share a database.
    """
    from happyhorse.jobs.outbound import Outbound
    from happyhorse.jobs.worker import Worker, run_until_told

    settings = find_settings(engine, data_dir, database_url, storage)
    runner = load_engine(settings.engine, testcard_seconds)
    hours = settings.retention_hours
    signer = open_signer(settings)
    working = Worker(
        runner,
        open_database(settings),
        settings.data_dir,
        retention_s=hours * 3600,
        sign=signer.sign,
        storage=settings.storage,
        outbound=Outbound(allow_local=settings.allow_local_urls),
    )
    run_until_told(working, with_parent=with_parent)
