"""A person, drawn: head, face, hair and clothes at one instant of a `Motion`.

Units: one head height; the origin is the middle of the head, y points down. Light falls from the side `light` (-1 left, 1 right).
"""

from __future__ import annotations

import skia

from happyhorse.world.hair import hair_before, hair_behind
from happyhorse.world.hat import HatPainter
from happyhorse.world.ink import curve, darker, fill, gradient, lighter, mirrored, mix, oval, stroke
from happyhorse.world.motion import Motion
from happyhorse.world.scene import HAIR, SKIN, TOP, Person

_WHITE = (250, 250, 250)
_EYE_X, _EYE_Y = 0.185, -0.015
_INK = (40, 30, 42)


def _face_path(jaw: float) -> skia.Path:
    """Crown at -0.5, chin at 0.5, 0.76 wide; jaw 0 is round, 1 square."""
    j = 0.245 + 0.085 * jaw
    return curve(
        (0, -0.5),
        (0.26, -0.5, 0.385, -0.32, 0.38, -0.05),
        (0.375, 0.14, 0.35, 0.26, j, 0.37),
        (0.7 * j, 0.47, 0.10, 0.505, 0, 0.505),
        (-0.10, 0.505, -0.7 * j, 0.47, -j, 0.37),
        (-0.35, 0.26, -0.375, 0.14, -0.38, -0.05),
        (-0.385, -0.32, -0.26, -0.5, 0, -0.5),
    )


def _torso(width: float) -> skia.Path:
    w = width
    return curve(
        (-0.16, 0.56),
        (-0.22, 0.70, -0.45, 0.72, 0.62 * -w - 0.12, 0.80),
        (-w, 0.86, -w - 0.06, 1.10, -w - 0.10, 1.55),
        (-w - 0.16, 3.2),
        (w + 0.16, 3.2),
        (w + 0.10, 1.55),
        (w + 0.06, 1.10, w, 0.86, 0.62 * w + 0.12, 0.80),
        (0.45, 0.72, 0.22, 0.70, 0.16, 0.56),
    )


