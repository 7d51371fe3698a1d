"""Commands on the machine that runs the service: the server, its workers, its keys."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from happyhorse.cli.build import (
    find_settings,
    hosted_key,
    load_engine,
    open_database,
    open_service,
    open_signer,
)

if TYPE_CHECKING:
    from happyhorse.jobs.keys import Key, KeyStore

_EngineName = Annotated[
    str | None,
    typer.Option(help="nano, magihuman, magihuman-base, hosted or testcard [nano].", metavar="NAME"),
]
_DataDir = Annotated[Path | None, typer.Option(help="Database, files and locks.", metavar="FOLDER")]
_DatabaseUrl = Annotated[
    str | None, typer.Option(help="postgresql://... [SQLite in the data folder].", metavar="URL")
]
_Storage = Annotated[
    str | None,
    typer.Option(help="s3://bucket/prefix for results and inputs [the data folder].", metavar="URL"),
]
_Seconds = Annotated[float, typer.Option(help="How long the test card takes.", min=0, max=3600)]

keys = typer.Typer(help="Keys of the service.", no_args_is_help=True)


def serve(  # noqa: PLR0913, PLR0917  one parameter for each flag
    engine: _EngineName = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8000,
    data_dir: _DataDir = None,
    database_url: _DatabaseUrl = None,
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
    """Serve the API, with a worker beside it."""
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
    engine: _EngineName = None,
    data_dir: _DataDir = None,
    database_url: _DatabaseUrl = None,
    storage: _Storage = None,
    testcard_seconds: _Seconds = 0.0,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="Stop when standard input ends.", hidden=True)
    ] = False,
) -> None:
    """Run jobs of one engine from the queue; any number of workers share a database."""
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
    )
    run_until_told(working, with_parent=with_parent)


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="generate, read or admin; several times [generate, read].")
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option(help="Requests that start or change something, a minute.", min=1)
    ] = None,
    concurrent_jobs: Annotated[
        int | None, typer.Option(help="Jobs that run at once; more of them wait.", min=1)
    ] = None,
    spend_limit: Annotated[float | None, typer.Option(help="USD in all.", min=0)] = None,
    daily_spend_limit: Annotated[float | None, typer.Option(help="USD a day (UTC).", min=0)] = None,
    data_dir: _DataDir = None,
    database_url: _DatabaseUrl = None,
) -> None:
    """Make a key; the last line printed is the key, and it is shown only now."""
    from happyhorse.jobs.keys import DEFAULT_SCOPES

    made, secret = _key_store(data_dir, database_url).create(
        name,
        scopes=scope or DEFAULT_SCOPES,
        requests_per_minute=requests_per_minute,
        spend_limit_usd=spend_limit,
        daily_spend_limit_usd=daily_spend_limit,
        concurrent_jobs=concurrent_jobs,
    )
    print(f"{made.id}: {made.name}, may {', '.join(made.scopes)}", file=sys.stderr)
    print(secret)


@keys.command("list")
def list_keys(data_dir: _DataDir = None, database_url: _DatabaseUrl = None) -> None:
    """List keys with their limits; their secrets are not kept."""
    for found in _key_store(data_dir, database_url).list():
        state = "revoked" if found.revoked_at else "live"
        limits = f"  ({', '.join(_limits(found))})" if _limits(found) else ""
        print(
            f"{found.id}  {found.prefix}...  {state:<7}  {', '.join(found.scopes):<20}  {found.name}{limits}"
        )


def _limits(key: Key) -> list[str]:
    from happyhorse.jobs.job import MICROS

    told = (
        (key.requests_per_minute, "{} requests a minute", 1),
        (key.concurrent_jobs, "{} jobs at once", 1),
        (key.daily_spend_limit_micros, "{:.2f} USD a day", MICROS),
        (key.spend_limit_micros, "{:.2f} USD in all", MICROS),
    )
    return [
        words.format(value / unit if unit > 1 else value) for value, words, unit in told if value is not None
    ]


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="Its id, as in the list.", metavar="ID")],
    data_dir: _DataDir = None,
    database_url: _DatabaseUrl = None,
) -> None:
    """Revoke a key, at once and for good."""
    print(f"{_key_store(data_dir, database_url).revoke(key_id).id} is revoked")


def _key_store(data_dir: Path | None, database_url: str | None) -> KeyStore:
    from happyhorse.jobs.keys import KeyStore

    return KeyStore(open_database(find_settings(None, data_dir, database_url)))
