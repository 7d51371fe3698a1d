"""Two curves of one clip, how loud it is and how open the mouth is: do they go together, and is one late?"""

import numpy as np
from numpy.typing import NDArray

from happyhorse.shapes import FPS, SAMPLE_RATE

Curve = NDArray[np.float64]

MAX_LAG = 8
"""Frames by which one curve is moved against the other, either way."""
_FRAME_SAMPLES = SAMPLE_RATE // FPS


def loudness(sound: NDArray[np.float32], num_frames: int) -> Curve:
    """Return the RMS of a sound (channels, n) over each frame's time, (num_frames,)."""
    cut = sound.mean(axis=0)[: num_frames * _FRAME_SAMPLES].astype(np.float64)
    return np.asarray(np.sqrt(np.mean(cut.reshape(num_frames, _FRAME_SAMPLES) ** 2, axis=1)))


def correlation(a: Curve, b: Curve) -> float:
    """Return Pearson's correlation; 0 when a curve is flat."""
    if a.std() < 1e-9 or b.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def lag(mouth: Curve, loud: Curve) -> int:
    """Return by how many frames the mouth comes after the sound, -MAX_LAG to MAX_LAG: where they correlate best."""
    return max(range(-MAX_LAG, MAX_LAG + 1), key=lambda frames: correlation(*_moved(mouth, loud, frames)))


def _moved(mouth: Curve, loud: Curve, frames: int) -> tuple[Curve, Curve]:
    if frames >= 0:
        return mouth[frames:], loud[: len(loud) - frames]
    return mouth[:frames], loud[-frames:]
