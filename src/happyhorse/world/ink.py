"""Paints and small shapes shared by everything that is drawn. Colours are (r, g, b) in 0..255."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import skia

from happyhorse.world.scene import Colour


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Return a moved towards b by share in 0..1."""
    return (
        round(a[0] + (b[0] - a[0]) * share),
        round(a[1] + (b[1] - a[1]) * share),
        round(a[2] + (b[2] - a[2]) * share),
    )


def darker(colour: Colour, share: float = 0.22) -> Colour:
    """A shade of the colour, leaning to a cool dark as shadows do."""
    return mix(colour, (24, 18, 48), share)


def lighter(colour: Colour, share: float = 0.25) -> Colour:
    return mix(colour, (255, 250, 240), share)


def fill(colour: Colour, alpha: float = 1.0, *, blur: float = 0.0) -> skia.Paint:
    """A fill; blur is a radius in the units of the canvas."""
    paint = skia.Paint(AntiAlias=True, Color=skia.Color(*colour, round(255 * alpha)))
    if blur > 0:
        paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur))
    return paint


def stroke(colour: Colour, width: float, alpha: float = 1.0) -> skia.Paint:
    paint = skia.Paint(AntiAlias=True, Color=skia.Color(*colour, round(255 * alpha)), StrokeWidth=width)
    paint.setStyle(skia.Paint.kStroke_Style)
    paint.setStrokeCap(skia.Paint.kRound_Cap)
    paint.setStrokeJoin(skia.Paint.kRound_Join)
    return paint


def gradient(
    start: tuple[float, float],
    end: tuple[float, float],
    colours: Sequence[Colour],
    alphas: Sequence[float] | None = None,
) -> skia.Paint:
    """A linear gradient between two points."""
    opacity = alphas or [1.0] * len(colours)
    stops = [skia.Color(*colour, round(255 * a)) for colour, a in zip(colours, opacity, strict=True)]
    shader = skia.GradientShader.MakeLinear(points=[skia.Point(*start), skia.Point(*end)], colors=stops)
    return skia.Paint(AntiAlias=True, Shader=shader)


def glow(centre: tuple[float, float], radius: float, colour: Colour, alpha: float) -> skia.Paint:
    """A round light that fades to nothing at the radius."""
    stops = [skia.Color(*colour, round(255 * alpha)), skia.Color(*colour, 0)]
    return skia.Paint(
        AntiAlias=True, Shader=skia.GradientShader.MakeRadial(skia.Point(*centre), radius, stops)
    )


def polygon(points: Iterable[tuple[float, float]]) -> skia.Path:
    path = skia.Path()
    path.addPoly([skia.Point(x, y) for x, y in points], True)
    return path


def curve(start: tuple[float, float], *segments: tuple[float, ...], close: bool = True) -> skia.Path:
    """A path of lines (2 numbers), quadratic (4) and cubic (6) segments."""
    path = skia.Path()
    path.moveTo(*start)
    for segment in segments:
        {2: path.lineTo, 4: path.quadTo, 6: path.cubicTo}[len(segment)](*segment)
    if close:
        path.close()
    return path


def mirrored(path: skia.Path) -> skia.Path:
    """The path with x negated."""
    other = skia.Path(path)
    other.transform(skia.Matrix.Scale(-1, 1))
    return other


def oval(x: float, y: float, rx: float, ry: float) -> skia.Rect:
    return skia.Rect.MakeLTRB(x - rx, y - ry, x + rx, y + ry)
