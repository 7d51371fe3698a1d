"""A ball that bounces: is each impact heard when it is seen? Read from a finished clip alone, by plain signal processing.

Seen: what moves before the still background; its upper edge is lowest where the ball meets the table. Heard: sudden rises of
loudness. Neither reading knows when impacts were planned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from scipy.signal import butter, find_peaks, sosfiltfilt

from happyhorse.media.read import decode_audio, decode_video
from happyhorse.shapes import FPS, SAMPLE_RATE
from happyhorse.world.caption import caption
from happyhorse.world.draw import draw_clip
from happyhorse.world.motion import move
from happyhorse.world.scene import BALL_COLOURS, TOP, Scene, sample_ball_scene
from happyhorse.world.sound import render

Mask = NDArray[np.bool_]

FIRST_SEED = 3_500_000_000
"""Scenes from here on are never trained on."""
MAX_APART_S = 2 / FPS
READ_SIZE = (448, 256)
_MOVED = 30
_MIN_PIXELS = 6
_MIN_DROP = 0.05
_HOP_S = 0.005
_BAND_HZ = (90, 1500)
_LEAST_RISE = 0.22
"""Against the clip's greatest rise."""
_LEAST_OVER_USUAL = 1.2
"""Against the clip's usual loudness, which noise alone does not rise by."""
_APART_S = 0.12


@dataclass(frozen=True)
class Impacts:
    """Impacts of one clip in seconds, as seen and as heard, and how many of them belong together."""

    seen_s: tuple[float, ...]
    heard_s: tuple[float, ...]

    @property
    def together(self) -> int:
        """Impacts that are both seen and heard, within two frames."""
        left, count = list(self.heard_s), 0
        for at_s in self.seen_s:
            near = [other for other in left if abs(other - at_s) <= MAX_APART_S]
            if near:
                left.remove(min(near, key=lambda other: abs(other - at_s)))
                count += 1
        return count

    @property
    def share(self) -> float:
        """Those together, of all that are seen or heard; 0 where there are none."""
        return self.together / max(1, len(self.seen_s) + len(self.heard_s) - self.together)


@dataclass(frozen=True)
class BallReading:
    """What was read of one clip: its impacts, and whether the moving thing has the colour that was asked for."""

    impacts: Impacts
    right_colour: bool


@dataclass(frozen=True)
class Ball:
    """One scene, read twice: of nano's clip of its prompt, and of the world's own drawing and sound."""

    prompt: str
    nano: BallReading
    world: BallReading


def find_moved(frames: NDArray[np.uint8]) -> Mask:
    """Return which pixels of frames (n, h, w, 3) differ from the still background, (n, h, w)."""
    signed = frames.astype(np.int16)
    signed -= np.median(frames, axis=0).astype(np.int16)
    return np.asarray(np.abs(signed).max(axis=-1) > _MOVED)


def upper_edge(moved: Mask) -> NDArray[np.float64]:
    """Return per frame where the moving thing ends above, in picture heights from the top; NaN where nothing moves."""
    rows = moved.sum(axis=2) >= _MIN_PIXELS
    edge = np.where(rows.any(axis=1), rows.argmax(axis=1), np.nan)
    return np.asarray(edge / moved.shape[1])


def seen_impacts(moved: Mask) -> tuple[float, ...]:
    """Return when the thing that moves is lowest, in seconds."""
    edge = upper_edge(moved)
    known = np.flatnonzero(~np.isnan(edge))
    if len(known) < FPS // 2:
        return ()
    height = np.interp(np.arange(len(edge)), known, edge[known])
    height = median_filter(height, 3, mode="nearest")
    peaks, _ = find_peaks(height, prominence=_MIN_DROP, distance=round(_APART_S * FPS))
    return tuple(float(_crest(height, peak)) / FPS for peak in peaks)


