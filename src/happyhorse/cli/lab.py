"""Commands of the laboratory: look at the world, train on it, pack the weights. They need the extra `train`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from happyhorse.errors import InvalidRequest

if TYPE_CHECKING:
    import torch

train = typer.Typer(
    help="Train nano's parts; each command goes on where it was killed.", no_args_is_help=True
)
world = typer.Typer(help="Look at the world that nano learns.", no_args_is_help=True)

_Out = Annotated[Path, typer.Option("--out", help="Folder of the run.")]
_Minutes = Annotated[float, typer.Option(help="Training time in all, earlier runs included.", min=0.1)]
_Ball = Annotated[bool, typer.Option("--ball", help="Balls that bounce in the place of people.")]
_Resume = Annotated[bool, typer.Option("--resume/--restart", help="Go on from the state in the folder.")]
Threads = Annotated[
    int, typer.Option(help="CPU threads of the network; one core stays free for drawing.", min=1)
]
_Device = Annotated[str, typer.Option("--device", help="cpu, or cuda for an NVIDIA GPU.", metavar="NAME")]
_Workers = Annotated[
    int, typer.Option(help="Processes that draw samples, of each kind; a GPU wants many.", min=1, max=64)
]
_DEFAULT_OUT = Path("runs/nano")


def say(text: str) -> None:
    """Tell how a long command goes, with the time, on stderr."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def set_threads(count: int) -> None:
    """Let networks use so many threads."""
    import torch

    torch.set_num_threads(count)


def find_device(name: str) -> torch.device:
    """Raises: InvalidRequest for a device that is none, or that is not here."""
    import torch

    if name not in ("cpu", "cuda"):
        raise InvalidRequest(f"device must be cpu or cuda; got '{name[:40]}'", field="device")
    if name == "cuda" and not torch.cuda.is_available():
        raise InvalidRequest(
            f"device must be cpu here: torch {torch.__version__} finds no NVIDIA GPU", field="device"
        )
    return torch.device(name)


