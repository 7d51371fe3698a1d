"""Places, drawn in three layers of depth (far, middle, near) and their moving parts (rain, waves, lights).

Units: one frame height; the origin is the middle of the picture, y points down. Layers reach past the picture by `MARGIN`
on every side, so that a camera can move over them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import skia

from happyhorse.world.ink import curve, darker, fill, glow, gradient, lighter, mix, oval, polygon, stroke
from happyhorse.world.scene import OPEN_AIR, Colour, Scene

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

    def sky(self) -> tuple[Colour, Colour]:
        top, low = self.light.sky
        if self.rain:
            return mix(top, (112, 120, 136), 0.55), mix(low, (150, 158, 170), 0.55)
        return top, low


def _sky(canvas: skia.Canvas, place: Place, *, bottom: float = 0.8) -> None:
    top, low = place.sky()
    canvas.drawRect(
        place.rect(-0.5 - MARGIN, bottom), gradient((0, -0.55), (0, min(bottom, 0.3)), [top, low])
    )
    if place.rain:
        for _ in range(6):
            x, y = place.dice.uniform(place.left, place.right), place.dice.uniform(-0.5, -0.25)
            canvas.drawOval(oval(x, y, 0.32, 0.07), fill(mix(top, (90, 98, 112), 0.5), 0.55, blur=0.02))
    elif place.light.lamps == 1.0:
        for _ in range(34):
            x, y = place.dice.uniform(place.left, place.right), place.dice.uniform(-0.6, -0.05)
            canvas.drawCircle(x, y, place.dice.uniform(0.002, 0.0055), fill((240, 240, 255), 0.85))
        canvas.drawCircle(-0.55 * place.half, -0.30, 0.065, fill((246, 244, 226)))
        canvas.drawCircle(-0.55 * place.half + 0.028, -0.312, 0.056, fill(top))
    elif place.light.lamps > 0:
        canvas.drawCircle(
            0.5 * place.half, 0.02, 0.42, glow((0.5 * place.half, 0.02), 0.42, (255, 240, 190), 0.8)
        )
        canvas.drawCircle(0.5 * place.half, 0.02, 0.085, fill((255, 246, 214)))
    else:
        for _ in range(4):
            x, y = place.dice.uniform(place.left, place.right), place.dice.uniform(-0.45, -0.15)
            for dx, r in ((-0.09, 0.04), (0, 0.06), (0.09, 0.045)):
                canvas.drawCircle(x + dx, y, r, fill((255, 255, 255), 0.9))
            canvas.drawRoundRect(
                skia.Rect.MakeLTRB(x - 0.13, y, x + 0.135, y + 0.045),
                0.022,
                0.022,
                fill((255, 255, 255), 0.9),
            )


def _lit(place: Place, colour: Colour) -> Colour:
    """A window or lamp: as given by day, glowing at night."""
    return mix(colour, (255, 226, 140), place.light.lamps)


def _hills(canvas: skia.Canvas, place: Place, y: float, height: float, colour: Colour) -> None:
    xs = np.linspace(place.left, place.right, 9)
    ys = y - height * place.dice.uniform(0.2, 1.0, 9)
    path = skia.Path()
    path.moveTo(place.left, 1.0)
    path.lineTo(place.left, float(ys[0]))
    for i in range(8):
        middle = float(xs[i] + xs[i + 1]) / 2
        path.cubicTo(middle, float(ys[i]), middle, float(ys[i + 1]), float(xs[i + 1]), float(ys[i + 1]))
    path.lineTo(place.right, 1.0)
    path.close()
    canvas.drawPath(path, gradient((0, y - height), (0, y + 0.2), [lighter(colour, 0.12), colour]))


def _skyline(
    canvas: skia.Canvas,
    place: Place,
    base: float,
    colour: Colour,
    *,
    top: float,
    bottom: float,
    tall: float = 1.0,
) -> None:
    x = place.left
    while x < place.right:
        width = place.dice.uniform(0.12, 0.24)
        roof = base - tall * place.dice.uniform(0.22, 0.62)
        canvas.drawRect(
            skia.Rect.MakeLTRB(x, max(roof, top), x + width - 0.012, bottom),
            fill(mix(colour, (255, 255, 255), place.dice.uniform(0, 0.12))),
        )
        for wx in np.arange(x + 0.025, x + width - 0.035, 0.042):
            for wy in np.arange(max(roof, top) + 0.03, bottom - 0.03, 0.058):
                shining = place.dice.random() < (0.65 if place.light.lamps == 1.0 else 0.25)
                pane = _lit(place, (206, 230, 246)) if shining else darker(colour, 0.25)
                canvas.drawRect(
                    skia.Rect.MakeLTRB(float(wx), float(wy), float(wx) + 0.022, float(wy) + 0.032),
                    fill(pane, 0.9),
                )
        x += width


def _window(
    canvas: skia.Canvas, place: Place, box: tuple[float, float, float, float], frame: Colour, *, bars: int = 1
) -> None:
    rect = skia.Rect.MakeLTRB(*box)
    canvas.save()
    canvas.clipRect(rect, skia.ClipOp.kIntersect, True)
    _sky(canvas, place, bottom=box[3])
    _skyline(
        canvas,
        place,
        box[3] + 0.12,
        mix(place.light.sky[1], (70, 84, 116), 0.6),
        top=box[1] + 0.1,
        bottom=box[3],
        tall=0.55,
    )
    canvas.drawPath(
        polygon(((box[0], box[1]), (box[0] + 0.16, box[1]), (box[0] + 0.02, box[3]), (box[0], box[3]))),
        fill((255, 255, 255), 0.16),
    )
    canvas.restore()
    border = stroke(frame, 0.030)
    canvas.drawRect(rect, border)
    for k in range(1, bars + 1):
        x = box[0] + (box[2] - box[0]) * k / (bars + 1)
        canvas.drawLine(x, box[1], x, box[3], stroke(frame, 0.018))
    canvas.drawRect(
        skia.Rect.MakeLTRB(box[0] - 0.04, box[3], box[2] + 0.04, box[3] + 0.028), fill(lighter(frame, 0.2))
    )


def _lamp(canvas: skia.Canvas, place: Place, x: float, y: float, colour: Colour) -> None:
    canvas.drawLine(x, -0.9, x, y, stroke((52, 46, 52), 0.010))
    canvas.drawCircle(
        x, y + 0.05, 0.26, glow((x, y + 0.05), 0.26, (255, 222, 150), 0.25 + 0.5 * place.light.lamps)
    )
    canvas.drawPath(
        curve(
            (x - 0.075, y + 0.05),
            (x - 0.06, y - 0.03, x, y - 0.03),
            (x + 0.06, y - 0.03, x + 0.075, y + 0.05),
        ),
        fill(colour),
    )
    canvas.drawOval(oval(x, y + 0.05, 0.045, 0.014), fill((255, 246, 214)))


def _plant(canvas: skia.Canvas, x: float, y: float, size: float, pot: Colour) -> None:
    leaf = (64, 140, 92)
    for k, angle in enumerate((-58, -34, -12, 12, 34, 58)):
        canvas.save()
        canvas.translate(x, y)
        canvas.rotate(angle)
        canvas.drawPath(
            curve((0, 0), (size * 0.30, -size * 0.5, 0, -size), (-size * 0.30, -size * 0.5, 0, 0)),
            fill(leaf if k % 2 else lighter(leaf, 0.18)),
        )
        canvas.restore()
    canvas.drawPath(
        polygon(
            (
                (x - size * 0.3, y - 0.01),
                (x + size * 0.3, y - 0.01),
                (x + size * 0.22, y + size * 0.5),
                (x - size * 0.22, y + size * 0.5),
            )
        ),
        fill(pot),
    )


def _books(canvas: skia.Canvas, place: Place, x: float, right: float, shelf: float) -> None:
    colours: tuple[Colour, ...] = (
        (206, 84, 74),
        (60, 116, 150),
        (236, 182, 84),
        (92, 148, 110),
        (226, 220, 206),
        (120, 84, 140),
    )
    while x < right - 0.03:
        width, height = place.dice.uniform(0.018, 0.038), place.dice.uniform(0.09, 0.135)
        canvas.drawRect(
            skia.Rect.MakeLTRB(x, shelf - height, x + width - 0.003, shelf),
            fill(colours[int(place.dice.integers(len(colours)))]),
        )
        x += width


def _studio(layers: Layers, place: Place) -> None:
    wall = (22, 42, 104)
    layers.far.drawRect(
        place.rect(-1, 1),
        gradient(
            (place.left, -0.5), (place.right, 0.5), [darker(wall, 0.3), (38, 84, 176), darker(wall, 0.2)]
        ),
    )
    for k in range(-3, 4):
        x = k * 0.34 + 0.05
        layers.middle.drawPath(
            polygon(((x - 0.11, -0.8), (x + 0.05, -0.8), (x - 0.05, 0.8), (x - 0.21, 0.8))),
            fill((90, 150, 240), 0.20),
        )
    screen = skia.Rect.MakeLTRB(-place.half - 0.02, -0.36, -place.half * 0.30, 0.10)
    layers.middle.drawRoundRect(screen, 0.02, 0.02, fill((14, 24, 60)))
    layers.middle.save()
    layers.middle.clipRect(screen)
    layers.middle.translate(-place.half * 0.6, 0.0)
    _skyline(
        layers.middle, Place(0.5, place.light, False, place.dice), 0.16, (42, 78, 150), top=-0.3, bottom=0.10
    )
    layers.middle.restore()
    layers.middle.drawRoundRect(screen, 0.02, 0.02, stroke((120, 190, 255), 0.012, 0.9))
    for y, alpha in ((-0.42, 0.9), (0.20, 0.6)):
        layers.middle.drawRect(place.rect(y, y + 0.016), fill((130, 214, 255), alpha))
    layers.middle.drawCircle(place.half * 0.72, -0.12, 0.19, stroke((255, 255, 255), 0.018, 0.5))
    layers.middle.drawCircle(place.half * 0.72, -0.12, 0.13, fill((226, 62, 70)))
    layers.near.drawPath(
        polygon(((place.left, 0.40), (place.right, 0.40), (place.right, 1.0), (place.left, 1.0))),
        gradient((0, 0.40), (0, 0.62), [(226, 234, 246), (140, 158, 196)]),
    )
    layers.near.drawRect(place.rect(0.40, 0.418), fill((130, 214, 255)))


def _cafe(layers: Layers, place: Place) -> None:
    wall = (190, 128, 92)
    layers.far.drawRect(
        place.rect(-1, 1), gradient((0, -0.5), (0, 0.5), [lighter(wall, 0.15), darker(wall, 0.18)])
    )
    _window(layers.far, place, (-place.half + 0.06, -0.38, -0.02, 0.18), (92, 60, 48), bars=2)
    layers.far.drawRect(place.rect(0.24, 1), fill((112, 72, 54)))
    for x in np.arange(place.left, place.right, 0.13):
        layers.far.drawLine(float(x), 0.24, float(x), 0.9, stroke((94, 58, 44), 0.008))
    shelf = place.half * 0.32
    for y in (-0.16, 0.06):
        layers.middle.drawRect(skia.Rect.MakeLTRB(shelf, y, place.right, y + 0.02), fill((96, 60, 46)))
        for x in np.arange(shelf + 0.05, place.right - 0.04, 0.085):
            cup: Colour = ((244, 238, 226), (214, 96, 82), (72, 128, 128))[int(place.dice.integers(3))]
            layers.middle.drawRoundRect(
                skia.Rect.MakeLTRB(float(x), y - 0.055, float(x) + 0.05, y), 0.012, 0.012, fill(cup)
            )
    for x in (-place.half * 0.55, place.half * 0.15, place.half * 0.8):
        _lamp(layers.middle, place, x, -0.33, (196, 74, 58))
    _plant(layers.middle, -place.half - 0.02, 0.22, 0.16, (226, 222, 212))
    layers.near.drawRect(place.rect(0.455, 1), gradient((0, 0.455), (0, 0.6), [(150, 98, 66), (110, 68, 48)]))


def _kitchen(layers: Layers, place: Place) -> None:
    layers.far.drawRect(place.rect(-1, 1), gradient((0, -0.5), (0, 0.5), [(240, 244, 238), (206, 222, 214)]))
    for y in np.arange(-0.08, 0.30, 0.085):
        layers.far.drawLine(place.left, float(y), place.right, float(y), stroke((196, 212, 204), 0.006))
    for x in np.arange(place.left, place.right, 0.12):
        layers.far.drawLine(float(x), -0.08, float(x), 0.30, stroke((196, 212, 204), 0.006))
    cabinet = ((74, 140, 132), (214, 150, 88), (86, 116, 168))[int(place.dice.integers(3))]
    for x in np.arange(place.left, -0.12, 0.30):
        layers.middle.drawRoundRect(
            skia.Rect.MakeLTRB(float(x), -0.9, float(x) + 0.285, -0.14), 0.012, 0.012, fill(cabinet)
        )
        layers.middle.drawCircle(float(x) + 0.25, -0.19, 0.012, fill((240, 222, 178)))
    _window(layers.middle, place, (0.16, -0.42, place.half + 0.08, 0.06), (250, 250, 246))
    layers.middle.drawRect(place.rect(0.26, 0.30), fill((238, 230, 216)))
    layers.middle.drawRect(place.rect(0.30, 1), fill(darker(cabinet, 0.08)))
    for x in np.arange(place.left, place.right, 0.36):
        layers.middle.drawRoundRect(
            skia.Rect.MakeLTRB(float(x), 0.335, float(x) + 0.335, 1), 0.012, 0.012, fill(cabinet)
        )
    _plant(layers.middle, place.half * 0.78, 0.18, 0.13, (206, 110, 80))
    x = -place.half * 0.72
    layers.middle.drawRoundRect(
        skia.Rect.MakeLTRB(x - 0.09, 0.10, x + 0.09, 0.26), 0.02, 0.02, fill((196, 60, 58))
    )
    layers.middle.drawRect(skia.Rect.MakeLTRB(x - 0.10, 0.092, x + 0.10, 0.11), fill((150, 40, 44)))
    _lamp(layers.middle, place, -place.half * 0.35, -0.30, (246, 246, 240))


def _office(layers: Layers, place: Place) -> None:
    wall = (196, 206, 220)
    layers.far.drawRect(place.rect(-1, 1), gradient((0, -0.5), (0, 0.5), [lighter(wall, 0.3), wall]))
    _window(layers.far, place, (-place.half - 0.1, -0.42, place.half * 0.12, 0.20), (86, 96, 116), bars=3)
    case = skia.Rect.MakeLTRB(place.half * 0.36, -0.46, place.right, 0.42)
    layers.middle.drawRect(case, fill((122, 86, 66)))
    for y in (-0.26, -0.06, 0.14, 0.34):
        layers.middle.drawRect(
            skia.Rect.MakeLTRB(place.half * 0.36 + 0.02, y - 0.17, place.right, y), fill((84, 58, 48))
        )
        _books(layers.middle, place, place.half * 0.36 + 0.035, place.right, y)
    layers.middle.drawRect(place.rect(0.42, 1), fill((96, 108, 134)))
    _plant(layers.middle, -place.half * 0.9, 0.26, 0.20, (238, 238, 238))
    _lamp(layers.middle, place, place.half * 0.12, -0.36, (56, 66, 86))


def _street(layers: Layers, place: Place) -> None:
    _sky(layers.far, place)
    _skyline(layers.far, place, 0.30, mix(place.light.sky[1], (96, 106, 140), 0.55), top=-0.6, bottom=0.5)
    for side, colour in ((-1, (186, 96, 78)), (1, (218, 170, 108))):
        edge = side * place.half * 0.42
        end = side * (place.half + MARGIN)
        layers.middle.drawRect(skia.Rect.MakeLTRB(min(edge, end), -1.0, max(edge, end), 0.34), fill(colour))
        for y in (-0.46, -0.20):
            for k in range(4):
                x = edge + side * (0.10 + 0.2 * k)
                layers.middle.drawRoundRect(
                    skia.Rect.MakeLTRB(x - 0.05, y, x + 0.05, y + 0.15),
                    0.01,
                    0.01,
                    fill(_lit(place, (150, 196, 220))),
                )
                layers.middle.drawRect(
                    skia.Rect.MakeLTRB(x - 0.065, y + 0.15, x + 0.065, y + 0.168), fill(darker(colour, 0.2))
                )
        for k in range(10):
            x = edge + side * 0.09 * k
            layers.middle.drawPath(
                polygon(
                    ((x, 0.02), (x + side * 0.09, 0.02), (x + side * 0.10, 0.10), (x + side * 0.005, 0.10))
                ),
                fill((246, 240, 228) if k % 2 else (206, 66, 62)),
            )
        layers.middle.drawRect(
            skia.Rect.MakeLTRB(min(edge + side * 0.05, end), 0.10, max(edge + side * 0.05, end), 0.30),
            fill(_lit(place, (128, 168, 186))),
        )
    ground = (112, 116, 128)
    layers.middle.drawRect(place.rect(0.34, 1), gradient((0, 0.34), (0, 0.6), [lighter(ground, 0.2), ground]))
    if place.rain:
        for k in range(5):
            layers.middle.drawOval(
                oval(place.left + 0.45 * k, 0.46, 0.18, 0.02), fill(place.light.sky[1], 0.4)
            )
    x = -place.half * 0.62
    layers.middle.drawLine(x, 0.42, x, -0.26, stroke((52, 54, 66), 0.020))
    layers.middle.drawCircle(
        x, -0.29, 0.24, glow((x, -0.29), 0.24, (255, 226, 150), 0.75 * place.light.lamps)
    )
    layers.middle.drawCircle(x, -0.29, 0.040, fill(_lit(place, (236, 236, 226))))


def _beach(layers: Layers, place: Place) -> None:
    _sky(layers.far, place, bottom=0.1)
    sea = mix(mix(place.light.sky[0], (20, 120, 170), 0.5), (16, 60, 110), 0.3)
    layers.far.drawRect(place.rect(0.04, 1), gradient((0, 0.04), (0, 0.36), [lighter(sea, 0.25), sea]))
    layers.far.drawPath(
        polygon(((0.3, 0.04), (0.42, -0.05), (0.58, -0.09), (0.75, -0.03), (0.9, 0.04))),
        fill(mix(sea, (70, 90, 110), 0.5)),
    )
    sand = (238, 208, 152)
    layers.middle.drawPath(
        curve((place.left, 0.34), (0, 0.26, place.right, 0.36), (place.right, 1), (place.left, 1)),
        gradient((0, 0.28), (0, 0.6), [lighter(sand, 0.15), darker(sand, 0.1)]),
    )
    x = -place.half * 0.82
    layers.middle.drawPath(
        curve(
            (x - 0.02, 0.42),
            (x + 0.03, 0.0, x + 0.12, -0.26),
            (x + 0.15, -0.25),
            (x + 0.07, 0.0, x + 0.03, 0.42),
        ),
        fill((130, 92, 64)),
    )
    for angle in (-150, -118, -84, -50, -18, 8):
        layers.middle.save()
        layers.middle.translate(x + 0.135, -0.26)
        layers.middle.rotate(angle + 90)
        layers.middle.drawPath(
            curve((0, 0), (0.10, -0.14, 0.02, -0.34), (-0.03, -0.16, 0, 0)),
            fill((52, 138, 92) if angle % 4 else (76, 164, 104)),
        )
        layers.middle.restore()


def _forest(layers: Layers, place: Place) -> None:
    _sky(layers.far, place)
    haze = place.sky()[1]
    _hills(layers.far, place, 0.16, 0.26, mix((92, 150, 130), haze, 0.45))
    for depth, (canvas, base, size) in enumerate(((layers.far, 0.26, 0.42), (layers.middle, 0.38, 0.72))):
        colour = mix((44, 112, 78), haze, 0.38 - 0.3 * depth)
        for k in range(11 - 3 * depth):
            x = place.left + (k + place.dice.uniform(-0.25, 0.25)) * (2 * (place.half + MARGIN)) / (
                10 - 3 * depth
            )
            tall = size * place.dice.uniform(0.75, 1.2)
            shade = mix(colour, (30, 70, 60), place.dice.uniform(0, 0.35))
            canvas.drawRect(
                skia.Rect.MakeLTRB(x - 0.014, base - 0.12, x + 0.014, base + 0.02), fill((88, 62, 48))
            )
            for j in range(3):
                y = base - 0.08 - j * tall * 0.24
                half = tall * (0.26 - 0.055 * j)
                canvas.drawPath(
                    polygon(((x - half, y), (x + half, y), (x, y - tall * 0.42))),
                    fill(shade if j % 2 else lighter(shade, 0.08)),
                )
        _hills(canvas, place, base + 0.06, 0.05, mix((84, 150, 84), haze, 0.3 - 0.25 * depth))


def _plain(layers: Layers, place: Place) -> None:
    colours: tuple[Colour, ...] = (
        (246, 206, 190),
        (190, 222, 226),
        (220, 208, 240),
        (246, 226, 160),
        (200, 226, 194),
    )
    wall = colours[int(place.dice.integers(len(colours)))]
    layers.far.drawRect(
        place.rect(-1, 1), gradient((0, -0.5), (0, 0.6), [lighter(wall, 0.35), darker(wall, 0.05)])
    )
    layers.far.drawCircle(0, 0.02, 0.46, fill(lighter(wall, 0.5), 0.75))


_PAINTERS: dict[str, Callable[[Layers, Place], None]] = {
    "studio": _studio,
    "cafe": _cafe,
    "kitchen": _kitchen,
    "office": _office,
    "street": _street,
    "beach": _beach,
    "forest": _forest,
    "plain": _plain,
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
        """What moves behind the person: waves, and rain seen through windows and in the open."""
        if self.scene.environment == "beach":
            for k in range(4):
                y = 0.09 + 0.065 * k + 0.012 * np.sin(1.7 * time_s + k)
                drift = 0.10 * np.sin(0.8 * time_s + 1.3 * k)
                for x in np.arange(-self.half - 0.3, self.half + 0.3, 0.34):
                    canvas.drawPath(
                        curve((x + drift, y), (x + 0.10 + drift, y - 0.022, x + 0.2 + drift, y), close=False),
                        stroke((255, 255, 255), 0.010, 0.65),
                    )

    def draw_before(self, canvas: skia.Canvas, time_s: float) -> None:
        """What falls in front of the person."""
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