def heard_impacts(sound: NDArray[np.float32]) -> tuple[float, ...]:
    """Return when a sound (channels, samples) suddenly grows louder, in seconds."""
    band = butter(4, _BAND_HZ, "bandpass", fs=SAMPLE_RATE, output="sos")
    low = sosfiltfilt(band, sound.mean(axis=0).astype(np.float64))
    hop = round(_HOP_S * SAMPLE_RATE)
    count = len(low) // hop
    loud = np.sqrt(np.mean(low[: count * hop].reshape(count, hop) ** 2, axis=1))
    rise = np.maximum(0, loud[4:] - loud[:-4])
    least = max(_LEAST_RISE * rise.max(initial=1e-9), _LEAST_OVER_USUAL * np.median(loud))
    peaks, _ = find_peaks(rise, height=least, distance=round(_APART_S / _HOP_S))
    return tuple(float(peak + 2) * _HOP_S for peak in peaks)


def read_ball(frames: NDArray[np.uint8], sound: NDArray[np.float32], *, colour: str) -> BallReading:
    """Read one clip of a ball that is to have this colour: frames (n, h, w, 3), sound (channels, samples)."""
    moved = find_moved(frames)
    impacts = Impacts(seen_impacts(moved), heard_impacts(sound))
    return BallReading(impacts, moving_colour(frames, moved) == colour)


def moving_colour(frames: NDArray[np.uint8], moved: Mask) -> str:
    """Return which of the balls' colours is nearest to what moves, "" where nothing does."""
    colours = []
    for frame, mask in zip(frames, moved, strict=True):
        rows, columns = np.nonzero(mask)
        if len(rows) < _MIN_PIXELS:
            continue
        top = rows.min()
        near = rows < top + 0.22 * frames.shape[1]
        colours.append(np.median(frame[rows[near], columns[near]], axis=0))
    if not colours:
        return ""
    seen = np.median(colours, axis=0)
    return min(BALL_COLOURS, key=lambda name: float(np.abs(np.array(TOP[name], float) - seen).sum()))


def _crest(height: NDArray[np.float64], peak: int) -> float:
    """The middle of a plateau, or the top of the parabola through three points."""
    if not 0 < peak < len(height) - 1:
        return float(peak)
    before, here, after = height[peak - 1 : peak + 2]
    bend = before - 2 * here + after
    return float(peak) if bend == 0 else float(peak + 0.5 * (before - after) / bend)


def held_out_balls(count: int) -> Iterator[tuple[Scene, str]]:
    """Yield silent scenes of unseen numbers by day, with prompts that name the ball's colour and no camera move."""
    found, seed = 0, FIRST_SEED
    while found < count:
        scene = sample_ball_scene(seed)
        seed += 1
        told = caption(scene, np.random.default_rng(seed), keep=frozenset({"environment", "time", "shot"}))
        if scene.line or scene.time != "day" or scene.weather == "rain" or told.subject == "ball":
            continue
        found += 1
        yield replace(scene, move="locked"), told.text


def try_balls(make: Callable[[str, int, Path], None], *, folder: Path, count: int) -> list[Ball]:
    """Make clips of balls with `make(prompt, seed, path)` and read them, and the world's own of the same scenes."""
    folder.mkdir(parents=True, exist_ok=True)
    balls = []
    for number, (scene, prompt) in enumerate(held_out_balls(count)):
        path = folder / f"ball-{number:03d}.mp4"
        make(prompt, number, path)
        assert scene.ball is not None
        frames = np.asarray(decode_video(path, size=READ_SIZE))
        nano = read_ball(frames, decode_audio(path), colour=scene.ball.colour)
        world = read_ball(*own_clip(scene), colour=scene.ball.colour)
        balls.append(Ball(prompt, nano, world))
    return balls


def own_clip(scene: Scene, *, seconds: int = 5) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the world's own pictures (n, h, w, 3) and sound (1, samples) of a silent scene."""
    motion = move(scene, None, num_frames=seconds * FPS)
    width, height = READ_SIZE
    frames = np.stack(list(draw_clip(scene, motion, width=width, height=height)))
    return frames, render(scene, None, num_samples=seconds * SAMPLE_RATE)[None]
