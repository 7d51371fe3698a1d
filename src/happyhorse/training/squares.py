"""Squares cut out of the world's pictures, half of them around a face, for the video codec to learn from.

A codec looks at one place at a time, and faces are what counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from happyhorse.model.video_vae import SEEN, UPSCALE
from happyhorse.shapes import TIME_STRIDE
from happyhorse.world.draw import ScenePainter
from happyhorse.world.leaves import draw_leaves
from happyhorse.world.motion import move
from happyhorse.world.scene import sample_ball_scene, sample_scene
from happyhorse.world.sound import speak_line

SIZES = ((224, 128), (224, 128), (224, 128), (128, 224), (160, 160), (224, 160), (224, 96))
SIDE = 96 * UPSCALE
"""Side of the squares that are trained on, in pixels of the decoder's pictures."""
LEAVES_SHARE, BALL_SHARE, STILL_SHARE, LOCKED_SHARE = 0.12, 0.15, 0.1, 0.4
DRAWN = 2
"""Latents that are drawn of a sample: two, so that what changes from one to the next can be held against the world."""
SHOWN = DRAWN + SEEN - 1
"""Latents that are looked at to draw them."""
NUM_FRAMES = SHOWN * TIME_STRIDE

SCENE_FRAMES = 50
"""Frames of a scene that a sample is taken from."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""


@dataclass(frozen=True)
class Pictures:
    """Frames of four latents drawn at the decoder's size, (16, h, w, 3), and the face's box, which may lie outside."""

    frames: NDArray[np.uint8]
    face: Box


def make_pictures(seed: int) -> Pictures:
    """Draw sample number `seed`: a piece of a spoken scene, one frame of it again and again, or dead leaves."""
    rng = np.random.default_rng((seed, 31))
    width, height = (UPSCALE * side for side in SIZES[int(rng.integers(len(SIZES)))])
    if rng.random() < LEAVES_SHARE:
        leaves = draw_leaves(seed, num_frames=NUM_FRAMES, width=width, height=height)
        return Pictures(np.stack(list(leaves)), (0, 0, 0, 0))
    sample = sample_ball_scene if rng.random() < BALL_SHARE else sample_scene
    scene = sample(seed, seconds=2.0)
    if rng.random() < LOCKED_SHARE:  # what nano itself draws
        scene = replace(scene, move="locked")
    motion = move(scene, speak_line(scene, aloud=False), num_frames=SCENE_FRAMES)
    painter = ScenePainter(scene, motion, width=width, height=height)
    start = int(rng.integers(SCENE_FRAMES - NUM_FRAMES))
    if rng.random() < STILL_SHARE:
        return Pictures(np.stack([painter.draw(start)] * NUM_FRAMES), painter.subject_box(start))
    frames = [painter.draw(start + i) for i in range(NUM_FRAMES)]
    return Pictures(np.stack(frames), painter.subject_box(start + NUM_FRAMES // 2))


def cut(pictures: Pictures, rng: np.random.Generator, *, around_face: bool) -> Pictures:
    """Return a square of the pictures, somewhere or around the face."""
    height, width = pictures.frames.shape[1:3]
    left, top, right, bottom = pictures.face
    x, y = int(rng.integers(width - SIDE + 1)), int(rng.integers(height - SIDE + 1))
    if around_face and right > left:
        jitter_x, jitter_y = rng.integers(-SIDE // 4, SIDE // 4, 2)
        x = int(np.clip((left + right - SIDE) // 2 + jitter_x, 0, width - SIDE))
        y = int(np.clip((top + bottom - SIDE) // 2 + jitter_y, 0, height - SIDE))
    frames = np.ascontiguousarray(pictures.frames[:, y : y + SIDE, x : x + SIDE])
    return Pictures(frames, (left - x, top - y, right - x, bottom - y))


def make_squares(seeds: range) -> Iterator[Pictures]:
    """Draw these samples and cut two squares out of each."""
    for seed in seeds:
        pictures, rng = make_pictures(seed), np.random.default_rng((seed, 32))
        yield cut(pictures, rng, around_face=True)
        yield cut(pictures, rng, around_face=False)
