"""`refine`: draw a draft's very take at full size. A draft leaves its take beside the clip; nothing is decided again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from happyhorse.cli import options
from happyhorse.cli.build import load_engine, open_signer
from happyhorse.cli.show import print_clip, progress_bar
from happyhorse.errors import EngineError, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from happyhorse.engines.take import Take
    from happyhorse.request import GenerationRequest
    from happyhorse.shapes import MediaInfo

_SUFFIX = ".take"
_REQUEST, _INPUTS = "request", "inputs"
"""Notes of a take: what was asked for, with absolute paths, and the hash of each file that it names."""


@dataclass(frozen=True)
class Keeper:
    """Writes a take beside its clip, with the request that asked for it and the hashes of its input files."""

    clip: Path
    request: GenerationRequest
    media: Mapping[str, MediaInfo]

    def keep(self, take: Take) -> None:
        from dataclasses import replace

        from happyhorse.media.write import placed

        asked = self.request.model_dump(mode="json", exclude_defaults=True)
        inputs = [asked[name] for name in ("image", "video", "voice") if name in asked]
        for given in (*inputs, *asked.get("references", ())):
            given["path"] = str(Path(given["path"]).absolute())
        hashes = {str(Path(path).absolute()): info.sha256 for path, info in self.media.items()}
        said = {_REQUEST: json.dumps(asked), **({_INPUTS: json.dumps(hashes)} if hashes else {})}
        with placed(self.clip.with_suffix(_SUFFIX)) as path:
            path.write_bytes(replace(take, notes={**take.notes, **said}).to_bytes())


def refine(
    clip: Annotated[
        Path, typer.Argument(help="A clip made with --draft.", show_default=False, metavar="CLIP")
    ],
    resolution: options.RefinedResolution = None,
    output: Annotated[
        str, typer.Option("--output", "-o", help="The finished clip.", metavar="FILE")
    ] = "refined.mp4",
    as_json: options.AsJson = False,
) -> None:
    """Draw the very take of a draft at full size."""
    import time

    from happyhorse.cli.files import output_path, probed
    from happyhorse.engines.catalog import CATALOG
    from happyhorse.engines.plan import plan
    from happyhorse.engines.run import draw
    from happyhorse.engines.take import Take
    from happyhorse.request import parse_request
    from happyhorse.settings import Settings

    place = output_path(output)
    if place.resolve() == clip.resolve():
        raise InvalidRequest(
            f"output '{output}' is the draft itself and would be overwritten", field="output"
        )
    beside = _beside(clip)
    try:
        take = Take.from_bytes(beside.read_bytes())
    except EngineError as err:
        raise InvalidRequest(f"'{beside.name}': {err.message}; make the draft again", field="clip") from err
    if _REQUEST not in take.notes:
        text = f"take '{beside.name}' does not say what was asked for; only a take that --draft left can be refined"
        raise InvalidRequest(text, field="clip")
    asked = {**json.loads(take.notes[_REQUEST]), "engine": take.engine, "draft": False}
    request = parse_request({**asked, "resolution": resolution or asked.get("resolution")})
    media = probed(request)
    _check_inputs(take, media)
    decided = plan(request, CATALOG[take.engine], media=media)
    signer = open_signer(Settings.from_env())
    start = time.monotonic()
    with progress_bar(quiet=as_json) as show:
        made = draw(load_engine(take.engine, 0.0), decided, take, place, on_progress=show)
        finished = signer.sign(made, decided)
    print_clip(finished, time.monotonic() - start, as_json=as_json)


def _check_inputs(take: Take, media: Mapping[str, MediaInfo]) -> None:
    kept = json.loads(take.notes.get(_INPUTS, "{}"))
    for path, info in media.items():
        if kept.get(path, info.sha256) != info.sha256:
            text = f"'{path}' has changed since the draft was made; a take is refined with the files it was made from"
            raise InvalidRequest(text, field="clip")


def _beside(clip: Path) -> Path:
    if not clip.is_file():
        raise InvalidRequest(f"clip '{clip}' does not exist", field="clip")
    take = clip.with_suffix(_SUFFIX)
    if not take.is_file():
        text = f"clip '{clip}' has no take beside it ('{take.name}'); only a clip made with --draft can be refined"
        raise InvalidRequest(text, field="clip")
    return take
