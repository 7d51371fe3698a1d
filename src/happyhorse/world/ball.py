"""A ball and the table that it bounces on. Units: one frame height; the origin is the middle of the picture, y points down."""

from __future__ import annotations

import numpy as np
import skia

from happyhorse.world.ink import curve, darker, fill, gradient, lighter, mix, oval, stroke
from happyhorse.world.scene import OPEN_AIR, TOP, Ball, Colour, Scene

_RADIUS = {"close-up": 0.125, "medium shot": 0.085}
_FLOOR_Y = 0.30
_TOP_Y = -0.26
_SQUASH, _SQUASH_BELOW, _SQUASH_S = 0.24, 0.07, 0.12
_TURN_DEGREES, _TURN_DEGREES_PER_S = 20.0, 70.0
_WOOD, _STONE, _WHITE = (176, 122, 78), (168, 164, 160), (248, 248, 246)
_TABLES: dict[str, Colour] = {
    "cafe": (124, 82, 58),
    "office": (206, 198, 186),
    "plain": (226, 222, 214),
    "studio": (88, 92, 122),
}


class BallPainter:
    """Draws the table and the ball at any instant; shapes and paints are made once.

    It always falls in the middle: where no word says, a network would draw something of every place.
    """

    def __init__(self, scene: Scene, ball: Ball, *, half_width: float, light: int) -> None:
        self.ball, self.light = ball, light
        self.radius = _RADIUS[scene.shot]
        self.half = half_width + 0.3
        table = _STONE if scene.environment in OPEN_AIR else _TABLES.get(scene.environment, _WOOD)
        edge_y = _FLOOR_Y - 0.10
        self.table = gradient((0, edge_y), (0, 0.7), [lighter(table, 0.16), darker(table, 0.18)])
        self.table_edge = stroke(darker(table, 0.30), 0.010)
        self.table_rect = skia.Rect.MakeLTRB(-self.half, edge_y, self.half, 0.9)
        self.grain = stroke(darker(table, 0.14), 0.006, 0.6)
        colour, r = TOP[ball.colour], self.radius
        self.skin = gradient(
            (light * 0.6 * r, -0.8 * r),
            (-light * 0.7 * r, 0.9 * r),
            [lighter(colour, 0.22), darker(colour, 0.30)],
        )
        self.band = fill(_WHITE if ball.colour != "white" else (90, 150, 220), 0.92)
        self.rim = stroke(darker(colour, 0.45), 0.012 * r / 0.1)
        self.shine = fill(mix(colour, (255, 255, 255), 0.85), 0.85, blur=0.004)
        self.circle = skia.Path()
        self.circle.addCircle(0, 0, r)

    def place(self, time_s: float) -> tuple[float, float, float]:
        """Return the ball's middle (across, down) and its height over the table, 0 to 1."""
        height = float(self.ball.fall.heights(np.array([time_s]))[0])
        floor = _FLOOR_Y - self.radius
        return 0.0, floor + (_TOP_Y - floor) * height, height

    def draw(self, canvas: skia.Canvas, time_s: float) -> None:
        """Draw the table, the shadow and the ball, flattened a little where it meets the table."""
        x, y, height = self.place(time_s)
        r = self.radius
        canvas.drawRect(self.table_rect, self.table)
        top = self.table_rect.top()
        canvas.drawLine(-self.half, top, self.half, top, self.table_edge)
        for row in (0.045, 0.14, 0.26):
            canvas.drawLine(-self.half, top + row, self.half, top + row, self.grain)
        spread = 1 + 0.7 * height
        canvas.drawOval(
            oval(x - 0.03 * self.light * height, _FLOOR_Y, r * spread, 0.26 * r * spread),
            fill((30, 22, 40), 0.42 * (1 - 0.75 * height), blur=0.006 + 0.02 * height),
        )
        squash = self._squash(time_s, height)
        with skia.AutoCanvasRestore(canvas):
            canvas.translate(x, y + squash * r)
            canvas.scale(1 + 0.6 * squash, 1 - squash)
            canvas.drawPath(self.circle, self.skin)
            with skia.AutoCanvasRestore(canvas):
                canvas.clipPath(self.circle, skia.ClipOp.kIntersect, True)
                canvas.rotate(_TURN_DEGREES + _TURN_DEGREES_PER_S * max(0.0, time_s - self.ball.fall.start_s))
                canvas.drawPath(
                    curve(
                        (-1.1 * r, -0.26 * r),
                        (0, -0.50 * r, 1.1 * r, -0.26 * r),
                        (1.1 * r, 0.20 * r),
                        (0, -0.02 * r, -1.1 * r, 0.20 * r),
                    ),
                    self.band,
                )
            canvas.drawPath(self.circle, self.rim)
            canvas.drawOval(oval(self.light * 0.36 * r, -0.44 * r, 0.22 * r, 0.15 * r), self.shine)

    def _squash(self, time_s: float, height: float) -> float:
        """How much flatter the ball is: while it meets the table, the more the faster it came."""
        impacts = self.ball.fall.impacts(time_s + _SQUASH_S)
        if not impacts:
            return 0.0
        nearest = min(impacts, key=lambda impact: abs(impact.time_s - time_s))
        fresh = max(0.0, 1 - abs(nearest.time_s - time_s) / _SQUASH_S)
        return _SQUASH * nearest.speed * fresh * max(0.0, 1 - height / _SQUASH_BELOW)
