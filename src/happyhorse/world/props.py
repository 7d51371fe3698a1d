"""What more than one place is made of: sky, hills, a skyline, a window, a lamp, a plant."""

from __future__ import annotations

import numpy as np
import skia

from happyhorse.world.ink import curve, darker, fill, glow, gradient, lighter, mix, oval, polygon, stroke
from happyhorse.world.place import MARGIN, Place
from happyhorse.world.scene import Colour


def draw_sky(canvas: skia.Canvas, place: Place, *, bottom: float = 0.8) -> None:
    """The sky down to `bottom`, with what stands in it at this hour and in this weather."""
    top, low = place.sky()
    canvas.drawRect(
        place.rect(-0.5 - MARGIN, bottom), gradient((0, -0.55), (0, min(bottom, 0.3)), [top, low])
    )
    if place.rain:
        for _ in range(6):
            x, y = place.dice.uniform(place.left, place.right), place.dice.uniform(-0.5, -0.25)
            canvas.drawOval(oval(x, y, 0.32, 0.07), fill(mix(top, (90, 98, 112), 0.5), 0.55, blur=0.02))
    elif place.light.lamps == 1.0:
        _draw_stars_and_moon(canvas, place, dark=top)
    elif place.light.lamps > 0:
        x, y = 0.5 * place.half, 0.02
        canvas.drawCircle(x, y, 0.42, glow((x, y), 0.42, (255, 240, 190), 0.8))
        canvas.drawCircle(x, y, 0.085, fill((255, 246, 214)))
    else:
        _draw_clouds(canvas, place)


def _draw_stars_and_moon(canvas: skia.Canvas, place: Place, *, dark: Colour) -> None:
    for _ in range(34):
        x, y = place.dice.uniform(place.left, place.right), place.dice.uniform(-0.6, -0.05)
        canvas.drawCircle(x, y, place.dice.uniform(0.002, 0.0055), fill((240, 240, 255), 0.85))
    canvas.drawCircle(-0.55 * place.half, -0.30, 0.065, fill((246, 244, 226)))
    canvas.drawCircle(-0.55 * place.half + 0.028, -0.312, 0.056, fill(dark))


def _draw_clouds(canvas: skia.Canvas, place: Place) -> None:
    white = fill((255, 255, 255), 0.9)
    for _ in range(4):
        x, y = place.dice.uniform(place.left, place.right), place.dice.uniform(-0.45, -0.15)
        for dx, radius in ((-0.09, 0.04), (0, 0.06), (0.09, 0.045)):
            canvas.drawCircle(x + dx, y, radius, white)
        canvas.drawRoundRect(skia.Rect.MakeLTRB(x - 0.13, y, x + 0.135, y + 0.045), 0.022, 0.022, white)


def lit(place: Place, colour: Colour) -> Colour:
    """A window or lamp: as given by day, glowing at night."""
    return mix(colour, (255, 226, 140), place.light.lamps)


def draw_hills(canvas: skia.Canvas, place: Place, y: float, height: float, colour: Colour) -> None:
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


def draw_skyline(
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
                pane = lit(place, (206, 230, 246)) if shining else darker(colour, 0.25)
                canvas.drawRect(
                    skia.Rect.MakeLTRB(float(wx), float(wy), float(wx) + 0.022, float(wy) + 0.032),
                    fill(pane, 0.9),
                )
        x += width


def draw_window(
    canvas: skia.Canvas, place: Place, box: tuple[float, float, float, float], frame: Colour, *, bars: int = 1
) -> None:
    rect = skia.Rect.MakeLTRB(*box)
    canvas.save()
    canvas.clipRect(rect, skia.ClipOp.kIntersect, True)
    draw_sky(canvas, place, bottom=box[3])
    draw_skyline(
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
    canvas.drawRect(rect, stroke(frame, 0.030))
    for k in range(1, bars + 1):
        x = box[0] + (box[2] - box[0]) * k / (bars + 1)
        canvas.drawLine(x, box[1], x, box[3], stroke(frame, 0.018))
    canvas.drawRect(
        skia.Rect.MakeLTRB(box[0] - 0.04, box[3], box[2] + 0.04, box[3] + 0.028), fill(lighter(frame, 0.2))
    )


def draw_lamp(canvas: skia.Canvas, place: Place, x: float, y: float, colour: Colour) -> None:
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


def draw_plant(canvas: skia.Canvas, x: float, y: float, size: float, pot: Colour) -> None:
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