@train.command("codec-video")
def codec_video(
    out: _Out = _DEFAULT_OUT,
    minutes: _Minutes = 60,
    resume: _Resume = True,
    decoder_only: Annotated[
        bool, typer.Option("--decoder-only", help="Leave the latents as they are.")
    ] = False,
    network: Annotated[
        Path | None,
        typer.Option(
            "--for",
            help="A folder of nano's weights: leave the latents as they are, and learn to draw what this network says.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    device: _Device = "cpu",
    workers: _Workers = 1,
    threads: Threads = 1,
) -> None:
    """Train the codec of pictures.

    Fits its projection on the world, then trains encoder and decoder.
    """
    from happyhorse.training.codec_video import run
    from happyhorse.training.machine import Machine

    set_threads(threads)
    print(
        run(
            out=out,
            minutes=minutes,
            resume=resume,
            decoder_only=decoder_only,
            network=network,
            machine=Machine(find_device(device), workers),
            on_report=lambda report: say(str(report)),
        )
    )


@train.command("codec-audio")
def codec_audio(
    out: _Out = _DEFAULT_OUT, minutes: _Minutes = 30, resume: _Resume = True, threads: Threads = 1
) -> None:
    """Train the codec of sound.

    Fits its encoder on the world, then trains the decoder.
    """
    from happyhorse.training.codec_audio import run

    set_threads(threads)
    print(run(out=out, minutes=minutes, resume=resume, on_report=lambda report: say(str(report))))


@train.command("text")
def text(
    out: _Out = _DEFAULT_OUT, minutes: _Minutes = 20, resume: _Resume = True, threads: Threads = 1
) -> None:
    """Train the reader of prompts.

    It learns to read the world's attributes, and ends by saying how well it reads prompts that it never saw.
    """
    from happyhorse.model.text import TextEncoder
    from happyhorse.training.reading import scores
    from happyhorse.training.text import run

    set_threads(threads)
    place = out / "text.safetensors"
    run(out=place, minutes=minutes, resume=resume, on_report=lambda report: say(str(report)))
    for score in scores(TextEncoder.load(place)):
        say(score.line())
    print(place)


@train.command("nano")
def nano(
    out: _Out = _DEFAULT_OUT,
    minutes: _Minutes = 100,
    resume: _Resume = True,
    ratios: Annotated[
        list[str] | None,
        typer.Option("--ratio", help="Draw this ratio (16:9, 9:16, 1:1; repeat for more); all nine else."),
    ] = None,
    compiled: Annotated[bool, typer.Option("--compile", help="Compile the layers first; needs g++.")] = False,
    device: _Device = "cpu",
    workers: _Workers = 1,
    threads: Threads = 1,
) -> None:
    """Train the transformer, on the three parts before.

    live.html in the run's folder shows how it goes.
    """
    from happyhorse.training.clips import Codecs
    from happyhorse.training.machine import Machine
    from happyhorse.training.page import LivePage
    from happyhorse.training.report import Report
    from happyhorse.training.train import BY_RATIO, Trainer, run

    for ratio in ratios or ():
        if ratio not in BY_RATIO:
            raise InvalidRequest(f"ratio must be one of {', '.join(BY_RATIO)}; got '{ratio}'", field="ratio")
    set_threads(threads)
    page = LivePage(out / "live.html", minutes=minutes)

    def on_report(report: Report, trainer: Trainer) -> None:
        say(report.line())
        page.add(report, trainer)

    codecs = Codecs(out / "video_vae.safetensors", out / "audio_vae.safetensors", out / "text.safetensors")
    print(
        run(
            out=out,
            codecs=codecs,
            minutes=minutes,
            resume=resume,
            ratios=ratios or (),
            machine=Machine(find_device(device), workers, compiled),
            on_report=on_report,
        )
    )


@train.command("faces")
def faces(
    output: Annotated[
        str, typer.Option("--output", "-o", help="The detector.", metavar="FILE")
    ] = "drawn_faces.svm",
    pictures: Annotated[int, typer.Option(help="Pictures of the world to learn from.", min=5)] = 400,
) -> None:
    """Teach the detector that counts the drawn faces of a first frame.

    It ships as media/drawn_faces.svm.
    """
    from happyhorse.cli.files import output_path
    from happyhorse.training.faces import train_faces

    place = output_path(output, ".svm")
    train_faces(place, num_pictures=pictures)
    print(place)


@train.command("pack")
def pack(
    folder: Annotated[Path, typer.Argument(help="Where the packed weights go.")], out: _Out = _DEFAULT_OUT
) -> None:
    """Write a run's parts as small as they ship.

    Matrices in int8, codecs in half precision.
    """
    from happyhorse.training.ship import pack_weights

    for path in pack_weights(out, folder):
        print(f"{path} {path.stat().st_size / 1e6:.1f} MB")


@world.command("sheet")
def sheet(
    output: Annotated[str, typer.Option("--output", "-o", help="The PNG.", metavar="FILE")] = "world.png",
    seed: Annotated[int, typer.Option(help="The first scene's number.")] = 0,
    ball: _Ball = False,
) -> None:
    """Draw sixteen scenes on one page."""
    from PIL import Image

    from happyhorse.cli.files import output_path
    from happyhorse.world.sheet import draw_sheet

    place = output_path(output, ".png")
    Image.fromarray(draw_sheet(seed, ball=ball)).save(place)
    print(place)


@world.command("sample")
def sample(
    seed: Annotated[int, typer.Option(help="The scene's number.")] = 0,
    output: Annotated[str, typer.Option("--output", "-o", help="The MP4.", metavar="FILE")] = "world.mp4",
    seconds: Annotated[int, typer.Option("--duration", help="Seconds.", min=1, max=15)] = 5,
    ball: _Ball = False,
) -> None:
    """Draw one scene as a clip with its sound.

    Prints a prompt for it, too.
    """
    from happyhorse.cli.files import output_path
    from happyhorse.media.write import encode
    from happyhorse.world.sheet import sample_clip

    place = output_path(output)
    _scene, prompt, frames, sound = sample_clip(seed, seconds=seconds, width=1280, height=720, ball=ball)
    encode(place, frames, size=(1280, 720), audio=sound[None], metadata={"prompt": prompt, "engine": "world"})
    print(prompt)
    print(place)
