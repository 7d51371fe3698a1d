"""What looks wrong with a picture that will be a clip's first frame: dark, bright, flat, blurred, blocks of compression.

Simple measures with wide margins: a remark is worth more when it is seldom wrong. Nothing is refused for it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

_LOOK_SIDE = 1280  # no clip shows more of it than that
_DARK, _BRIGHT, _FLAT = 0.25, 0.80, 0.10  # of the brightest, darkest and spread of nearly all pixels, 0 to 1
_EXTRA_BLUR = 2.0
_BLURRED = 1.25  # an own blur of 2.7 pixels; sharp edges have 3
_COARSE = 115.0  # JPEG quality 25 by the usual tables


def look(picture: Image.Image) -> Image.Image:
    """Return an RGB picture in grey, and no larger than its judges need: a photo may have a hundred million pixels."""
    return _shrunk(picture.convert("L"), _LOOK_SIDE)


def remarks(image: Image.Image, grey: Image.Image) -> str:
    """Return what looks wrong, such as "dark, blurred"; empty when nothing does. `grey` is the `look` of the image."""
    found = _exposure(_values(_shrunk(grey, 256)))
    if "flat" not in found and _slope_kept(grey) < _BLURRED:
        found.append("blurred")
    if _mean_step(image) > _COARSE:
        found.append("full of compression blocks")
    return ", ".join(found)


def _values(grey: Image.Image) -> NDArray[np.float32]:
    return np.asarray(grey, np.float32) / np.float32(255)


def _shrunk(grey: Image.Image, side: int) -> Image.Image:
    small = grey.copy()
    small.thumbnail((side, side), Image.Resampling.BOX)
    return small


def _exposure(values: NDArray[np.float32]) -> list[str]:
    low, high = np.quantile(values, (0.05, 0.95))
    said = ((high < _DARK, "dark"), (low > _BRIGHT, "overexposed"), (high - low < _FLAT, "flat"))
    return [word for wrong, word in said if wrong]


def _slope_kept(grey: Image.Image) -> float:
    """Slopes of the picture over those after a further blur: root of 1 + (extra / own)^2 for edges of one own blur."""
    before, after = (
        float(np.square(np.diff(_values(picture), axis=1)).sum())
        for picture in (grey, grey.filter(ImageFilter.GaussianBlur(_EXTRA_BLUR)))
    )
    return before / max(after, 1e-9)


def _mean_step(image: Image.Image) -> float:
    """Mean quantisation step of a JPEG's brightness; 0 for other formats."""
    tables = getattr(image, "quantization", None) or {}
    return float(np.mean(tables[0])) if 0 in tables else 0.0
