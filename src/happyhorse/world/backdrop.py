"""The place of a scene: its painted layers, and what moves in it (waves, rain)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import skia

from happyhorse.world.indoors import cafe, kitchen, office, plain, studio
from happyhorse.world.ink import curve, stroke
from happyhorse.world.outdoors import beach, forest, street
from happyhorse.world.place import LIGHTS, MARGIN, Layers, Place
from happyhorse.world.scene import OPEN_AIR, Scene

_PAINTERS: dict[str, Callable[[Layers, Place], None]] = {
    "studio": studio,
    "cafe": cafe,
    "kitchen": kitchen,
    "office": office,
    "street": street,
    "beach": beach,
    "forest": forest,
    "plain": plain,
}


class Backdrop:
    """The place of a scene at a given size: three painted layers, and the parts that move."""

    def __init__(self, scene: Scene, *, width: int, height: int) -> None:
        self.scene = scene
        self.half = width / height / 2
        self.light = LIGHTS[scene.time]
        dice = np.random.default_rng((scene.seed, 3))
        place = Place(self.half, self.light, scene.weather == "rain", dice)
        scale = height * 1.15
        size = (round((width / height + 2 * MARGIN) * scale), round((1 + 2 * MARGIN) * scale))
        surfaces = [skia.Surface.MakeRasterN32Premul(*size) for _ in range(3)]
        canvases = [surface.getCanvas() for surface in surfaces]
        for canvas in canvases:
            canvas.clear(skia.ColorTRANSPARENT)
            canvas.scale(scale, scale)
            canvas.translate(self.half + MARGIN, 0.5 + MARGIN)
        _PAINTERS[scene.environment](Layers(*canvases), place)
        self.layers = [surface.makeImageSnapshot() for surface in surfaces]
        self.box = skia.Rect.MakeLTRB(-self.half - MARGIN, -0.5 - MARGIN, self.half + MARGIN, 0.5 + MARGIN)
        self.sampling = skia.SamplingOptions(skia.FilterMode.kLinear)
        self.drops = np.random.default_rng((scene.seed, 5)).uniform(0, 1, (90, 3))

    def draw_layer(self, canvas: skia.Canvas, layer: int) -> None:
        canvas.drawImageRect(self.layers[layer], self.box, self.sampling)

    def draw_behind(self, canvas: skia.Canvas, time_s: float) -> None:
        """The waves that move behind the person."""
        if self.scene.environment != "beach":
            return
        foam = stroke((255, 255, 255), 0.010, 0.65)
        for k in range(4):
            y = 0.09 + 0.065 * k + 0.012 * np.sin(1.7 * time_s + k)
            drift = 0.10 * np.sin(0.8 * time_s + 1.3 * k)
            for x in np.arange(-self.half - 0.3, self.half + 0.3, 0.34):
                crest = curve((x + drift, y), (x + 0.10 + drift, y - 0.022, x + 0.2 + drift, y), close=False)
                canvas.drawPath(crest, foam)

    def draw_before(self, canvas: skia.Canvas, time_s: float) -> None:
        """The rain that falls in front of the person."""
        if self.scene.weather != "rain" or self.scene.environment not in OPEN_AIR:
            return
        lines = skia.Path()
        for x0, y0, depth in self.drops:
            fall = (y0 + time_s * (1.5 + depth)) % 1.0
            x = (x0 - 0.5) * 2.3 * self.half - 0.08 * fall
            y = fall * 1.25 - 0.62
            lines.moveTo(x, y)
            lines.lineTo(x - 0.010, y + 0.05 + 0.05 * depth)
        canvas.drawPath(lines, stroke((226, 236, 250), 0.007, 0.55))
