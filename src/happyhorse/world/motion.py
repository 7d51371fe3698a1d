"""How a scene moves: head, eyes, breath, mouth and camera as functions of time. Smooth, seeded, no state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from happyhorse.speech.mouths import mouth
from happyhorse.speech.speaker import Speech
from happyhorse.world.scene import Scene

Track = NDArray[np.float64]

_REST = (0.0, 0.0, 0.0)  # a closed mouth: open, wide, teeth
_COARTICULATION_S = 0.035


@dataclass(frozen=True)
class Motion:
    """Tracks over the frames of a clip, each of shape (num_frames,)."""

    yaw: Track
    """-1 (to the picture's left) .. 1"""
    nod: Track
    tilt: Track
    """radians"""
    sway: Track
    """sideways, in head heights"""
    breath: Track
    """0 .. 1"""
    lids: Track
    """0 open .. 1 closed"""
    gaze: Track
    brow: Track
    mouth_open: Track
    """0 .. 1"""
    mouth_wide: Track
    """-1 round .. 1 spread"""
    mouth_teeth: Track
    """0 .. 1"""
    zoom: Track
    pan_x: Track
    """camera position, in frame heights"""
    pan_y: Track


def _wander(rng: np.random.Generator, time_s: Track, *, period_s: float, num_waves: int = 3) -> Track:
    """A smooth random curve of about unit size: a few sines around the given period."""
    periods = period_s * rng.uniform(0.6, 1.9, num_waves)
    phases = rng.uniform(0, 2 * np.pi, num_waves)
    waves = np.sin(2 * np.pi * time_s[:, None] / periods + phases)
    return np.asarray(waves.sum(axis=1) / np.sqrt(num_waves))


def _blinks(rng: np.random.Generator, time_s: Track, *, every_s: float) -> Track:
    lids = np.zeros_like(time_s)
    at_s = rng.uniform(0.3, every_s)
    while at_s < time_s[-1] + 0.2:
        lids = np.maximum(lids, np.clip(1.25 - np.abs(time_s - at_s) / 0.085, 0, 1))
        at_s += rng.uniform(0.5, 1.6) * every_s
    return lids


def mouth_tracks(speech: Speech | None, start_s: float, time_s: Track) -> tuple[Track, Track, Track]:
    """Return open, wide and teeth at the given times: the visemes of the phonemes, blended over 35 ms as lips do."""
    fine_s = 0.005
    grid = np.arange(0, time_s[-1] + 0.5, fine_s)
    shape = np.tile(np.array(_REST), (len(grid), 1))
    for phoneme in speech.phonemes if speech else ():
        first = round((start_s + phoneme.start_s) / fine_s)
        last = round((start_s + phoneme.start_s + phoneme.duration_s) / fine_s)
        target = mouth(phoneme.symbol)
        shape[first:last] = (target.open, target.wide, target.teeth)
    window = np.hanning(2 * round(_COARTICULATION_S / fine_s) + 1)
    window /= window.sum()
    smooth = [
        np.convolve(np.pad(shape[:, i], len(window) // 2, mode="edge"), window, mode="valid")
        for i in range(3)
    ]
    opened, wide, teeth = (np.interp(time_s, grid, track) for track in smooth)
    return opened, wide, teeth


def _camera(
    scene: Scene, time_s: Track, seconds: float, rng: np.random.Generator
) -> tuple[Track, Track, Track]:
    progress = np.clip(time_s / max(seconds, 1e-3), 0, 1)
    eased = progress * progress * (3 - 2 * progress)
    travel = 0.35 * eased + 0.65 * progress
    zero = np.zeros_like(time_s)
    span = min(1.0, 0.55 + seconds / 11)
    match scene.move:
        case "push-in":
            return 1 + 0.30 * span * travel, zero, -0.02 * travel
        case "pull-out":
            return 1 + 0.30 * span * (1 - travel), zero, zero
        case "pan left":
            return zero + 1.04, span * (0.16 - 0.32 * travel), zero
        case "pan right":
            return zero + 1.04, span * (0.32 * travel - 0.16), zero
        case "handheld":
            return (
                1.06 + 0.012 * _wander(rng, time_s, period_s=2.5),
                0.018 * _wander(rng, time_s, period_s=0.9) + 0.012 * _wander(rng, time_s, period_s=2.2),
                0.014 * _wander(rng, time_s, period_s=0.8),
            )
        case _:
            return zero + 1.0, zero, zero


def move(scene: Scene, speech: Speech | None, *, num_frames: int, fps: float = 25.0) -> Motion:
    """Return the motion of a scene; `speech` is its line as spoken, or None for a silent one."""
    time_s = np.arange(num_frames) / fps
    manner = np.random.default_rng(scene.person.manner)
    liveliness = manner.uniform(0.5, 1.2)
    every_s = manner.uniform(1.8, 4.0)
    rng = np.random.default_rng((scene.seed, 7))
    opened, wide, teeth = mouth_tracks(speech, scene.line_start_s, time_s)
    talking = np.convolve(np.pad(opened, 4), np.ones(9) / 9, mode="valid")
    zoom, pan_x, pan_y = _camera(scene, time_s, num_frames / fps, rng)
    return Motion(
        yaw=0.42 * liveliness * _wander(rng, time_s, period_s=3.2) + 0.1 * manner.normal(),
        nod=0.30 * liveliness * _wander(rng, time_s, period_s=2.1)
        + 0.5 * talking * _wander(rng, time_s, period_s=0.8),
        tilt=0.035 * liveliness * _wander(rng, time_s, period_s=3.6) + 0.02 * manner.normal(),
        sway=0.025 * liveliness * _wander(rng, time_s, period_s=4.0),
        breath=0.5 + 0.5 * np.sin(2 * np.pi * time_s / manner.uniform(2.8, 4.2) + rng.uniform(0, 6)),
        lids=_blinks(rng, time_s, every_s=every_s),
        gaze=0.35 * np.round(_wander(rng, time_s, period_s=2.6)),
        brow=np.clip(0.3 * _wander(rng, time_s, period_s=1.9) + 0.9 * talking, -0.4, 1),
        mouth_open=opened,
        mouth_wide=wide,
        mouth_teeth=teeth,
        zoom=zoom,
        pan_x=pan_x,
        pan_y=pan_y,
    )
