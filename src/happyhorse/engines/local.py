"""LocalEngine: a request's plan becomes a clip, made by a network on this machine.

text, speech, first frame -> clean latents and rows -> denoise -> picture and sound decode -> file. Pictures are decoded as a
stream into the encoder, so memory does not grow with the length of the clip. Engines `nano` and, later, `magihuman` are
this one class with other weights.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, replace
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from happyhorse.bounce import Fall
from happyhorse.engines.base import PREVIEW_SIDE, Capabilities, OnePass, OnProgress
from happyhorse.engines.camera import MOVES, look, view_at
from happyhorse.engines.catalog import CATALOG
from happyhorse.engines.local_notes import notes_of
from happyhorse.engines.plan import Plan
from happyhorse.engines.progress import Reporter
from happyhorse.engines.take import Take
from happyhorse.errors import Unsupported
from happyhorse.media.picture import cut, extend, fit, resize, small_jpeg, watermark
from happyhorse.media.read import decode_image
from happyhorse.media.write import encode
from happyhorse.model.audio_vae import AudioVae
from happyhorse.model.checkpoint import Checkpoint, load_checkpoint, weights_hash
from happyhorse.model.complete import Reading, choose, complete, shows_ball
from happyhorse.model.pack import Latents
from happyhorse.model.phonemes import Spoken, phonemes_of
from happyhorse.model.pixels import from_bytes, to_bytes
from happyhorse.model.sampler import OnStep, SamplerSettings, Step, denoise, gaussian, video_noise
from happyhorse.model.still import StillPicture
from happyhorse.model.text import TextEncoder
from happyhorse.model.velocity import velocity_of
from happyhorse.model.video_vae import VideoVae
from happyhorse.prompt.gloss import in_english
from happyhorse.prompt.read import read_prompt
from happyhorse.request import Output
from happyhorse.shapes import LatentShape
from happyhorse.speech.phonemes import fall_rows
from happyhorse.speech.speaker import Speaker
from happyhorse.speech.voices import VOICES

Finish = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
FILES = ("transformer", "video_vae", "audio_vae", "text")
LOCKED = "A person. Locked camera."
MIN_PSNR_DB = 24.5
"""What the codec makes of a first frame, at base size. The world's own pictures have 25.1 to 30."""
LINE_START_S = 0.25
LINE_GAP_S = 0.35
_STAGE_SHARES = {"prepare": 0.05, "base": 0.45, "decode": 0.48, "finish": 0.02}


@dataclass(frozen=True)
class Weights:
    """The four parts of a local engine, loaded."""

    checkpoint: Checkpoint
    video_vae: VideoVae
    audio_vae: AudioVae
    text: TextEncoder
    digest: str

    @classmethod
    def load(cls, folder: Path) -> Weights:
        """Read a folder of weights. Raises: WeightsMissing naming the file and what is wrong with it."""
        paths = {name: folder / f"{name}.safetensors" for name in FILES}
        hashes = "".join(weights_hash(path) for path in paths.values())
        return cls(
            load_checkpoint(paths["transformer"]),
            VideoVae.load(paths["video_vae"]),
            AudioVae.load(paths["audio_vae"]),
            TextEncoder.load(paths["text"]),
            hashlib.sha256(hashes.encode()).hexdigest(),
        )


