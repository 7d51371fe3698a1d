"""Places under a roof, painted from far to near: studio, cafe, kitchen, office, and the plain wall."""

from __future__ import annotations

import numpy as np
import skia

from happyhorse.world.ink import darker, fill, gradient, lighter, polygon, stroke
from happyhorse.world.place import Layers, Place
from happyhorse.world.props import draw_lamp, draw_plant, draw_skyline, draw_window
from happyhorse.world.scene import Colour


def studio(layers: Layers, place: Place) -> None:
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
    draw_skyline(
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


def cafe(layers: Layers, place: Place) -> None:
    wall = (190, 128, 92)
    layers.far.drawRect(
        place.rect(-1, 1), gradient((0, -0.5), (0, 0.5), [lighter(wall, 0.15), darker(wall, 0.18)])
    )
    draw_window(layers.far, place, (-place.half + 0.06, -0.38, -0.02, 0.18), (92, 60, 48), bars=2)
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
        draw_lamp(layers.middle, place, x, -0.33, (196, 74, 58))
    draw_plant(layers.middle, -place.half - 0.02, 0.22, 0.16, (226, 222, 212))
    layers.near.drawRect(place.rect(0.455, 1), gradient((0, 0.455), (0, 0.6), [(150, 98, 66), (110, 68, 48)]))


def kitchen(layers: Layers, place: Place) -> None:
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
    draw_window(layers.middle, place, (0.16, -0.42, place.half + 0.08, 0.06), (250, 250, 246))
    layers.middle.drawRect(place.rect(0.26, 0.30), fill((238, 230, 216)))
    layers.middle.drawRect(place.rect(0.30, 1), fill(darker(cabinet, 0.08)))
    for x in np.arange(place.left, place.right, 0.36):
        layers.middle.drawRoundRect(
            skia.Rect.MakeLTRB(float(x), 0.335, float(x) + 0.335, 1), 0.012, 0.012, fill(cabinet)
        )
    draw_plant(layers.middle, place.half * 0.78, 0.18, 0.13, (206, 110, 80))
    x = -place.half * 0.72
    layers.middle.drawRoundRect(
        skia.Rect.MakeLTRB(x - 0.09, 0.10, x + 0.09, 0.26), 0.02, 0.02, fill((196, 60, 58))
    )
    layers.middle.drawRect(skia.Rect.MakeLTRB(x - 0.10, 0.092, x + 0.10, 0.11), fill((150, 40, 44)))
    draw_lamp(layers.middle, place, -place.half * 0.35, -0.30, (246, 246, 240))


def office(layers: Layers, place: Place) -> None:
    wall = (196, 206, 220)
    layers.far.drawRect(place.rect(-1, 1), gradient((0, -0.5), (0, 0.5), [lighter(wall, 0.3), wall]))
    draw_window(layers.far, place, (-place.half - 0.1, -0.42, place.half * 0.12, 0.20), (86, 96, 116), bars=3)
    case = skia.Rect.MakeLTRB(place.half * 0.36, -0.46, place.right, 0.42)
    layers.middle.drawRect(case, fill((122, 86, 66)))
    for y in (-0.26, -0.06, 0.14, 0.34):
        layers.middle.drawRect(
            skia.Rect.MakeLTRB(place.half * 0.36 + 0.02, y - 0.17, place.right, y), fill((84, 58, 48))
        )
        _books(layers.middle, place, place.half * 0.36 + 0.035, place.right, y)
    layers.middle.drawRect(place.rect(0.42, 1), fill((96, 108, 134)))
    draw_plant(layers.middle, -place.half * 0.9, 0.26, 0.20, (238, 238, 238))
    draw_lamp(layers.middle, place, place.half * 0.12, -0.36, (56, 66, 86))


def plain(layers: Layers, place: Place) -> None:
    colours: tuple[Colour, ...] = (
        (246, 206, 190),
        (190, 222, 226),
        (220, 208, 240),
        (246, 226, 160),
        (200, 226, 194),
    )
    wall = place.one_of(colours)
    layers.far.drawRect(
        place.rect(-1, 1), gradient((0, -0.5), (0, 0.6), [lighter(wall, 0.35), darker(wall, 0.05)])
    )
    layers.far.drawCircle(0, 0.02, 0.46, fill(lighter(wall, 0.5), 0.75))


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
            fill(place.one_of(colours)),
        )
        x += width
