"""`happyhorse eval nano`: make held-out clips, let instruments that know the world alone read the files, print the table."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, Self, TypeVar

import typer

from happyhorse.cli.lab import Threads, say, set_threads
from happyhorse.errors import WeightsMissing

if TYPE_CHECKING:
    from happyhorse.engines.local import LocalEngine
    from happyhorse.eval.instrument import Instrument
    from happyhorse.eval.nano import HeldOut, Lips
    from happyhorse.eval.phonemes import Recogniser
    from happyhorse.eval.speech import SpeechQuality


class _Teachable(Protocol):
    """An instrument that is taught once and kept as a file."""

    def save(self, path: Path) -> None: ...

    @classmethod
    def load(cls, path: Path) -> Self: ...


Kept = TypeVar("Kept", bound=_Teachable)
INSTRUMENT_LINES = 40
"""English lines of the world by which the ear is judged."""

evaluation = typer.Typer(help="Measure an engine's clips.", no_args_is_help=True)


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
    folder: Annotated[Path, typer.Option("--out", help="Where clips, instruments and table go.")] = Path(
        "runs/eval"
    ),
    weights: Annotated[
        Path | None, typer.Option(help="A folder of packed weights instead of the package's.")
    ] = None,
    minutes: Annotated[
        float,
        typer.Option(help="Time to train the eye, and half as much the ear, where there is none.", min=0.1),
    ] = 15,
    threads: Threads = 2,
) -> None:
    """Make held-out clips and measure them.

    Instruments that know the world alone read the finished files; the table is printed and kept.
    """
    from happyhorse.engines.local import LocalEngine
    from happyhorse.eval.codec import measure_codec
    from happyhorse.eval.first_frame import try_first_frames
    from happyhorse.eval.impacts import try_balls
    from happyhorse.eval.nano import evaluate
    from happyhorse.eval.swap import try_swaps
    from happyhorse.eval.table import lines

    set_threads(threads)
    if quick:
        count, pairs, minutes = 4, 2, 2.0
    engine = LocalEngine.from_package("nano") if weights is None else LocalEngine.from_folder("nano", weights)
    eye, ear = _instruments(engine, folder, minutes)
    make = _Maker(engine)
    codec = measure_codec(engine.weights.video_vae)
    table = evaluate(make, eye, folder=folder, count=count, on_clip=_tell)
    speech = _listen(make, ear, folder, most=2 if quick else None)
    swaps = try_swaps(make, eye, folder=folder, count=pairs)
    starts = try_first_frames(make.from_image, eye, folder=folder, count=count // 2)
    balls = try_balls(make, folder=folder, count=max(2, count // 2))
    facts = {
        **table.to_dict(),
        "codec": asdict(codec),
        "speech": {language: quality.to_dict() for language, quality in speech.items()},
        "swaps": [asdict(swap) for swap in swaps],
        "first_frames": [asdict(start) for start in starts],
        "balls": [{**asdict(ball), "share": ball.nano.impacts.share} for ball in balls],
    }
    (folder / "table.json").write_text(json.dumps(facts, indent=2))
    for line in lines(table, codec, swaps=swaps, starts=starts, balls=balls, speech=speech):
        print(line)


def _listen(make: _Maker, ear: Recogniser, folder: Path, *, most: int | None) -> dict[str, SpeechQuality]:
    """Listen to the English clips that there are, then make and hear at most so many in each other language that nano speaks."""
    from happyhorse.eval.nano import held_out
    from happyhorse.eval.speech import measure_speech
    from happyhorse.eval.tongues import SENTENCES, foreign_scenes

    vae = make.engine.weights.audio_vae
    scenes = (item.scene for item in held_out(INSTRUMENT_LINES))
    found = {"en": measure_speech(ear, vae, list(make.said.items()), scenes)}
    for language in sorted(make.engine.capabilities.languages & set(SENTENCES)):
        clips = {}
        for number, sentence in enumerate(SENTENCES[language][:most]):
            path = folder / f"{language}{number}.mp4"
            make(f'A person speaks to camera: "{sentence}"', number, path, language=language)
            clips[path] = make.said[path]
        found[language] = measure_speech(
            ear, vae, list(clips.items()), foreign_scenes(language), language=language
        )
    return {language: quality for language, quality in found.items() if quality}


class _Maker:
    """Makes clips at 720P and remembers what each was to say, as symbols of the speech table."""

    def __init__(self, engine: LocalEngine) -> None:
        self.engine = engine
        self.said: dict[Path, list[str]] = {}

    def __call__(
        self, prompt: str, seed: int, path: Path, image: Path | None = None, language: str = "en"
    ) -> None:
        from happyhorse.engines.plan import plan
        from happyhorse.engines.run import run
        from happyhorse.media.read import probe
        from happyhorse.request import parse_request
        from happyhorse.speech.phonemes import SYMBOLS

        fields = {"prompt": prompt, "seed": seed, "resolution": "720P", "language": language}
        media = {}
        if image is not None:
            fields["image"] = str(image)
            media[str(image)] = probe(image, kind="image")
        decided = plan(parse_request(fields), self.engine.capabilities, media=media)
        run(self.engine, decided, path, on_progress=lambda _: None)
        self.said[path] = [
            SYMBOLS[phoneme]
            for phoneme, start_s, long_s in self.engine.spoken(decided)
            if start_s + long_s <= decided.duration_s
        ]

    def from_image(self, prompt: str, image: Path, seed: int, path: Path) -> None:
        """Make a clip that begins with this picture."""
        self(prompt, seed, path, image)


def _instruments(engine: LocalEngine, folder: Path, minutes: float) -> tuple[Instrument, Recogniser]:
    """Load the instruments that `folder` keeps; teach those that it lacks or that know another world."""
    from happyhorse.eval.instrument import Instrument
    from happyhorse.eval.learn import train_instrument
    from happyhorse.eval.learn_phonemes import train_recogniser
    from happyhorse.eval.phonemes import Recogniser

    eye, ear = folder / "instrument.safetensors", folder / "phonemes.safetensors"

    def teach_eye() -> Instrument:
        return train_instrument(engine.weights.video_vae, minutes=minutes, on_report=say)

    def teach_ear() -> Recogniser:
        return train_recogniser(minutes=minutes / 2, on_report=say)

    return _kept(Instrument, eye, teach_eye), _kept(Recogniser, ear, teach_ear)


def _kept(kind: type[Kept], path: Path, teach: Callable[[], Kept]) -> Kept:
    if path.exists():
        try:
            return kind.load(path)
        except WeightsMissing as err:
            say(f"{err}: taught anew")
    taught = teach()
    taught.save(path)
    return taught


def _tell(item: HeldOut, read: dict[str, str], lips: Lips) -> None:
    right = sum(read[name] == item.scene.attributes()[name] for name in item.asked)
    say(f"lips {lips.correlation:+.2f} at {lips.lag:+d} frames, {right}/{len(item.asked)}: {item.prompt}")
