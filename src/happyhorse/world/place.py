"""What every place has before anything is painted: its edges, its light, its own dice, and three layers of depth.

Units: one frame height; the origin is the middle of the picture, y points down. Layers reach past the picture by `MARGIN`
on every side, so that a camera can move over them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import skia

from happyhorse.world.ink import mix
from happyhorse.world.scene import Colour

MARGIN = 0.30


@dataclass(frozen=True)
class Light:
    """The light of a time of day: sky from top to horizon, tint over everything, colour of lamps and whether they are lit."""

    sky: tuple[Colour, Colour]
    tint: Colour
    tint_alpha: float
    lamps: float


LIGHTS = {
    "day": Light(((88, 170, 236), (206, 236, 250)), (255, 252, 244), 0.0, 0.0),
    "golden hour": Light(((238, 124, 88), (255, 214, 132)), (255, 176, 96), 0.34, 0.4),
    "night": Light(((14, 20, 52), (44, 56, 108)), (96, 108, 190), 0.52, 1.0),
}


class Layers(NamedTuple):
    """The three canvases of a place, from far to near."""

    far: skia.Canvas
    middle: skia.Canvas
    near: skia.Canvas


@dataclass(frozen=True)
class Place:
    """One environment being painted: where the edges are, what the light is, and the scene's own dice."""

    half: float
    light: Light
    rain: bool
    dice: np.random.Generator

    @property
    def left(self) -> float:
        return -self.half - MARGIN

    @property
    def right(self) -> float:
        return self.half + MARGIN

    def rect(self, top: float, bottom: float) -> skia.Rect:
        return skia.Rect.MakeLTRB(self.left, top, self.right, bottom)

    def one_of(self, colours: Sequence[Colour]) -> Colour:
        """Return the colour that the scene's dice fall on."""
        return colours[int(self.dice.integers(len(colours)))]

    def sky(self) -> tuple[Colour, Colour]:
        top, low = self.light.sky
        if self.rain:
            return mix(top, (112, 120, 136), 0.55), mix(low, (150, 158, 170), 0.55)
        return top, low
