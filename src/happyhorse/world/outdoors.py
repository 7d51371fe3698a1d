"""Places in the open air, painted from far to near: street, beach, forest."""

from __future__ import annotations

import skia

from happyhorse.world.ink import curve, darker, fill, glow, gradient, lighter, mix, oval, polygon, stroke
from happyhorse.world.place import MARGIN, Layers, Place
from happyhorse.world.props import draw_hills, draw_sky, draw_skyline, lit
from happyhorse.world.scene import Colour


def street(layers: Layers, place: Place) -> None:
    draw_sky(layers.far, place)
    draw_skyline(layers.far, place, 0.30, mix(place.light.sky[1], (96, 106, 140), 0.55), top=-0.6, bottom=0.5)
    _draw_house(layers.middle, place, -1, (186, 96, 78))
    _draw_house(layers.middle, place, 1, (218, 170, 108))
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
    layers.middle.drawCircle(x, -0.29, 0.040, fill(lit(place, (236, 236, 226))))


def _draw_house(canvas: skia.Canvas, place: Place, side: int, colour: Colour) -> None:
    """A front with two rows of windows, and a shop under an awning; `side` is -1 for the left one, 1 for the right one."""
    edge, end = side * place.half * 0.42, side * (place.half + MARGIN)
    canvas.drawRect(skia.Rect.MakeLTRB(min(edge, end), -1.0, max(edge, end), 0.34), fill(colour))
    pane, sill = fill(lit(place, (150, 196, 220))), fill(darker(colour, 0.2))
    for y in (-0.46, -0.20):
        for k in range(4):
            x = edge + side * (0.10 + 0.2 * k)
            canvas.drawRoundRect(skia.Rect.MakeLTRB(x - 0.05, y, x + 0.05, y + 0.15), 0.01, 0.01, pane)
            canvas.drawRect(skia.Rect.MakeLTRB(x - 0.065, y + 0.15, x + 0.065, y + 0.168), sill)
    for k in range(10):
        x = edge + side * 0.09 * k
        stripe = ((x, 0.02), (x + side * 0.09, 0.02), (x + side * 0.10, 0.10), (x + side * 0.005, 0.10))
        canvas.drawPath(polygon(stripe), fill((246, 240, 228) if k % 2 else (206, 66, 62)))
    inner = edge + side * 0.05
    canvas.drawRect(
        skia.Rect.MakeLTRB(min(inner, end), 0.10, max(inner, end), 0.30), fill(lit(place, (128, 168, 186)))
    )


def beach(layers: Layers, place: Place) -> None:
    draw_sky(layers.far, place, bottom=0.1)
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


def forest(layers: Layers, place: Place) -> None:
    draw_sky(layers.far, place)
    haze = place.sky()[1]
    draw_hills(layers.far, place, 0.16, 0.26, mix((92, 150, 130), haze, 0.45))
    for depth, (canvas, base, size) in enumerate(((layers.far, 0.26, 0.42), (layers.middle, 0.38, 0.72))):
        colour = mix((44, 112, 78), haze, 0.38 - 0.3 * depth)
        gaps = 10 - 3 * depth
        for k in range(gaps + 1):
            x = place.left + (k + place.dice.uniform(-0.25, 0.25)) * (2 * (place.half + MARGIN)) / gaps
            tall = size * place.dice.uniform(0.75, 1.2)
            shade = mix(colour, (30, 70, 60), place.dice.uniform(0, 0.35))
            _draw_fir(canvas, x, base, tall, shade)
        draw_hills(canvas, place, base + 0.06, 0.05, mix((84, 150, 84), haze, 0.3 - 0.25 * depth))


def _draw_fir(canvas: skia.Canvas, x: float, base: float, tall: float, colour: Colour) -> None:
    canvas.drawRect(skia.Rect.MakeLTRB(x - 0.014, base - 0.12, x + 0.014, base + 0.02), fill((88, 62, 48)))
    for j in range(3):
        y = base - 0.08 - j * tall * 0.24
        half = tall * (0.26 - 0.055 * j)
        canvas.drawPath(
            polygon(((x - half, y), (x + half, y), (x, y - tall * 0.42))),
            fill(colour if j % 2 else lighter(colour, 0.08)),
        )
