"""Hats, drawn over the hair. Units: head heights, as in `person`. A hat goes with the top, in its colour."""

from __future__ import annotations

import skia

from happyhorse.world.ink import curve, darker, fill, gradient, lighter, oval, stroke
from happyhorse.world.scene import Colour

_STRAW: Colour = (232, 200, 132)


def _dome(half: float, base_y: float, top_y: float) -> skia.Path:
    return curve(
        (-half, base_y),
        (-half * 1.02, top_y * 0.72, -half * 0.62, top_y, 0, top_y),
        (half * 0.62, top_y, half * 1.02, top_y * 0.72, half, base_y),
        (half * 0.5, base_y - 0.05, -half * 0.5, base_y - 0.05, -half, base_y),
    )


class HatPainter:
    """Draws one hat around the head's own origin."""

    def __init__(self, hat: str, top: Colour, light: int) -> None:
        self.hat, self.light = hat, light
        colour = _STRAW if hat == "straw hat" else darker(top, 0.14)
        self.crown = gradient(
            (light * 0.4, -0.7), (-light * 0.4, -0.2), [lighter(colour, 0.20), darker(colour, 0.16)]
        )
        self.dark = fill(darker(colour, 0.34))
        self.band = fill(darker(top, 0.14) if hat == "straw hat" else darker(colour, 0.22))
        self.seam = stroke(darker(colour, 0.36), 0.016, 0.8)

    def draw(self, canvas: skia.Canvas) -> None:
        """Draw it on a head that looks at us."""
        match self.hat:
            case "cap":
                canvas.drawPath(_dome(0.44, -0.235, -0.72), self.crown)
                canvas.drawPath(curve((0, -0.71), (0.02, -0.5, 0, -0.29), close=False), self.seam)
                canvas.drawCircle(0, -0.715, 0.028, self.dark)
                peak = curve(
                    (-0.45, -0.255),
                    (-0.30, -0.36, 0.30, -0.36, 0.45, -0.255),
                    (0.30, -0.165, -0.30, -0.165, -0.45, -0.255),
                )
                canvas.drawPath(peak, self.dark)
            case "beanie":
                canvas.drawPath(_dome(0.435, -0.25, -0.74), self.crown)
                fold = skia.Rect.MakeLTRB(-0.46, -0.38, 0.46, -0.225)
                canvas.drawRoundRect(fold, 0.07, 0.07, self.band)
                for x in (-0.3, -0.15, 0.0, 0.15, 0.3):
                    canvas.drawLine(x, -0.355, x, -0.25, self.seam)
                canvas.drawCircle(0, -0.77, 0.085, self.band)
            case _:
                canvas.drawOval(oval(0, -0.27, 0.74, 0.135), self.dark)
                canvas.drawOval(oval(0, -0.29, 0.74, 0.125), self.crown)
                canvas.drawPath(_dome(0.37, -0.30, -0.74), self.crown)
                canvas.drawPath(
                    curve(
                        (-0.37, -0.42),
                        (-0.2, -0.375, 0.2, -0.375, 0.37, -0.42),
                        (0.372, -0.30),
                        (0.2, -0.245, -0.2, -0.245, -0.372, -0.30),
                    ),
                    self.band,
                )
