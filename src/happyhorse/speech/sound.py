"""Sound as samples: to another rate, and without clicks at its ends."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_TAPS_EACH_SIDE = 24
_FADE_S = 0.004


@functools.cache
def _resampling_matrix(rate_in: int, rate_out: int) -> tuple[NDArray[np.float32], int]:
    """One block of a windowed-sinc polyphase filter as a matrix: `down` samples and their neighbours -> `up` samples."""
    common = math.gcd(rate_in, rate_out)
    up, down = rate_out // common, rate_in // common
    cutoff = min(1.0, up / down) * 0.96
    source = np.arange(-_TAPS_EACH_SIDE, down + _TAPS_EACH_SIDE)[:, None]
    distance = np.arange(up)[None, :] * (down / up) - source
    window = np.where(
        np.abs(distance) < _TAPS_EACH_SIDE, np.cos(np.pi / 2 * distance / _TAPS_EACH_SIDE) ** 2, 0.0
    )
    kernel = cutoff * np.sinc(cutoff * distance) * window
    return (kernel / kernel.sum(axis=0)).astype(np.float32), down


def resample(samples: Samples, rate_in: int, rate_out: int) -> Samples:
    """Return the sound at another rate; ceil(len * rate_out / rate_in) samples."""
    if rate_in == rate_out or not len(samples):
        return samples
    matrix, down = _resampling_matrix(rate_in, rate_out)
    num_blocks = math.ceil(len(samples) / down)
    padded = np.zeros(num_blocks * down + 2 * _TAPS_EACH_SIDE, dtype=np.float32)
    padded[_TAPS_EACH_SIDE : _TAPS_EACH_SIDE + len(samples)] = samples
    blocks = np.lib.stride_tricks.sliding_window_view(padded, down + 2 * _TAPS_EACH_SIDE)[::down]
    out: Samples = (np.ascontiguousarray(blocks) @ matrix).reshape(-1)
    return out[: math.ceil(len(samples) * rate_out / rate_in)]


def faded(samples: Samples, rate: int) -> Samples:
    """Ramp the sound in and out, in place, so that it neither starts nor ends with a click."""
    length = min(int(_FADE_S * rate), len(samples) // 2)
    ramp = np.linspace(0.0, 1.0, length, dtype=np.float32)
    samples[:length] *= ramp
    samples[len(samples) - length :] *= ramp[::-1]
    return samples
