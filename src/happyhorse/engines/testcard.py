"""The test card: bars, a clock and a tone that steps each second, in every mode, size and length. No network.

It reads the same plans and writes the same files as a real engine, so service, SDKs and jobs are tried without weights.
The word TESTCARD stands in every frame but an exact first one. The same plan gives the same frames and samples.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from happyhorse.engines.base import PREVIEW_SIDE, Capabilities, OnePass, OnProgress
from happyhorse.engines.catalog import TESTCARD
from happyhorse.engines.plan import Plan
from happyhorse.engines.progress import Reporter
from happyhorse.engines.take import Take
from happyhorse.media.picture import fit, small_jpeg, watermark
from happyhorse.media.read import decode_audio, decode_image, decode_video
from happyhorse.media.write import encode
from happyhorse.request import Output
from happyhorse.shapes import SAMPLE_RATE

_BARS = (
    (235, 235, 235),
    (235, 235, 16),
    (16, 235, 235),
    (16, 235, 16),
    (235, 16, 235),
    (235, 16, 16),
    (16, 16, 235),
)
_SCALE = (0, 2, 4, 5, 7, 9, 11, 12)  # semitones of a major scale
_NOTE = "a test card: bars and a tone, made by no network"
_SLICE_S = 0.1  # how long a cancel may wait
_FRAMES_PER_REPORT = 5


class TestcardEngine(OnePass):
    """Draws the card; `seconds` is how long a run lasts beyond the writing itself, to try progress and cancel."""

    __test__ = False  # the name is no test of pytest's

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    @property
    def capabilities(self) -> Capabilities:
        return TESTCARD

    def denoise(self, plan: Plan, *, on_progress: OnProgress) -> Take:
        """Wait as long as asked; a card has no latents. Raises: what on_progress raises."""
        reporter = self._reporter(plan, on_progress)
        reporter.say("prepare", 0, 1)
        start = time.monotonic()
        for step in range(plan.num_steps):
            while (left := self.seconds * (step + 1) / plan.num_steps - (time.monotonic() - start)) > 0:
                reporter.say("base", step, plan.num_steps)
                time.sleep(min(_SLICE_S, left))
            reporter.say("base", step + 1, plan.num_steps)
        return Take(plan.engine, plan.weights_hash)

    def render(self, plan: Plan, take: Take, output: Path, *, on_progress: OnProgress) -> Output:
        """Write the card to `output`. Raises: what on_progress raises; MediaError for an input; EngineError."""
        take.check(engine=plan.engine, weights_hash=plan.weights_hash)
        reporter = self._reporter(plan, on_progress)
        encode(
            output,
            _reported(_Card(plan), plan, reporter),
            size=(plan.width, plan.height),
            audio=_sound(plan),
            metadata={**plan.tags(plan.weights_hash), "comment": "test card"},
        )
        reporter.say("finish", 1, 1)
        return plan.output(output, weights_hash=plan.weights_hash, notes=(_NOTE,))

    def _reporter(self, plan: Plan, on_progress: OnProgress) -> Reporter:
        """Shares of waiting and writing come from their seconds."""
        megapixels = plan.num_frames * plan.width * plan.height / 1e6
        writing = TESTCARD.cost.encode_s_per_mpx * megapixels
        base = 0.99 * self.seconds / (self.seconds + writing)
        return Reporter(on_progress, {"base": base, "decode": 0.99 - base, "finish": 0.01})


def _reported(card: _Card, plan: Plan, reporter: Reporter) -> Iterator[NDArray[np.uint8]]:
    for number in range(plan.num_frames):
        frame = card.frame(number)
        if number % _FRAMES_PER_REPORT == 0:
            preview = small_jpeg(frame, PREVIEW_SIDE) if number % plan.fps == 0 else None
            reporter.say("decode", number, plan.num_frames, preview=preview)
        yield watermark(frame) if plan.watermark else frame
    reporter.say("finish", 0, 1)


def _sound(plan: Plan) -> NDArray[np.float32] | None:
    """The source's sound, the voice track, or the tone; None for a silent file."""
    if plan.sound == "remove":
        return None
    if plan.sound == "retain" and plan.video is not None:
        return decode_audio(Path(plan.video.path), max_seconds=plan.duration_s, field="video")
    if plan.voice is not None:
        return decode_audio(Path(plan.voice.path), max_seconds=plan.duration_s, field="voice")
    return tone(plan.seed, plan.num_frames * SAMPLE_RATE // plan.fps)


def tone(seed: int, num_samples: int) -> NDArray[np.float32]:
    """Return (1, n): one note per second up a major scale, its key from the seed, each with a soft edge of 5 ms."""
    clock = np.arange(num_samples)
    semitones = np.array(_SCALE)[clock // SAMPLE_RATE % len(_SCALE)] + seed % 12
    within = clock % SAMPLE_RATE / SAMPLE_RATE
    phase = 2 * np.pi * 220.0 * 2 ** (semitones / 12) * within
    edge = np.clip(np.minimum(within, 1 - within) / 0.005, 0, 1)
    return (0.25 * (np.sin(phase) + 0.2 * np.sin(2 * phase)) * edge)[None].astype(np.float32)


class _Card:
    """Everything that stands still is drawn once; a frame adds the clock."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.size = (plan.width, plan.height)
        self.unit = max(8, min(self.size) // 18)
        self.fonts = {scale: ImageFont.load_default(size=self.unit * scale) for scale in (0.8, 1.3)}
        self.first: NDArray[np.uint8] | None = None
        self.source: NDArray[np.uint8] | None = None
        if plan.image is not None:
            self.first = fit(decode_image(Path(plan.image.path), crop=plan.crop), self.size)
            self.still = self.first
        elif plan.video is not None:
            self.source = decode_video(Path(plan.video.path), max_seconds=plan.duration_s)
            self.still = fit(self.source[0], self.size)
        else:
            self.still = self._bars()
        self.tiles = [self._tile(place, Path(info.path)) for place, info in enumerate(plan.references)]
        self.still = self._with_tiles(self.still)

    def frame(self, number: int) -> NDArray[np.uint8]:
        if number == 0 and self.first is not None:
            return self.first
        picture = self.still
        if self.source is not None:
            picture = fit(self.source[min(number, len(self.source) - 1)], self.size)
            picture = self._with_tiles(picture)
        return self._with_clock(picture, number)

    def _bars(self) -> NDArray[np.uint8]:
        width, height = self.size
        picture = np.zeros((height, width, 3), np.uint8)
        order = np.random.default_rng(self.plan.seed).permutation(len(_BARS))
        edges = np.linspace(0, width, len(_BARS) + 1).round().astype(int)
        for place, bar in enumerate(order):
            picture[: height * 2 // 3, edges[place] : edges[place + 1]] = _BARS[bar]
        ramp = np.linspace(0, 255, width).astype(np.uint8)
        picture[height * 2 // 3 :] = ramp[None, :, None]
        return picture

    @property
    def _tile_side(self) -> int:
        return max(8, min(self.size[0] // (len(self.plan.references) + 1), self.size[1] // 3))

    def _tile(self, place: int, path: Path) -> NDArray[np.uint8]:
        return fit(
            decode_image(path, max_side=1024, field=f"reference {place + 1}"),
            (self._tile_side, self._tile_side),
        )

    def _with_tiles(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The references, in their order, as a row of squares across the upper part."""
        if not self.tiles:
            return picture
        picture = picture.copy()
        side, count = self._tile_side, len(self.tiles)
        gap = (self.size[0] - count * side) // (count + 1)
        top = self.size[1] // 12
        for place, tile in enumerate(self.tiles):
            left = gap + place * (side + gap)
            picture[top : top + side, left : left + side] = tile
        return picture

    def _with_clock(self, picture: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
        """A dark panel with the word, the time, the seed, a hand that turns once a second and a flash on each second."""
        unit, plan = self.unit, self.plan
        panel = Image.new("RGB", (min(self.size[0], unit * 14), round(unit * 4.2)), (12, 12, 16))
        draw = ImageDraw.Draw(panel)
        second, rest = divmod(number, plan.fps)
        draw.text((unit * 4, unit * 0.3), "TESTCARD", fill="white", font=self.fonts[1.3])
        draw.text(
            (unit * 4, unit * 1.9), f"{second:02d} s  frame {rest:02d}", fill="white", font=self.fonts[0.8]
        )
        facts = f"{plan.mode}  seed {plan.seed}"
        draw.text((unit * 4, unit * 2.9), facts, fill=(190, 190, 190), font=self.fonts[0.8])
        box = (unit * 0.5, unit * 0.6, unit * 3.5, unit * 3.6)
        flash = rest < 2
        draw.ellipse(box, outline="white", width=max(1, unit // 10), fill="white" if flash else None)
        angle = 360 * rest / plan.fps - 90
        draw.pieslice(box, angle - 5, angle + 5, fill="black" if flash else "white")
        left, top = (self.size[0] - panel.width) // 2, round(self.size[1] * 0.62)
        result = picture.copy()
        result[top : top + panel.height, left : left + panel.width] = np.asarray(panel)
        return result
