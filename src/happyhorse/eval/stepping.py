"""Does a clip move evenly, or from latent to latent in steps of 160 ms?"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from happyhorse.shapes import TIME_STRIDE


def stepping(frames: NDArray[np.uint8]) -> float:
    """Return how much more frames (n, h, w, 3) change from one latent to the next than within one: 1 where motion is even.

    A latent holds four frames, the first one alone excepted. Raises: ValueError for fewer than two whole latents.
    """
    if len(frames) < 1 + 2 * TIME_STRIDE:
        raise ValueError(f"{len(frames)} frames hold no two whole latents; {1 + 2 * TIME_STRIDE} do")
    changes = np.array([np.abs(after.astype(np.int16) - before).mean() for before, after in pairwise(frames)])
    changes = changes[TIME_STRIDE:]  # the first is the step from latent 1 to latent 2
    between = np.arange(len(changes)) % TIME_STRIDE == 0
    return float(changes[between].mean() / max(changes[~between].mean(), 1e-9))
