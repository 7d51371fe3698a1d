"""Samples for the transformer: a drawn scene as latents, prompt features and phonemes; and batches of them as tensors.

Axes: b batch, c latent channels, t h w latent frames, height, width, a audio latents, m prompt rows, p phonemes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from happyhorse.model.audio_vae import AudioVae
from happyhorse.model.complete import complete
from happyhorse.model.pack import Latents, Phonemes
from happyhorse.model.phonemes import Spoken, phonemes_of
from happyhorse.model.pixels import from_bytes
from happyhorse.model.text import TextEncoder
from happyhorse.model.video_vae import VideoVae, as_groups
from happyhorse.shapes import FPS, SPACE_STRIDE, TIME_STRIDE, AudioShape, VideoShape
from happyhorse.speech.phonemes import fall_rows
from happyhorse.speech.speaker import Speech
from happyhorse.training.squares import SCENE_FRAMES, Box
from happyhorse.world.caption import caption, caption_of_setting
from happyhorse.world.draw import ScenePainter
from happyhorse.world.leaves import draw_leaves
from happyhorse.world.motion import Motion, move
from happyhorse.world.scene import Scene, sample_ball_scene, sample_scene
from happyhorse.world.sound import render, speak_line
from happyhorse.world.tongues import TONGUES, speaking

CAPTIONS = 2
"""Prompts kept for each scene; one is chosen each time the sample is used."""
COMPLETED_SHARE = 0.75
FOREIGN_SHARE = 0.6
"""How many of the people who speak do so in another language than English."""
TONE_WEIGHT = 2.5
"""How much more often that is a language with tones, of which there is more to learn."""
FACE_WEIGHT, MOUTH_WEIGHT = 3.0, 6.0
MOUTH_VALUES = 3 * TIME_STRIDE

_TONGUE_WEIGHTS = np.array([TONE_WEIGHT if language in ("zh", "yue") else 1.0 for language in TONGUES])
_TONGUE_SHARES = _TONGUE_WEIGHTS / _TONGUE_WEIGHTS.sum()


@dataclass(frozen=True)
class Kind:
    """One kind of training sample: how long, at which sizes, and whether it has pictures. 0 seconds: one picture, no sound.

    `photos` is the share of clips that show something unlike the world, which stays as it is, from a first frame that is given;
    `balls` that of a ball in a person's place.
    """

    name: str
    seconds: int
    sizes: tuple[tuple[int, int], ...]
    pictures: bool = True
    photos: float = 0.0
    balls: float = 0.0


@dataclass(frozen=True)
class Clip:
    """One sample in half precision: video (c, t, h, w), audio (a, ca), text (captions, m, ct), phonemes (3, p).

    `weight` (t, h, w) says how much each latent counts in the loss: faces are small and are what people look at. `mouth`
    (t, 12) is how open, wide and toothed the mouth is in each of a latent's four frames.
    """

    video: NDArray[np.float16]
    weight: NDArray[np.float16]
    mouth: NDArray[np.float16]
    audio: NDArray[np.float16]
    text: NDArray[np.float16]
    phonemes: NDArray[np.float32]
    is_photo: bool = False


@dataclass(frozen=True)
class Codecs:
    """Where the frozen encoders are."""

    video: Path
    audio: Path
    text: Path


@lru_cache(maxsize=1)
def encoders(codecs: Codecs) -> tuple[VideoVae, AudioVae, TextEncoder]:
    """Load the frozen encoders once for each process."""
    return VideoVae.load(codecs.video), AudioVae.load(codecs.audio), TextEncoder.load(codecs.text)


@dataclass(frozen=True)
class Staged:
    """A scene as it is acted: what is said, how everything moves, and the frames of it that are a sample of that kind."""

    kind: Kind
    scene: Scene
    speech: Speech | None
    motion: Motion
    first: int
    num_frames: int
    width: int
    height: int
    is_photo: bool

    def painter(self, scale: int = 1) -> ScenePainter:
        """Return what draws its frames, at so many times its size."""
        return ScenePainter(self.scene, self.motion, width=scale * self.width, height=scale * self.height)


@dataclass(frozen=True)
class _Untold:
    """A clip whose prompts are still words."""

    video: Tensor
    weight: Tensor
    mouth: Tensor
    audio: Tensor
    texts: list[str]
    phonemes: Tensor
    is_photo: bool


def make_clips(seeds: range, *, kind: Kind, codecs: Codecs) -> list[Clip]:
    """Return the samples of these numbers."""
    return make_staged((stage(seed, kind) for seed in seeds), codecs)


@torch.inference_mode()
def make_staged(acts: Iterable[Staged], codecs: Codecs) -> list[Clip]:
    """Draw, sound and tell these scenes, and encode all three; all prompts go through the text encoder at once."""
    untold = [_make_untold(acted, codecs) for acted in acts]
    rows = encoders(codecs)[2].encode([text for clip in untold for text in clip.texts])
    told = rows.unflatten(0, (len(untold), CAPTIONS)).half().numpy()
    return [
        Clip(
            clip.video.half().numpy(),
            clip.weight.half().numpy(),
            clip.mouth.half().numpy(),
            clip.audio.half().numpy(),
            text,
            clip.phonemes.numpy(),
            clip.is_photo,
        )
        for clip, text in zip(untold, told, strict=True)
    ]


def stage(seed: int, kind: Kind) -> Staged:
    """Return sample number `seed` before it is drawn."""
    rng = np.random.default_rng((seed, 41))
    width, height = kind.sizes[int(rng.integers(len(kind.sizes)))]
    sample = sample_ball_scene if rng.random() < kind.balls else sample_scene
    scene = replace(sample(seed, seconds=max(kind.seconds, 2)), move="locked")
    is_photo = bool(rng.random() < kind.photos)
    if is_photo:
        scene = replace(scene, line="", ball=None)
    elif scene.line and rng.random() < FOREIGN_SHARE:
        language = str(rng.choice(list(TONGUES), p=_TONGUE_SHARES))
        scene = speaking(scene, language, seconds=max(kind.seconds, 2) - 0.5)
    speech = speak_line(scene, aloud=kind.seconds > 0)
    if kind.seconds:
        num_frames = VideoShape.of_seconds(kind.seconds, height=height, width=width).latent().num_frames
        motion = move(scene, speech, num_frames=num_frames)
        return Staged(kind, scene, speech, motion, 0, num_frames, width, height, is_photo)
    motion = move(scene, speech, num_frames=SCENE_FRAMES)
    first = _at_rest(scene, motion, int(rng.integers(SCENE_FRAMES)))
    return Staged(kind, scene, speech, motion, first, 1, width, height, is_photo)


def _make_untold(acted: Staged, codecs: Codecs) -> _Untold:
    kind, scene, first, num_frames = acted.kind, acted.scene, acted.first, acted.num_frames
    rng = np.random.default_rng((scene.seed, 42))
    video_vae, audio_vae, _ = encoders(codecs)
    if kind.pictures:
        frames, boxes = _draw(acted)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            video = video_vae.encode(from_bytes(frames))[0]
        weight = torch.stack([face_weight(box, acted.height, acted.width) for box in boxes])
        mouth = mouth_shapes(_with_height(acted.motion, scene), first, num_frames)
    else:
        video = torch.zeros(video_vae.config.latent_channels, 1 + (num_frames - 1) // TIME_STRIDE, 0, 0)
        weight, mouth = video[0], torch.zeros(video.shape[1], MOUTH_VALUES)
    if kind.seconds:
        sound = render(scene, acted.speech, num_samples=AudioShape(num_frames).num_samples)
        audio = audio_vae.encode(torch.from_numpy(sound)[None])[0]
    else:
        audio = torch.zeros(0, audio_vae.config.latent_channels)
    told = heard(scene, acted.speech, first=first, num_frames=num_frames)
    rows = phonemes_of(told, num_audio=num_frames)
    texts = [
        caption_of_setting(scene, rng).text if acted.is_photo else tell(scene, rng) for _ in range(CAPTIONS)
    ]
    phonemes = torch.cat([rows.ids, rows.starts, rows.log_durations])
    return _Untold(video, weight, mouth, audio, texts, phonemes, acted.is_photo)


def _draw(acted: Staged) -> tuple[NDArray[np.uint8], list[Box]]:
    """Return a sample's frames, and for each latent the box around face or ball."""
    first, num_frames = acted.first, acted.num_frames
    lasts = range(first, first + num_frames, TIME_STRIDE)
    if acted.is_photo:
        leaves = draw_leaves(
            acted.scene.seed,
            num_frames=num_frames,
            width=acted.width,
            height=acted.height,
            camera=acted.motion,
        )
        return np.stack(list(leaves)), [(0, 0, 0, 0) for _ in lasts]
    painter = acted.painter()
    frames = np.stack([painter.draw(first + i) for i in range(num_frames)])
    return frames, [_box_over(painter, max(first, last - TIME_STRIDE + 1), last) for last in lasts]


