"""`generate`: a clip from one command, made here without a queue, or with --server by a server.

Here: request, plan, engine; what cannot be written is refused before any work.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from happyhorse.cli import options, remote
from happyhorse.cli.build import catalog, load_engine, open_signer
from happyhorse.cli.refine import Keeper
from happyhorse.cli.show import print_clip, print_plan, progress_bar
from happyhorse.errors import InvalidRequest

if TYPE_CHECKING:
    from happyhorse.engines.base import Capabilities, Engine
    from happyhorse.engines.plan import Plan
    from happyhorse.provenance.sign import Signer
    from happyhorse.request import GenerationRequest, Output
    from happyhorse.settings import Settings
    from happyhorse.shapes import MediaInfo

_MIN_FREE_BYTES = 500_000
_PIXELS_PER_BYTE = 80  # 0.1 bit a pixel: what x264 takes for a busy picture


@options.with_request
def generate(
    fields: Mapping[str, object],
    *,
    testcard_seconds: Annotated[
        float, typer.Option(help="How long the test card takes.", min=0, max=3600, metavar="N")
    ] = 0.0,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", help="The clip [clip.mp4, else clip-2.mp4 and so on].", metavar="FILE"
        ),
    ] = None,
    plan_only: Annotated[bool, typer.Option("--plan", help="Say what would be done; run nothing.")] = False,
    gpu: Annotated[
        str | None,
        typer.Option(
            help="With --plan and magihuman: the memory plan for a GPU of this size, such as 24GB [the one here].",
            metavar="SIZE",
        ),
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="Have it made by this server instead of here.", metavar="URL")
    ] = None,
    api_key: remote.ApiKey = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a clip from a prompt, an image, references or a video."""
    from happyhorse.cli.files import free_path

    if output is None:
        output = str(free_path("clip.mp4"))
    if gpu is not None and (server is not None or not plan_only):
        raise InvalidRequest("--gpu is for a plan made here: it needs --plan and no --server", field="gpu")
    if server is not None:
        if testcard_seconds:
            raise InvalidRequest(
                "testcard_seconds is for a clip made here; the server has its own", field="testcard_seconds"
            )
        remote.generate(server, api_key, fields, output, plan_only=plan_only, as_json=as_json)
    else:
        _generate_here(fields, output, testcard_seconds, plan_only=plan_only, gpu=gpu, as_json=as_json)


def _generate_here(
    fields: Mapping[str, object],
    output: str,
    testcard_seconds: float,
    *,
    plan_only: bool,
    gpu: str | None,
    as_json: bool,
) -> None:
    from happyhorse.cli.files import as_paths, output_path
    from happyhorse.cli.memory import memory_of
    from happyhorse.request import parse_request
    from happyhorse.settings import Settings

    settings = Settings.from_env()
    request = parse_request({**as_paths(fields), "engine": fields["engine"] or settings.engine})
    decided, media = _plan(request, settings)
    if plan_only:
        gpus = memory_of(decided, gpu, settings)
        facts = {**decided.to_dict(), "digest": decided.digest(), **({"gpus": gpus} if gpus else {})}
        print_plan(facts, as_json=as_json)
        return
    place = output_path(output)
    _check_output(place, decided, media)
    signer = open_signer(settings)
    runner = load_engine(request.engine, testcard_seconds)
    decided = _decide(request, runner.capabilities, media, settings, seed=decided.seed)
    seeded = request.model_copy(update={"seed": decided.seed})
    keep = Keeper(place, seeded, media) if decided.draft else None
    clip, elapsed_s = _run(runner, signer, decided, place, keep, quiet=as_json)
    print_clip(clip, elapsed_s, as_json=as_json)


def _plan(request: GenerationRequest, settings: Settings) -> tuple[Plan, dict[str, MediaInfo]]:
    from happyhorse.cli.files import probed

    engines = catalog(settings)
    capabilities = engines.get(request.engine)
    if capabilities is None:
        raise InvalidRequest(
            f"engine must be one of {', '.join(engines)}; got '{request.engine}'", field="engine"
        )
    media = probed(request)
    return _decide(request, capabilities, media, settings, seed=None), media


def _decide(
    request: GenerationRequest,
    capabilities: Capabilities,
    media: Mapping[str, MediaInfo],
    settings: Settings,
    *,
    seed: int | None,
) -> Plan:
    from happyhorse.engines.plan import draw_seed, plan
    from happyhorse.engines.tokenizer import open_tokenizer

    return plan(
        request,
        capabilities,
        media=media,
        draw_seed=draw_seed if seed is None else lambda: seed,
        tokenize=open_tokenizer(settings.weights_dir) if capabilities.rewrites_prompt else None,
    )


def _check_output(output: Path, decided: Plan, media: Mapping[str, MediaInfo]) -> None:
    """Refuse before any work what could not be written after it."""
    import shutil

    if output.exists() and any(output.samefile(info.path) for info in media.values()):
        raise InvalidRequest(f"output '{output}' is also an input and would be overwritten", field="output")
    needed = _MIN_FREE_BYTES + decided.width * decided.height * decided.num_frames // _PIXELS_PER_BYTE
    free = shutil.disk_usage(output.parent).free
    if free < needed:
        message = (
            f"output needs about {needed / 1e6:.1f} MB and {free / 1e6:.1f} MB are free in '{output.parent}'"
        )
        raise InvalidRequest(message, field="output")


def _run(
    engine: Engine, signer: Signer, decided: Plan, output: Path, keep: Keeper | None, *, quiet: bool
) -> tuple[Output, float]:
    import time

    from happyhorse.engines.run import run

    start = time.monotonic()
    with progress_bar(quiet=quiet) as show:
        on_take = keep.keep if keep is not None else lambda _take: None
        clip = signer.sign(run(engine, decided, output, on_progress=show, on_take=on_take), decided)
    return clip, time.monotonic() - start
