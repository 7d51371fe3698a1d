"""Commands for a running server, through the SDK: submit, status, watch, cancel, list."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from happyhorse.cli.show import print_job, print_json, progress_bar

if TYPE_CHECKING:
    from happyhorse.client import Client

_Server = Annotated[
    str | None,
    typer.Option(help="Of a running server [HAPPYHORSE_SERVER, http://127.0.0.1:8000].", metavar="URL"),
]
_ApiKey = Annotated[str | None, typer.Option(help="Better in HAPPYHORSE_API_KEY.", metavar="KEY")]
_JobId = Annotated[str, typer.Argument(help="Id of a generation.", metavar="ID")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def submit(  # noqa: PLR0913, PLR0917  one parameter for each field of a request
    prompt: Annotated[str, typer.Argument(help="The scene.", show_default=False)] = "",
    image: Annotated[str | None, typer.Option(help="First frame.", metavar="FILE")] = None,
    ref: Annotated[list[str] | None, typer.Option(help="Reference image.", metavar="FILE")] = None,
    video: Annotated[str | None, typer.Option(help="Video to edit.", metavar="FILE")] = None,
    voice: Annotated[str | None, typer.Option(help="Sound file.", metavar="FILE")] = None,
    duration: Annotated[int | None, typer.Option(help="Seconds, 3 to 15 [5].", metavar="N")] = None,
    resolution: Annotated[str | None, typer.Option(help="480P, 720P or 1080P.", metavar="NAME")] = None,
    ratio: Annotated[str | None, typer.Option(help="Such as 9:16.", metavar="W:H")] = None,
    seed: Annotated[int | None, typer.Option(help="0 to 2147483647 [drawn].", metavar="N")] = None,
    language: Annotated[str | None, typer.Option(help="Of the speech.", metavar="CODE")] = None,
    audio: Annotated[str | None, typer.Option(help="Of an edit: auto, retain or remove.")] = None,
    engine: Annotated[str | None, typer.Option(help="The server's own if not given.", metavar="NAME")] = None,
    watermark: Annotated[bool, typer.Option("--watermark", help="Write the mark.")] = False,
    no_audio: Annotated[bool, typer.Option("--no-audio", help="Leave the sound out.")] = False,
    draft: Annotated[bool, typer.Option("--draft", help="Keep the small size.")] = False,
    server: _Server = None,
    api_key: _ApiKey = None,
    as_json: _AsJson = False,
) -> None:
    """Queue a clip on a server and print its id."""
    from typing import cast

    from happyhorse.client import Fields

    given: dict[str, object] = {
        "image": image,
        "references": ref,
        "video": video,
        "voice": voice,
        "duration": duration,
        "resolution": resolution,
        "ratio": ratio,
        "seed": seed,
        "language": language,
        "audio": audio,
        "engine": engine,
        "watermark": watermark or None,
        "no_audio": no_audio or None,
        "draft": draft or None,
    }
    fields = {name: value for name, value in given.items() if value is not None}
    with _client(server, api_key) as client:
        job = client.submit(prompt, **cast(Fields, fields))
    if as_json:
        print_json(job.facts)
        return
    print(f"{job.status}, {job.price_usd:.3f} USD when it succeeds", file=sys.stderr)
    print(job.id)


def status(job_id: _JobId, server: _Server = None, api_key: _ApiKey = None, as_json: _AsJson = False) -> None:
    """Say how far a generation on a server is."""
    with _client(server, api_key) as client:
        print_job(client.get(job_id), as_json=as_json)


def watch(
    job_id: _JobId,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Download the clip to this file.")
    ] = None,
    server: _Server = None,
    api_key: _ApiKey = None,
    as_json: _AsJson = False,
) -> None:
    """Follow a generation on a server until it is over; Ctrl-C leaves it running."""
    from happyhorse.engines.base import Progress

    with _client(server, api_key) as client:
        with progress_bar(quiet=as_json) as show:
            for event in client.stream(job_id):
                if event.type == "progress":
                    data = event.data
                    done = data["percent"] / 100
                    show(Progress(data["stage"], data["step"], data["num_steps"], done, data["eta_s"]))
        job = client.wait(job_id)
        if output is not None:
            client.download(job, output)
        print_job(job, as_json=as_json)


def cancel(job_id: _JobId, server: _Server = None, api_key: _ApiKey = None, as_json: _AsJson = False) -> None:
    """Stop a generation on a server; it costs nothing then."""
    with _client(server, api_key) as client:
        print_job(client.cancel(job_id), as_json=as_json)


def list_jobs(
    state: Annotated[str | None, typer.Option(help="Only those that are so, such as running.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many.", min=1, max=100)] = 20,
    server: _Server = None,
    api_key: _ApiKey = None,
    as_json: _AsJson = False,
) -> None:
    """List generations of a server, newest first."""
    with _client(server, api_key) as client:
        page = client.list(status=state, limit=limit)
    if as_json:
        print_json([job.facts for job in page.data])
        return
    for job in page.data:
        print_job(job, as_json=False)


def _client(server: str | None, api_key: str | None) -> Client:
    from happyhorse.client import Client
    from happyhorse.settings import Settings

    settings = Settings.from_env()
    return Client(server or settings.server, api_key=api_key or settings.api_key)
