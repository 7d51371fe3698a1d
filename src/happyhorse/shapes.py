"""Sizes and lengths: pixels, latents, tokens; seconds, frames, samples. Every conversion of the package is made here.

One video latent covers 4 frames and 16x16 pixels, the first latent one frame; one video token covers 1x2x2 latents.
One audio latent covers 1/25 s, as long as one frame, so picture and sound share one clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

FPS = 25
SAMPLE_RATE = 48_000
AUDIO_LATENT_RATE = 25
SAMPLES_PER_AUDIO_LATENT = SAMPLE_RATE // AUDIO_LATENT_RATE

TIME_STRIDE = 4
SPACE_STRIDE = 16
PATCH = 2

RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "4:5", "5:4", "9:21", "21:9")
RESOLUTIONS = ("480P", "720P", "1080P")
MIN_DURATION_S = 3
MAX_DURATION_S = 15

# Output sizes (width, height) in the order of RATIOS. Source: the service's published tiers, specs/api.md 1.4.
_SIZES: dict[str, tuple[tuple[int, int], ...]] = {
    "480P": ((848, 480), (480, 848), (640, 640), (736, 544), (544, 736), (576, 704), (704, 576), (416, 976), (976, 416)),
    "720P": ((1280, 720), (720, 1280), (960, 960), (1104, 832), (832, 1104), (848, 1072), (1072, 848), (624, 1472), (1472, 624)),
    "1080P": ((1920, 1080), (1080, 1920), (1440, 1440), (1664, 1248), (1248, 1664), (1280, 1616), (1616, 1280), (944, 2208), (2208, 944)),
}  # fmt: skip


def output_size(resolution: str, ratio: str) -> tuple[int, int]:
    """Return (width, height) in pixels of a finished clip. Raises: KeyError or ValueError for names not in the tables."""
    return _SIZES[resolution][RATIOS.index(ratio)]


def ratio_value(ratio: str) -> float:
    """Return width / height of a ratio such as "16:9"."""
    width, height = ratio.split(":")
    return int(width) / int(height)


def nearest_ratio(width: int, height: int) -> str:
    """Return the published ratio closest to width / height, measured on a logarithmic scale."""
    return min(RATIOS, key=lambda ratio: abs(math.log(ratio_value(ratio) * height / width)))


@dataclass(frozen=True)
class VideoShape:
    """A run of pictures: num_frames x height x width, in pixels."""

    num_frames: int
    height: int
    width: int

    @classmethod
    def of_seconds(cls, seconds: int, *, height: int, width: int) -> VideoShape:
        return cls(seconds * FPS, height, width)

    def latent(self) -> LatentShape:
        """The smallest latent grid that decodes to at least this many frames; sides must divide into tokens."""
        step = SPACE_STRIDE * PATCH
        if self.height % step or self.width % step:
            raise ValueError(f"{self.width}x{self.height} is not a multiple of {step} pixels")
        num_latents = math.ceil((self.num_frames - 1) / TIME_STRIDE) + 1
        return LatentShape(num_latents, self.height // SPACE_STRIDE, self.width // SPACE_STRIDE)


@dataclass(frozen=True)
class LatentShape:
    """A grid of video latents: frames x height x width."""

    frames: int
    height: int
    width: int

    @property
    def tokens_per_frame(self) -> int:
        return (self.height // PATCH) * (self.width // PATCH)

    @property
    def num_tokens(self) -> int:
        return self.frames * self.tokens_per_frame

    @property
    def num_frames(self) -> int:
        """Pictures that decode from this grid: one for the first latent, four for each further one."""
        return TIME_STRIDE * (self.frames - 1) + 1

    def audio(self) -> AudioShape:
        """The sound that lasts as long as these pictures."""
        return AudioShape(self.num_frames)


@dataclass(frozen=True)
class AudioShape:
    """A run of audio latents, one for each frame's time."""

    num_latents: int

    @property
    def num_samples(self) -> int:
        return self.num_latents * SAMPLES_PER_AUDIO_LATENT


@dataclass(frozen=True)
class MediaInfo:
    """What a probe saw in an input file; the planner judges limits by these facts, never by names.

    Width and height are upright: after the rotation or the EXIF orientation that the file asks for, 0 for sound. `format`
    is the container as found ("jpeg", "png", "mp4", "wav"), `codec` the picture's or the only stream's codec ("mjpeg",
    "h264", "pcm_s16le"). An animated image has num_frames > 1. Its sound begins with `silent_s` of silence, all of
    `duration_s` where nothing is heard in as much as a clip can use. `remarks` says what looks wrong with an image ("dark, blurred"),
    `faces` how many people look out of it, None where that is not known.
    """

    kind: Literal["image", "video", "audio"]
    path: str
    format: str
    codec: str
    size_bytes: int
    sha256: str
    width: int = 0
    height: int = 0
    duration_s: float = 0.0
    fps: float = 0.0
    num_frames: int = 1
    has_audio: bool = False
    silent_s: float = 0.0
    remarks: str = ""
    faces: int | None = None
