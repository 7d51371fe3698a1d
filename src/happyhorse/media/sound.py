"""Bring a finished soundtrack to its delivery loudness: -16 LUFS, true peaks below -1 dBFS, silence left silent."""

from __future__ import annotations

import numpy as np
import pyloudnorm
from numpy.typing import NDArray

from happyhorse.errors import EngineError
from happyhorse.shapes import SAMPLE_RATE

TARGET_LUFS = -16.0
PEAK_DBFS = -1.0
MAX_GAIN_DB = 30.0  # room tone alone is not blown up to the level of speech
_BLOCK = SAMPLE_RATE // 1000
_REACH = 5  # blocks, so milliseconds, over which the limiter closes and opens


def loudness(audio: NDArray[np.float32]) -> float:
    """Return integrated loudness in LUFS (ITU-R BS.1770) of (channels, n); -inf for silence or less than 0.4 s."""
    if audio.shape[1] < 0.4 * SAMPLE_RATE or not audio.any():
        return float("-inf")
    with np.errstate(divide="ignore"):
        return float(pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(audio.T.astype(np.float64)))


def master(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sound as stereo (2, n) at TARGET_LUFS, limited to PEAK_DBFS.

    Raises: EngineError for samples that are not finite: a fault of the engine, not to be written to a file.
    """
    if not np.isfinite(audio).all():
        raise EngineError("the engine's sound holds samples that are not finite")
    stereo = np.repeat(audio, 2, axis=0) if audio.shape[0] == 1 else audio
    level = loudness(stereo)
    if level == float("-inf"):
        return stereo.astype(np.float32)
    peaks = _block_peaks(stereo)
    gain_db, mastered = 0.0, stereo
    for _ in range(4):  # the limiter takes a little loudness away, so the gain is corrected
        gain_db = min(MAX_GAIN_DB, gain_db + TARGET_LUFS - level)
        gain = 10 ** (gain_db / 20)
        mastered = (stereo * gain * _limiter(peaks * gain, stereo.shape[1])).astype(np.float32)
        level = loudness(mastered)
        if abs(TARGET_LUFS - level) < 0.1 or gain_db == MAX_GAIN_DB:
            break
    return mastered


def _block_peaks(audio: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the highest magnitude per block of the waveform between the samples too (four times oversampled)."""
    length = audio.shape[1]
    padded = -(-length // _BLOCK) * _BLOCK
    peaks = np.zeros(padded // _BLOCK)
    for channel in audio:
        spectrum = np.fft.rfft(channel.astype(np.float64), padded)
        fine = np.abs(np.fft.irfft(spectrum, 4 * padded)) * 4
        peaks = np.maximum(peaks, fine.reshape(-1, 4 * _BLOCK).max(axis=1))
    return peaks


def _limiter(peaks: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Return the gain per sample that keeps every block below PEAK_DBFS and moves smoothly."""
    needed = np.minimum(1.0, 10 ** (PEAK_DBFS / 20) / np.maximum(peaks, 1e-9))
    wide = np.pad(needed, _REACH + 1, mode="edge")
    lowest = np.lib.stride_tricks.sliding_window_view(wide, 2 * _REACH + 3).min(axis=1)
    # The mean below spans 2 * _REACH + 1 blocks and interpolation one more, all of them inside the minimum's window.
    window = np.hanning(2 * _REACH + 3)[1:-1]
    smooth = np.convolve(np.pad(lowest, _REACH, mode="edge"), window / window.sum(), mode="valid")
    centres = (np.arange(len(peaks)) + 0.5) * _BLOCK
    return np.interp(np.arange(length), centres, smooth)
