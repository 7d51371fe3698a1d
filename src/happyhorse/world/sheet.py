"""The world on one page, and as a clip: what the network is taught, for people to look at."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from happyhorse.shapes import FPS, SAMPLE_RATE
from happyhorse.world.caption import caption
from happyhorse.world.draw import Frame, ScenePainter, draw_clip
from happyhorse.world.motion import Motion, move
from happyhorse.world.scene import Scene, sample_ball_scene, sample_scene
from happyhorse.world.sound import Sound, render, speak_line

_FALLEN = 0.7
"""At this share of the time to the first impact a ball is drawn: half way down."""


def draw_sheet(
    first_seed: int,
    *,
    columns: int = 4,
    rows: int = 4,
    width: int = 480,
    height: int = 272,
    ball: bool = False,
) -> Frame:
    """Return one picture of columns x rows scenes: people, each at the moment its mouth is widest open, or falling balls."""
    lines = []
    for row in range(rows):
        cells = []
        for column in range(columns):
            scene = _sample(first_seed + row * columns + column, ball=ball)
            motion = move(scene, speak_line(scene), num_frames=5 * FPS)
            painter = ScenePainter(scene, motion, width=width, height=height)
            cells.append(painter.draw(_telling_frame(scene, motion)))
        lines.append(np.concatenate(cells, axis=1))
    return np.concatenate(lines, axis=0)


def sample_clip(
    seed: int, *, seconds: int, width: int, height: int, ball: bool = False
) -> tuple[Scene, str, Iterator[Frame], Sound]:
    """Return scene number `seed`, a prompt for it, its frames and its sound."""
    scene = _sample(seed, seconds=seconds, ball=ball)
    speech = speak_line(scene)
    frames = draw_clip(scene, move(scene, speech, num_frames=seconds * FPS), width=width, height=height)
    sound = render(scene, speech, num_samples=seconds * SAMPLE_RATE)
    return scene, caption(scene, np.random.default_rng(seed)).text, frames, sound


def _telling_frame(scene: Scene, motion: Motion) -> int:
    if scene.ball:
        return round((scene.ball.fall.start_s + _FALLEN * scene.ball.fall.fall_s) * FPS)
    return int(np.argmax(motion.mouth_open * (1 - motion.lids)))


def _sample(seed: int, *, seconds: float = 5.0, ball: bool) -> Scene:
    return (sample_ball_scene if ball else sample_scene)(seed, seconds=seconds)
