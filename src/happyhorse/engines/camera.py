"""Camera moves over finished pictures: nano's own camera stands still, so what a prompt asks of it is done by cutting.

A view is the part of a frame that is shown. It never leaves the frame, so a pan needs room that a zoom makes.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MOVES = ("push-in", "pull-out", "pan left", "pan right", "handheld")
_DEEPEST, _PAN_ZOOM, _HANDHELD_ZOOM = 0.30, 1.25, 1.07
_SWAYS = ((2.2, 0.5), (0.9, 0.35), (0.55, 0.15))
"""Of a hand: period in seconds and share of the room there is."""


@dataclass(frozen=True)
class View:
    """A part of a frame: its size is 1 / zoom of the frame's; its middle lies (x, y) from the frame's, in half sides."""

    zoom: float = 1.0
    x: float = 0.0
    y: float = 0.0


def view_at(move: str, time_s: float, seconds: float, *, seed: int) -> View:
    """Return what a camera shows at a time of a clip of so many seconds. Moves start and end gently; unknown ones stand still."""
    progress = min(1.0, time_s / seconds)
    travel = 0.35 * progress * progress * (3 - 2 * progress) + 0.65 * progress
    depth = _DEEPEST * min(1.0, 0.55 + seconds / 11)  # short clips move less
    room = 1 - 1 / _PAN_ZOOM
    match move:
        case "push-in":
            return View(1 + depth * travel)
        case "pull-out":
            return View(1 + depth * (1 - travel))
        case "pan left":
            return View(_PAN_ZOOM, room * (1 - 2 * travel))
        case "pan right":
            return View(_PAN_ZOOM, room * (2 * travel - 1))
        case "handheld":
            return View(_HANDHELD_ZOOM, *(_sway(time_s, random.Random(f"{seed} {axis}")) for axis in "xy"))
        case _:
            return View()


def _sway(time_s: float, rng: random.Random) -> float:
    room = 1 - 1 / _HANDHELD_ZOOM
    return room * sum(
        share * math.sin(2 * math.pi * (time_s / (period_s * rng.uniform(0.8, 1.2)) + rng.random()))
        for period_s, share in _SWAYS
    )


def look(picture: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """Return that part of RGB (h, w, 3), at the picture's size."""
    height, width = picture.shape[:2]
    left, top = (side / 2 * (1 + at - 1 / view.zoom) for side, at in ((width, view.x), (height, view.y)))
    part = (1 / view.zoom, 0.0, left, 0.0, 1 / view.zoom, top)
    image = Image.fromarray(picture)
    return np.asarray(
        image.transform(image.size, Image.Transform.AFFINE, part, resample=Image.Resampling.BICUBIC)
    )
