"""Pictures that are not the world: dead leaves under a moving camera.

Shapes of all sizes hide one another, as things in photographs do, so their edges and spectra are like those of photographs.
They teach the codec to carry a user's own picture.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import skia
from numpy.typing import NDArray

from happyhorse.world.draw import Frame
from happyhorse.world.ink import fill, gradient
from happyhorse.world.motion import Motion
from happyhorse.world.scene import Colour

_NUM_LEAVES = 260


def _colour(values: NDArray[np.float64]) -> Colour:
    red, green, blue = (int(value) for value in np.clip(values, 0, 255))
    return red, green, blue


def _leaf(canvas: skia.Canvas, rng: np.random.Generator, size: float, half: float) -> None:
    x, y = rng.uniform(-half - 0.2, half + 0.2), rng.uniform(-0.7, 0.7)
    colour = rng.normal(rng.uniform(30, 225), 42, 3)
    first, second = _colour(colour), _colour(colour + rng.normal(0, 30, 3))
    ends = (x - size, y - size), (x + size, y + size)
    paint = gradient(*ends, [first, second]) if rng.random() < 0.5 else fill(first)
    canvas.save()
    canvas.translate(x, y)
    canvas.rotate(float(rng.uniform(0, 360)))
    canvas.scale(1.0, float(rng.uniform(0.25, 1.0)))
    canvas.translate(-x, -y)
    if rng.random() < 0.6:
        canvas.drawCircle(x, y, size, paint)
    else:
        canvas.drawRect(skia.Rect.MakeXYWH(x - size, y - size, 2 * size, 2 * size), paint)
    canvas.restore()


def _ground(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    """A sky and what lies under it, each shaded from one colour to another."""
    horizon = float(rng.uniform(-0.5, 0.7))
    for top, bottom in ((-2.0, horizon), (horizon, 2.0)):
        colour = rng.normal(rng.uniform(20, 235), 45, 3)
        ends = (float(rng.uniform(-1, 1)), max(top, -0.7)), (float(rng.uniform(-1, 1)), min(bottom, 0.7))
        paint = gradient(*ends, [_colour(colour), _colour(colour + rng.normal(0, 45, 3))])
        canvas.drawRect(skia.Rect.MakeLTRB(-2, top, 2, bottom), paint)


def draw_leaves(
    seed: int, *, num_frames: int, width: int, height: int, camera: Motion | None = None
) -> Iterator[Frame]:
    """Yield frames of one such picture, under the camera of a scene or else a slow drift; some with film grain.

    Under a camera the pictures differ more from one another: few things or many, before a sky and a ground, sharp or not.
    """
    rng = np.random.default_rng((seed, 23))
    half = width / height / 2
    recorder = skia.PictureRecorder()
    canvas = recorder.beginRecording(skia.Rect.MakeLTRB(-2, -2, 2, 2))
    count = _NUM_LEAVES
    if camera is not None:
        count = int(10 ** rng.uniform(0.5, 2.8))
        _ground(canvas, rng)
    for size in np.sort(0.012 * rng.uniform(0.012, 1.0, count) ** -0.85)[::-1]:
        _leaf(canvas, rng, min(float(size), 0.6), half)
    picture = recorder.finishRecordingAsPicture()
    soft = skia.Paint()
    if camera is not None and rng.random() < 0.4:
        blur = float(rng.uniform(0.002, 0.02))
        soft.setImageFilter(skia.ImageFilters.Blur(blur, blur))
    surface = skia.Surface.MakeRasterN32Premul(width, height)
    drift, zoom, turn = rng.normal(0, 0.004, 2), rng.normal(0, 0.003), rng.normal(0, 0.15)
    grain = rng.uniform(0, 7) if rng.random() < 0.4 else 0.0
    for i in range(num_frames):
        with skia.AutoCanvasRestore(surface.getCanvas()):
            view = surface.getCanvas()
            view.clear(skia.ColorGRAY)
            view.translate(width / 2, height / 2)
            if camera is None:
                view.scale(height * (1.1 + zoom * i), height * (1.1 + zoom * i))
                view.rotate(float(turn * i))
                view.translate(float(drift[0] * i), float(drift[1] * i))
            else:
                size = height * 1.1 * float(camera.zoom[i])
                view.scale(size, size)
                view.translate(-float(camera.pan_x[i]), -float(camera.pan_y[i]))
            view.drawPicture(picture, paint=soft)
        frame = surface.toarray(colorType=skia.kRGBA_8888_ColorType)[:, :, :3]
        if grain:
            frame = np.clip(frame + rng.normal(0, grain, frame.shape), 0, 255).astype(np.uint8)
        yield np.ascontiguousarray(frame)
