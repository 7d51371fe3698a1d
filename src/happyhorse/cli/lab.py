"""Commands of the laboratory: look at the world, train on it, pack the weights. They need the extra `train`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

train = typer.Typer(
    help="Train nano's parts; each command goes on where it was killed.", no_args_is_help=True
)
world = typer.Typer(help="Look at the world that nano learns.", no_args_is_help=True)

evaluation = typer.Typer(help="Measure an engine's clips.", no_args_is_help=True)

_Out = Annotated[Path, typer.Option("--out", help="Folder of the run.")]
_Minutes = Annotated[float, typer.Option(help="Training time in all, earlier runs included.", min=0.1)]
_Resume = Annotated[bool, typer.Option("--resume/--restart", help="Go on from the state in the folder.")]
_Threads = Annotated[
    int, typer.Option(help="CPU threads of the network; one core stays free for drawing.", min=1)
]
_DEFAULT_OUT = Path("runs/nano")


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _threads(count: int) -> None:
    import torch

    torch.set_num_threads(count)


@train.command("codec-video")
def codec_video(
    out: _Out = _DEFAULT_OUT,
    minutes: _Minutes = 60,
    resume: _Resume = True,
    decoder_only: Annotated[
        bool, typer.Option("--decoder-only", help="Leave the latents as they are.")
    ] = False,
    threads: _Threads = 1,
) -> None:
    """Fit the video projection on the world, then train encoder and decoder."""
    from happyhorse.training.codec_video import run

    _threads(threads)
    print(
        run(
            out=out,
            minutes=minutes,
            resume=resume,
            decoder_only=decoder_only,
            on_report=lambda report: _say(str(report)),
        )
    )


@train.command("codec-audio")
def codec_audio(
    out: _Out = _DEFAULT_OUT, minutes: _Minutes = 30, resume: _Resume = True, threads: _Threads = 1
) -> None:
    """Fit the audio encoder on the world, then train the decoder."""
    from happyhorse.training.codec_audio import run

    _threads(threads)
    print(run(out=out, minutes=minutes, resume=resume, on_report=lambda report: _say(str(report))))


@train.command("text")
def text(
    out: _Out = _DEFAULT_OUT, minutes: _Minutes = 20, resume: _Resume = True, threads: _Threads = 1
) -> None:
    """Train the prompt encoder to read the world's attributes."""
    from happyhorse.training.text import run

    _threads(threads)
    run(
        out=out / "text.safetensors",
        minutes=minutes,
        resume=resume,
        on_report=lambda report: _say(str(report)),
    )
    print(out / "text.safetensors")


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
    threads: _Threads = 1,
) -> None:
    """Train the transformer on the three parts before it; live.html in the run's folder shows how it goes."""
    from happyhorse.training.clips import Codecs
    from happyhorse.training.page import LivePage
    from happyhorse.training.report import Report
    from happyhorse.training.train import Trainer, run

    _threads(threads)
    page = LivePage(out / "live.html", minutes=minutes)

    def on_report(report: Report, trainer: Trainer) -> None:
        _say(report.line())
        page.add(report, trainer)

    codecs = Codecs(out / "video_vae.safetensors", out / "audio_vae.safetensors", out / "text.safetensors")
    print(
        run(
            out=out,
            codecs=codecs,
            minutes=minutes,
            resume=resume,
            ratios=ratios or (),
            compiled=compiled,
            on_report=on_report,
        )
    )


@train.command("pack")
def pack(
    folder: Annotated[Path, typer.Argument(help="Where the packed weights go.")], out: _Out = _DEFAULT_OUT
) -> None:
    """Write a run's four parts as small as they ship: int8 matrices, half-precision codecs."""
    from happyhorse.training.ship import pack_weights

    for path in pack_weights(out, folder):
        print(f"{path} {path.stat().st_size / 1e6:.1f} MB")


@world.command("sheet")
def sheet(
    output: Annotated[Path, typer.Option("--output", "-o", help="The PNG.")] = Path("world.png"),
    seed: Annotated[int, typer.Option(help="The first scene's number.")] = 0,
) -> None:
    """Draw sixteen scenes on one page."""
    from PIL import Image

    from happyhorse.world.sheet import draw_sheet

    Image.fromarray(draw_sheet(seed)).save(output)
    print(output)


@world.command("sample")
def sample(
    seed: Annotated[int, typer.Option(help="The scene's number.")] = 0,
    output: Annotated[Path, typer.Option("--output", "-o", help="The MP4.")] = Path("world.mp4"),
    seconds: Annotated[int, typer.Option("--duration", help="Seconds.", min=1, max=15)] = 5,
) -> None:
    """Draw one scene as a clip with its sound, and print a prompt for it."""
    from happyhorse.media.write import encode
    from happyhorse.world.sheet import sample_clip

    _scene, prompt, frames, sound = sample_clip(seed, seconds=seconds, width=1280, height=720)
    encode(
        output, frames, size=(1280, 720), audio=sound[None], metadata={"prompt": prompt, "engine": "world"}
    )
    print(prompt)
    print(output)