def _at_rest(scene: Scene, motion: Motion, first: int) -> int:
    """Frame `first`, or another that a clip from text could begin with: nobody blinks, and the ball is still held."""
    if scene.ball:
        return 0
    return first if motion.lids[first] == 0 else int(np.argmin(motion.lids))


def heard(scene: Scene, speech: Speech | None, *, first: int, num_frames: int) -> list[Spoken]:
    """Return what is spoken and what knocks, on the clock of a clip of the scene's frames from `first` on."""
    events = speech.rows(scene.line_start_s) if speech else []
    if scene.ball:
        events += fall_rows(
            scene.ball.fall, (first + num_frames) / FPS, with_heights=speech is None and num_frames > 1
        )
    return [
        (symbol, at_s - first / FPS, length_s)
        for symbol, at_s, length_s in sorted(events, key=lambda event: event[1])
    ]


def tell(scene: Scene, rng: np.random.Generator) -> str:
    """Write a prompt; most are completed with all that they leave out, as every prompt is when a clip is made."""
    told = caption(scene, rng)
    if rng.random() >= COMPLETED_SHARE:
        return told.text
    facts = {name: value for name, value in scene.attributes().items() if name != "speaks"}
    if facts.get("gender") == "woman":
        del facts["beard"]
    reading = {name: value if name in told.mentioned else None for name, value in facts.items()}
    if scene.ball:
        reading["subject"] = facts["subject"] if told.subject == facts["subject"] else None
    else:
        del facts["subject"], reading["subject"]
    return complete(told.text, {name: facts[name] for name in facts if reading[name] is None}, reading)