class LocalEngine(OnePass):
    """Runs plans with weights from a folder; loads them once."""

    def __init__(self, capabilities: Capabilities, weights: Weights) -> None:
        self._capabilities = replace(capabilities, weights_hash=weights.digest)
        self.weights = weights

    @classmethod
    def from_package(cls, name: str) -> LocalEngine:
        """Load the weights that the package ships. Raises: Unsupported for a name without any."""
        folder = Path(str(resources.files("happyhorse") / "weights" / name))
        if name not in CATALOG or not folder.is_dir():
            raise Unsupported(f"no weights for engine '{name}' come with this package", field="engine")
        return cls.from_folder(name, folder)

    @classmethod
    def from_folder(cls, name: str, folder: Path) -> LocalEngine:
        """Load weights from a folder of four files. Raises: WeightsMissing naming the file and what is wrong with it."""
        return cls(CATALOG[name], Weights.load(folder))

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def denoise(self, plan: Plan, *, on_progress: OnProgress) -> Take:
        """Decide the clip: its clean latents. Raises: what on_progress raises; MediaError for an input; EngineError."""
        reporter = Reporter(on_progress, _STAGE_SHARES)
        reporter.say("prepare", 0, 1)
        assert plan.latent is not None
        with torch.inference_mode():
            latents = self._denoise(plan, plan.latent, reporter)
        tensors = {name: value.numpy() for name, value in latents._asdict().items()}
        return Take(plan.engine, self.weights.digest, tensors)

    def render(self, plan: Plan, take: Take, output: Path, *, on_progress: OnProgress) -> Output:
        """Draw and sound a take. Raises: what on_progress raises; EngineError for a take of other weights."""
        take.check(engine=self.capabilities.engine, weights_hash=self.weights.digest)
        assert plan.latent is not None
        take.check_grid(plan.latent)
        reporter = Reporter(on_progress, _STAGE_SHARES)
        chosen, reading = self._understand(plan)
        given = _given_picture(plan)
        with torch.inference_mode():
            still = self._is_beyond_us(given, plan)
            finish = _finisher(plan, given, still=still)
            latents = Latents(*(torch.from_numpy(take.latents[name]) for name in Latents._fields))
            sound = None if plan.sound == "remove" else self._sound(latents.audio)
            encode(
                output,
                self._frames(plan, latents.video, finish, reading["move"], reporter),
                size=(plan.width, plan.height),
                audio=sound,
                metadata=plan.tags(self.weights.digest),
            )
        reporter.say("finish", 1, 1)
        notes = tuple(notes_of(plan, chosen, reading, still=still))
        return plan.output(output, weights_hash=self.weights.digest, notes=notes)

    def spoken(self, plan: Plan) -> list[Spoken]:
        """Return the phonemes that the clip is to say, in a voice of the person's gender, and what knocks in it, on its own clock."""
        return self._heard(plan, _given_picture(plan), *self._understand(plan))

    def _heard(
        self, plan: Plan, given: NDArray[np.uint8] | None, chosen: dict[str, str], reading: Reading
    ) -> list[Spoken]:
        """What is spoken, and what knocks: a ball's impacts, planned by the seed, so that picture and sound follow one clock."""
        events = _speak(plan, chosen, reading)
        if shows_ball(reading) and not self._is_beyond_us(given, plan):
            events += fall_rows(Fall.sample(plan.seed), plan.duration_s, with_heights=not plan.lines)
        return sorted(events, key=lambda event: event[1])

    def _understand(self, plan: Plan) -> tuple[dict[str, str], Reading]:
        """What is chosen for the prompt, and what it says itself. A first frame leaves nothing open."""
        reading = {name: read.value for name, read in self.weights.text.read([_english(plan)])[0].items()}
        return {} if plan.image is not None else choose(reading, plan.seed), reading

    def _denoise(self, plan: Plan, shape: LatentShape, reporter: Reporter) -> Latents:
        chosen, reading = self._understand(plan)
        texts = self._told(complete(_english(plan), chosen, reading))
        settings = replace(self.weights.checkpoint.sampler, num_steps=plan.num_steps)
        generator = torch.Generator().manual_seed(plan.seed)
        given, first = _given_picture(plan), None
        if given is not None:
            first = self.weights.video_vae.encode(_at_base_size(given, plan))
        elif settings.picture_first:
            start = self._noise(replace(shape, frames=1), 0, generator)
            first = self._sample(start, texts, [], settings=settings, generator=generator).video
        return self._sample(
            self._noise(shape, shape.audio().num_latents, generator),
            texts,
            self._heard(plan, given, chosen, reading),
            settings=settings,
            generator=generator,
            first=first,
            on_step=lambda step: reporter.say(
                "base", step.index + 1, step.num_steps, preview=self._glimpse(plan, step)
            ),
        )

    def _told(self, prompt: str) -> Float[Tensor, "2 m c"]:
        """Return the rows of a prompt and of none. The row that tells of the camera says that it stands still: asked to move it, the
        network draws a person in two places, while a still picture can be cut as one likes."""
        text, nothing, still = self.weights.text.encode([prompt, "", LOCKED]).clone()
        row = [name for name, _ in self.weights.text.config.attributes].index("move")
        text[row] = still[row]
        return torch.stack([text, nothing])

    def _noise(self, shape: LatentShape, num_audio: int, generator: torch.Generator) -> Latents:
        config, settings = self.weights.checkpoint.model.config, self.weights.checkpoint.sampler
        audio = torch.randn(1, num_audio, config.audio_channels, generator=generator)
        size = (1, config.latent_channels, *astuple(shape))
        return Latents(video_noise(size, shared=settings.shared_noise, generator=generator), audio)

    def _sample(
        self,
        start: Latents,
        texts: Float[Tensor, "2 m c"],
        spoken: list[Spoken],
        *,
        settings: SamplerSettings,
        generator: torch.Generator,
        first: Float[Tensor, "1 c 1 h w"] | None = None,
        on_step: OnStep | None = None,
    ) -> Latents:
        """Denoise with the first text; guidance leads away from the second, and from silence: from a closed mouth too."""
        told, nothing = (
            velocity_of(
                self.weights.checkpoint.model,
                text=text,
                phonemes=phonemes_of(said, num_audio=max(1, start.audio.shape[1])),
                first_frame=first,
            )
            for text, said in ((texts[:1], spoken), (texts[1:], []))
        )
        return denoise(
            told,
            start,
            settings=settings,
            unconditional=nothing if settings.guidance else None,
            first_frame=first,
            noise=gaussian(generator, shared=settings.shared_noise),
            on_step=on_step,
        )

    def _glimpse(self, plan: Plan, step: Step) -> bytes:
        """The middle of the clip as a small JPEG, as far as it is decided: the bare projection of one latent."""
        clean = step.clean.video
        middle = clean.shape[2] // 2
        (picture,) = to_bytes(self.weights.video_vae.project(clean[:, :, middle : middle + 1])[:, :, :1])
        width, height = plan.width, plan.height
        scale = PREVIEW_SIDE / max(width, height)
        return small_jpeg(fit(picture, (round(width * scale), round(height * scale))), PREVIEW_SIDE)

    @torch.inference_mode()
    def _is_beyond_us(self, given: NDArray[np.uint8] | None, plan: Plan) -> bool:
        """Whether nobody is to speak in the user's picture, if there is one, and the codec cannot tell what is in it: a photograph, mostly."""
        if given is None or plan.lines:
            return False
        vae, pixels = self.weights.video_vae, _at_base_size(given, plan)
        error = vae.project(vae.encode(pixels))[:, :, :1] - pixels
        return float(error.square().mean()) / 4 > 10 ** (-MIN_PSNR_DB / 10)

    def _sound(self, latents: Tensor) -> NDArray[np.float32]:
        waveform = self.weights.audio_vae.decode(latents)[0].numpy()
        return np.stack([waveform, waveform])

    def _frames(
        self, plan: Plan, latents: Tensor, finish: Finish, move: str | None, reporter: Reporter
    ) -> Iterator[NDArray[np.uint8]]:
        """Yield finished pictures, at most num_frames of them, while later ones are still latents."""
        number = 0
        reporter.say("decode", 0, plan.num_frames)
        for chunk in self.weights.video_vae.decode_stream(latents):
            for picture in to_bytes(chunk)[: plan.num_frames - number]:
                frame = finish(picture)
                if move in MOVES:
                    view = view_at(move, number / plan.fps, plan.duration_s, seed=plan.seed)
                    frame = look(frame, view)
                yield watermark(frame) if plan.watermark else frame
                number += 1
            reporter.say("decode", number, plan.num_frames, preview=small_jpeg(frame, PREVIEW_SIDE))


