"""Teach the detector of drawn faces that `media/faces.py` uses: people of the world at all sizes, and pictures without people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from happyhorse.shapes import FPS
from happyhorse.world.draw import Frame, ScenePainter
from happyhorse.world.leaves import draw_leaves
from happyhorse.world.motion import move
from happyhorse.world.scene import Scene, sample_ball_scene, sample_scene
from happyhorse.world.sound import speak_line

_WINDOW_PX = 64  # the least face it can learn and find
_SIZES = ((800, 448), (448, 800), (448, 448), (360, 540))  # (width, height) in pixels
_CLIP_S = 3
_OUT_OF_SIGHT = 20.0  # sideways, in head heights
_SLACK = 5.0  # the SVM's C: how dear a mistake is against a wide margin
_GAP = 0.05  # how far from the best solution the solver may stop


def train_faces(out: Path, *, num_pictures: int, first_seed: int = 0) -> None:
    """Write a detector taught on that many pictures of the world. Of five, three show a person, one nobody, one dead leaves."""
    pictures, boxes = zip(*_pictures(num_pictures, first_seed), strict=True)
    options = dlib.simple_object_detector_training_options()
    options.detection_window_size = _WINDOW_PX**2
    options.add_left_right_image_flips = True
    options.upsample_limit = 0
    options.C, options.epsilon = _SLACK, _GAP
    options.num_threads = 1
    dlib.train_simple_object_detector(list(pictures), list(boxes), options).save(str(out))


def draw_people(seed: int, *, width: int, height: int, sway: float = 0.0) -> tuple[Frame, dlib.rectangle]:
    """Return a moment of scene `seed`, its person `sway` head heights to the side, and the square of the face in it."""
    painter, moment = _moment(sample_scene(seed, seconds=_CLIP_S), seed, width, height, sway)
    return painter.draw(moment), _square(painter.subject_box(moment))


def draw_nobody(seed: int, *, width: int, height: int) -> Frame:
    """Return by turns a place that its person has left, dead leaves under a camera, a falling ball, and leaves that lie still."""
    if seed % 4 == 0:
        return draw_people(seed, width=width, height=height, sway=_OUT_OF_SIGHT)[0]
    if seed % 4 == 2:
        painter, moment = _moment(sample_ball_scene(seed, seconds=_CLIP_S), seed, width, height)
        return painter.draw(moment)
    camera = move(sample_scene(seed), None, num_frames=1) if seed % 4 == 1 else None
    return next(draw_leaves(seed, num_frames=1, width=width, height=height, camera=camera))


def _moment(scene: Scene, seed: int, width: int, height: int, sway: float = 0.0) -> tuple[ScenePainter, int]:
    motion = move(scene, speak_line(scene), num_frames=_CLIP_S * FPS)
    painter = ScenePainter(scene, replace(motion, sway=motion.sway + sway), width=width, height=height)
    moment = int(np.random.default_rng(seed).integers(_CLIP_S * FPS))
    return painter, moment


def _pictures(count: int, first_seed: int) -> Iterator[tuple[NDArray[np.uint8], list[dlib.rectangle]]]:
    for seed in range(first_seed, first_seed + count):
        width, height = _SIZES[seed % len(_SIZES)]
        if seed % 5 < 3:
            frame, face = draw_people(seed, width=width, height=height)
            yield _grey(frame), [face]
        else:
            yield _grey(draw_nobody(seed, width=width, height=height)), []


def _grey(frame: Frame) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(frame).convert("L"))


def _square(box: tuple[int, int, int, int]) -> dlib.rectangle:
    """What brows, eyes and mouth need of a head's box: less than all of the hair, which differs most."""
    left, top, right, bottom = box
    x, y, half = (left + right) / 2, top + 0.56 * (bottom - top), 0.40 * (bottom - top)
    return dlib.rectangle(round(x - half), round(y - half), round(x + half), round(y + half))