@evaluation.callback()
def _group() -> None:
    """Measure what an engine makes against what was asked."""


@evaluation.command("nano")
def eval_nano(
    count: Annotated[int, typer.Option(help="Held-out prompts.", min=1)] = 20,
    pairs: Annotated[int, typer.Option(help="Pairs of prompts with exchanged colours.", min=0)] = 10,
    quick: Annotated[
        bool, typer.Option("--quick", help="4 prompts, 2 pairs, 2 minutes for instruments.")
    ] = False,
    folder: Annotated[Path, typer.Option("--out", help="Where clips, instrument and table go.")] = Path(
        "runs/eval"
    ),
    weights: Annotated[
        Path | None, typer.Option(help="A folder of packed weights instead of the package's.")
    ] = None,
    minutes: Annotated[
        float, typer.Option(help="Time to train the instrument, when there is none.", min=0.1)
    ] = 15,
    threads: _Threads = 2,
) -> None:
    """Make held-out clips with nano, read the finished files with instruments, and print the table."""
    import json
    from dataclasses import asdict

    from happyhorse.engines.local import LocalEngine
    from happyhorse.engines.plan import plan
    from happyhorse.engines.run import run
    from happyhorse.eval.codec import measure_codec
    from happyhorse.eval.first_frame import try_first_frames
    from happyhorse.eval.instrument import Instrument
    from happyhorse.eval.learn import train_instrument
    from happyhorse.eval.learn_phonemes import train_recogniser
    from happyhorse.eval.nano import HeldOut, Lips, evaluate
    from happyhorse.eval.phonemes import Recogniser
    from happyhorse.eval.speech import measure_speech
    from happyhorse.eval.swap import try_swaps
    from happyhorse.eval.table import lines
    from happyhorse.media.read import probe
    from happyhorse.request import parse_request
    from happyhorse.speech.phonemes import SYMBOLS

    _threads(threads)
    if quick:
        count, pairs, minutes = 4, 2, 2.0
    engine = LocalEngine.from_package("nano") if weights is None else LocalEngine.from_folder("nano", weights)
    vae = engine.weights.video_vae
    kept = folder / "instrument.safetensors"
    if not kept.exists():
        train_instrument(vae, minutes=minutes, on_report=_say).save(kept)
    instrument = Instrument.load(kept)
    ear = folder / "phonemes.safetensors"
    if not ear.exists():
        train_recogniser(minutes=minutes / 2, on_report=_say).save(ear)
    said: dict[Path, list[str]] = {}

    def make(prompt: str, seed: int, path: Path, image: Path | None = None) -> None:
        shown = None if image is None else str(image)
        request = parse_request({"prompt": prompt, "seed": seed, "resolution": "720P", "image": shown})
        media = {shown: probe(image, kind="image")} if image is not None and shown is not None else {}
        the_plan = plan(request, engine.capabilities, media=media)
        run(engine, the_plan, path, on_progress=lambda _: None)
        spoken = engine.spoken(the_plan)
        said[path] = [SYMBOLS[i] for i, start_s, long_s in spoken if start_s + long_s <= the_plan.duration_s]

    def on_clip(item: HeldOut, read: dict[str, str], lips: Lips) -> None:
        right = sum(read[name] == item.scene.attributes()[name] for name in item.asked)
        _say(
            f"lips {lips.correlation:+.2f} at {lips.lag:+d} frames, {right}/{len(item.asked)}: {item.prompt}"
        )

    codec = measure_codec(vae)
    table = evaluate(make, instrument, folder=folder, count=count, on_clip=on_clip)
    speech = measure_speech(Recogniser.load(ear), engine.weights.audio_vae, list(said.items()))
    swaps = try_swaps(make, instrument, folder=folder, count=pairs)
    starts = []
    if "i2v" in engine.capabilities.modes:
        starts = try_first_frames(
            lambda prompt, image, seed, path: make(prompt, seed, path, image),
            instrument,
            folder=folder,
            count=count // 2,
        )
    facts = {
        **table.to_dict(),
        "codec": asdict(codec),
        "swaps": [asdict(swap) for swap in swaps],
        "first_frames": [asdict(start) for start in starts],
        "speech": speech.to_dict() if speech else None,
    }
    (folder / "table.json").write_text(json.dumps(facts, indent=2))
    for line in lines(table, codec, swaps, starts, speech):
        print(line)
