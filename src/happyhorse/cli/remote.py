"""Commands for a running server, through the SDK: submit, status, watch, cancel, list; and `generate --server`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, cast

import typer

from happyhorse.cli import options
from happyhorse.cli.show import print_download, print_job, print_json, print_listed, print_plan, progress_bar
from happyhorse.errors import HappyHorseError, InvalidRequest

if TYPE_CHECKING:
    from happyhorse.client import Client, Fields, Generation

_Server = Annotated[
    str | None,
    typer.Option(help="Of a running server [HAPPYHORSE_SERVER, http://127.0.0.1:8000].", metavar="URL"),
]
ApiKey = Annotated[
    str | None, typer.Option(help="Of the server; better in HAPPYHORSE_API_KEY.", metavar="KEY")
]
_JobId = Annotated[str, typer.Argument(help="Id of a generation.", metavar="ID")]


def generate(
    server: str,
    api_key: str | None,
    fields: Mapping[str, object],
    output: str,
    *,
    plan_only: bool,
    as_json: bool,
) -> None:
    """Have a clip made by a server and download it. Ctrl-C cancels it there."""
    from happyhorse.cli.files import output_path

    prompt, asked = _asked(fields)
    with _client(server, api_key) as client:
        if plan_only:
            answer = client.plan(prompt, **asked)
            print_plan({**answer["plan"], "digest": answer["digest"]}, as_json=as_json)
            return
        place = output_path(output)
        job = client.submit(prompt, **asked)
        try:
            job = _followed(client, job.id, quiet=as_json)
        except KeyboardInterrupt:
            with suppress(HappyHorseError):  # it may be over, or the server gone
                client.cancel(job.id)
            raise
        client.download(job, place)
    print_download(job, place, as_json=as_json)


@options.with_request
def submit(
    fields: Mapping[str, object],
    *,
    server: _Server = None,
    api_key: ApiKey = None,
    as_json: options.AsJson = False,
) -> None:
    """Queue a clip on a server and print its id."""
    prompt, asked = _asked(fields)
    with _client(server, api_key) as client:
        job = client.submit(prompt, **asked)
    if as_json:
        print_json(job.facts)
        return
    print(f"{job.status}, {job.price_usd:.3f} USD when it succeeds", file=sys.stderr)
    print(job.id)


def status(
    job_id: _JobId, server: _Server = None, api_key: ApiKey = None, as_json: options.AsJson = False
) -> None:
    """Say how far a generation on a server is."""
    with _client(server, api_key) as client:
        print_job(client.get(job_id), as_json=as_json)


def watch(
    job_id: _JobId,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Download the clip to this file.", metavar="FILE")
    ] = None,
    server: _Server = None,
    api_key: ApiKey = None,
    as_json: options.AsJson = False,
) -> None:
    """Follow a generation until it is over.

    Ctrl-C leaves it running on the server.
    """
    from happyhorse.cli.files import output_path

    place = None if output is None else output_path(output)
    with _client(server, api_key) as client:
        job = _followed(client, job_id, quiet=as_json)
        if place is None:
            print_job(job, as_json=as_json)
            return
        client.download(job, place)
    print_download(job, place, as_json=as_json)


def cancel(
    job_id: _JobId, server: _Server = None, api_key: ApiKey = None, as_json: options.AsJson = False
) -> None:
    """Stop a generation on a server; it costs nothing then."""
    with _client(server, api_key) as client:
        print_job(client.cancel(job_id), as_json=as_json)


def list_jobs(
    state: Annotated[
        str | None,
        typer.Option(help="Only those: queued, running, succeeded, failed, canceled.", metavar="NAME"),
    ] = None,
    limit: Annotated[int, typer.Option(help="At most this many.", min=1, max=100, metavar="N")] = 20,
    server: _Server = None,
    api_key: ApiKey = None,
    as_json: options.AsJson = False,
) -> None:
    """List generations of a server, newest first."""
    from happyhorse.jobs.job import Status

    if state is not None and state not in list(Status):
        raise InvalidRequest(f"--state must be one of {', '.join(Status)}; got '{state}'", field="state")
    with _client(server, api_key) as client:
        page = client.list(status=state, limit=limit)
    if as_json:
        print_json([job.facts for job in page.data])
        return
    for job in page.data:
        print_listed(job)
    if not page.data:
        print("no generations", file=sys.stderr)


def _asked(fields: Mapping[str, object]) -> tuple[str, Fields]:
    """The prompt, and what else was typed; checked here first, so that nothing is uploaded for a request that cannot be.

    Raises: InvalidRequest as `parse_request`; MediaError for a file that is not there.
    """
    from happyhorse.cli.files import as_paths, as_sent
    from happyhorse.request import parse_request

    typed = {name: value for name, value in fields.items() if value not in (None, False, ())}
    request = parse_request(as_paths(typed))
    asked = {**as_sent(typed), "characters": request.characters}
    del asked["prompt"]
    return request.prompt, cast("Fields", {name: value for name, value in asked.items() if value})


def _followed(client: Client, job_id: str, *, quiet: bool) -> Generation:
    """Show a job's progress until it is over. Raises: as `Client.wait`."""
    from happyhorse.engines.base import Progress

    with progress_bar(quiet=quiet) as show:
        for event in client.stream(job_id):
            if event.type == "progress":
                data = event.data
                done = data["percent"] / 100
                show(Progress(data["stage"], data["step"], data["num_steps"], done, data["eta_s"]))
    return client.wait(job_id)


def _client(server: str | None, api_key: str | None) -> Client:
    from happyhorse.client import Client
    from happyhorse.settings import Settings

    settings = Settings.from_env()
    return Client(settings.server if server is None else server, api_key=api_key or settings.api_key)
