"""The fields of a request as options: the same for every command that asks for a clip."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any

import typer

from happyhorse.shapes import RATIOS, RESOLUTIONS


def _offer(*names: str) -> Callable[[str], list[str]]:
    """What the shell offers when Tab is pressed."""
    return lambda incomplete: [name for name in names if name.lower().startswith(incomplete.lower())]


PromptText = Annotated[
    str, typer.Argument(help="The scene. Quote what is to be said.", show_default=False, metavar="PROMPT")
]
Image = Annotated[str | None, typer.Option(help="First frame.", metavar="FILE")]
Ref = Annotated[list[str] | None, typer.Option(help="Reference image, up to 9 times.", metavar="FILE")]
Character = Annotated[
    list[str] | None, typer.Option(help="Several references as one character.", metavar="character1=1,2")
]
Video = Annotated[str | None, typer.Option(help="Video to edit.", metavar="FILE")]
Voice = Annotated[str | None, typer.Option(help="Sound file that drives the speech.", metavar="FILE")]
Duration = Annotated[str | None, typer.Option(help="Seconds, 3 to 15 [5].", metavar="N")]
Resolution = Annotated[
    str | None,
    typer.Option(help="480P, 720P or 1080P [720P].", metavar="NAME", autocompletion=_offer(*RESOLUTIONS)),
]
RefinedResolution = Annotated[
    str | None,
    typer.Option(
        help="480P, 720P or 1080P [as the draft was asked for].",
        metavar="NAME",
        autocompletion=_offer(*RESOLUTIONS),
    ),
]
Ratio = Annotated[
    str | None, typer.Option(help="Such as 9:16 [16:9].", metavar="W:H", autocompletion=_offer(*RATIOS))
]
Reframe = Annotated[
    str | None,
    typer.Option(help="Crop the image to this ratio first.", metavar="W:H", autocompletion=_offer(*RATIOS)),
]
Seed = Annotated[str | None, typer.Option(help="0 to 2147483647 [drawn].", metavar="N")]
Language = Annotated[
    str | None,
    typer.Option(
        help="Of the speech: en zh yue ja ko de fr.",
        metavar="CODE",
        autocompletion=_offer("en", "zh", "yue", "ja", "ko", "de", "fr"),
    ),
]
NegativePrompt = Annotated[
    str | None,
    typer.Option(help="What to lead away from; of magihuman-base, others do not use it.", metavar="TEXT"),
]
Watermark = Annotated[bool, typer.Option("--watermark", help="Write the mark at the bottom right.")]
NoAudio = Annotated[bool, typer.Option("--no-audio", help="Leave the sound track out.")]
Audio = Annotated[
    str | None,
    typer.Option(
        help="Of an edit: auto, retain or remove.",
        metavar="NAME",
        autocompletion=_offer("auto", "retain", "remove"),
    ),
]
EngineName = Annotated[
    str | None,
    typer.Option(
        help="nano, magihuman, magihuman-base, hosted or testcard [nano].",
        metavar="NAME",
        autocompletion=_offer("nano", "magihuman", "magihuman-base", "hosted", "testcard"),
    ),
]
Fit = Annotated[bool, typer.Option("--fit", help="Last as long as the spoken lines need.")]
Draft = Annotated[bool, typer.Option("--draft", help="Keep the small size the engine draws at.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, errors too.")]

# option -> its type and default, in the order of the help
_REQUEST: Mapping[str, tuple[Any, object]] = {
    "prompt": (PromptText, ""),
    "image": (Image, None),
    "ref": (Ref, None),
    "character": (Character, None),
    "video": (Video, None),
    "voice": (Voice, None),
    "duration": (Duration, None),
    "resolution": (Resolution, None),
    "ratio": (Ratio, None),
    "reframe": (Reframe, None),
    "seed": (Seed, None),
    "language": (Language, None),
    "negative_prompt": (NegativePrompt, None),
    "watermark": (Watermark, False),
    "no_audio": (NoAudio, False),
    "audio": (Audio, None),
    "engine": (EngineName, None),
    "draft": (Draft, False),
    "fit": (Fit, False),
}
_REPEATED = {"ref": "references", "character": "characters"}


def with_request(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command every field of a request as an option; what was typed arrives as its first argument, by field."""

    @wraps(command)
    def run(**typed: Any) -> None:
        fields = {name: typed.pop(name) for name in _REQUEST}
        for option, field in _REPEATED.items():
            fields[field] = tuple(fields.pop(option) or ())
        command(fields, **typed)

    keyword = inspect.Parameter.KEYWORD_ONLY
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    offered = [
        inspect.Parameter(name, keyword, default=default, annotation=kind)
        for name, (kind, default) in _REQUEST.items()
    ]
    parameters = [*offered, *(parameter.replace(kind=keyword) for parameter in own)]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
