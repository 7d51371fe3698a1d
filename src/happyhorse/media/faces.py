"""How many faces a picture shows: of people in photographs, or of people drawn as nano draws them.

Both detectors are dlib's, histograms of gradients under a linear filter: the one it brings for photographs, and one that
`happyhorse train faces` taught on the world. A face that is turned away, or less than a tenth of the picture, is not seen.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

import dlib
import numpy as np
from PIL import Image

_SIDE_PX = 800  # of the picture that is searched; windows are 64 and 80 pixels
_PERHAPS = -0.35  # below it there is nothing


class _Detector(NamedTuple):
    filters: dlib.fhog_object_detector
    sure: float


@cache
def _detectors() -> tuple[_Detector, ...]:
    drawn = resources.files("happyhorse") / "media" / "drawn_faces.svm"
    with resources.as_file(drawn) as path:
        return (
            _Detector(dlib.fhog_object_detector(str(path)), -0.25),
            _Detector(dlib.get_frontal_face_detector(), 0.3),
        )


def open_detectors() -> None:
    """Load what `count_faces` needs: half a second, which a server of forks spends once."""
    _detectors()


def count_faces(grey: Image.Image) -> int | None:
    """Return how many faces the upright picture (mode L) shows; None where there may be one.

    A picture is taken to be drawn or photographed, whichever shows more, never both.
    """
    scale = _SIDE_PX / max(grey.size)
    size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    values = np.asarray(grey.resize(size, method))
    most, seen = 0, False
    for detector in _detectors():
        _, scores, _ = detector.filters.run(values, 0, _PERHAPS)
        most = max(most, sum(score > detector.sure for score in scores))
        seen = seen or bool(scores)
    return most if most or not seen else None