def face_weight(box: Box, height: int, width: int) -> Float[Tensor, "h w"]:
    """Return what each latent counts: 1, more by the share of it that the face covers, most where the mouth moves."""
    left, top, right, bottom = box
    counts = torch.ones(height, width)
    counts[top:bottom, left:right] = FACE_WEIGHT
    counts[top + (bottom - top) // 2 : bottom, left:right] = MOUTH_WEIGHT
    return F.avg_pool2d(counts[None], SPACE_STRIDE)[0]


def _box_over(painter: ScenePainter, first: int, last: int) -> Box:
    """The box around face or ball in frames `first` to `last`, those of one latent."""
    boxes = (painter.subject_box(i) for i in range(first, last + 1))
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _with_height(motion: Motion, scene: Scene) -> Motion:
    """The motion that the tutor asks for: of a ball, its height in the place of an open mouth."""
    if scene.ball is None:
        return motion
    height = scene.ball.fall.heights(np.arange(len(motion.mouth_open)) / FPS)
    return replace(motion, mouth_open=height, mouth_wide=0 * height, mouth_teeth=0 * height)


def mouth_shapes(motion: Motion, first: int, num_frames: int) -> Float[Tensor, "t m"]:
    """Return open, wide and teeth of each of the four frames of every latent; groups are those of the video codec."""
    tracks = np.stack([motion.mouth_open, motion.mouth_wide, motion.mouth_teeth])[
        :, first : first + num_frames
    ]
    groups = as_groups(torch.from_numpy(tracks).float()[None, :, :, None, None])  # (1, 3, 4 t, 1, 1)
    return rearrange(groups, "1 s (t k) 1 1 -> t (s k)", k=TIME_STRIDE)


@dataclass(frozen=True)
class Batch:
    """Clips of one shape as float32 tensors."""

    clean: Latents
    weight: Float[Tensor, "b t h w"]
    mouth: Float[Tensor, "b t s"]
    text: Float[Tensor, "b m ct"]
    phonemes: Phonemes
    is_photo: Bool[Tensor, " b"]


def collate(clips: list[Clip], rng: np.random.Generator, *, device: torch.device | None = None) -> Batch:
    """Stack clips on a device; each brings one of its prompts."""

    def stacked(arrays: Iterable[NDArray[Any]]) -> Tensor:
        return torch.from_numpy(np.stack(list(arrays))).to(device)

    rows = stacked(clip.phonemes for clip in clips)
    return Batch(
        Latents(stacked(clip.video for clip in clips).float(), stacked(clip.audio for clip in clips).float()),
        stacked(clip.weight for clip in clips).float(),
        stacked(clip.mouth for clip in clips).float(),
        stacked(clip.text[int(rng.integers(len(clip.text)))] for clip in clips).float(),
        Phonemes(rows[:, 0].long(), rows[:, 1], rows[:, 2]),
        torch.tensor([clip.is_photo for clip in clips], device=device),
    )