def _english(plan: Plan) -> str:
    """The prompt as the text encoder can read it."""
    return in_english(read_prompt(plan.prompt))


def _given_picture(plan: Plan) -> NDArray[np.uint8] | None:
    """The first frame as the user gave it, at the clip's final size; None where there is none."""
    if plan.image is None:
        return None
    return fit(decode_image(Path(plan.image.path), crop=plan.crop), (plan.width, plan.height))


def _at_base_size(picture: NDArray[np.uint8], plan: Plan) -> Float[Tensor, "1 3 1 h w"]:
    base = (plan.base_width, plan.base_height)
    return from_bytes(resize(extend(picture, base), base)[None].copy())


def _finisher(plan: Plan, given: NDArray[np.uint8] | None, *, still: bool) -> Finish:
    """Return what brings the clip's frames, in order, to their final size.

    What stands still is that of the `given` first frame, if there is one; with `still`, that is everything.
    """
    size = (plan.width, plan.height)
    if given is None:
        return partial(fit, size=size)
    if still:
        return lambda _frame: given
    picture = from_bytes(given[None].copy())[0, :, 0]
    shown: StillPicture | None = None

    def finish(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        nonlocal shown
        own = from_bytes(cut(frame, size)[None].copy())[0, :, 0]
        shown = shown or StillPicture(picture, own)
        return to_bytes(shown.keep(own)[None, :, None])[0]

    return finish


def _speak(plan: Plan, chosen: dict[str, str], reading: Reading) -> list[Spoken]:
    """Place the plan's lines one after another, in a voice of the person's gender; where none is seen or said, of either."""
    if not plan.lines:
        return []
    seen = (
        chosen.get("gender")
        or reading["gender"]
        or random.Random(f"{plan.seed} voice").choice(("man", "woman"))
    )
    gender = "male" if seen == "man" else "female"
    spoken: list[Spoken] = []
    clock_s = LINE_START_S
    with Speaker() as speaker:
        for line in plan.lines:
            language = line.language or "en"
            names = [n for n, v in VOICES.items() if (v.language, v.gender) == (language, gender)]
            speech = speaker.phonemes(line.text, VOICES[names[plan.seed % len(names)]])
            spoken += speech.rows(clock_s)
            clock_s += speech.duration_s + LINE_GAP_S
    return spoken
