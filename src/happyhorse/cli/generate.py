"""`generate`: a clip without a queue. Request, plan, engine; what cannot be written is refused before any work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from happyhorse.cli.build import load_engine
from happyhorse.cli.show import print_clip, print_plan, progress_bar
from happyhorse.errors import InvalidRequest

if TYPE_CHECKING:
    from happyhorse.engines.base import Capabilities, Engine
    from happyhorse.engines.plan import Plan
    from happyhorse.request import GenerationRequest, MediaRef, Output
    from happyhorse.shapes import MediaInfo

_MIN_FREE_BYTES = 500_000
_PIXELS_PER_BYTE = 80  # 0.1 bit a pixel: what x264 takes for a busy picture


def generate(  # noqa: PLR0913, PLR0917  one parameter for each field of a request
    prompt: Annotated[
        str, typer.Argument(help="The scene. Quote what is to be said.", show_default=False)
    ] = "",
    image: Annotated[str | None, typer.Option(help="First frame.", metavar="FILE")] = None,
    ref: Annotated[
        list[str] | None, typer.Option(help="Reference image, up to 9 times.", metavar="FILE")
    ] = None,
    character: Annotated[
        list[str] | None, typer.Option(help="Several references as one character.", metavar="character1=1,2")
    ] = None,
    video: Annotated[str | None, typer.Option(help="Video to edit.", metavar="FILE")] = None,
    voice: Annotated[
        str | None, typer.Option(help="Sound file that drives the speech.", metavar="FILE")
    ] = None,
    duration: Annotated[str | None, typer.Option(help="Seconds, 3 to 15 [5].", metavar="N")] = None,
    resolution: Annotated[
        str | None, typer.Option(help="480P, 720P or 1080P [720P].", metavar="NAME")
    ] = None,
    ratio: Annotated[str | None, typer.Option(help="Such as 9:16 [16:9].", metavar="W:H")] = None,
    reframe: Annotated[
        str | None, typer.Option(help="Crop the image to this ratio first.", metavar="W:H")
    ] = None,
    seed: Annotated[str | None, typer.Option(help="0 to 2147483647 [drawn].", metavar="N")] = None,
    language: Annotated[
        str | None, typer.Option(help="Of the speech: en zh yue ja ko de fr.", metavar="CODE")
    ] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="Accepted, not used.", metavar="TEXT")] = None,
    watermark: Annotated[
        bool, typer.Option("--watermark", help="Write the mark at the bottom right.")
    ] = False,
    no_audio: Annotated[bool, typer.Option("--no-audio", help="Leave the sound track out.")] = False,
    audio: Annotated[
        str | None, typer.Option(help="Of an edit: auto, retain or remove.", metavar="NAME")
    ] = None,
    engine: Annotated[str | None, typer.Option(help="nano or testcard [nano].", metavar="NAME")] = None,
    testcard_seconds: Annotated[
        float, typer.Option(help="How long the test card takes.", min=0, max=3600)
    ] = 0.0,
    draft: Annotated[bool, typer.Option("--draft", help="Keep the small size the engine draws at.")] = False,
    output: Annotated[Path, typer.Option("--output", "-o", help="The clip.")] = Path("clip.mp4"),
    plan_only: Annotated[bool, typer.Option("--plan", help="Say what would be done; run nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a clip from a prompt, an image, references or a video."""
    from happyhorse.request import parse_request
    from happyhorse.settings import Settings

    fields = {
        "prompt": prompt,
        "image": image,
        "references": tuple(ref or ()),
        "characters": tuple(character or ()),
        "video": video,
        "voice": voice,
        "duration": duration,
        "resolution": resolution,
        "ratio": ratio,
        "reframe": reframe,
        "seed": seed,
        "language": language,
        "negative_prompt": negative_prompt,
        "watermark": watermark,
        "no_audio": no_audio,
        "audio": audio,
        "engine": engine or Settings.from_env().engine,
        "draft": draft,
    }
    request = parse_request(fields)
    decided, media = _plan(request)
    if plan_only:
        print_plan(decided, as_json=as_json)
        return
    _check_output(output, decided, media)
    runner = load_engine(request.engine, testcard_seconds)
    decided = _decide(request, runner.capabilities, media, seed=decided.seed)
    clip, elapsed_s = _run(runner, decided, output, quiet=as_json)
    print_clip(clip, elapsed_s, as_json=as_json)


def _plan(request: GenerationRequest) -> tuple[Plan, dict[str, MediaInfo]]:
    from happyhorse.engines.catalog import CATALOG

    capabilities = CATALOG.get(request.engine)
    if capabilities is None:
        raise InvalidRequest(
            f"engine must be one of {', '.join(CATALOG)}; got '{request.engine}'", field="engine"
        )
    media = _probe(request)
    return _decide(request, capabilities, media, seed=None), media


def _decide(
    request: GenerationRequest,
    capabilities: Capabilities,
    media: Mapping[str, MediaInfo],
    *,
    seed: int | None,
) -> Plan:
    from happyhorse.engines.plan import draw_seed, plan

    return plan(request, capabilities, media=media, draw_seed=draw_seed if seed is None else lambda: seed)


def _probe(request: GenerationRequest) -> dict[str, MediaInfo]:
    given: list[tuple[str, MediaRef | None, Literal["", "image", "video"]]] = [
        ("image", request.image, "image"),
        ("video", request.video, "video"),
        ("voice", request.voice, ""),
        *((f"reference {i}", reference, "image") for i, reference in enumerate(request.references, start=1)),
    ]
    media: dict[str, MediaInfo] = {}
    for field, reference, kind in given:
        if reference is None or reference.key in media:
            continue
        if reference.path is None:
            raise InvalidRequest(f"{field} must be a local file; got '{reference.key[:60]}'", field=field)
        from happyhorse.media.read import probe

        media[reference.key] = probe(Path(reference.path), kind=kind, field=field)
    return media


def _check_output(output: Path, decided: Plan, media: Mapping[str, MediaInfo]) -> None:
    """Refuse before any work what could not be written after it."""
    import shutil

    from happyhorse.media.write import writable

    if output.suffix.lower() != ".mp4":
        raise InvalidRequest(f"output must be a name that ends in .mp4; got '{output}'", field="output")
    writable(output)
    if output.exists() and not output.is_file():
        raise InvalidRequest(f"output must be a plain file; '{output}' is something else", field="output")
    if output.exists() and any(output.samefile(info.path) for info in media.values()):
        raise InvalidRequest(f"output '{output}' is also an input and would be overwritten", field="output")
    needed = _MIN_FREE_BYTES + decided.width * decided.height * decided.num_frames // _PIXELS_PER_BYTE
    free = shutil.disk_usage(output.parent).free
    if free < needed:
        message = (
            f"output needs about {needed / 1e6:.1f} MB and {free / 1e6:.1f} MB are free in '{output.parent}'"
        )
        raise InvalidRequest(message, field="output")


def _run(engine: Engine, decided: Plan, output: Path, *, quiet: bool) -> tuple[Output, float]:
    import time

    start = time.monotonic()
    with progress_bar(quiet=quiet) as show:
        clip = engine.run(decided, output, on_progress=show)
    return clip, time.monotonic() - start