class PersonPainter:
    """Draws one person; shapes and paints are made once."""

    def __init__(self, person: Person, light: int) -> None:
        self.person = person
        self.light = light
        man = person.gender == "man"
        skin, hair, top = SKIN[person.skin], HAIR[person.hair_colour], TOP[person.top_colour]
        self.face = _face_path(1.0 if man else 0.0)
        self.torso = _torso(0.86 if man else 0.64)
        self.back = hair_behind(person.hair_style)
        self.front = hair_before(person.hair_style)
        self.neck_width = 0.205 if man else 0.145
        self.skin = fill(skin)
        self.skin_shade = fill(darker(skin, 0.20))
        self.skin_deep = fill(darker(skin, 0.34))
        self.blush = fill(mix(skin, (226, 84, 84), 0.42), 0.45, blur=0.035)
        self.hair = fill(hair)
        self.hair_shade = fill(darker(hair, 0.26))
        self.hair_shine = stroke(lighter(hair, 0.38), 0.035, 0.75)
        self.top = gradient((0, 0.6), (0, 2.4), [lighter(top, 0.06), darker(top, 0.10)])
        self.top_shade = fill(darker(top, 0.24))
        self.top_line = stroke(darker(top, 0.34), 0.022)
        self.top_deep = fill(darker(top, 0.36))
        self.inner = fill((244, 244, 246) if person.top_colour != "white" else (88, 104, 140))
        self.iris = fill(
            mix(
                (78, 58, 44),
                (60, 110, 140),
                0.0 if person.skin in ("brown", "dark") else 0.6 * (person.manner % 2),
            )
        )
        self.brow = stroke(darker(mix(hair, (70, 50, 44), 0.35), 0.30), 0.056 if man else 0.026)
        self.lash = stroke(_INK, 0.026 if man else 0.046)
        lips = mix(skin, (196, 30, 62), 0.18 if man else 0.80)
        self.lips = stroke(darker(lips, 0.10), 0.028 if man else 0.052)
        self.mouth = fill((98, 22, 36))
        self.tongue = fill((222, 100, 106))
        self.teeth = fill(_WHITE)
        self.rim = stroke((255, 252, 240), 0.022, 0.42)
        self.beard = fill(darker(hair, 0.12))
        self.frame = stroke((36, 34, 44), 0.030)
        self.lens = fill((214, 234, 250), 0.22)
        self.wings = not man
        self.hat = HatPainter(person.hat, top, light) if person.hat != "no" else None

    def draw(self, canvas: skia.Canvas, motion: Motion, i: int) -> None:
        """Draw frame i of the motion around the origin."""
        breath = 0.012 * float(motion.breath[i])
        canvas.save()
        canvas.translate(float(motion.sway[i]), 0.012 * float(motion.nod[i]))
        canvas.save()
        canvas.rotate(57.3 * float(motion.tilt[i]), 0, 0.55)
        self._draw_back(canvas, float(motion.yaw[i]))
        canvas.restore()
        canvas.save()
        canvas.translate(-0.5 * float(motion.sway[i]), -0.05 - breath)
        self._draw_body(canvas)
        canvas.restore()
        canvas.rotate(57.3 * float(motion.tilt[i]), 0, 0.55)
        self._draw_head(canvas, motion, i)
        canvas.restore()

    def _draw_back(self, canvas: skia.Canvas, yaw: float) -> None:
        canvas.save()
        canvas.translate(-0.03 * yaw, 0)
        canvas.drawPath(self.back, self.hair_shade)
        canvas.restore()

    def _draw_body(self, canvas: skia.Canvas) -> None:
        width = self.neck_width
        if self.person.garment == "hoodie":
            canvas.drawOval(oval(0, 0.68, 0.40, 0.20), self.top_deep)
        canvas.drawRoundRect(skia.Rect.MakeLTRB(-width, 0.25, width, 0.86), 0.08, 0.08, self.skin_shade)
        canvas.drawPath(self.torso, self.top)
        canvas.save()
        canvas.clipPath(self.torso, skia.ClipOp.kIntersect, True)
        shade = -self.light
        canvas.drawPath(
            curve(
                (shade * 0.36, 0.5),
                (shade * 0.30, 1.2, shade * 0.52, 1.9, shade * 0.46, 3.4),
                (shade * 1.6, 3.4),
                (shade * 1.6, 0.5),
            ),
            self.top_shade,
        )
        canvas.restore()
        for side in (-1, 1):
            canvas.drawPath(
                curve((side * 0.60, 1.22), (side * 0.56, 1.6, side * 0.60, 3.2), close=False), self.top_line
            )
        self._draw_collar(canvas, width)

    def _draw_collar(self, canvas: skia.Canvas, width: float) -> None:
        neckline = curve(
            (-width - 0.01, 0.50),
            (-width - 0.02, 0.62),
            (-width * 0.8, 0.86, 0, 0.88),
            (width * 0.8, 0.86, width + 0.02, 0.62),
            (width + 0.01, 0.50),
        )
        match self.person.garment:
            case "sweater":
                canvas.drawRoundRect(
                    skia.Rect.MakeLTRB(-width - 0.05, 0.53, width + 0.05, 0.73), 0.07, 0.07, self.top
                )
                canvas.drawRoundRect(
                    skia.Rect.MakeLTRB(-width - 0.05, 0.64, width + 0.05, 0.73), 0.05, 0.05, self.top_shade
                )
            case "jacket":
                canvas.drawPath(curve((-width - 0.05, 0.58), (0, 1.75), (width + 0.05, 0.58)), self.inner)
                canvas.drawPath(neckline, self.skin_shade)
                lapel = curve(
                    (-width - 0.07, 0.56),
                    (-0.36, 0.86),
                    (-0.24, 0.96),
                    (-0.30, 1.04),
                    (0.0, 1.75),
                    (-width + 0.02, 0.74),
                )
                for shape in (lapel, mirrored(lapel)):
                    canvas.drawPath(shape, self.top_deep)
            case "shirt":
                canvas.drawPath(curve((-width, 0.50), (0, 0.92), (width, 0.50)), self.skin_shade)
                collar = curve((-width - 0.05, 0.54), (-0.26, 0.80), (-0.12, 0.98), (0, 0.80), (-width, 0.62))
                for shape in (collar, mirrored(collar)):
                    canvas.drawPath(shape, self.top_shade)
                canvas.drawLine(0, 0.92, 0, 3.0, self.top_line)
                for y in (1.12, 1.42, 1.72):
                    canvas.drawCircle(0.0, y, 0.028, self.teeth)
            case "hoodie":
                canvas.drawPath(neckline, self.skin_shade)
                canvas.drawPath(
                    curve(
                        (-width - 0.10, 0.58),
                        (-0.30, 0.92, 0, 0.98),
                        (0.30, 0.92, width + 0.10, 0.58),
                        (width, 0.60),
                        (width * 0.8, 0.86, 0, 0.88),
                        (-width * 0.8, 0.86, -width, 0.60),
                    ),
                    self.top_deep,
                )
                for x in (-0.10, 0.10):
                    canvas.drawLine(x, 0.94, x * 1.15, 1.28, stroke(_WHITE, 0.028))
            case _:
                canvas.drawPath(neckline, self.skin_shade)
                canvas.drawPath(
                    curve(
                        (-width - 0.02, 0.60),
                        (-width * 0.8, 0.86, 0, 0.88),
                        (width * 0.8, 0.86, width + 0.02, 0.60),
                        close=False,
                    ),
                    self.top_line,
                )

    def _draw_head(self, canvas: skia.Canvas, motion: Motion, i: int) -> None:
        yaw, nod = float(motion.yaw[i]), float(motion.nod[i])
        x, y = 0.085 * yaw, 0.045 * nod
        for side in (-1, 1):
            canvas.drawOval(
                oval(side * 0.385 - 0.04 * yaw, 0.04, 0.065, 0.105),
                self.skin_shade if side != self.light else self.skin,
            )
        canvas.drawPath(self.face, self.skin)
        canvas.save()
        canvas.clipPath(self.face, skia.ClipOp.kIntersect, True)
        shade = -self.light
        canvas.drawPath(
            curve(
                (shade * 0.20 + x, -0.6),
                (shade * 0.30 + x, -0.1, shade * 0.16 + x, 0.2, shade * 0.22 + x, 0.6),
                (shade * 0.6, 0.6),
                (shade * 0.6, -0.6),
            ),
            self.skin_shade,
        )
        for side in (-1, 1):
            canvas.drawCircle(side * 0.24 + x, 0.17 + y, 0.075, self.blush)
        if self.person.beard:
            self._draw_beard(canvas, x, y)
        canvas.restore()
        self._draw_nose(canvas, x, y)
        self._draw_mouth(canvas, motion, i, x, y)
        self._draw_eyes(canvas, motion, i, x, y)
        canvas.save()
        canvas.translate(0.030 * yaw, 0.02 * nod)
        canvas.drawPath(self.front, self.hair)
        canvas.drawPath(
            curve(
                (self.light * 0.10, -0.49), (self.light * 0.25, -0.47, self.light * 0.31, -0.34), close=False
            ),
            self.hair_shine,
        )
        if self.hat:
            canvas.translate(0, -0.07)
            self.hat.draw(canvas)
        canvas.restore()
        if self.person.glasses:
            self._draw_glasses(canvas, x, y)
        rim = self.light * 0.372
        canvas.drawPath(curve((rim, -0.02), (rim, 0.20, self.light * 0.285, 0.345), close=False), self.rim)

    def _draw_beard(self, canvas: skia.Canvas, x: float, y: float) -> None:
        canvas.drawPath(
            curve(
                (-0.42, 0.10),
                (-0.36, 0.16, -0.30, 0.20),
                (-0.16 + x, 0.145 + y, x, 0.165 + y),
                (0.16 + x, 0.145 + y, 0.30, 0.20),
                (0.36, 0.16, 0.42, 0.10),
                (0.42, 0.60),
                (-0.42, 0.60),
            ),
            self.beard,
        )
        canvas.drawOval(oval(x * 0.95, 0.285 + y, 0.165, 0.085), self.skin_shade)

    def _draw_nose(self, canvas: skia.Canvas, x: float, y: float) -> None:
        shade = -self.light
        canvas.drawPath(
            curve(
                (x * 1.3, -0.01 + y),
                (x * 1.3 + shade * 0.075, 0.12 + y, x * 1.3 + shade * 0.050, 0.145 + y),
                (x * 1.3, 0.165 + y, x * 1.3 - shade * 0.035, 0.140 + y),
            ),
            self.skin_deep,
        )

    def _draw_mouth(self, canvas: skia.Canvas, motion: Motion, i: int, x: float, y: float) -> None:
        opened, wide, teeth = (
            float(motion.mouth_open[i]),
            float(motion.mouth_wide[i]),
            float(motion.mouth_teeth[i]),
        )
        half, height = 0.135 * (1 + 0.36 * wide), 0.205 * opened
        cx, cy = x * 0.95, 0.285 + y
        if height < 0.018:
            canvas.drawPath(
                curve((cx - half, cy - 0.012), (cx, cy + 0.045, cx + half, cy - 0.012), close=False),
                self.lips,
            )
            return
        top, bottom = cy - 0.30 * height - 0.012, cy + 0.85 * height
        shape = curve(
            (cx - half, cy),
            (cx - 0.55 * half, top - 0.01, cx + 0.55 * half, top - 0.01, cx + half, cy),
            (cx + 0.62 * half, bottom, cx - 0.62 * half, bottom, cx - half, cy),
        )
        canvas.drawPath(shape, self.mouth)
        canvas.save()
        canvas.clipPath(shape, skia.ClipOp.kIntersect, True)
        if opened > 0.35:
            canvas.drawOval(oval(cx, bottom, 0.62 * half, 0.42 * height), self.tongue)
        upper = 0.030 + 0.05 * teeth
        canvas.drawRoundRect(
            skia.Rect.MakeLTRB(cx - 0.8 * half, top - 0.05, cx + 0.8 * half, top + upper),
            0.03,
            0.03,
            self.teeth,
        )
        if teeth > 0.5:
            canvas.drawRect(
                skia.Rect.MakeLTRB(cx - 0.7 * half, bottom - 0.45 * height, cx + 0.7 * half, bottom),
                self.teeth,
            )
        canvas.restore()
        canvas.drawPath(shape, self.lips)

    def _draw_eyes(self, canvas: skia.Canvas, motion: Motion, i: int, x: float, y: float) -> None:
        lids, gaze, brow = float(motion.lids[i]), float(motion.gaze[i]), float(motion.brow[i])
        tall = 0.082 * (1 - lids)
        for side in (-1, 1):
            cx, cy = side * _EYE_X + x, _EYE_Y + y
            canvas.drawPath(
                curve(
                    (cx - 0.10, cy - 0.155 - 0.022 * brow - 0.014 * side),
                    (cx, cy - 0.198 - 0.030 * brow, cx + 0.10, cy - 0.155 - 0.022 * brow - 0.014 * side),
                    close=False,
                ),
                self.brow,
            )
            if lids > 0.7:
                canvas.drawPath(
                    curve((cx - 0.088, cy + 0.01), (cx, cy + 0.055, cx + 0.088, cy + 0.01), close=False),
                    self.lash,
                )
                continue
            white = skia.Path()
            white.addOval(oval(cx, cy, 0.094, tall))
            canvas.drawPath(white, self.teeth)
            canvas.save()
            canvas.clipPath(white, skia.ClipOp.kIntersect, True)
            look = 0.034 * gaze + 0.012 * float(motion.yaw[i])
            canvas.drawCircle(cx + look, cy, 0.060, self.iris)
            canvas.drawCircle(cx + look, cy, 0.033, fill(_INK))
            canvas.drawCircle(cx + look + 0.022, cy - 0.026, 0.016, self.teeth)
            canvas.restore()
            canvas.drawPath(
                curve(
                    (cx - 0.098, cy + 0.005),
                    (cx - 0.05, cy - 1.25 * tall, cx + 0.05, cy - 1.25 * tall, cx + 0.098, cy + 0.005),
                    close=False,
                ),
                self.lash,
            )
            if self.wings:
                out = side * 0.098
                canvas.drawLine(cx + out, cy + 0.002, cx + 1.38 * out, cy - 0.042, self.lash)

    def _draw_glasses(self, canvas: skia.Canvas, x: float, y: float) -> None:
        for side in (-1, 1):
            lens = skia.Rect.MakeLTRB(
                side * _EYE_X + x * 1.1 - 0.142,
                _EYE_Y + y - 0.115,
                side * _EYE_X + x * 1.1 + 0.142,
                _EYE_Y + y + 0.125,
            )
            canvas.drawRoundRect(lens, 0.09, 0.09, self.lens)
            canvas.drawRoundRect(lens, 0.09, 0.09, self.frame)
            canvas.drawLine(
                side * 0.325 + x * 1.1, _EYE_Y + y - 0.03, side * 0.385, _EYE_Y - 0.03, self.frame
            )
        canvas.drawLine(-0.045 + x * 1.1, _EYE_Y + y - 0.01, 0.045 + x * 1.1, _EYE_Y + y - 0.01, self.frame)
