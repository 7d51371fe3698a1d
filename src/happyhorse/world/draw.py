"""A scene becomes pictures: backdrop, person, weather and the light of the hour, through a camera."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import skia
from numpy.typing import NDArray

from happyhorse.world.backdrop import Backdrop
from happyhorse.world.ball import BallPainter
from happyhorse.world.ink import fill, gradient
from happyhorse.world.motion import Motion
from happyhorse.world.person import PersonPainter
from happyhorse.world.scene import OPEN_AIR, Scene

Frame = NDArray[np.uint8]

# head height in the smaller of (frame height, 0.8 frame widths), and where the middle of the head stands
_HEAD = {"close-up": (0.56, -0.06), "medium shot": (0.40, -0.13)}
_PARALLAX = (0.55, 0.75, 1.0, 1.15)


class ScenePainter:
    """Draws any frame of a scene at one size."""

    def __init__(self, scene: Scene, motion: Motion, *, width: int, height: int, fps: float = 25.0) -> None:
        self.scene, self.motion, self.fps = scene, motion, fps
        self.width, self.height = width, height
        self.side = 1 if scene.seed % 2 else -1
        self.backdrop = Backdrop(scene, width=width, height=height)
        self.person = PersonPainter(scene.person, self.side)
        self.ball = (
            BallPainter(scene, scene.ball, half_width=width / height / 2, light=self.side)
            if scene.ball
            else None
        )
        size, self.head_y = _HEAD[scene.shot]
        self.head = size * min(1.0, 0.9 * width / height)
        self.surface = skia.Surface.MakeRasterN32Premul(width, height)

    def draw(self, i: int) -> Frame:
        """Return frame i as (height, width, 3) RGB."""
        canvas = self.surface.getCanvas()
        canvas.save()
        canvas.scale(self.height, self.height)
        canvas.translate(self.width / self.height / 2, 0.5)
        time_s = i / self.fps
        for layer in (0, 1):
            with skia.AutoCanvasRestore(canvas):
                self._aim(canvas, i, _PARALLAX[layer])
                self.backdrop.draw_layer(canvas, layer)
                if layer == 0:
                    self.backdrop.draw_behind(canvas, time_s)
        with skia.AutoCanvasRestore(canvas):
            self._aim(canvas, i, _PARALLAX[2])
            if self.ball:
                self.ball.draw(canvas, time_s)
            else:
                canvas.translate(0, self.head_y)
                canvas.scale(self.head, self.head)
                self.person.draw(canvas, self.motion, i)
        with skia.AutoCanvasRestore(canvas):
            self._aim(canvas, i, _PARALLAX[3])
            if self.scene.shot == "medium shot" and not self.ball:
                self.backdrop.draw_layer(canvas, 2)
            self.backdrop.draw_before(canvas, time_s)
        self._grade(canvas)
        canvas.restore()
        return np.ascontiguousarray(self.surface.toarray(colorType=skia.kRGBA_8888_ColorType)[:, :, :3])

    def subject_box(self, i: int) -> tuple[int, int, int, int]:
        """Return left, top, right, bottom of the face, or of the ball, in frame i, in pixels, cut to the picture."""
        if self.ball:
            x, y, _ = self.ball.place(i / self.fps)
            half = 1.5 * self.ball.radius
        else:
            x, y = self.head * float(self.motion.sway[i]), self.head_y
            half = self.head * 0.5
        zoom = float(self.motion.zoom[i]) * _PARALLAX[2]
        x, y = zoom * (x - float(self.motion.pan_x[i])), zoom * (y - float(self.motion.pan_y[i]))
        half *= zoom
        left, top = self.width / 2 + (x - 0.8 * half) * self.height, (0.5 + y - half) * self.height
        right, bottom = left + 1.6 * half * self.height, top + 2 * half * self.height
        return (
            max(0, round(left)),
            max(0, round(top)),
            min(self.width, round(right)),
            min(self.height, round(bottom)),
        )

    def _aim(self, canvas: skia.Canvas, i: int, depth: float) -> None:
        zoom = 1 + (float(self.motion.zoom[i]) - 1) * depth
        canvas.scale(zoom, zoom)
        canvas.translate(-float(self.motion.pan_x[i]) * depth, -float(self.motion.pan_y[i]) * depth)

    def _grade(self, canvas: skia.Canvas) -> None:
        light = self.backdrop.light
        half = self.backdrop.half
        strength = light.tint_alpha * (1.0 if self.scene.environment in OPEN_AIR else 0.55)
        if strength > 0:
            tint = fill(light.tint, strength)
            tint.setBlendMode(skia.BlendMode.kMultiply)
            canvas.drawRect(skia.Rect.MakeLTRB(-half, -0.5, half, 0.5), tint)
        sheen = gradient(
            (self.side * half, -0.5),
            (-self.side * half * 0.6, 0.5),
            [(255, 244, 220), (40, 30, 70)],
            [0.13, 0.16],
        )
        sheen.setBlendMode(skia.BlendMode.kSoftLight)
        canvas.drawRect(skia.Rect.MakeLTRB(-half, -0.5, half, 0.5), sheen)


def draw_clip(scene: Scene, motion: Motion, *, width: int, height: int) -> Iterator[Frame]:
    """Yield every frame of the motion."""
    painter = ScenePainter(scene, motion, width=width, height=height)
    for i in range(len(motion.yaw)):
        yield painter.draw(i)
