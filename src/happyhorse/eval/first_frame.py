"""Clips from a first frame: does the picture that was given stand there, does the clip go on from it, does the mouth speak?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from happyhorse.eval.instrument import Instrument
from happyhorse.eval.nano import READ_SIZE, Lips, read_lips
from happyhorse.media.read import decode_audio, decode_video
from happyhorse.shapes import FPS
from happyhorse.world.draw import ScenePainter
from happyhorse.world.motion import move
from happyhorse.world.scene import Scene, sample_scene
from happyhorse.world.sound import speak_line

FIRST_SEED = 3_400_000_000
"""Scenes from here on are never trained on."""
_FULL = (1280, 720)
_STEPS = 8


@dataclass(frozen=True)
class Start:
    """How a clip begins: PSNR of its first frame against the picture at output size, and the jump to the second frame over
    the mean of the next jumps."""

    psnr_db: float
    jump: float
    lips: Lips


def personas(count: int) -> Iterator[tuple[Scene, NDArray[np.uint8]]]:
    """Yield unseen speaking scenes with their first frame at 720P."""
    found, seed = 0, FIRST_SEED
    while found < count:
        scene = sample_scene(seed, seconds=5)
        seed += 1
        if scene.line:
            found += 1
            motion = move(scene, speak_line(scene, aloud=False), num_frames=1)
            yield scene, ScenePainter(scene, motion, width=_FULL[0], height=_FULL[1]).draw(0)


def try_first_frames(
    make: Callable[[str, Path, int, Path], None], instrument: Instrument, *, folder: Path, count: int
) -> list[Start]:
    """Make clips with `make(prompt, image, seed, path)` from drawn personas that are to say their line."""
    folder.mkdir(parents=True, exist_ok=True)
    starts = []
    for number, (scene, picture) in enumerate(personas(count)):
        image, path = folder / f"persona-{number:03d}.png", folder / f"persona-{number:03d}.mp4"
        Image.fromarray(picture).save(image)
        make(f'They speak to camera: "{scene.line}"', image, number, path)
        starts.append(read_start(path, picture, instrument))
    return starts


def read_start(path: Path, picture: NDArray[np.uint8], instrument: Instrument) -> Start:
    """Measure a finished clip against the picture (h, w, 3) of its size that it was to start from."""
    frames = decode_video(path, max_seconds=(_STEPS + 1) / FPS)
    jumps = [_error(frames[i], frames[i + 1]) ** 0.5 for i in range(_STEPS)]
    lips = read_lips(instrument, np.asarray(decode_video(path, size=READ_SIZE)), decode_audio(path))
    psnr_db = 10 * np.log10(255**2 / max(_error(frames[0], picture), 1e-9))
    return Start(float(psnr_db), jumps[0] / max(float(np.mean(jumps[1:])), 1e-9), lips)


def _error(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.mean((one.astype(np.float64) - other) ** 2))
